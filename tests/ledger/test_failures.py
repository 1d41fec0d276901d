"""A ledger that cannot be written: nothing is lost, and it goes on when the cause is gone."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import pytest

from importer.errors import ExitCode, LedgerFailed, UsageError
from importer.ledger.opening import open_ledger
from importer.ledger.sqlite.connection import ledger_failed
from tests.ledger.samples import ACCOUNT, SENT, Failing, attempt, done, raw, sent

if TYPE_CHECKING:
    from pathlib import Path

    from importer.ledger.ledger import Ledger

failing = partial(sqlite3.connect, factory=Failing)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The batch that does not fit is not there at all; what was there stays; room cures it."""
    path = tmp_path / "ledger.db"
    many = [sent(f"CUST-{number:05}") for number in range(2000)]
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
        pages = ledger._db.read("PRAGMA page_count")[0][0]
        ledger._db.read(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(LedgerFailed) as caught:
            ledger.apply(many, [], run_id="r", now=2.0)
        assert "disk is full" in caught.value.message
        assert str(path) in caught.value.message
        assert "free some space" in caught.value.hint
        assert caught.value.exit_code is ExitCode.STOPPED
        assert caught.value.reason == "ledger_failed"
        assert ledger.totals() == {"sent": 1}
        ledger._db.read("PRAGMA max_page_count = 100000")
        assert ledger.apply(many, [], run_id="r", now=3.0) == [None] * len(many)
        assert ledger.totals() == {"sent": 2001}
    assert raw(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("first", [True, False])
def test_every_statement_may_fail(tmp_path: Path, *, first: bool) -> None:
    """Whichever statement of a batch fails, the commit included, nothing of it is applied."""
    with open_ledger(tmp_path / "ledger.db", ACCOUNT, connect=failing) as ledger:
        if not first:
            ledger.apply([sent("A")], [], run_id="r", now=1.0)
        before = (ledger.states(["A", "B"]), ledger.totals(), ledger.runs(), ledger.accounts())
        changes, attempts = [done("A"), sent("B")], [attempt("A")]
        told: set[str] = set()
        for calls in range(100):
            Failing.last.calls_left = calls
            try:
                ledger.apply(changes, attempts, run_id="r", now=2.0)
            except LedgerFailed as error:
                told.add(error.message)
            else:
                break
            finally:
                Failing.last.calls_left = None
            now = (ledger.states(["A", "B"]), ledger.totals(), ledger.runs(), ledger.accounts())
            assert now == before
        assert calls >= 5
        assert [message.endswith("SQLite says: disk I/O error") for message in told] == [True]
        assert ledger.totals() == {"done": 1, "sent": 1}
        history = ledger.history("A")
        assert history is not None
        assert [one.event for one in history.entries].count("unknown") == 1


def interrupted(ledger: Ledger) -> None:
    """A batch that a signal's exception ends in the middle."""
    with ledger._db.transaction() as db:
        db.execute("DELETE FROM customer")
        raise KeyboardInterrupt


def test_an_interrupt_inside_a_batch_rolls_it_back(tmp_path: Path) -> None:
    """A signal that is raised in the middle leaves no transaction open."""
    with open_ledger(tmp_path / "ledger.db", ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
        with pytest.raises(KeyboardInterrupt):
            interrupted(ledger)
        assert ledger.states(["A"]) == {"A": SENT}
        assert ledger.apply([done("A")], [], run_id="r", now=2.0) == [None]


def test_a_failure_to_open_is_told(tmp_path: Path) -> None:
    """No error of SQLite escapes from opening, whichever statement fails."""
    path = tmp_path / "ledger.db"
    outcomes = set()
    for calls in range(60):

        class Dying(Failing):
            calls_left = calls

        try:
            open_ledger(path, ACCOUNT, connect=partial(sqlite3.connect, factory=Dying)).close()
        except LedgerFailed:
            outcomes.add("failed")
        else:
            outcomes.add("opened")
    assert outcomes == {"failed", "opened"}
    open_ledger(path, ACCOUNT).close()


def test_a_library_that_is_too_old_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems' Python has one without UPDATE FROM: it would fail after the first requests."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(UsageError, match=r"needs SQLite 3\.33") as caught:
        open_ledger(tmp_path / "ledger.db", ACCOUNT)
    assert "Python" in caught.value.hint
    assert not [*tmp_path.iterdir()]


def test_a_connection_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """``connect`` itself may fail."""

    def refuse(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    with pytest.raises(LedgerFailed, match="unable to open"):
        open_ledger(tmp_path / "ledger.db", ACCOUNT, connect=refuse)


def test_a_damaged_ledger_is_told(tmp_path: Path) -> None:
    """Overwritten pages give an error with a way out, not a traceback."""
    path = tmp_path / "ledger.db"
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent(f"C{number}") for number in range(500)], [], run_id="r", now=1.0)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    with (
        pytest.raises(LedgerFailed, match="damaged") as caught,
        open_ledger(path, ACCOUNT) as ledger,
    ):
        list(ledger.iter_states())
    assert "backup" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "disk is full"),
        (sqlite3.SQLITE_IOERR_FSYNC, "I/O error"),
        (sqlite3.SQLITE_CORRUPT_VTAB, "damaged"),
        (sqlite3.SQLITE_NOTADB, "damaged"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "may not be written"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "another program"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_SCHEMA, "SQLite says: boom"),
    ],
)
def test_each_cause_has_its_words(tmp_path: Path, code: int, words: str) -> None:
    """Extended result codes are told like their primary code, each with what to do."""
    error = sqlite3.OperationalError("boom")
    error.sqlite_errorcode = code
    told = ledger_failed(tmp_path / "ledger.db", error)
    assert words in told.message
    assert str(tmp_path / "ledger.db") in told.message
    assert told.hint
