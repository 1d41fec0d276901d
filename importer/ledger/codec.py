"""Rows of the customer table: to a state, and through a change. Pure."""

from __future__ import annotations

from typing import NamedTuple

from importer.delivery.protocol.states import NEW, Done, New, Origin, Rejected, Sent, State

NOT_REQUESTS = frozenset({"not_sent", "sent", "advanced", "unsettled"})
"""Events of the history in which no request left us, or that a request caused later."""


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
    """A few bits of every field of the version that ``fingerprint`` stands for (fields.py)."""


COLUMNS = ", ".join(Row._fields)
_KEPT = ("reference", "first_run")
INSERT = f"INSERT INTO customer (account, {COLUMNS})"
UPDATE = "ON CONFLICT (account, reference) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in Row._fields if name not in _KEPT
)


def unknown(reference: str, run: int) -> Row:
    """The row of a reference that the ledger does not hold yet."""
    return Row(reference, "new", -1, None, None, None, None, None, None, 0, "", 0, run, run)


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


def changed(
    row: Row, new: State, *, http_status: int, run: int, now: float, fields: bytes | None = None
) -> Row:
    """The row once ``new`` was applied; when it was first sent stays known as it settles."""
    ref, sent_at = row.reference, row.first_sent_at
    seen = (row.attempts, row.first_run, run)
    match new:
        case Sent(at, hashed, first):
            return Row(
                ref,
                "sent",
                at,
                hashed,
                first,
                None,
                None,
                None,
                None,
                http_status,
                "",
                *seen,
                fields,
            )
        case Done(at, hashed, customer, origin, differs):
            told = (customer, origin.value, "\n".join(differs) or None)
            return Row(ref, "done", at, hashed, sent_at, now, *told, http_status, "", *seen, fields)
        case Rejected(at, hashed, status, code):
            return Row(
                ref,
                "rejected",
                at,
                hashed,
                sent_at,
                now,
                None,
                None,
                None,
                status,
                code,
                *seen,
                fields,
            )
        case New():
            return unknown(ref, run)._replace(attempts=row.attempts, first_run=row.first_run)
