"""The ledger's tables in PostgreSQL, as the ordered steps that lead to them.

The columns are those of the SQLite ledger. A step that was released never changes; a change is a
new step at the end. How many were taken stands in ``ledger_version``.

References are compared by code point (``COLLATE "C"``), as SQLite does. The large tables have no
foreign keys: each row would pay for the look-up, and one statement alone writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.ledger.postgres.rate_table import RATE_STEP
from importer.ledger.sync_table import shared_ids_step

if TYPE_CHECKING:
    from importer.ledger.statements import Transaction

Step = tuple[str, ...]
"""SQL statements that are applied in one transaction."""

_FIRST: Step = (
    "CREATE TABLE salt (id INT PRIMARY KEY CHECK (id = 1), value BYTEA NOT NULL)",
    """
    CREATE TABLE account (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        base_url TEXT NOT NULL,
        mode TEXT NOT NULL CHECK (mode IN ('test', 'live')),
        name TEXT NOT NULL,
        version BYTEA NOT NULL DEFAULT '',
        plan TEXT NOT NULL DEFAULT '',
        plan_base BYTEA NOT NULL DEFAULT '',
        salt BYTEA,
        copying TEXT NOT NULL DEFAULT '',
        UNIQUE (base_url, mode, name)
    )
    """,
    """
    CREATE TABLE run (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account BIGINT NOT NULL REFERENCES account (id),
        run_id TEXT NOT NULL,
        started_at DOUBLE PRECISION NOT NULL,
        ended_at DOUBLE PRECISION,
        command TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT '',
        key_digest TEXT NOT NULL DEFAULT '',
        sources TEXT NOT NULL DEFAULT '[]',
        exit_code INT,
        counts TEXT NOT NULL DEFAULT '{}',
        plan TEXT NOT NULL DEFAULT '',
        series TEXT NOT NULL DEFAULT '',
        volume TEXT NOT NULL DEFAULT '',
        UNIQUE (account, run_id)
    )
    """,
    # Room on each page: a row's second change stays on it, and no index is touched. The key begins
    # with what tells rows apart: where nobody has analysed the table yet, PostgreSQL takes an
    # account for a handful of rows, and would read all of them.
    """
    CREATE TABLE customer (
        account BIGINT NOT NULL,
        reference TEXT COLLATE "C" NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('new', 'sent', 'done', 'rejected')),
        generation INT NOT NULL,
        fingerprint BYTEA,
        first_sent_at DOUBLE PRECISION,
        settled_at DOUBLE PRECISION,
        customer_id TEXT,
        origin TEXT CHECK (origin IN ('created', 'replayed', 'found')),
        differs TEXT,
        http_status INT NOT NULL DEFAULT 0,
        error_code TEXT NOT NULL DEFAULT '',
        attempts INT NOT NULL DEFAULT 0,
        first_run BIGINT NOT NULL,
        last_run BIGINT NOT NULL,
        fields BYTEA,
        hashes BYTEA,
        base BYTEA,
        synced BYTEA,
        PRIMARY KEY (reference, account),
        CHECK (state = 'new' OR fingerprint IS NOT NULL),
        CHECK (state <> 'sent' OR first_sent_at IS NOT NULL),
        CHECK (state <> 'done' OR (customer_id IS NOT NULL AND origin IS NOT NULL))
    ) WITH (fillfactor = 75)
    """,
    """
    CREATE TABLE sync (
        account BIGINT NOT NULL,
        reference TEXT COLLATE "C" NOT NULL,
        customer_id TEXT NOT NULL,
        serial INT NOT NULL CHECK (serial > 0),
        base BYTEA NOT NULL,
        ours BYTEA,
        version BYTEA NOT NULL,
        memory TEXT NOT NULL DEFAULT '',
        changed_at DOUBLE PRECISION NOT NULL,
        run BIGINT NOT NULL,
        PRIMARY KEY (reference, account)
    ) WITH (fillfactor = 75)
    """,
    "CREATE INDEX sync_open ON sync (account) WHERE ours IS NOT NULL",
    """
    CREATE TABLE attempt (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account BIGINT NOT NULL,
        reference TEXT COLLATE "C" NOT NULL,
        at DOUBLE PRECISION NOT NULL,
        run BIGINT NOT NULL,
        event TEXT NOT NULL,
        generation INT NOT NULL,
        http_status INT NOT NULL DEFAULT 0,
        error_code TEXT NOT NULL DEFAULT '',
        detail TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX attempt_key ON attempt (account, reference)",
    # Rows by state, kept and not counted.
    """
    CREATE TABLE total (
        account BIGINT NOT NULL REFERENCES account (id),
        state TEXT COLLATE "C" NOT NULL,
        customers BIGINT NOT NULL,
        PRIMARY KEY (account, state)
    ) WITH (fillfactor = 50)
    """,
    # Who has an account (account_lease.py): one row each for the shards of one job.
    """
    CREATE TABLE lease (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account TEXT NOT NULL,
        job TEXT NOT NULL,
        shard INT NOT NULL,
        run_id TEXT NOT NULL,
        holder TEXT NOT NULL,
        taken_at TIMESTAMPTZ NOT NULL,
        renewed_at TIMESTAMPTZ NOT NULL,
        expires TIMESTAMPTZ NOT NULL,
        UNIQUE (account, shard)
    ) WITH (fillfactor = 50)
    """,
    # One row for each connection that writes: the number of its last transaction. It tells whether
    # a commit took place whose answer was lost (postgres_connection.py).
    """
    CREATE TABLE writer (
        id TEXT PRIMARY KEY,
        commits BIGINT NOT NULL,
        seen_at TIMESTAMPTZ NOT NULL
    ) WITH (fillfactor = 50)
    """,
)

_NEWS: Step = (
    # What people were told last of the runs of a series (job/alerts.py); '' for nothing.
    """
    CREATE TABLE news (
        account BIGINT NOT NULL REFERENCES account (id),
        scope TEXT COLLATE "C" NOT NULL,
        state TEXT NOT NULL,
        told_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (account, scope)
    )
    """,
)

_LOOKING: Step = (
    # What Moment's support asks for: the answer's request id, '' for none, and the time it took.
    "ALTER TABLE attempt ADD COLUMN request_id TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE attempt ADD COLUMN seconds DOUBLE PRECISION",
    # The stop rule or signal that ended a run early, '' if none did.
    "ALTER TABLE run ADD COLUMN stopped_by TEXT NOT NULL DEFAULT ''",
)

_INPUTS: Step = (
    # The digest of the whole input that a run delivered from (``Staging.digest``); '' for none.
    "ALTER TABLE run ADD COLUMN input TEXT NOT NULL DEFAULT ''",
)

STEPS: tuple[Step, ...] = (*(_FIRST, RATE_STEP, _NEWS, _LOOKING, shared_ids_step("''"), _INPUTS),)


def take_steps(db: Transaction, at: int, salt: bytes) -> None:
    """Take the steps that are missing after the first ``at`` (inside a transaction)."""
    if at == 0:
        db.execute("CREATE TABLE ledger_version (steps INT NOT NULL)")
        db.execute("INSERT INTO ledger_version (steps) VALUES (0)")
    for statement in (one for step in STEPS[at:] for one in step):
        db.execute(statement)
    if at == 0:
        db.execute("INSERT INTO salt (id, value) VALUES (1, ?)", (salt,))
    db.execute("UPDATE ledger_version SET steps = ?", (len(STEPS),))
