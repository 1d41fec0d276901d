"""One open ledger file: how it is opened, its transactions, its errors.

What SQLite's errors mean to a person. Pure.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from importer.errors import LedgerFailed, UsageError
from importer.ledger.interface import OlderLedger
from importer.ledger.sqlite.lock import not_a_ledger, prepare
from importer.ledger.sqlite.migrations import APPLICATION_ID, STEPS, migrate, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    Connect = Callable[..., sqlite3.Connection]

T = TypeVar("T")

_AGAIN = "then type the same command again: nothing is sent twice"
# Primary result codes of sqlite.org/rescode.html: (what happened, what to do).
_MEANINGS = {
    sqlite3.SQLITE_FULL: ("the disk is full", f"free some space, {_AGAIN}"),
    sqlite3.SQLITE_IOERR: (
        "reading or writing failed (I/O error)",
        f"check the disk and its quota, {_AGAIN}",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged",
        f"move it away, put a backup (or nothing) in its place, {_AGAIN}",
    ),
    sqlite3.SQLITE_READONLY: (
        "it may not be written to",
        f"check the rights of the file and of its folder, {_AGAIN}",
    ),
    sqlite3.SQLITE_BUSY: (
        "another program has locked it",
        f"close that program (an open sqlite3 shell, a backup), {_AGAIN}",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        f"check the rights of the file and of its folder, {_AGAIN}",
    ),
}
_MEANINGS[sqlite3.SQLITE_NOTADB] = _MEANINGS[sqlite3.SQLITE_CORRUPT]
_MEANINGS[sqlite3.SQLITE_LOCKED] = _MEANINGS[sqlite3.SQLITE_BUSY]


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 if the error carries none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def ledger_failed(path: Path, error: sqlite3.Error) -> LedgerFailed:
    """The error that stops the run: nothing may be sent without a ledger."""
    code = primary_code(error)
    what, hint = _MEANINGS.get(code, (f"SQLite says: {error}", f"see to the cause, {_AGAIN}"))
    # A lock is held by a process, and ends with it: a backup, most often.
    passes = code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return LedgerFailed(f"the ledger {path} failed: {what}", hint=hint, passes=passes)


OLDEST = (3, 33)
"""The first SQLite with UPDATE FROM; each system's Python brings its own (Ubuntu 20.04's 3.31)."""
BUSY_SECONDS = 30.0
"""How long SQLite waits for another program's lock before it gives up."""
_LEAVING_MS = 1000
"""The same when closing: an unfinished checkpoint costs nothing."""
_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -65536",
    # Pages of the write-ahead log (16 MB): fewer, larger checkpoints suit random references.
    "PRAGMA wal_autocheckpoint = 4000",
)


class Database:
    """A connection in autocommit mode whose errors are ``LedgerFailed``.

    May be used from any thread, by one at a time.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        path: Path,
        *,
        read_only: bool,
        still_ours: Callable[[], None] = lambda: None,
    ) -> None:
        self._db = db
        self.path = path
        self._read_only = read_only
        self._still_ours = still_ours
        self._file = path.stat()

    def transact(self, work: Callable[[Database], T]) -> T:
        """Run ``work`` in one ``transaction``."""
        with self.transaction():
            return work(self)

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """One durable transaction: all of it when the block ends, none of it if it raises.

        Raises:
            LedgerFailed: it could not be written, or another file has taken the ledger's place;
                the ledger is as it was.
        """
        self._check_place()
        self._still_ours()
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self
                self._db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def read(self, sql: str, parameters: Iterable[Any] = ()) -> list[Any]:
        """All rows of a query.

        Raises:
            LedgerFailed: the file could not be read.
        """
        with self._translated():
            return self._db.execute(sql, tuple(parameters)).fetchall()

    def execute(self, sql: str, parameters: Iterable[Any] = ()) -> int:
        """Run one statement; how many rows it changed.

        Raises:
            LedgerFailed: the file could not be written.
        """
        with self._translated():
            return self._db.execute(sql, tuple(parameters)).rowcount

    def close(self) -> None:
        """Close; a writer empties the write-ahead log first, so that the file alone is whole."""
        try:
            if not self._read_only:
                self._roll_back()
                self._db.execute(f"PRAGMA busy_timeout = {_LEAVING_MS}")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error:
            pass  # All that was promised is durable in the log already.
        finally:
            self._db.close()

    def _check_place(self) -> None:
        """Refuse to write into a file that nobody will find again under its name."""
        try:
            if os.path.samestat(self._file, self.path.stat()):
                return
        except OSError:
            pass
        raise LedgerFailed(
            f"the ledger {self.path} was deleted, moved or replaced while a run worked on it",
            hint=f"put the file back with what stands beside it (-wal), {_AGAIN}",
        )

    def _roll_back(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # The first error is the one to tell; SQLite drops what was not committed.

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            raise ledger_failed(self.path, error) from error


def open_database(
    path: Path,
    *,
    create: bool,
    read_only: bool,
    connect: Connect,
    still_ours: Callable[[], None] = lambda: None,
) -> Database:
    """Open the ledger file, made or brought up to this version if need be.

    Raises:
        UsageError: the file is missing, no ledger, or from a newer version; or SQLite is too old.
        OlderLedger: it is from an older version, and ``read_only``.
        LedgerFailed: SQLite could not open, read or write it.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise UsageError(
            f"a ledger needs SQLite {'.'.join(map(str, OLDEST))}, this Python has"
            f" {sqlite3.sqlite_version}",
            hint="use a Python that brings a newer one (python.org's, uv's, an image's)",
        )
    prepare(path, create=create, read_only=read_only)
    try:
        db = _connect(path, read_only=read_only, connect=connect)
    except sqlite3.Error as error:
        raise ledger_failed(path, error) from error
    try:
        _recognise(db, path, read_only=read_only)
        if not read_only:
            _set_up(db, path)
    except sqlite3.Error as error:
        db.close()
        if primary_code(error) == sqlite3.SQLITE_NOTADB:
            raise not_a_ledger(path) from None
        raise ledger_failed(path, error) from error
    except BaseException:
        db.close()
        raise
    return Database(db, path, read_only=read_only, still_ours=still_ours)


def _connect(path: Path, *, read_only: bool, connect: Connect) -> sqlite3.Connection:
    db = connect(
        f"{path.absolute().as_uri()}?{_access(path, read_only=read_only)}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_SECONDS,
    )
    if read_only:
        try:
            db.execute("PRAGMA query_only = ON")
        except BaseException:
            db.close()
            raise
    return db


def _access(path: Path, *, read_only: bool) -> str:
    """The URI parameters (sqlite.org/uri.html).

    A reader that may write to the folder opens the file like a writer and lets SQLite refuse
    every change: a connection of mode ``ro`` would leave a log and its index behind.
    """
    if not read_only or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return "mode=rw"
    if path.with_name(path.name + "-wal").exists():
        return "mode=ro"
    return "mode=ro&immutable=1"  # Nobody writes: a copy on a medium that is read-only.


def _recognise(db: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    """Refuse what is no ledger, or not one of this version, before anything is changed."""
    empty = not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = version_of(db)
    if application != APPLICATION_ID and not (empty and application == 0 and version == 0):
        raise not_a_ledger(path)
    if version > len(STEPS):
        raise UsageError(
            f"the ledger {path} is from a newer importer (schema {version}, this one knows"
            f" {len(STEPS)})",
            hint="upgrade importer; nothing was changed",
        )
    if read_only and version < len(STEPS):
        what = "holds nothing yet" if version == 0 else "is from an older importer"
        raise OlderLedger(f"the ledger {path} {what}", hint="the next `importer run` sets it up")


def _set_up(db: sqlite3.Connection, path: Path) -> None:
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise UsageError(
            f"the file system of the ledger {path} cannot hold a write-ahead log",
            hint="put the ledger on a local disk",
        )
    for pragma in _PRAGMAS:
        db.execute(pragma)
    migrate(db)
