"""Makes the plan: equal references first, then each row against the ledger."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import polars as pl

from importer.delivery.protocol.flight import Planned
from importer.delivery.protocol.states import NEW, Done, Sent
from importer.delivery.protocol.updating import UpdatePolicy
from importer.errors import printable
from importer.outcomes import OnDuplicate, Outcome
from importer.plan.decide import Decider, Send, Sending
from importer.plan.frames import foreseen, source_and_line
from importer.plan.staging import CHUNK
from importer.rows.duplicates import Member, resolve
from importer.values import new

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.ledger.interface import Known, LedgerReader
    from importer.plan.frames import Pending
    from importer.plan.staging import Staging

_read_json = cast("Any", json.JSONDecoder()).scan_once
"""Of canonical text, which is ours: ``json.loads`` looks for blanks about it that are not there."""
NO_UPDATES = UpdatePolicy()
_UNKNOWN: Known = (NEW, None)
_NOTHING_KNOWN = {
    "known": pl.lit(None, pl.Binary),
    "customer_id": pl.lit(None, pl.String),
    "first_run": pl.lit(None, pl.UInt32),
}


class Met(NamedTuple):
    """What the ledger knew of the valid rows of an input."""

    known: int = 0
    """Rows whose customer is in Moment."""
    new: int = 0
    """Rows whose reference it did not know."""
    to_update: int = 0
    """Of the known ones, those that differ and will be updated."""
    of_series: int = 0
    """Of the known ones, those that runs of the same series met first."""


def settle_duplicates(staging: Staging, sources: Sequence[str], policy: OnDuplicate) -> None:
    """Give every row that repeats a reference its outcome, by the policy."""
    staging.suspects.index()
    for group in staging.suspects.repeated():
        members = [_member(*one, sources) for one in group]
        decided = [one for one in resolve(members, policy) if one.outcome is not None]
        # A row that is invalid by itself has its outcome: it gets one problem more.
        invalid = {one.position for one in members if one.fingerprint is None}
        if invalid:
            staging.suspects.blame(
                (one.position, one.error_code, one.error)
                for one in decided
                if one.position in invalid
            )
        staging.settle(
            (one.position, one.outcome, "", one.error_code, one.error)
            for one in decided
            if one.outcome is not None and one.position not in invalid
        )


def make_plan(
    staging: Staging,
    ledger: LedgerReader,
    *,
    retry_rejected: bool,
    series: Sequence[int] = (),
    updates: UpdatePolicy = NO_UPDATES,
) -> Met:
    """Give every row that needs no request its outcome.

    ``series`` are the runs of this series; ``updates`` says which fields of a settled customer
    may be written.
    """
    met = Met()
    runs = pl.Series(list(series), dtype=pl.UInt32).implode()
    decider = Decider(ledger.hasher(remember=False), updates, retry_rejected=retry_rejected)
    for waiting in staging.waiting():
        known = known_rows(waiting.frame, ledger)
        met = Met(
            known=met.known + int((known["first_run"] > 0).sum()),
            new=met.new + waiting.frame.height - known.height,
            of_series=met.of_series + int(known["first_run"].is_in(runs).sum()),
            to_update=met.to_update,
        )
        if known.is_empty():
            continue
        # What ``decide`` says of a row that is settled and in step, without its objects.
        is_unchanged = (known["known"] == known["fingerprint"]) & (known["customer_id"] != "")
        unchanged = known.filter(is_unchanged)
        staging.settle_unchanged(waiting.segment, unchanged["at"], unchanged["customer_id"])
        staging.note_few(waiting, unchanged["at"])
        others = known.filter(~is_unchanged)
        if others.is_empty():
            continue
        payloads = staging.payloads(waiting.segment, others["at"])
        sends: list[tuple[int, Send]] = []
        for rows in others.with_columns(payload=payloads).iter_slices(CHUNK):
            sends += _decide_each(rows, staging, ledger, decider)
        staging.foresee(waiting.segment, foreseen(sends))
        to_update = sum(send.why is Sending.UPDATE for _, send in sends)
        met = met._replace(to_update=met.to_update + to_update)
    return met


def known_rows(rows: pl.DataFrame, ledger: LedgerReader) -> pl.DataFrame:
    """Those rows that the ledger knows, with the columns of ``LedgerReader.versions``."""
    found = list(ledger.versions(rows["reference"]))
    if not found:
        return rows.clear().with_columns(**_NOTHING_KNOWN)
    versions = pl.concat(found)
    # Mostly all of them are known, in this order.
    at = versions["index"]
    is_all = at.len() == rows.height and (at == pl.int_range(rows.height, eager=True)).all()
    return (rows if is_all else rows[at]).hstack(versions.drop("index"))


def _decide_each(
    rows: pl.DataFrame, staging: Staging, ledger: LedgerReader, decider: Decider
) -> list[tuple[int, Send]]:
    """Decide row by row; (index within the segment, what is foreseen) of those that are sent."""
    known = ledger.known(rows["reference"].to_list())
    settled: list[tuple[int, Outcome, str, str, str]] = []
    sends: list[tuple[int, Send]] = []
    columns = rows.select("at", "position", "reference", "fingerprint", "payload")
    for at, where, reference, fingerprint, payload in columns.iter_rows():
        if reference not in known:
            continue
        decision, send = decider(reference, known[reference], fingerprint, payload)
        if send is not None:
            sends.append((at, send))
        if decision.outcome is not None:
            told = (decision.outcome, decision.customer_id, decision.error_code, decision.error)
            settled.append((where, *told))
    staging.settle(settled)
    return sends


AT_ONCE = 256
"""Rows that are asked of the ledger without a break, while answers to others wait."""


def rows_to_deliver(staging: Staging, ledger: LedgerReader) -> Iterator[Planned]:
    """The rows without an outcome, each with its state in the ledger.

    In input order, but what was sent before and never settled comes after the rest: a row that
    can never settle must not stand before the others, night after night.
    """
    sent = array("q")
    for chunk in staging.pending(AT_ONCE):
        for row in with_states(chunk, ledger):
            if isinstance(row.state, Sent):
                sent.append(row.position)
            else:
                yield row
    if sent:
        for chunk in staging.pending(AT_ONCE):
            yield from with_states([row for row in chunk if _holds(sent, row.position)], ledger)


def _holds(ascending: array[int], number: int) -> bool:
    at = bisect_left(ascending, number)
    return at < len(ascending) and ascending[at] == number


def with_states(chunk: Sequence[Pending], ledger: LedgerReader) -> Iterator[Planned]:
    """The rows as delivery takes them, each with its state in the ledger."""
    known, hashed = ledger.known([row.reference for row in chunk]), ledger.hasher()
    for position, reference, fingerprint, payload in chunk:
        state, update = known.get(reference, _UNKNOWN)
        fields = hashed(reference, _read_json(payload, 0)[0])
        yield new(Planned, (position, reference, fingerprint, payload, state, fields, update))


def would_deliver(staging: Staging, ledger: LedgerReader) -> None:
    """Mark every row that a run would create or update (``--dry-run``)."""
    for chunk in staging.pending():
        known = ledger.states([row.reference for row in chunk])
        states = ((row, known.get(row.reference)) for row in chunk)
        staging.settle(
            (row.position, Outcome.WOULD_UPDATE, state.customer_id, "", "")
            for row, state in states
            if isinstance(state, Done)
        )
    would_create(staging)


def would_create(staging: Staging) -> None:
    """Mark every row that a first run would deliver."""
    staging.settle_rest(Outcome.WOULD_CREATE)


def _member(at: int, fingerprint: bytes | None, origin: int, sources: Sequence[str]) -> Member:
    source, line = source_and_line(at)
    return Member(at, printable(sources[source]), line, fingerprint, origin)
