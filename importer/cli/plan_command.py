"""``importer plan`` for people: what a run would do, in tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from importer.cli.next_commands import after_plan, no_flags
from importer.cli.terminal import SENDING_WORDS
from importer.errors import printable
from importer.outcomes import MARK_WORDS, OUTCOME_WORDS, VANISHED_WORDS
from importer.plan.decide import Sending

if TYPE_CHECKING:
    from collections import Counter

    from importer.cli.next_commands import Flags
    from importer.job.planning import Planning
    from importer.ledger.address import LedgerAddress
    from importer.mapping.transform_report import Transformed
    from importer.plan.forecast import Example


ERRORS_SHOWN = 8
EXAMPLES_SHOWN = 3
UNKNOWN = "(not known)"


def show_plan(
    made: Planning,
    *,
    ledger: LedgerAddress,
    save: Path | None,
    config: Path | None = None,
    flags: Flags = no_flags,
) -> None:
    """Print what a run would do, and what to type next."""
    console = Console(highlight=False)
    console.print(_outcomes(made))
    if made.forecast.changed_fields or made.forecast.unknown_fields:
        console.print(_changes(made))
    if made.forecast.updated_fields:
        console.print(_updates(made))
    if made.transforms:
        console.print(_transforms(made.transforms))
    for outcome, code, rows in made.errors[:ERRORS_SHOWN]:
        console.print(escape(f"  {rows:>7,} x {outcome}: {code}"))
    if made.stopped_by is not None:
        return
    if made.saved is not None:
        shown = escape(printable(f"plan: {save} (digest {made.saved.digest[:12]})"))
        console.print(shown, soft_wrap=True)
    console.print("next:")
    for command in _following(made, ledger, save, config, flags):
        console.print(f"  {escape(printable(command))}", soft_wrap=True)


def plan_document(
    made: Planning,
    *,
    ledger: LedgerAddress,
    save: Path | None,
    config: Path | None = None,
    flags: Flags = no_flags,
) -> dict[str, Any]:
    """The same for scripts (docs/schemas/plan.json)."""
    told, stopped = made.forecast, made.stopped_by
    following = _following(made, ledger, save, config, flags)
    return {
        "account": made.account,
        "sources": list(made.sources),
        "records": made.records,
        "outcomes": {one: number for one, number in told.outcomes.items() if number},
        "to_send": 0 if stopped is not None else told.to_deliver,
        "vanished": made.vanished,
        "to_mark": made.to_mark,
        "errors": [
            {"outcome": outcome, "error_code": code, "rows": rows}
            for outcome, code, rows in made.errors
        ],
        "changed_fields": _fields(made, told.changed_fields, told.examples),
        "unknown_fields": told.unknown_fields,
        "updated_fields": _fields(made, told.updated_fields, told.update_examples),
        "update_reads": told.update_reads,
        "transforms": [one._asdict() for one in made.transforms],
        "stopped_by": "" if stopped is None else stopped.reason,
        "saved": made.saved and {"file": str(save), "digest": made.saved.digest},
        "next": [] if stopped is not None else following,
    }


def _following(
    made: Planning, ledger: LedgerAddress, save: Path | None, config: Path | None, flags: Flags
) -> list[str]:
    return after_plan(ledger, made.sources, save, config=config, flags=flags, drifts=made.drifts)


def _fields(
    made: Planning, counted: Counter[str], examples: dict[str, list[Example]]
) -> list[dict[str, Any]]:
    return [
        {
            "field": name,
            "records": number,
            "examples": [
                {**one._asdict(), "source": made.sources[one.source]}
                for one in examples.get(name, ())
            ],
        }
        for name, number in counted.most_common()
    ]


def _no_file(words: str) -> str:
    """A meaning without the file that a run would write; a plan writes none."""
    return words.partition("; see ")[0]


def _outcomes(made: Planning) -> Table:
    title = escape(printable(f"plan for {made.account}"))
    table = Table(title=title, title_justify="left")
    table.add_column("outcome")
    table.add_column("records", justify="right")
    table.add_column("meaning")
    words = {**OUTCOME_WORDS, **SENDING_WORDS}
    counts = made.forecast.outcomes
    for outcome in dict.fromkeys([*SENDING_WORDS, *OUTCOME_WORDS, *counts]):
        if number := counts.get(outcome):
            table.add_row(outcome, f"{number:,}", escape(_no_file(words.get(outcome, ""))))
    table.add_section()
    sends = 0 if made.stopped_by is not None else made.forecast.to_deliver
    sent = f"{sends:,} would be sent; nothing was sent now"
    table.add_row("total", f"{made.records:,}", sent)
    if made.vanished:
        table.add_section()
        table.add_row("vanished", f"{made.vanished:,}", _no_file(VANISHED_WORDS))
    if made.to_mark:
        table.add_row("would_mark", f"{made.to_mark:,}", MARK_WORDS["would_mark"])
    return table


def _changes(made: Planning) -> Table:
    table = Table(title="changed: fields that differ now", title_justify="left")
    table.add_column("field")
    table.add_column("records", justify="right")
    table.add_column("for example, masked", overflow="fold")
    several = len(made.sources) > 1
    for name, number in made.forecast.changed_fields.most_common():
        examples = [
            f"{one.reference} ({_place(made, one.source, one.line, several=several)}): {one.value}"
            for one in made.forecast.examples.get(name, ())
        ]
        table.add_row(name, f"{number:,}", escape(printable("; ".join(examples))))
    if made.forecast.unknown_fields:
        unknown = f"{made.forecast.unknown_fields:,}"
        table.add_row(UNKNOWN, unknown, "settled before fields were noted, or a rare likeness")
    return table


def _updates(made: Planning) -> Table:
    told = made.forecast
    table = Table(title="would be updated, field by field", title_justify="left")
    table.add_column("field")
    table.add_column("records", justify="right")
    table.add_column("for example, masked", overflow="fold")
    several = len(made.sources) > 1
    for name, number in told.updated_fields.most_common():
        examples = [
            f"{one.reference} ({_place(made, one.source, one.line, several=several)}): {one.value}"
            for one in told.update_examples.get(name, ())
        ]
        cells = (printable(name), f"{number:,}", printable("; ".join(examples)))
        table.add_row(*map(escape, cells))
    patches = told.outcomes.get(Sending.UPDATE.value, 0)
    table.add_section()
    costs = f"{patches:,} PATCH at most, and {told.update_reads:,} GET before them"
    table.add_row("requests", f"{patches + told.update_reads:,}", costs)
    return table


def _place(made: Planning, source: int, line: int, *, several: bool) -> str:
    return f"{Path(made.sources[source]).name} line {line}" if several else f"line {line}"


def _transforms(transforms: tuple[Transformed, ...]) -> Table:
    table = Table(title="transforms", title_justify="left")
    table.add_column("transform")
    table.add_column("column")
    table.add_column("records", justify="right")
    table.add_column("for example, masked", overflow="fold")
    for one in transforms:
        examples = "; ".join(f"{a} -> {b}" for a, b in one.examples[:EXAMPLES_SHOWN])
        cells = (printable(one.name), printable(one.column), f"{one.changed:,}")
        table.add_row(*map(escape, cells), escape(printable(examples)))
    return table
