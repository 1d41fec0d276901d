"""Documents for scripts (``--json``): exactly one on standard output, whatever happens.

What stands in each is a JSON Schema in docs/schemas/, and in words in docs/json.md. A field that is
added keeps the version; one that goes, or changes its meaning, raises it.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from importer import __version__
from importer.cli import JSON
from importer.errors import ExitCode, ImporterError

if TYPE_CHECKING:
    from importer.job.run import Finished

VERSIONS = {
    "status": 1,
    "customer": 1,
    "why": 1,
    "runs": 1,
    "plan": 1,
    "check": 1,
    "verify": 1,
    "config": 1,
    "doctor": 1,
    "error": 1,
}
"""The documents, and the version of each one's schema."""
JsonFlag = Annotated[
    bool, typer.Option(JSON, help="One JSON document on standard output, errors too.")
]
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def emit(
    name: str,
    document: dict[str, Any],
    *,
    exit_code: int = ExitCode.OK,
    error: ImporterError | None = None,
) -> None:
    """Write the document of a command; ``exit_code`` is what the process will end with.

    Args:
        name: a key of ``VERSIONS``.
        document: its own fields.
        exit_code: of the process.
        error: why the command did not do all of its work, where it has a document all the same.
    """
    head = {
        "schema": f"importer.{name}/{VERSIONS[name]}",
        "importer": __version__,
        "exit_code": int(exit_code),
        "error": None if error is None else error_document(error),
    }
    import json  # noqa: PLC0415 - few commands write any

    typer.echo(json.dumps({**head, **document}, indent=2, allow_nan=False))


def emit_error(error: ImporterError) -> None:
    """Write the document of a command that has no other."""
    emit("error", {}, exit_code=error.exit_code, error=error)


def error_document(error: ImporterError) -> dict[str, Any]:
    """An error: a code for scripts, and the words that a person reads."""
    return {
        "code": getattr(error, "reason", "") or _code_of(error),
        "message": error.message,
        "hint": error.hint,
        "exit_code": int(error.exit_code),
    }


def _code_of(error: ImporterError) -> str:
    """``usage_error``, ``ledger_in_use``: the kind of error; what left without one was cut off."""
    kind = type(error)
    return "interrupted" if kind is ImporterError else _WORD.sub("_", kind.__name__).lower()


def left_with(code: int | str | None) -> ImporterError:
    """The error of a command that left with a code and no word: a signal, a question refused."""
    error = ImporterError("interrupted", hint="type the same command again: nothing is sent twice")
    known = isinstance(code, int) and code in {*ExitCode}
    error.exit_code = ExitCode(int(code or 0)) if known else ExitCode.ROWS_LEFT
    return error


def check_document(finished: Finished) -> dict[str, Any]:
    """What a check found, as scripts get it: its summary, and where its results are."""
    summary = finished.summary
    return {
        "run_id": summary.run_id,
        "results": str(finished.results),
        "sources": summary.sources,
        "records": summary.records,
        "outcomes": {one: number for one, number in summary.outcomes.items() if number},
        "errors": summary.errors,
        "groups": [asdict(one) for one in summary.groups],
        "groups_found": summary.groups_found,
        "toml": summary.toml,
        "mapping": summary.mapping,
        "transforms": summary.transforms,
        "warnings": summary.warnings,
        "stopped_by": summary.stopped_by,
        "seconds": summary.seconds.get("total", 0.0),
        "next": summary.next,
    }
