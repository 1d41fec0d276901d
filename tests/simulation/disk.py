"""What is under the ledger: real SQLite, whose commits fail, and at which importers die.

A ledger in a database has no disk of its own, but a connection that may be lost: then the same work
is run again, whether or not its commit had arrived.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.ledger.ledger import Ledger
    from importer.ledger.statements import Database
    from tests.simulation.process import Importer

T = TypeVar("T")

READS_BACK = True
"""False: work whose commit was not answered is run again in any case (an ablation)."""


def connector(importer: Importer) -> Callable[..., sqlite3.Connection]:
    """What ``sqlite3.connect`` is for one importer."""
    return partial(sqlite3.connect, factory=partial(_Connection, importer=importer))


class _Connection(sqlite3.Connection):
    """Durability is simulated above SQLite, so the real disk need not sync."""

    def __init__(self, *args: Any, importer: Importer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._importer = importer

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """Run one statement, unless a fault or a crash strikes first."""
        importer = self._importer
        if sql.startswith("PRAGMA synchronous"):
            sql = "PRAGMA synchronous = OFF"
        elif sql.startswith("PRAGMA cache_size"):
            sql = "PRAGMA cache_size = -2000"
        elif sql == "COMMIT":
            return self._commit()
        elif sql.startswith("BEGIN"):
            importer.must_live()
        elif sql.startswith("SELECT reference") and importer.luck.strikes("read error"):
            raise failure(sqlite3.SQLITE_IOERR, "disk I/O error")
        return super().execute(sql, *parameters)

    def _commit(self) -> sqlite3.Cursor:
        importer, luck = self._importer, self._importer.luck
        importer.must_live()
        importer.at_commit(before=True)
        if importer.disk_full or luck.strikes("disk full"):
            importer.disk_full = True
            luck.tell(f"{importer.name}: the disk is full")
            raise failure(sqlite3.SQLITE_FULL, "database or disk is full")
        if luck.strikes("I/O error"):
            luck.tell(f"{importer.name}: the commit fails")
            raise failure(sqlite3.SQLITE_IOERR, "disk I/O error")
        done = super().execute("COMMIT")
        importer.committed(self)
        if luck.strikes("I/O error after the commit"):
            luck.tell(f"{importer.name}: the commit is durable, but reported as failed")
            raise failure(sqlite3.SQLITE_IOERR, "disk I/O error")
        importer.at_commit(before=False)
        return done


def lose_connections(ledger: Ledger, importer: Importer) -> None:
    """Let the connection below this ledger be lost before and after commits."""
    ledger._db = _Remote(ledger._db, importer)


class _Lost(Exception):
    """Ends a transaction as its lost connection does."""


class _Remote:
    """``Database``: what is lost before its commit is made again, what was committed is read."""

    def __init__(self, db: Database, importer: Importer) -> None:
        self._db = db
        self._importer = importer
        self.read, self.transaction, self.close = db.read, db.transaction, db.close

    def transact(self, work: Callable[[Any], T]) -> T:
        """As ``Database.transact``."""
        luck = self._importer.luck
        while luck.strikes("connection lost before a commit"):
            luck.tell(f"{self._importer.name}: the connection is lost before the commit")
            with suppress(_Lost):
                self._db.transact(partial(_in_vain, work))
        done = self._db.transact(work)
        if luck.strikes("connection lost after a commit"):
            luck.tell(f"{self._importer.name}: the connection is lost after the commit")
            if not READS_BACK:
                done = self._db.transact(work)
        return done


def _in_vain(work: Callable[[Any], object], db: Any) -> None:
    work(db)
    raise _Lost


def failure(code: int, text: str) -> sqlite3.OperationalError:
    """SQLite's error as the driver raises it."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error
