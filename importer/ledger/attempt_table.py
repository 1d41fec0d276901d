"""What happened to one customer, when, and in which run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.delivery.protocol.states import Origin
from importer.ledger.codec import COLUMNS, Row, decode

if TYPE_CHECKING:
    from importer.delivery.protocol.states import State
    from importer.ledger.account import Account
    from importer.ledger.statements import Reads


@dataclass(frozen=True, slots=True)
class Entry:
    """One event; ``at`` in epoch seconds. No payload."""

    at: float
    event: str
    generation: int
    http_status: int
    error_code: str
    run_id: str
    detail: str = ""
    """Names of fields, of an update."""


@dataclass(frozen=True, slots=True)
class History:
    """A row of the ledger and everything that led to it, in the order of time."""

    account: Account
    reference: str
    state: State
    first_sent_at: float | None
    """Of the present generation."""
    settled_at: float | None
    http_status: int
    """Of the answer that caused the state, 0 if none did."""
    requests: int
    """Requests of all runs that were answered or lost."""
    first_run: str
    last_run: str
    entries: tuple[Entry, ...]


def read_history(db: Reads, account: Account, account_id: int, ref: str) -> History | None:
    """The history of one reference; None if the ledger does not know it."""
    found = db.read(
        f"SELECT {COLUMNS} FROM customer WHERE account = ? AND reference = ?",  # noqa: S608 - constant names
        (account_id, ref),
    )
    if not found:
        return None
    row = Row._make(found[0])
    runs = dict(
        db.read("SELECT id, run_id FROM run WHERE id IN (?, ?)", (row.first_run, row.last_run))
    )
    noted = [
        Entry(*columns)
        for columns in db.read(
            "SELECT at, event, generation, http_status, error_code, run_id, detail FROM attempt"
            " JOIN run ON run.id = attempt.run WHERE attempt.account = ? AND reference = ?"
            " ORDER BY attempt.id",
            (account_id, ref),
        )
    ]
    told = _told_by_row(row, noted, runs)
    created = sum(entry.event == "created" for entry in told)
    return History(
        account,
        ref,
        decode(row),
        row.first_sent_at,
        row.settled_at,
        row.http_status,
        row.attempts + created,
        runs[row.first_run],
        runs[row.last_run],
        tuple(sorted([*told, *noted], key=lambda entry: entry.at)),
    )


def _told_by_row(row: Row, noted: list[Entry], runs: dict[int, str]) -> list[Entry]:
    """The events of the straight path, which the row itself tells."""
    told = []
    if row.first_sent_at is not None and row.generation == 0:
        told.append(Entry(row.first_sent_at, "sent", 0, 0, "", runs[row.first_run]))
    created = row.origin == Origin.CREATED and row.settled_at is not None
    if created and not any(entry.event == "created" for entry in noted):
        at, status = row.settled_at or 0.0, row.http_status
        told.append(Entry(at, "created", row.generation, status, "", runs[row.last_run]))
    return told
