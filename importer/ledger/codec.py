"""Rows of the customer table: to a state, and through a change. Pure."""

from __future__ import annotations

from functools import partial
from itertools import compress
from operator import attrgetter, not_
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from importer.delivery.protocol.states import NEW, Done, New, Origin, Rejected, Sent, State
from importer.ledger.field_hashes import packed, unpacked
from importer.ledger.rules import base_of, earlier
from importer.values import quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from importer.delivery.protocol.safeguards import Safeguards
    from importer.delivery.protocol.states import Hashes, Transition

NOT_REQUESTS = frozenset({"not_sent", "sent", "advanced", "unsettled"})
"""Events of the history in which no request left us, or that a request caused later."""


@quick
class Row(NamedTuple):
    """One customer as stored; the fields are the columns, in order. Times in epoch seconds."""

    reference: str
    state: str
    generation: int
    fingerprint: bytes | None
    first_sent_at: float | None
    settled_at: float | None
    customer_id: str | None
    origin: str | None
    differs: str | None
    """Field names, one a line."""
    http_status: int
    error_code: str
    attempts: int
    """Requests answered or lost, as the attempts tell."""
    first_run: int
    last_run: int
    fields: bytes | None = None
    """Of older ledgers: 16 bits of every field of the version that ``fingerprint`` stands for."""
    hashes: bytes | None = None
    """The hashes of that version's fields, packed (field_hashes.py)."""
    base: bytes | None = None
    """Those of them that Moment confirmed; empty for all, None for none. Before the row is done:
    what versions that it has left may have brought to Moment (``rules.earlier``)."""
    synced: bytes | None = None
    """The version that an update left in step, empty for none; None before any update."""


_row = cast("Callable[[tuple[Any, ...]], Row]", partial(tuple.__new__, Row))
COLUMNS = ", ".join(Row._fields)
REFERENCE = attrgetter("reference")
"""Of a row, a transition or an attempt."""
KEPT = ("reference", "first_run")
"""What a later change of a row leaves as it is."""


class Written(NamedTuple):
    """What has to be written of some rows."""

    rows: list[Row]
    fresh: bool
    """The ledger does not hold any of them yet; else it holds all."""
    same: dict[str, Any]
    """Columns that have one value in all rows: each is told once."""
    columns: dict[str, tuple[Any, ...]]
    """The others, ``reference`` first; a column that is as it was, or empty, costs as much as any
    other."""


def written(rows: Sequence[Row], held: Mapping[str, Row]) -> Iterator[Written]:
    """What makes of the rows that are ``held`` these, and adds those that are not."""
    before = [*map(held.get, map(REFERENCE, rows))]
    known = [*compress(rows, before)]
    if len(known) < len(rows):
        fresh = [*compress(rows, map(not_, before))]
        nothing = [(None,) * len(fresh)] * len(Row._fields)
        yield _written(fresh, True, nothing)
    if known:
        yield _written(known, False, zip(*filter(None, before), strict=True))


def _written(rows: list[Row], fresh: bool, before: Iterable[tuple[Any, ...]]) -> Written:  # noqa: FBT001 - a field of it
    same: dict[str, Any] = {}
    columns: dict[str, tuple[Any, ...]] = {}
    for name, one, old in zip(Row._fields, zip(*rows, strict=True), before, strict=True):
        if name == "reference":
            columns[name] = one
        elif one == old:
            continue
        elif one.count(one[0]) == len(one):
            same[name] = one[0]
        else:
            columns[name] = one
    return Written(rows, fresh, same, columns)


_UNTOLD = ("new", -1, None, None, None, None, None, None, 0, "", 0)


def unknown(reference: str, run: int) -> Row:
    """The row of a reference that the ledger does not hold yet."""
    return _row((reference, *_UNTOLD, run, run, None, None, None, None))


def decode(row: Row) -> State:
    """The state that a row stands for.

    Raises:
        ValueError: the row breaks the schema's checks.
    """
    if row.state == "new":
        return NEW
    fingerprint = row.fingerprint
    if fingerprint is None:
        raise ValueError("a row without a fingerprint")
    if row.state == "sent" and row.first_sent_at is not None:
        return Sent(row.generation, fingerprint, row.first_sent_at)
    if row.state == "done" and row.customer_id is not None and row.origin is not None:
        differs = tuple(row.differs.split("\n")) if row.differs else ()
        return Done(row.generation, fingerprint, row.customer_id, Origin(row.origin), differs)
    if row.state == "rejected":
        return Rejected(row.generation, fingerprint, row.http_status, row.error_code)
    raise ValueError(f"a row in no state: {row.state}")


def changed(row: Row, change: Transition, *, run: int, now: float, guard: Safeguards) -> Row:
    """The row once the change was applied; when it was first sent stays known as it settles."""
    new = change.new
    if isinstance(new, New):
        fresh = unknown(row.reference, run)
        return fresh._replace(attempts=row.attempts, first_run=row.first_run)
    same = row.fingerprint == new.fingerprint
    noted = row.hashes if same else None
    if noted is None and change.fields is not None:
        noted = packed(change.fields)
    first_sent_at: float | None = row.first_sent_at
    settled_at: float | None = now
    http_status, error_code = change.http_status, ""
    customer_id = origin = differs = None
    base: bytes | None = None
    if isinstance(new, Done):
        # Not ``value``, which is two Python functions of Enum.
        customer_id, origin = new.customer_id, new.origin._value_
        differs = "\n".join(new.differs) or None
        base = _base(row, change, guard, noted)
    else:
        if isinstance(new, Sent):
            first_sent_at, settled_at = new.first_sent_at, None
        else:
            http_status, error_code = new.http_status, new.error_code
        if row.state != "new":
            base = _earlier(row, new)
    # Each column in every state, so that nothing of an earlier one stays; by place, because names
    # cost four times as much.
    return _row(
        (
            row.reference,
            new.kind,
            new.generation,
            new.fingerprint,
            first_sent_at,
            settled_at,
            customer_id,
            origin,
            differs,
            http_status,
            error_code,
            row.attempts,
            row.first_run,
            run,
            row.fields if same else None,
            noted,
            base,
            row.synced,
        )
    )


def _earlier(row: Row, new: State) -> bytes | None:
    sent, before = unpacked(row.hashes or b""), unpacked(row.base or b"")
    return packed(earlier(decode(row), new, sent, before)) or None


def _base(row: Row, change: Transition, guard: Safeguards, noted: bytes | None) -> bytes | None:
    """What the answer showed as one of our versions had it, as stored.

    That is nothing where it was none, and empty where it was all that was ``noted``.
    """
    confirmed = change.seen
    if confirmed != change.fields:
        ours = [change.fields or ()]
        if guard.count_sent and row.state == "sent":
            ours += [unpacked(row.hashes or b""), unpacked(row.base or b"")]
        confirmed = base_of(confirmed, *ours)
    if not confirmed:
        return None
    text = packed(confirmed)
    return b"" if text == noted else text


def confirmed_of(row: Row) -> Hashes:
    """What Moment confirmed when the customer was made, or found."""
    if row.base is None:
        return ()
    return unpacked(row.base or row.hashes or b"")
