"""The schema's steps, and what the schema holds."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import UsageError
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.ledger.sqlite import connection
from importer.ledger.sqlite.migrations import APPLICATION_ID, STEPS, migrate, version_of
from tests.ledger.samples import ACCOUNT, SENT, raw, sent

if TYPE_CHECKING:
    from pathlib import Path

LATER = (
    *STEPS,
    ("ALTER TABLE customer ADD COLUMN second TEXT", "CREATE TABLE third (a)"),
    ("ALTER TABLE third ADD COLUMN b",),
    ("DROP TABLE third",),
)


def schema(db: sqlite3.Connection) -> list[object]:
    """The statements that made the schema."""
    return db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()


@pytest.mark.parametrize("start", range(len(LATER) + 1))
def test_a_ledger_of_every_version_is_upgraded(start: int) -> None:
    """From each earlier version the steps lead to the same schema as from nothing."""
    fresh, old = (sqlite3.connect(":memory:", isolation_level=None) for _ in range(2))
    migrate(fresh, LATER)
    migrate(old, LATER[:start])
    assert version_of(old) == start
    migrate(old, LATER)
    assert version_of(old) == len(LATER)
    assert schema(old) == schema(fresh)
    assert old.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_a_step_is_taken_whole_or_not_at_all() -> None:
    """A step that fails leaves the version before it, and can be taken later."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    before = schema(db)
    with pytest.raises(sqlite3.OperationalError):
        migrate(db, (*STEPS, ("CREATE TABLE half (a)", "CREATE TABLE half (a)")))
    assert schema(db) == before
    assert version_of(db) == len(STEPS)
    migrate(db, LATER)
    assert version_of(db) == len(LATER)


class Defensive(sqlite3.Connection):
    """As a SQLite that lets nobody write to its own table of tables."""

    def execute(self, *args: Any) -> sqlite3.Cursor:
        """Refuses what such a build refuses, in its words."""
        return super().execute("SELECT 1" if "writable_schema = ON" in args[0] else args[0])


@pytest.mark.parametrize("kind", [sqlite3.Connection, Defensive])
@pytest.mark.parametrize("start", [1, len(STEPS) - 1, len(STEPS)])
def test_what_no_row_may_hold_is_refused(kind: type[sqlite3.Connection], start: int) -> None:
    """The schema's checks hold in each ledger, however its SQLite lets them be written."""
    db = sqlite3.connect(":memory:", isolation_level=None, factory=kind)
    migrate(db, STEPS[:start])
    migrate(db)
    insert = (
        "INSERT INTO customer (account, reference, state, generation, fingerprint, first_sent_at,"
        " customer_id, origin, first_run, last_run)"
        " VALUES (1, '{}', '{}', 0, x'00', 1, 'b', '{}', 1, 1)"
    )
    for number, state in enumerate(("new", "sent", "done", "rejected")):
        for origin in ("created", "replayed", "found"):
            db.execute(insert.format(f"{number}{origin}", state, origin))
    for state, origin in (("gone", "found"), ("done", "lost"), ("", "found"), ("done", "")):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            db.execute(insert.format("A", state, origin))
    assert (" IN ('created'" in str(schema(db))) == (kind is Defensive)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with pytest.raises(sqlite3.OperationalError):
        db.execute("DELETE FROM sqlite_master")


def test_rows_survive_an_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older ledger is brought up to date when a writer opens it, with all it knows."""
    path = tmp_path / "ledger.db"
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
    monkeypatch.setattr(connection, "STEPS", LATER)
    with pytest.raises(UsageError, match="older importer"):
        open_ledger(path, ACCOUNT, read_only=True)
    monkeypatch.setattr(connection, "migrate", lambda db: migrate(db, LATER))
    with open_ledger(path, ACCOUNT) as ledger:
        assert ledger.states(["A"]) == {"A": SENT}
    assert version_of(raw(path)) == len(LATER)


def test_an_older_ledger_learns_how_many_it_holds(tmp_path: Path) -> None:
    """The counters start from a count, and go on from there."""
    path = tmp_path / "ledger.db"
    db = sqlite3.connect(path, isolation_level=None)
    migrate(db, STEPS[:2])
    db.execute(
        "INSERT INTO account (base_url, mode, name) VALUES ('https://a.example', 'test', 'a')"
    )
    db.execute("INSERT INTO run (account, run_id, started_at) VALUES (1, 'r', 1.0)")
    for reference, state in (("A", "sent"), ("B", "sent"), ("C", "rejected")):
        db.execute(
            "INSERT INTO customer (account, reference, state, generation, fingerprint,"
            " first_sent_at, first_run, last_run) VALUES (1, ?, ?, 0, x'00', 1.0, 1, 1)",
            (reference, state),
        )
    db.close()
    with open_ledger(path, Account("https://a.example", "test", "a")) as ledger:
        assert ledger.totals() == {"sent": 2, "rejected": 1}
        ledger.apply([sent("D")], [], run_id="r", now=1.0)
        assert ledger.totals() == {"sent": 3, "rejected": 1}


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_ledger_is_refused_untouched(tmp_path: Path, *, read_only: bool) -> None:
    """An old importer never writes to a schema that it does not know, and says to upgrade."""
    path = tmp_path / "ledger.db"
    open_ledger(path, ACCOUNT).close()
    raw(path).execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    before = path.read_bytes()
    with pytest.raises(UsageError) as caught:
        open_ledger(path, ACCOUNT, read_only=read_only)
    assert str(path) in caught.value.message
    assert "upgrade" in caught.value.hint
    assert path.read_bytes() == before


def test_the_ledger_has_no_column_for_a_payload(tmp_path: Path) -> None:
    """Fingerprints, ids, states, codes and times: a new column has to be argued for here."""
    path = tmp_path / "ledger.db"
    open_ledger(path, ACCOUNT).close()
    db = raw(path)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    columns = {
        table: {row[1] for row in db.execute(f"PRAGMA table_info({table})")} for table in tables
    }
    assert columns == {
        "salt": {"id", "value"},
        "account": {
            *("id", "base_url", "mode", "name", "version", "plan", "plan_base"),
            *("salt", "copying"),
        },
        "run": {
            *("id", "account", "run_id", "started_at", "ended_at", "command", "version"),
            *("series", "volume"),
            "input",  # A digest, as a fingerprint is one.
            *("key_digest", "sources", "exit_code", "counts", "plan", "stopped_by"),
        },
        "customer": {
            *("id", "account", "reference", "state", "generation", "fingerprint"),
            *("first_sent_at", "settled_at", "customer_id", "origin", "differs", "http_status"),
            *("error_code", "attempts", "first_run", "last_run", "fields"),
            *("hashes", "base", "synced"),
        },
        "total": {"id", "account", "state", "customers"},
        "attempt": {
            *("id", "account", "reference", "at", "run", "event", "generation"),
            *("http_status", "error_code", "detail", "request_id", "seconds"),
        },
        "sync": {
            *("id", "account", "reference", "customer_id", "serial", "base", "ours", "version"),
            *("memory", "changed_at", "run"),
        },
        # The state is an exit code and codes of errors; the scope names a series, as a run does.
        "news": {"id", "account", "scope", "state", "told_at"},
    }
    assert "WITHOUT ROWID" not in str(schema(db))


def test_two_processes_that_make_one_ledger_do_not_collide(tmp_path: Path) -> None:
    """Whoever comes second finds the step taken and goes on from there."""
    path = tmp_path / "ledger.db"

    class Overtaken(sqlite3.Connection):
        def execute(self, *args: Any) -> sqlite3.Cursor:
            if args[0] == "BEGIN IMMEDIATE":
                migrate(raw(path))
            return super().execute(*args)

    with (
        open_ledger(path, ACCOUNT, connect=partial(sqlite3.connect, factory=Overtaken)) as one,
        open_ledger(path, ACCOUNT) as two,
    ):
        assert one.key_digest("sk_test_fictional") == two.key_digest("sk_test_fictional")
    assert version_of(raw(path)) == len(STEPS)
