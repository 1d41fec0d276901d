"""A run's folder appears whole or not at all, privately, and cleans up after killed runs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from importer.errors import UsageError
from importer.results import Workspace

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
        "from importer.results import Workspace;"
        "w = Workspace(Path(sys.argv[1]), 'killed'); w.open_text('personal').write('x');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", kill, str(tmp_path)], check=False)
    assert (tmp_path / ".killed.partial" / "personal").exists()
    with Workspace(tmp_path, "working") as working, Workspace(tmp_path, "next"):
        assert not (tmp_path / ".killed.partial").exists()
        assert working.partial.exists()


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
