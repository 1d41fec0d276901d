"""What a run would do, in figures: which rows it would send and why, and what has changed.

The fields of a payload as a plan may show them. Pure.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from importer.delivery.protocol.states import Done
from importer.delivery.protocol.updating import conflicting
from importer.ledger.field_hashes import METADATA
from importer.outcomes import Outcome
from importer.plan.decide import Sending
from importer.plan.frames import source_and_line
from importer.plan.staging import CHUNK
from importer.rows.text import mask_email, mask_phone, mask_text
from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.delivery.protocol.updating import UpdatePolicy
    from importer.ledger.interface import LedgerReader
    from importer.plan.frames import Page
    from importer.plan.staging import Staging


def masked_fields(payload: str) -> dict[str, str]:
    """Each field that a canonical payload gives, masked; of metadata the keys alone."""
    row = json.loads(payload)
    shown = {}
    for name, value in row.items():
        match name:
            case "email":
                shown[name] = mask_email(value)
            case "phone":
                shown[name] = mask_phone(value)
            case "currency":
                shown[name] = value
            case "metadata":
                shown[name] = f"keys {', '.join(value)}"
            case _:
                shown[name] = mask_text(str(value))
    return shown


EXAMPLES = 3
"""Examples of each field that has changed."""


class Example(NamedTuple):
    """A changed field of one row."""

    source: int
    line: int
    reference: str
    value: str
    """What the row says now, masked."""


@record
class Forecast:
    """What a run would do with the staged rows."""

    outcomes: dict[str, int] = field(default_factory=dict)
    """Rows by ``Sending`` where they would be sent, else by ``Outcome``."""
    changed_fields: Counter[str] = field(default_factory=Counter)
    """Of the changed rows: how many differ in each field."""
    unknown_fields: int = 0
    """Changed rows of which nobody noted the fields, or whose few bits are alike by chance."""
    examples: dict[str, list[Example]] = field(default_factory=dict)
    updated_fields: Counter[str] = field(default_factory=Counter)
    """Of the rows to update: how many would write each field."""
    update_examples: dict[str, list[Example]] = field(default_factory=dict)
    update_reads: int = 0
    """Customers that Moment is asked for before they are written: one GET each."""

    @property
    def to_deliver(self) -> int:
        """Rows that would be sent."""
        return sum(self.outcomes.get(why, 0) for why in Sending)


def forecast(staging: Staging, ledger: LedgerReader | None) -> Forecast:
    """The forecast of a plan that was made; ``ledger`` is None where there is none yet."""
    counts = staging.counts()
    to_send = counts.pop("", 0)
    made = Forecast()
    sending: Counter[str] = Counter()
    for segment, frame in staging.foreseen():
        sending.update(dict(frame["why"].value_counts().iter_rows()))
        _foresee(segment, frame, staging, made)
    if new := to_send - sending.total():
        sending[Sending.NEW] = new
    made.outcomes = {**{why.value: sending[why] for why in Sending if sending[why]}, **counts}
    if ledger is not None and counts.get(Outcome.CHANGED):
        for page in staging.pages():
            _compare(page, staging, ledger, made)
    return made


def _foresee(segment: int, frame: pl.DataFrame, staging: Staging, made: Forecast) -> None:
    """Count what the updates among these rows would write, and what they cost."""
    made.update_reads += int(frame["reads"].sum())
    fields = frame.select("at", "fields").explode("fields", empty_as_null=False)
    made.updated_fields.update(dict(fields["fields"].value_counts().iter_rows()))
    # The first rows of each field that has too few examples yet.
    enough = [name for name, shown in made.update_examples.items() if len(shown) >= EXAMPLES]
    few = fields.filter(~pl.col("fields").is_in(enough))
    few = few.group_by("fields", maintain_order=True).head(EXAMPLES)
    if few.is_empty():
        return
    rows = staging.some(segment, few["at"])
    for name, row in zip(few["fields"], rows, strict=True):
        shown = made.update_examples.setdefault(name, [])
        if len(shown) < EXAMPLES:
            source, line = source_and_line(row.position)
            for _, value in _masked([name], row.payload):
                shown.append(Example(source, line, row.reference, value))


def _compare(page: Page, staging: Staging, ledger: LedgerReader, made: Forecast) -> None:
    changed = page.frame.filter(pl.col("outcome") == Outcome.CHANGED.value)
    if page.segment is None or changed.is_empty():
        return
    payloads = staging.payloads(page.segment, changed["at"])
    rows = changed.select("source", "line", "reference", payloads.alias("payload"))
    for chunk in rows.iter_slices(CHUNK):
        references = chunk["reference"].to_list()
        states = ledger.states(references)
        changed_in = ledger.changed_fields(dict(zip(references, chunk["payload"], strict=True)))
        for source, line, reference, payload in chunk.iter_rows():
            state, differ = states.get(reference), changed_in.get(reference, ())
            if not differ and isinstance(state, Done):
                # The source is as it was when Moment was seen to hold something else.
                differ = state.differs
            if not differ:
                made.unknown_fields += 1
            made.changed_fields.update(differ)
            wanted = [name for name in differ if len(made.examples.get(name, ())) < EXAMPLES]
            for name, value in _masked(wanted, payload):
                example = Example(source, line, reference, value)
                made.examples.setdefault(name, []).append(example)


def conflicts_by_field(
    staging: Staging, ledger: LedgerReader, policy: UpdatePolicy
) -> Counter[str]:
    """Of the rows that ended in conflict: how many differ in each field.

    Raises:
        LedgerFailed: it could not be read.
    """
    counts: Counter[str] = Counter()
    if not staging.counts().get(Outcome.CONFLICT):
        return counts
    hashed = ledger.hasher()
    for page in staging.pages():
        found = page.frame.filter(pl.col("outcome") == Outcome.CONFLICT.value)
        if page.segment is None or found.is_empty():
            continue
        payloads = staging.payloads(page.segment, found["at"])
        for chunk in found.select("reference", payloads.alias("payload")).iter_slices(CHUNK):
            updates = ledger.updates(chunk["reference"].to_list())
            for reference, payload in chunk.iter_rows():
                if reference in updates:
                    wanted = hashed(reference, json.loads(payload))
                    counts.update(conflicting(updates[reference], wanted, policy))
    return counts


def _masked(names: Sequence[str], payload: str) -> Iterator[tuple[str, str]]:
    if names:
        masked = masked_fields(payload)
        for name in names:
            # A key of metadata is named alone: its value is anybody's.
            key = name.startswith(METADATA)
            yield name, "another value" if key else masked.get(name, "left out now")
