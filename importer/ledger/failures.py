"""What SQLite's errors mean to a person. Pure."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from importer.errors import LedgerFailed

if TYPE_CHECKING:
    from pathlib import Path

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
    what, hint = _MEANINGS.get(
        primary_code(error), (f"SQLite says: {error}", f"see to the cause, {_AGAIN}")
    )
    return LedgerFailed(f"the ledger {path} failed: {what}", hint=hint)
