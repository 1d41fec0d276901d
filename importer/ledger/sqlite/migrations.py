"""The ledger's schema, as the ordered steps that lead to it.

A step that was released never changes; a change is a new step at the end. The version of a file
(``PRAGMA user_version``) is the number of steps that it has taken.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from importer.ledger.sync_table import shared_ids_step

if TYPE_CHECKING:
    from collections.abc import Sequence


Step = tuple[str, ...]
"""SQL statements that are applied in one transaction."""

APPLICATION_ID = 0x4D494D50
"""``PRAGMA application_id`` of a ledger: "MIMP", so that no other database passes for one."""

_FIRST: Step = (
    "CREATE TABLE salt (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL)",
    "INSERT INTO salt (id, value) VALUES (1, randomblob(32))",
    """
    CREATE TABLE account (
        id INTEGER PRIMARY KEY,
        base_url TEXT NOT NULL,
        mode TEXT NOT NULL CHECK (mode IN ('test', 'live')),
        name TEXT NOT NULL,
        UNIQUE (base_url, mode, name)
    )
    """,
    """
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES account (id),
        run_id TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL,
        command TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT '',
        key_digest TEXT NOT NULL DEFAULT '',
        sources TEXT NOT NULL DEFAULT '[]',
        exit_code INTEGER,
        counts TEXT NOT NULL DEFAULT '{}',
        UNIQUE (account, run_id)
    )
    """,
    # A rowid table on purpose: WITHOUT ROWID wrote five times slower in random key order.
    """
    CREATE TABLE customer (
        id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES account (id),
        reference TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('new', 'sent', 'done', 'rejected')),
        generation INTEGER NOT NULL,
        fingerprint BLOB CHECK (typeof(fingerprint) IN ('blob', 'null')),
        first_sent_at REAL,
        settled_at REAL,
        customer_id TEXT,
        origin TEXT CHECK (origin IN ('created', 'replayed', 'found')),
        differs TEXT,
        http_status INTEGER NOT NULL DEFAULT 0,
        error_code TEXT NOT NULL DEFAULT '',
        attempts INTEGER NOT NULL DEFAULT 0,
        first_run INTEGER NOT NULL REFERENCES run (id),
        last_run INTEGER NOT NULL REFERENCES run (id),
        CHECK (state = 'new' OR fingerprint IS NOT NULL),
        CHECK (state <> 'sent' OR first_sent_at IS NOT NULL),
        CHECK (state <> 'done' OR (customer_id IS NOT NULL AND origin IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX customer_key ON customer (account, reference)",
    """
    CREATE TABLE attempt (
        id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES account (id),
        reference TEXT NOT NULL,
        at REAL NOT NULL,
        run INTEGER NOT NULL REFERENCES run (id),
        event TEXT NOT NULL,
        generation INTEGER NOT NULL,
        http_status INTEGER NOT NULL DEFAULT 0,
        error_code TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX attempt_key ON attempt (account, reference)",
)

_PLANS: Step = (
    # Which fields a row had, a few bits of each (field_hashes.py); NULL where nobody noted it.
    "ALTER TABLE customer ADD COLUMN fields BLOB",
    # The ledger's version (account.py). Runs of one plan, begun at ``plan_base``, made it.
    "ALTER TABLE account ADD COLUMN version BLOB NOT NULL DEFAULT x''",
    "ALTER TABLE account ADD COLUMN plan TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE account ADD COLUMN plan_base BLOB NOT NULL DEFAULT x''",
    "UPDATE account SET version = randomblob(16)",
    "ALTER TABLE run ADD COLUMN plan TEXT NOT NULL DEFAULT ''",
)

_TOTALS: Step = (
    # Rows by state: counting a large table takes half a minute, each time that somebody asks.
    """
    CREATE TABLE total (
        id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES account (id),
        state TEXT NOT NULL,
        customers INTEGER NOT NULL,
        UNIQUE (account, state)
    )
    """,
    """
    INSERT INTO total (account, state, customers)
    SELECT account, state, count(*) FROM customer GROUP BY account, state
    """,
)

_SERIES: Step = (
    # Which runs are nights of one file, and the figures that the next one is compared with.
    "ALTER TABLE run ADD COLUMN series TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE run ADD COLUMN volume TEXT NOT NULL DEFAULT ''",
)

_UPDATES: Step = (
    # Hashes of the version's fields, and of those that Moment confirmed: NULL where nobody knows
    # them, and an empty base stands for all of ``hashes`` (field_hashes.py, codec.py).
    "ALTER TABLE customer ADD COLUMN hashes BLOB",
    "ALTER TABLE customer ADD COLUMN base BLOB",
    # The version of the source that an update left in step, x'' where none is; NULL before any.
    "ALTER TABLE customer ADD COLUMN synced BLOB",
    # A customer's first change makes its record; ``ours`` is there while a PATCH may be open.
    """
    CREATE TABLE sync (
        id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES account (id),
        reference TEXT NOT NULL,
        customer_id TEXT NOT NULL,
        serial INTEGER NOT NULL CHECK (serial > 0),
        base BLOB NOT NULL,
        ours BLOB,
        version BLOB NOT NULL,
        memory TEXT NOT NULL DEFAULT '',
        changed_at REAL NOT NULL,
        run INTEGER NOT NULL REFERENCES run (id),
        UNIQUE (account, reference)
    )
    """,
    "CREATE INDEX sync_open ON sync (account) WHERE ours IS NOT NULL",
    "ALTER TABLE attempt ADD COLUMN detail TEXT NOT NULL DEFAULT ''",
)

_COPIES: Step = (
    # An account that was copied from another ledger keeps the salt of its hashes; NULL: ours.
    "ALTER TABLE account ADD COLUMN salt BLOB",
    # How far a copy of this account has come; '' once it is whole (copying.py).
    "ALTER TABLE account ADD COLUMN copying TEXT NOT NULL DEFAULT ''",
)

_NEWS: Step = (
    # What people were told last of the runs of a series (job/alerts.py); '' for nothing.
    """
    CREATE TABLE news (
        id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES account (id),
        scope TEXT NOT NULL,
        state TEXT NOT NULL,
        told_at REAL NOT NULL,
        UNIQUE (account, scope)
    )
    """,
)

_LOOKING: Step = (
    # What Moment's support asks for: the answer's request id, '' for none, and the time it took.
    "ALTER TABLE attempt ADD COLUMN request_id TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE attempt ADD COLUMN seconds REAL",
    # The stop rule or signal that ended a run early, '' if none did.
    "ALTER TABLE run ADD COLUMN stopped_by TEXT NOT NULL DEFAULT ''",
)

_INPUTS: Step = (
    # The digest of the whole input that a run delivered from (``Staging.digest``); '' for none.
    "ALTER TABLE run ADD COLUMN input TEXT NOT NULL DEFAULT ''",
)


def _restated(old: str, new: str) -> str:
    quoted = [one.replace("'", "''") for one in (old, new)]
    return (
        "UPDATE sqlite_master SET sql = replace(sql, '{}', '{}')".format(*quoted)  # noqa: S608 - constants
        + " WHERE type = 'table' AND name = 'customer'"
    )


CHECKS: Step = (
    # The same checks in other words: SQLite makes a table of a list of three or more, anew for
    # each row that it checks, which was a sixth of what two changes of a row cost. No row has to
    # be written again for it (sqlite.org/lang_altertable.html, "Making Other Kinds").
    "PRAGMA writable_schema = ON",
    _restated(
        "state IN ('new', 'sent', 'done', 'rejected')",
        "state = 'done' OR state = 'sent' OR state = 'rejected' OR state = 'new'",
    ),
    _restated(
        "origin IN ('created', 'replayed', 'found')",
        "origin = 'created' OR origin = 'replayed' OR origin = 'found'",
    ),
    "PRAGMA writable_schema = RESET",
)
"""Taken also where SQLite was built to forbid it (Apple's): the checks are then only slower."""

STEPS: tuple[Step, ...] = (
    *(_FIRST, _PLANS, _TOTALS, _SERIES, _UPDATES, _COPIES, _NEWS, _LOOKING),
    *(shared_ids_step("x''"), _INPUTS, CHECKS),
)


def version_of(db: sqlite3.Connection) -> int:
    """How many steps this file has taken."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection, steps: Sequence[Step] = STEPS) -> None:
    """Take the steps that are missing, each whole or not at all.

    Another process may do the same at the same time: whoever is second finds nothing left to do.

    Raises:
        sqlite3.Error: a step failed; the file is at the version before it.
    """
    while version_of(db) < len(steps):
        db.execute("BEGIN IMMEDIATE")
        try:
            at = version_of(db)
            if at < len(steps):
                _take(db, steps[at])
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {at + 1}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _take(db: sqlite3.Connection, step: Step) -> None:
    for statement in step:
        try:
            db.execute(statement)
        except sqlite3.OperationalError as error:
            if step is not CHECKS or "may not be modified" not in str(error):
                raise
