"""The file: private, and nothing but a ledger."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from importer.errors import LedgerFailed, UsageError
from importer.ledger.opening import open_ledger, read_accounts
from importer.ledger.sqlite.lock import RunLock
from tests.ledger.samples import ACCOUNT, SENT, done, raw, sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_every_file_of_the_ledger_is_private(tmp_path: Path, umask: int) -> None:
    """File, log, index and lock are 0600 whatever the umask."""
    path = tmp_path / "ledger.db"
    before = os.umask(umask)
    try:
        with RunLock(path), open_ledger(path, ACCOUNT) as ledger:
            ledger.apply([sent("A")], [], run_id="r", now=1.0)
            modes = {one.name: mode(one) for one in tmp_path.iterdir()}
    finally:
        os.umask(before)
    names = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock")
    assert modes == dict.fromkeys(names, 0o600)


def test_a_copy_that_others_may_read_is_made_private(tmp_path: Path) -> None:
    """Opening for writing takes the rights away that a restored backup came with."""
    path = tmp_path / "ledger.db"
    open_ledger(path, ACCOUNT).close()
    path.chmod(0o664)
    open_ledger(path, ACCOUNT).close()
    assert mode(path) == 0o600


def test_a_closed_ledger_is_one_file(tmp_path: Path) -> None:
    """After a writer or a reader has closed, the file alone is whole and can be copied."""
    path = tmp_path / "ledger.db"
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.db"]
    with open_ledger(path, ACCOUNT, read_only=True) as ledger:
        assert ledger.states(["A"]) == {"A": SENT}
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.db"]


def test_closing_checkpoints_though_another_reader_stays(tmp_path: Path) -> None:
    """A writer that closes empties the log while an idle reader has the file open."""
    path = tmp_path / "ledger.db"
    writer = open_ledger(path, ACCOUNT)
    writer.apply([sent("A")], [], run_id="r", now=1.0)
    with open_ledger(path, ACCOUNT, read_only=True) as reader:
        assert reader.states(["A"]) == {"A": SENT}
        writer.close()
        assert (tmp_path / "ledger.db-wal").stat().st_size == 0
        assert reader.states(["A"]) == {"A": SENT}


def test_sqlite_is_set_to_lose_nothing(tmp_path: Path) -> None:
    """A writer's connection is in WAL mode with synchronous=FULL."""
    with open_ledger(tmp_path / "ledger.db", ACCOUNT) as ledger:
        assert ledger._db.read("PRAGMA journal_mode") == [("wal",)]
        assert ledger._db.read("PRAGMA synchronous") == [(2,)]
        assert ledger._db.read("PRAGMA foreign_keys") == [(1,)]


def garbage(path: Path) -> None:
    """A file that is no database."""
    path.write_text("external_reference,name\n" + "CUST-1,Ada Example\n" * 100)


def short_garbage(path: Path) -> None:
    """A file too short to be a database."""
    path.write_text("hello")


def foreign(path: Path) -> None:
    """Another program's database."""
    db = raw(path)
    db.execute("PRAGMA application_id = 7")
    db.execute("CREATE TABLE t (a)")
    db.close()


def nameless(path: Path) -> None:
    """A database that does not say whose it is."""
    db = raw(path)
    db.execute("CREATE TABLE customer (a)")
    db.close()


def folder(path: Path) -> None:
    """A folder."""
    path.mkdir()


def link(path: Path) -> None:
    """A link to a ledger."""
    target = path.with_name("other.db")
    open_ledger(target, ACCOUNT).close()
    path.symlink_to(target)


def pipe(path: Path) -> None:
    """A named pipe, which would block whoever opens it."""
    os.mkfifo(path)


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize(
    "make",
    [garbage, short_garbage, foreign, nameless, folder, link, pipe],
    ids=lambda f: f.__name__,
)
def test_what_is_no_ledger_is_refused_untouched(
    tmp_path: Path, make: Callable[[Path], None], *, read_only: bool
) -> None:
    """Another file under the ledger's name is a usage error that names it, and stays as it is."""
    path = tmp_path / "ledger.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(UsageError) as caught:
        open_ledger(path, ACCOUNT, read_only=read_only)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert not path.is_file() or path.read_bytes() == before


@pytest.mark.parametrize("read_only", [True, False])
def test_a_missing_ledger_is_not_made_unasked(tmp_path: Path, *, read_only: bool) -> None:
    """Reading, or ``create=False``, says that there is none and makes none."""
    path = tmp_path / "ledger.db"
    with pytest.raises(UsageError, match="there is no ledger at"):
        open_ledger(path, ACCOUNT, create=False, read_only=read_only)
    with pytest.raises(UsageError, match="there is no ledger at"):
        read_accounts(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["missing/ledger.db", "file/ledger.db", "a\0b"])
def test_a_path_that_cannot_be_is_a_usage_error(tmp_path: Path, name: str) -> None:
    """A missing folder, a file for a folder and a zero byte are told as such."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be used"):
        open_ledger(tmp_path / name, ACCOUNT)


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    """What ``mktemp`` made, or a crash right after the file was made, is taken for a new ledger."""
    path = tmp_path / "ledger.db"
    path.touch()
    with pytest.raises(UsageError, match="holds nothing yet"):
        open_ledger(path, ACCOUNT, read_only=True)
    with open_ledger(path, ACCOUNT) as ledger:
        assert ledger.apply([sent("A")], [], run_id="r", now=1.0) == [None]


def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    """A change through a ledger opened for reading fails and is not there."""
    path = tmp_path / "ledger.db"
    open_ledger(path, ACCOUNT).close()
    with open_ledger(path, ACCOUNT, read_only=True) as ledger:
        with pytest.raises(LedgerFailed):
            ledger.apply([sent("A")], [], run_id="r", now=1.0)
        assert ledger.states(["A"]) == {}


def test_a_ledger_on_a_read_only_medium_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing may be written, a closed ledger is read without a log beside it."""
    path = tmp_path / "ledger.db"
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A"), done("A")], [], run_id="r", now=1.0)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with open_ledger(path, ACCOUNT, read_only=True) as ledger:
        assert ledger.totals() == {"done": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.db"]


def test_names_that_mean_something_in_a_uri_are_plain_names(tmp_path: Path) -> None:
    """A question mark, a percent sign or a space in the path is no parameter."""
    path = tmp_path / "my ledger?mode=memory&x=%41#y.db"
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_opening_again_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    """A second opening in one process does not drop what SQLite has locked for the first."""
    path = tmp_path / "ledger.db"
    leave_wal = (
        "import sqlite3, sys\n"
        "try: sqlite3.connect(sys.argv[1], timeout=0).execute('PRAGMA journal_mode = DELETE')\n"
        "except sqlite3.OperationalError as error: print(error)\n"
    )
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
        open_ledger(path, ACCOUNT, read_only=True).close()
        open_ledger(path, ACCOUNT).close()
        asked = subprocess.run(
            [sys.executable, "-c", leave_wal, str(path)], capture_output=True, text=True, check=True
        )
        assert asked.stdout.strip() == "database is locked"
    assert raw(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_locked_file_is_told_after_the_wait(tmp_path: Path) -> None:
    """A program that holds the write lock for too long stops the run, and says what to close."""
    path = tmp_path / "ledger.db"

    def impatient(*args: object, **kwargs: object) -> sqlite3.Connection:
        return sqlite3.connect(*args, **{**kwargs, "timeout": 0.01})  # type: ignore[call-overload,no-any-return]

    with open_ledger(path, ACCOUNT, connect=impatient) as ledger:
        other = raw(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerFailed, match="another program has locked it"):
            ledger.apply([sent("A")], [], run_id="r", now=1.0)
        other.execute("ROLLBACK")
        other.close()
        assert ledger.apply([sent("A")], [], run_id="r", now=1.0) == [None]


TAKEN_AWAY = {
    "deleted": lambda path: path.unlink(),
    "moved": lambda path: path.rename(path.with_name("elsewhere.db")),
    "replaced": lambda path: (
        path.write_bytes(path.read_bytes())
        and path.with_name("copy").write_bytes(path.read_bytes())
        and path.with_name("copy").rename(path)
    ),
}


@pytest.mark.parametrize("take", TAKEN_AWAY.values(), ids=list(TAKEN_AWAY))
def test_a_ledger_that_is_taken_away_is_written_no_more(
    tmp_path: Path, take: Callable[[Path], object]
) -> None:
    """The next change is refused, because nobody would find it again; nothing is sent then."""
    path = tmp_path / "ledger.db"
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
        take(path)
        with pytest.raises(LedgerFailed, match="deleted, moved or replaced"):
            ledger.apply([done("A")], [], run_id="r", now=2.0)


def test_a_ledger_with_two_names_is_refused_to_writers(tmp_path: Path) -> None:
    """Each name would have a log and a lock of its own; reading hurts nobody."""
    path = tmp_path / "ledger.db"
    open_ledger(path, ACCOUNT).close()
    other = tmp_path / "other.db"
    os.link(path, other)
    for name in (path, other):
        with pytest.raises(UsageError, match="2 names"):
            open_ledger(name, ACCOUNT)
    assert read_accounts(path) == []
    other.unlink()
    open_ledger(path, ACCOUNT).close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_that_was_removed_holds_nobody_off(tmp_path: Path, *, replaced: bool) -> None:
    """Who removes the lock file lets a second run in, so the first writes no more."""
    path = tmp_path / "ledger.db"
    with RunLock(path) as lock, open_ledger(path, ACCOUNT, lease=lock) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
        path.with_name("ledger.db.lock").unlink()
        if replaced:
            path.with_name("ledger.db.lock").touch()
        with pytest.raises(LedgerFailed, match="was removed while a run held it"):
            ledger.apply([done("A")], [], run_id="r", now=2.0)
