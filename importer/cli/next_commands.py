"""What a user would type next, after a run or a check. Pure."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importer.results import Summary

NextCommands = Callable[["Summary", str], list[str]]
DEFAULT_LEDGER = Path("importer-ledger.db")


def after_run(
    ledger: Path, summary: Summary, results: str, *, plan: Path | None = None
) -> list[str]:
    """Three commands, each with a word on why; ``plan`` is the one that the run followed."""
    flag = "" if ledger == DEFAULT_LEDGER else f" --ledger {_typed(str(ledger))}"
    again = f"importer run {_typed(*summary.sources)}{flag}"
    to_correct = summary.outcomes.get("invalid", 0) + summary.outcomes.get("rejected", 0)
    if plan is not None:
        again = f"importer run --plan {_typed(str(plan))}"
    if summary.stopped_by == "too_many_invalid":
        first = (f"importer check {_typed(*summary.sources)}", "until the mapping fits the file")
    elif summary.outcomes.get("unsettled"):
        first = (again, "goes on with what is not settled; nothing is sent twice")
    elif to_correct:
        errors = _typed(f"{results}/errors.csv")
        first = (f"importer run {errors}{flag}", "once the rows in it are corrected")
    else:
        first = (again, "again: sends only what is new")
    return _aligned(
        first,
        (f"importer status{flag}", "the ledger: totals and last runs"),
        (f"importer export ids.csv{flag}", "every reference with its bcus_ id"),
    )


def after_check(summary: Summary, results: str) -> list[str]:
    """Three commands, each with a word on why."""
    sources = _typed(*summary.sources)
    return _aligned(
        (f"less {shlex.quote(f'{results}/errors.csv')}", "the rows to correct"),
        (f"importer plan {sources}", "what a run would do with this ledger"),
        (f"importer run {sources}", "import them"),
    )


def after_plan(ledger: Path, sources: Sequence[str], saved: Path | None) -> list[str]:
    """One or two commands, each with a word on why."""
    if saved is not None:
        return _aligned((f"importer run --plan {_typed(str(saved))}", "do exactly this"))
    flag = "" if ledger == DEFAULT_LEDGER else f" --ledger {_typed(str(ledger))}"
    named = f"{_typed(*sources)}{flag}"
    return _aligned(
        (f"importer plan {named} --save plan.json", "write it down for run --plan"),
        (f"importer run {named}", "import them"),
    )


def _typed(*names: str) -> str:
    """File names as a shell takes them: quoted, and never an option or a control character."""
    return " ".join(map(_quoted, names))


def _quoted(name: str) -> str:
    if name.startswith("-") and name != "-":
        name = f"./{name}"
    if name.isprintable():
        return shlex.quote(name)
    # $'...' takes bytes in octal (POSIX.1-2024, section 2.2.4), whatever the locale.
    plain = (chr(byte) if _is_plain(byte) else f"\\{byte:03o}" for byte in os.fsencode(name))
    return f"$'{''.join(plain)}'"


def _is_plain(byte: int) -> bool:
    return chr(byte).isascii() and chr(byte).isprintable() and chr(byte) not in "'\\"


def _aligned(*commands: tuple[str, str]) -> list[str]:
    width = max(len(command) for command, _ in commands)
    return [f"{command:<{width}}  # {why}" for command, why in commands]
