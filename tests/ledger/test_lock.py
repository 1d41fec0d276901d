"""One run at a time, by a lock that dies with its process."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from importer.errors import ExitCode, LedgerInUse, UsageError
from importer.ledger.opening import open_ledger
from importer.ledger.sqlite.lock import RunLock
from tests.ledger.samples import ACCOUNT

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, time
from pathlib import Path
from importer.ledger.sqlite.lock import RunLock
with RunLock(Path(sys.argv[1]), run_id="the-first", started_at=1.0):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until it is killed."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_two_processes_and_kill_nine(tmp_path: Path) -> None:
    """The second run is told who holds the ledger; a killed run leaves no stale lock."""
    path = tmp_path / "ledger.db"
    with holder(path) as process:
        try:
            with pytest.raises(LedgerInUse) as caught, RunLock(path, run_id="the-second"):
                pytest.fail("two runs on one ledger")
            assert "run the-first" in caught.value.message
            assert f"process {process.pid}" in caught.value.message
            assert "1970-01-01T00:00:01Z" in caught.value.message
            assert caught.value.exit_code is ExitCode.LEDGER_IN_USE
        finally:
            process.kill()
    with RunLock(path, run_id="the-third"):
        note = json.loads((tmp_path / "ledger.db.lock").read_text())
    assert note["run_id"] == "the-third"
    assert note["pid"] == os.getpid()


def test_readers_need_no_lock(tmp_path: Path) -> None:
    """``status`` and ``export`` read while a run holds the ledger."""
    path = tmp_path / "ledger.db"
    with RunLock(path), open_ledger(path, ACCOUNT):
        open_ledger(path, ACCOUNT, read_only=True).close()


def test_every_path_to_a_ledger_meets_the_same_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path, a linked folder and a linked file cannot get round it."""
    real = tmp_path / "real"
    real.mkdir()
    path = real / "ledger.db"
    path.touch()
    (tmp_path / "folder").symlink_to(real)
    (tmp_path / "link.db").symlink_to(path)
    monkeypatch.chdir(real)
    relative = type(path)("ledger.db")
    ways = [
        relative,
        tmp_path / "folder" / "ledger.db",
        tmp_path / "link.db",
        real / ".." / "real" / "ledger.db",
    ]
    with RunLock(path):
        for way in ways:
            with pytest.raises(LedgerInUse), RunLock(way):
                pytest.fail(f"{way} got round the lock")
    for way in ways:
        with RunLock(way):
            pass


def test_the_lock_is_free_after_its_block_and_after_an_error(tmp_path: Path) -> None:
    """Leaving frees the lock, by an exception too; it can be entered again."""
    lock = RunLock(tmp_path / "ledger.db")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock:
            raise ZeroDivisionError
    with lock, RunLock(tmp_path / "other.db"):
        pass
    assert (tmp_path / "ledger.db.lock").read_text() == ""


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"pid": 1}', '{"pid":1,"run_id":"x","started_at":1e99}']
)
def test_a_holder_that_cannot_be_named_still_holds(tmp_path: Path, note: str) -> None:
    """A note that is missing or broken costs its words, not the lock."""
    path = tmp_path / "ledger.db"
    with RunLock(path):
        (tmp_path / "ledger.db.lock").write_text(note)
        with pytest.raises(LedgerInUse, match="in use by another run"), RunLock(path):
            pytest.fail("two runs on one ledger")


def test_a_lock_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    """A missing folder, and a link in the lock's place, are told with the ledger's path."""
    with pytest.raises(UsageError, match="cannot be locked"), RunLock(tmp_path / "no" / "l.db"):
        pytest.fail("a lock without a file")
    (tmp_path / "ledger.db.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="cannot be locked"), RunLock(tmp_path / "ledger.db"):
        pytest.fail("a lock through a link")
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_that_is_closed_to_us_never_leads_to_another_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's lock, or a folder that cannot be written: the fix keeps to this ledger."""

    def refused(error: type[OSError], number: int) -> str:
        def no(*_: object) -> int:
            raise error(number, os.strerror(number))

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", no)
            with pytest.raises(UsageError) as caught, RunLock(tmp_path / "ledger.db"):
                pytest.fail("locked")
        return f"{caught.value.message} | {caught.value.hint}"

    assert "--ledger" in refused(PermissionError, errno.EACCES), "there is none yet"
    (tmp_path / "ledger.db").touch()
    for error, number in ((PermissionError, errno.EACCES), (OSError, errno.EROFS)):
        assert "see that it may be written to" in refused(error, number)
    (tmp_path / "ledger.db.lock").touch()
    told = refused(PermissionError, errno.EACCES)
    assert "Permission denied (ledger.db.lock beside it) | another user has run importer" in told
