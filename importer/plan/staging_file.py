"""The file that rows are staged in: its transactions, its frames, and its errors in words.

The tables of the staging file.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from importer.errors import BugFound, UsageError
from importer.plan.frames import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import polars as pl


SCHEMA = """
CREATE TABLE invalid (
    position INTEGER PRIMARY KEY,
    reference TEXT NOT NULL,
    cells TEXT NOT NULL,
    extra TEXT,
    error_code TEXT NOT NULL,
    error TEXT NOT NULL,
    outcome TEXT NOT NULL,
    origin INTEGER,
    unseen TEXT
);
-- The valid rows of a batch: positions of the first and the last. What belongs to a segment lies
-- in tables of its own, so that each is read and written without the others.
CREATE TABLE segment (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    height INTEGER NOT NULL,
    rest TEXT
);
CREATE TABLE hashes (first INTEGER PRIMARY KEY, frame BLOB NOT NULL);
CREATE TABLE keys (first INTEGER PRIMARY KEY, frame BLOB NOT NULL);
CREATE TABLE body (first INTEGER PRIMARY KEY, frame BLOB NOT NULL);
CREATE TABLE unchanged (first INTEGER PRIMARY KEY, height INTEGER NOT NULL, frame BLOB NOT NULL);
CREATE TABLE few (first INTEGER PRIMARY KEY, frame BLOB NOT NULL);
CREATE TABLE foreseen (first INTEGER PRIMARY KEY, frame BLOB NOT NULL);
CREATE TABLE outcome (
    position INTEGER PRIMARY KEY,
    outcome TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    http_status INTEGER NOT NULL,
    error_code TEXT NOT NULL,
    error TEXT NOT NULL
);
CREATE TABLE suspect (
    position INTEGER PRIMARY KEY,
    reference TEXT NOT NULL,
    fingerprint BLOB,
    origin INTEGER NOT NULL
);
"""
PRAGMAS = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    # Frames are written once and read in order: a cache would only hold memory.
    "PRAGMA cache_size = -8192",
    "PRAGMA page_size = 16384",
)
LEFT = (
    "SELECT s.first, s.last, coalesce(s.rest, '') AS rest, s.height - coalesce(u.height, 0)"
    " - (SELECT count(*) FROM outcome o WHERE o.position BETWEEN s.first AND s.last) AS n"
    " FROM segment s LEFT JOIN unchanged u ON u.first = s.first ORDER BY s.first"
)
"""Per segment: how many of its rows have no outcome of their own, and what all those have."""


class StagingFile:
    """One SQLite file, private to one run. Not thread-safe.

    Every method raises UsageError where the disk is full or fails: nothing depends on it; and
    BugFound where a record would be staged, or be given an outcome, twice.
    """

    def __init__(self, path: Path | None) -> None:
        """Make a new file, or one in memory where ``path`` is None."""
        self._path = path
        with self._translated():
            if path is not None:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self.db = sqlite3.connect(str(path or ":memory:"), isolation_level=None)
            for pragma in PRAGMAS:
                self.db.execute(pragma)
            self.db.executescript(SCHEMA)

    def close(self) -> None:
        """Close and delete the file."""
        self.db.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it when the block ends."""
        with self._translated():
            self.db.execute("BEGIN")
            yield self.db
            self.db.execute("COMMIT")

    def read(self, query: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        """All rows of a query."""
        with self._translated():
            return self.db.execute(query, parameters).fetchall()

    def segments(self) -> list[tuple[int, int]]:
        """First and last position of each batch of valid rows, in input order."""
        return self.read("SELECT first, last FROM segment ORDER BY first")

    def frame(self, table: str, segment: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """What a table holds of a segment, or some columns of it."""
        query = f"SELECT frame FROM {table} WHERE first = ?"  # noqa: S608 - our own names
        return unpack(self.read(query, (segment,))[0][0], columns)

    def store(self, table: str, segment: int, packed: memoryview) -> None:
        """Add a frame of a segment (inside a transaction)."""
        self.db.execute(f"INSERT INTO {table} VALUES (?, ?)", (segment, packed))  # noqa: S608 - our own names

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            what = "a record was staged, or given an outcome, twice"
            raise BugFound(what, safe="everything that was sent is in the ledger") from None
        except (sqlite3.Error, OSError) as error:
            where = self._path.parent if self._path else "memory"
            message = f"the rows could not be staged in {where}: {error}"
            raise UsageError(
                message, hint="free some disk space, or choose another --out"
            ) from None
