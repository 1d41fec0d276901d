"""A run's folder appears whole or not at all, privately, and cleans up after killed runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from importer.errors import UsageError
from importer.results.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_results_appear_in_one_rename(tmp_path: Path) -> None:
    """Nothing is at the final place before publish, everything but scratch after it."""
    with Workspace(tmp_path, "run1") as workspace:
        with workspace.open_text("results.csv") as file:
            file.write("a\n")
        assert not workspace.final.exists()
        final = workspace.publish()
    assert [path.name for path in final.iterdir()] == ["results.csv"]
    assert [path.name for path in tmp_path.iterdir()] == ["run1"]


def test_everything_is_private(tmp_path: Path) -> None:
    """The folder is 0700 and files are 0600, whatever the umask."""
    before = os.umask(0)
    try:
        with Workspace(tmp_path, "run1") as workspace:
            with workspace.open_text("results.csv"):
                pass
            final = workspace.publish()
    finally:
        os.umask(before)
    assert stat.S_IMODE(final.stat().st_mode) == 0o700
    assert stat.S_IMODE((final / "results.csv").stat().st_mode) == 0o600


def test_a_failed_run_leaves_nothing(tmp_path: Path) -> None:
    """A workspace that is not published is removed, with the rows in it."""

    def fail() -> None:
        with Workspace(tmp_path, "run1") as workspace:
            workspace.open_text("staging").close()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    """The next run removes a killed run's folder, but not that of a run that still works."""
    kill = (
        "import os, signal, sys; from pathlib import Path;"
        "from importer.results.workspace import Workspace;"
        "w = Workspace(Path(sys.argv[1]), 'killed'); w.open_text('personal').write('x');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", kill, str(tmp_path)], check=False)
    assert (tmp_path / ".killed.partial" / "personal").exists()
    with Workspace(tmp_path, "working") as working, Workspace(tmp_path, "next"):
        assert not (tmp_path / ".killed.partial").exists()
        assert working.partial.exists()


STRANGERS = {
    "no lock": {".mydownload.partial/half": "x"},
    "an empty folder": {".mydownload.partial/": ""},
    "a lock that says nothing": {".mydownload.partial/lock": "", ".mydownload.partial/half": "x"},
    "a lock of something else": {".mydownload.partial/lock": "pid 5\n"},
    "the copy of one of ours": {".mine.partial/lock": "importer workspace killed\n"},
    "a run's name, and files": {".20261122T233704Z-1f3a9c.partial/half": "x"},
    "a run's name, and an empty lock beside files": {
        ".20261122T233704Z-1f3a9c.partial/lock": "",
        ".20261122T233704Z-1f3a9c.partial/half": "x",
    },
    "a file": {".mydownload.partial": "x"},
    "a download with a lock as a folder": {".mydownload.partial/lock/": ""},
}


@pytest.mark.parametrize("files", STRANGERS.values(), ids=list(STRANGERS))
def test_what_a_stranger_left_stays(tmp_path: Path, files: dict[str, str]) -> None:
    """Only a folder whose lock names that very folder is a run's; all else is left as it is."""
    for name, text in files.items():
        path = tmp_path / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text(text)
    with Workspace(tmp_path, "run1") as workspace:
        workspace.publish()
    assert all((tmp_path / name).exists() for name in files)


def test_a_run_that_was_killed_as_it_began_leaves_nothing(tmp_path: Path) -> None:
    """A folder without a word in it holds no rows; it goes, too."""
    for run_id, lock in (("20261122T233704Z-aaaaaa", False), ("20261122T233704Z-bbbbbb", True)):
        partial = tmp_path / f".{run_id}.partial"
        partial.mkdir()
        if lock:
            (partial / "lock").touch()
    with Workspace(tmp_path, "run1") as workspace:
        workspace.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["run1"]


def test_publishing_never_leaves_a_finished_folder_without_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever another command does at any moment of publishing, the results stand whole."""
    real = os.fsync

    def another_command(descriptor: int) -> None:
        real(descriptor)
        with Workspace(tmp_path, f"other{descriptor}-{os.urandom(4).hex()}"):
            pass

    with Workspace(tmp_path, "run1") as workspace:
        for name in ("results.csv", "summary.json"):
            with workspace.open_text(name) as file:
                file.write("a\n")
        monkeypatch.setattr(os, "fsync", another_command)
        final = workspace.publish()
    assert sorted(path.name for path in final.iterdir()) == ["results.csv", "summary.json"]


def test_a_folder_that_another_command_removes_as_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a folder and its lock, and between a lock and its hold, others may come."""
    out = tmp_path / "out"
    removed: list[int] = []
    real = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        if not removed:
            removed.append(operation)
            shutil.rmtree(out)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with Workspace(out, "run1") as workspace:
        assert (workspace.partial / "lock").read_text() == "importer workspace run1\n"
    assert removed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_clear_error(tmp_path: Path) -> None:
    """An --out that cannot be written stops the run before anything is sent."""
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError) as caught:
        Workspace(tmp_path / "results", "run1")
    assert "--out" in caught.value.hint


def test_a_file_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    """An --out that is a file is named in the error."""
    (tmp_path / "results").touch()
    with pytest.raises(UsageError) as caught:
        Workspace(tmp_path / "results", "run1")
    assert str(tmp_path / "results") in caught.value.message
