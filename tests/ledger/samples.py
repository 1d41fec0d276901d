"""States, changes and ledgers that the tests of the ledger share."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Protocol

from importer.delivery.protocol.states import (
    NEW,
    Attempt,
    Done,
    Origin,
    Rejected,
    Sent,
    State,
    Transition,
)
from importer.ledger.account import Account

if TYPE_CHECKING:
    from pathlib import Path

    from importer.ledger.address import LedgerAddress

ACCOUNT = Account("https://api.example.com", "test")
PRINT_A, PRINT_B = b"a" * 32, b"b" * 32
SENT = Sent(0, PRINT_A, 100.0)
DONE = Done(0, PRINT_A, "bcus_1", Origin.CREATED)
REJECTED = Rejected(0, PRINT_A, 400, "invalid_parameter")
EVERY_STATE: tuple[State, ...] = (
    NEW,
    SENT,
    Sent(0, PRINT_B, 100.0),
    Sent(0, PRINT_A, 200.0),
    Sent(1, PRINT_B, 300.0),
    DONE,
    Done(1, PRINT_B, "bcus_2", Origin.FOUND, ("name", "balance")),
    REJECTED,
    Rejected(1, PRINT_B, 422, ""),
)


def sent(reference: str, expected: State = NEW) -> Transition:
    """The change that goes before a row's first request."""
    return Transition(reference, expected, SENT)


def done(reference: str, customer_id: str = "bcus_1") -> Transition:
    """The change that follows a fresh 201."""
    return Transition(reference, SENT, Done(0, PRINT_A, customer_id, Origin.CREATED), 201)


def attempt(reference: str, event: str = "unknown", at: float = 150.0) -> Attempt:
    """One entry of a row's history."""
    return Attempt(reference, at, event, 0, 0, "read_timeout")


def raw(path: Path) -> sqlite3.Connection:
    """The file as SQLite sees it, past the ledger."""
    return sqlite3.connect(path, isolation_level=None)


class Place(Protocol):
    """Gives the address of a ledger of this test, of one kind."""

    def __call__(self, name: str = "ledger", /) -> LedgerAddress:
        """The same for the same name."""
        ...


class Failing(sqlite3.Connection):
    """A connection whose next calls succeed ``calls_left`` times; then each of them fails."""

    calls_left: int | None = None
    last: Failing

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        Failing.last = self

    def _count(self) -> None:
        if self.calls_left is not None:
            if self.calls_left == 0:
                raise sqlite3.OperationalError("disk I/O error")
            self.calls_left -= 1

    def execute(self, *args: Any) -> sqlite3.Cursor:
        """Fail once the calls are used up; a rollback never fails."""
        if args[0] != "ROLLBACK":
            self._count()
        return super().execute(*args)

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        """Fail once the calls are used up."""
        self._count()
        return super().executemany(*args)
