"""What happens to the output never decides what happens to the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from importer.ledger.account import Account
from importer.ledger.opening import open_ledger

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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", [["status"], ["config"], ["run", "--help"]])
def test_what_a_full_disk_lost_is_no_success(tmp_path: Path, command: list[str]) -> None:
    """Whoever reads the output later must not take half of it for the whole."""
    open_ledger(tmp_path / "importer-ledger.db", Account("https://api.example.com", "test")).close()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 3
    assert "standard output could not be written: No space left" in done.stderr


SECRET = "Ada Example"
CRASH = f"""
import sys
import importer.cli, importer.job.check

def fails(*_, **__):
    try:
        raise KeyError({SECRET!r})
    except KeyError:
        raise BaseExceptionGroup({SECRET!r}, [RuntimeError({SECRET!r}), OSError({SECRET!r})])

importer.job.check.check = fails
sys.argv = ["importer", "check", {SECRET!r}, *sys.argv[1:]]
importer.cli.main()
"""


@pytest.mark.parametrize("options", [[], ["--log-format", "json"]])
def test_what_nobody_expected_is_one_sentence(tmp_path: Path, options: list[str]) -> None:
    """Exit code 70, no traceback, and a private file that tells where but holds no data."""
    done = subprocess.run(
        [sys.executable, "-c", CRASH, *options],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 70
    assert "this is a bug in importer" in done.stderr
    assert "Traceback" not in done.stderr
    [kept] = tmp_path.glob("importer-bug-*.txt")
    assert str(kept) in done.stderr
    assert kept.stat().st_mode & 0o777 == 0o600
    told = kept.read_text()
    assert all(name in told for name in ("RuntimeError", "OSError", "KeyError", "in fails"))
    assert SECRET not in told + done.stderr


def test_where_no_file_can_be_kept_the_sentence_stands_alone(tmp_path: Path) -> None:
    """A full or missing temporary folder costs the details only."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            CRASH.replace(
                "import sys",
                "import sys, tempfile\ntempfile.mkstemp = lambda **_: open('/missing/x')",
                1,
            ),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 70
    assert "this is a bug in importer" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_printed() -> None:
    """``importer --version`` names the version."""
    import importer

    shown = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"importer {importer.__version__}\n"
