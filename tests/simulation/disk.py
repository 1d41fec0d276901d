"""The disk under the ledger: real SQLite, with commits that fail and importers that die at them."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.process import Importer


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


def failure(code: int, text: str) -> sqlite3.OperationalError:
    """SQLite's error as the driver raises it."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error
