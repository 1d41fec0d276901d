"""What happens to the output never decides what happens to the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "importer"]


def check(folder: Path, *options: str) -> list[str]:
    """The command line of a check with results in this folder."""
    source = folder / "in.csv"
    source.write_text("external_reference,unknown\nC-1,x\n")
    return [*PROGRAM, "check", str(source), "--out", str(folder / "out"), *options]


def test_a_reader_that_goes_away_does_not_end_the_run(tmp_path: Path) -> None:
    """With nobody left to read the log, the job still finishes and writes its results."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        check(tmp_path, "--log-format", "json"), stdout=write, stderr=write, check=False
    )
    os.close(write)
    assert done.returncode == 0
    assert list((tmp_path / "out").glob("*/results.csv"))


def test_closed_streams_do_not_end_the_run(tmp_path: Path) -> None:
    """Started without standard streams at all, the job finishes, too."""
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *check(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 0
    assert list((tmp_path / "out").glob("*/results.csv"))


def test_json_logs_are_json_to_the_last_line(tmp_path: Path) -> None:
    """An error that ends the program is an event like the others."""
    command = [*check(tmp_path, "--log-format", "json"), "--strict"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 2
    assert lines[-1]["event"] == "run_failed"
    assert lines[-1]["exit_code"] == 2
    assert "unknown" in lines[-1]["error"]


def test_a_person_reads_plain_words(tmp_path: Path) -> None:
    """Without JSON the error is a line with a hint, and never a traceback."""
    command = [*check(tmp_path, "--log-format", "console"), "--strict"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_printed() -> None:
    """``importer --version`` names the version."""
    import importer

    shown = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"importer {importer.__version__}\n"
