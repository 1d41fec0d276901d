"""How customers are kept in step: one record each, from its first update on.

What is decided here (which change is taken, what it writes, what the history says) is pure.
"""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

from importer.delivery.protocol.states import (
    NOTHING,
    SHARED_ID,
    Attempt,
    Conflict,
    Done,
    Hashes,
    Memory,
    Origin,
    Synced,
    UpdateState,
    Updating,
    Verdict,
    shares_id,
    takes_update,
)
from importer.errors import BugFound
from importer.ledger.codec import Row, confirmed_of
from importer.ledger.codec import decode as decode_row
from importer.ledger.field_hashes import packed, unpacked
from importer.outcomes import Outcome
from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from importer.delivery.protocol.safeguards import Safeguards
    from importer.delivery.protocol.states import UpdateTransition
    from importer.ledger.interface import Known


class Record(NamedTuple):
    """One record as stored; the fields are the columns, in order. Times in epoch seconds."""

    reference: str
    customer_id: str
    serial: int
    base: bytes
    ours: bytes | None
    version: bytes
    memory: str
    """JSON, "" for none."""
    changed_at: float
    run: int


class Note(NamedTuple):
    """What a customer's own row notes of its updates."""

    reference: str
    synced: bytes
    """The version that an update left in step; empty while a PATCH may be open."""
    patches: int
    """How many were sent now."""


_SELECT = (
    f"SELECT {', '.join(f'customer.{name}' for name in Row._fields)},"  # noqa: S608 - constant names
    f" {', '.join(f'sync.{name}' for name in Record._fields)}"
    " FROM customer LEFT JOIN sync"
    " ON sync.account = customer.account AND sync.reference = customer.reference"
    " WHERE customer.account = ? AND customer.state {} AND customer.reference {}"
)
_WIDTH = len(Row._fields)


def read_known(columns: Sequence[Any]) -> tuple[str, Known]:
    """The reference of one row of ``select_known``, and what is known of it."""
    row = Row._make(columns[:_WIDTH])
    state = decode_row(row)
    return row.reference, (state, _update(row, columns) if isinstance(state, Done) else None)


def read_state(columns: Sequence[Any]) -> tuple[str, UpdateState]:
    """The reference and the state of one row of ``select_records``."""
    row = Row._make(columns[:_WIDTH])
    return row.reference, _update(row, columns)


def _update(row: Row, columns: Sequence[Any]) -> UpdateState:
    if columns[_WIDTH] is not None:
        return decode(Record._make(columns[_WIDTH:]))
    base = confirmed_of(row)
    # Whole where Moment confirmed every field of the version: an empty base stands for that.
    version = row.fingerprint if row.base == b"" and row.differs is None else None
    taken = _taken(row, base) if row.origin != Origin.FOUND else ()
    memory = Memory(taken) if taken else NOTHING
    return Synced(row.customer_id or "", 0, base, version or b"", memory)


def _taken(row: Row, base: Hashes) -> Hashes:
    """What Moment took when the customer was made, without showing in what form it holds it."""
    if row.base == b"":
        return ()  # it showed all of it
    known = {name for name, _ in base}
    other = set((row.differs or "").split("\n"))
    return tuple(
        (name, value)
        for name, value in unpacked(row.hashes or b"")
        if name not in known and not {name, name.partition(".")[0]} & other
    )


def decode(record: Record) -> UpdateState:
    """The state that a record stands for."""
    base, memory = unpacked(record.base), _memory(record.memory)
    if record.ours is None:
        return Synced(record.customer_id, record.serial, base, record.version, memory)
    ours = unpacked(record.ours)
    return Updating(record.customer_id, record.serial, base, ours, record.version, memory)


def encode(reference: str, state: UpdateState, *, run: int, now: float) -> Record:
    """The inverse of ``decode``."""
    return Record(
        reference,
        state.customer_id,
        state.serial,
        packed(state.base),
        packed(state.ours) if isinstance(state, Updating) else None,
        state.version,
        _text(state.memory),
        now,
        run,
    )


def _text(memory: Memory) -> str:
    if memory == NOTHING:
        return ""
    verdict = memory.verdict
    told: dict[str, Any] = {
        "otherwise": _hex(memory.otherwise),
        "conflicts": [[one.field, one.seen.hex(), one.wanted.hex()] for one in memory.conflicts],
        "verdict": verdict
        and [verdict.outcome.value, _hex(verdict.wanted), verdict.http_status, verdict.error_code],
    }
    return json.dumps({name: value for name, value in told.items() if value})


def _memory(text: str) -> Memory:
    if not text:
        return NOTHING
    told = json.loads(text)
    conflicts = (
        Conflict(name, bytes.fromhex(seen), bytes.fromhex(wanted))
        for name, seen, wanted in told.get("conflicts", ())
    )
    verdict = None
    if found := told.get("verdict"):
        outcome, wanted, status, code = found
        verdict = Verdict(Outcome(outcome), _pairs(wanted), status, code)
    return Memory(_pairs(told.get("otherwise", ())), tuple(conflicts), verdict)


def _hex(pairs: Hashes) -> list[list[str]]:
    return [[name, value.hex()] for name, value in pairs]


def _pairs(told: Iterable[Sequence[str]]) -> Hashes:
    return tuple((name, bytes.fromhex(value)) for name, value in told)


@record
class Synchronised:
    """The outcome of a batch of updates."""

    states: dict[str, UpdateState] = field(default_factory=dict)
    """To be written, by reference."""
    results: list[UpdateState | None] = field(default_factory=list)
    """One a transition: None if applied, else the state that is held."""
    events: list[Attempt] = field(default_factory=list)
    """What the history says of it."""


def fold_updates(
    held: Mapping[str, UpdateState],
    transitions: Sequence[UpdateTransition],
    *,
    now: float,
    guard: Safeguards,
) -> Synchronised:
    """Apply the transitions in the order given; one that is refused writes nothing.

    Raises:
        BugFound: an update of something that is no customer, or a serial that does not grow.
    """
    folded = Synchronised()
    for one in transitions:
        state = folded.states.get(one.reference) or held.get(one.reference)
        if state is None:
            raise BugFound("an update of what is no customer", safe="nothing was sent for it")
        if not takes_update(state, one, guard):
            folded.results.append(state)
            continue
        if guard.compare_and_set and one.new.serial != state.serial + 1:
            what = f"change {one.new.serial} of a customer after {state.serial}"
            raise BugFound(what, safe="nothing was sent for it")
        folded.results.append(None)
        folded.states[one.reference] = one.new
        folded.events += _told(one, state, now)
    return folded


def _told(change: UpdateTransition, held: UpdateState, now: float) -> list[Attempt]:
    """What happened, with the names of the fields that it is about."""
    new = change.new

    def event(name: str, fields: Iterable[str], status: int = 0, code: str = "") -> Attempt:
        about = ", ".join(dict.fromkeys(sorted(fields)))
        return Attempt(change.reference, now, name, new.serial, status, code, about)

    ours = held.ours if isinstance(held, Updating) else ()
    verdict = new.memory.verdict
    told = []
    if isinstance(new, Updating) and verdict is None:
        # What is sent now, or again: the values of this version.
        sent = {name for name, value in new.ours if (name, value) not in ours} or dict(new.ours)
        told.append(event("updating", sent))
    elif verdict is not None and verdict != held.memory.verdict:
        names = dict(verdict.wanted)
        if shares_id(new):
            told.append(event(SHARED_ID, names))
        else:
            what = verdict.outcome.value
            told.append(event(what, names, verdict.http_status, verdict.error_code))
    elif isinstance(held, Updating):
        taken = {*new.base, *new.memory.otherwise}
        written = {name for name, value in ours if (name, value) in taken}
        moved = {name for name, _ in {*new.base} - {*held.base}} & dict(ours).keys()
        told.append(event("updated", written | moved, change.http_status))
    elif (moved := {name for name, _ in {*new.base} ^ {*held.base}}) or shares_id(held):
        told.append(event("in_step", moved))
    if fresh := {*new.memory.conflicts} - {*held.memory.conflicts}:
        told.append(event("conflict", {one.field for one in fresh}))
    return told


SHARED = "memory LIKE '%, 0, \"shared_id\"]}'"
"""Of a record: that its customer's id is known to be another reference's, too (``_text``)."""


def shared_ids_step(empty: str) -> tuple[str, ...]:
    """The step of both schemas that notes whose ids other references have, too.

    Customers that are noted are told of each night until Moment was asked again (``Ledger.doubt``);
    an older version told of them once, or never looked. As any step it never changes.

    Args:
        empty: no bytes, as the database writes them.
    """
    return (
        f"CREATE INDEX sync_shared ON sync (account) WHERE {SHARED}",
        f"""
        INSERT INTO sync (account, reference, customer_id, serial, base, version, memory,
            changed_at, run)
        SELECT account, reference, customer_id, 1,
            CASE WHEN base = {empty} THEN coalesce(hashes, {empty})
                ELSE coalesce(base, {empty}) END, {empty},
            '{{"verdict": ["conflict", [], 0, "shared_id"]}}', coalesce(settled_at, 0), last_run
        FROM customer WHERE state = 'done' AND (account, customer_id) IN (
            SELECT account, customer_id FROM customer WHERE state = 'done'
            GROUP BY account, customer_id HAVING count(*) > 1
        )
        ON CONFLICT (account, reference) DO UPDATE
        SET serial = sync.serial + 1, memory = excluded.memory,
            version = CASE WHEN sync.ours IS NULL THEN excluded.version ELSE sync.version END
        """,  # noqa: S608 - constants
        f"""
        UPDATE customer SET synced = {empty} FROM sync
        WHERE sync.account = customer.account AND sync.reference = customer.reference AND {SHARED}
        """,  # noqa: S608 - constants
    )


def select_records(among: str) -> str:
    """The query for the customers of some references, with their records.

    ``among`` says which: ``IN (?, ?)`` or ``= ANY(?)``. It takes the account first.
    """
    return _SELECT.format("= 'done'", among)


def select_known(among: str) -> str:
    """The same for all of these references of which something is known."""
    return _SELECT.format("<> 'new'", among)
