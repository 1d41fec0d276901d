"""Where the store writes before it answers: nowhere, or a SQLite file (``--data``)."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.sandbox.store import Creation, Customer, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE customers (account TEXT, reference TEXT, id TEXT, created_at REAL, body BLOB,
                        PRIMARY KEY (account, reference));
CREATE TABLE keys (account TEXT, key TEXT, status INTEGER, body BLOB, media BLOB, digest BLOB,
                   at REAL, PRIMARY KEY (account, key));
CREATE TABLE creations (account TEXT, reference TEXT, id TEXT, at REAL);
CREATE TABLE clock (offset REAL);
INSERT INTO clock VALUES (0);
"""


class Journal:
    """Keeps nothing: the sandbox forgets when it ends. The base of what keeps something.

    Of a journal that keeps, each call is durable against the death of this process when it returns.
    """

    def offset(self) -> float:
        """Return 0: time starts as it is."""
        return 0.0

    def customers(self) -> Iterator[tuple[str, Customer]]:
        """Return nothing."""
        return iter(())

    def answers(self) -> Iterator[tuple[str, str, Stored]]:
        """Return nothing."""
        return iter(())

    def creations(self) -> Iterator[Creation]:
        """Return nothing."""
        return iter(())

    def settle(
        self,
        account: str,
        key: str,
        stored: Stored,
        created: Customer | None,
        creation: Creation | None,
    ) -> None:
        """Keep nothing."""

    def replace(self, account: str, customer: Customer) -> None:
        """Keep nothing."""

    def set_offset(self, offset: float) -> None:
        """Keep nothing."""

    def reset(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


class SqliteJournal(Journal):
    """A SQLite file, mode 0600, held by one sandbox at a time.

    WAL with ``synchronous=NORMAL``: a commit survives the death of the process (kill -9), though
    the last ones perhaps not a power cut, which is enough for a rehearsal.

    Raises:
        UsageError: the file cannot be opened, is no sandbox file, or another sandbox has it.
    """

    def __init__(self, path: Path) -> None:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise UsageError(f"{path}: the data file cannot be opened: {error.strerror}") from None
        # One event loop uses it, though perhaps not on the thread that opened it.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.2)
        try:
            self._open(path)
        except sqlite3.Error as error:
            self._db.close()
            raise _unusable(path, error) from None
        except UsageError:
            self._db.close()
            raise

    def _open(self, path: Path) -> None:
        # Exclusive: a second sandbox on the same file would not see what this one holds in memory.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("BEGIN IMMEDIATE")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            for statement in filter(str.strip, SCHEMA.split(";")):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION or not self._has_table("creations"):
            raise UsageError(
                f"{path}: this is no data file of this sandbox's version", hint="name a new file"
            )
        self._db.execute("COMMIT")

    def _has_table(self, name: str) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._db.execute(query, (name,)).fetchone() is not None

    def offset(self) -> float:
        """Return the clock's offset in seconds."""
        return float(self._db.execute("SELECT offset FROM clock").fetchone()[0])

    def customers(self) -> Iterator[tuple[str, Customer]]:
        """Yield (account, customer) in the order of creation."""
        query = "SELECT account, id, reference, created_at, body FROM customers ORDER BY rowid"
        for account, *columns in self._db.execute(query):
            yield account, Customer(*columns)

    def answers(self) -> Iterator[tuple[str, str, Stored]]:
        """Yield (account, key, stored answer), oldest first."""
        query = "SELECT account, key, status, body, media, digest, at FROM keys ORDER BY rowid"
        for account, key, *columns in self._db.execute(query):
            yield account, key, Stored(*columns)

    def creations(self) -> Iterator[Creation]:
        """Yield the creation events in order."""
        query = "SELECT account, reference, id, at FROM creations ORDER BY rowid"
        for columns in self._db.execute(query):
            yield Creation(*columns)

    def settle(
        self,
        account: str,
        key: str,
        stored: Stored,
        created: Customer | None,
        creation: Creation | None,
    ) -> None:
        """Write an answer and what it created, in one transaction."""
        with self._db:
            self._db.execute("BEGIN")
            if created is not None and creation is not None:
                self._insert(account, created, creation)
            self._db.execute(
                "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)", (account, key, *stored)
            )

    def replace(self, account: str, customer: Customer) -> None:
        """Write the new body of a customer."""
        self._db.execute(
            "UPDATE customers SET body = ? WHERE account = ? AND reference = ?",
            (customer.body, account, customer.reference),
        )

    def set_offset(self, offset: float) -> None:
        """Write the clock's offset."""
        self._db.execute("UPDATE clock SET offset = ?", (offset,))

    def reset(self) -> None:
        """Delete everything."""
        with self._db:
            self._db.execute("BEGIN")
            for table in ("customers", "keys", "creations"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - fixed names
            self._db.execute("UPDATE clock SET offset = 0")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _insert(self, account: str, created: Customer, creation: Creation) -> None:
        self._db.execute(
            "INSERT INTO customers (account, id, reference, created_at, body)"
            " VALUES (?, ?, ?, ?, ?)",
            (account, *created),
        )
        self._db.execute("INSERT INTO creations VALUES (?, ?, ?, ?)", creation)


def _unusable(path: Path, error: sqlite3.Error) -> UsageError:
    if "locked" in str(error):
        return UsageError(
            f"{path}: another sandbox holds this data file", hint="stop it, or name another file"
        )
    return UsageError(
        f"{path}: this is no usable sandbox data file ({error})", hint="name a new file"
    )
