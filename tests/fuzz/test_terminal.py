"""Nothing that a file, a name or a server says reaches a terminal or a log as a command to it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.cli.logs import LogObserver, configure
from importer.cli.next_commands import after_check, after_run
from importer.cli.status_command import show_ledger
from importer.cli.terminal import TerminalObserver
from importer.errors import ImporterError, printable
from importer.job.check import check
from importer.job.job_settings import InputSettings
from importer.ledger.account import Account
from importer.ledger.address import LedgerAddress
from importer.ledger.opening import open_ledger
from importer.results.summary import Summary

EVIL = "\x1b[2J\x1b]0;owned\x07\r\n\u202e\x9b31m\udcff[red]"
NAMES = [
    "\x1b[2J.csv",
    "a\nb.csv",
    "a\rb.csv",
    "\u202ecsv.exe",
    os.fsdecode(b"\xff.csv"),
    "[bold]x[red].csv",
    "-x.csv",
    "$(touch hacked).csv",
    "'; touch hacked; '.csv",
    "x" * 240 + ".csv",
]


def harmless(text: str) -> bool:
    """Whether a terminal does nothing but show it, line by line."""
    return all(one.isprintable() or one == "\n" for one in text)


@given(st.text(st.characters(), max_size=20))
def test_what_is_printable_says_what_was_there(text: str) -> None:
    """Any text becomes one printable line, and a printable one stays as it is."""
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    if text.isprintable():
        assert shown == text


def test_every_error_can_be_printed() -> None:
    """Whatever a message quotes, the error tells it in printable characters."""
    error = ImporterError(f"cannot read {EVIL}", hint=f"look at {EVIL}")
    assert harmless(error.message + error.hint + str(error))
    assert "\\x1b[2J" in str(error)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output", ["terminal", "console", "json"])
def test_a_hostile_file_name_and_header(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    output: str,
) -> None:
    """A check of it prints nothing that a terminal would obey, and its results are written."""
    # The name is no path of ours either: nothing is made outside of the results folder.
    monkeypatch.chdir(tmp_path)
    content = 'external_reference,"\x1b[2Jx\r\u202e",name\nR-1,\x1b[2J,\x1b]0;x\x07\n'
    Path(name).write_bytes(content.encode())
    observer: LogObserver | TerminalObserver
    if output == "terminal":
        observer = TerminalObserver(next_commands=after_check)
    else:
        configure(json=output == "json", quiet=False)
        observer = LogObserver()
    done = check(InputSettings(sources=(name,), out=tmp_path / "out"), observer=observer)
    printed = capfd.readouterr()
    assert printed.err
    assert harmless(printed.out + printed.err)
    assert done.summary.records == 1
    assert {one.name for one in tmp_path.iterdir()} == {name, "out"}


EACH = """
import os, sys
import importer.cli.app, importer.job.check
from importer.cli import main
for name in sys.argv[1:]:  # a process each, of one start
    child = os.fork()
    if not child:
        sys.argv = ["importer", "check", "--", f"missing-{name}"]
        main()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(f"ended with {code}", file=sys.stderr, flush=True)
"""


def test_a_missing_file_is_reported_harmlessly(tmp_path: Path) -> None:
    """The process itself ends with a message and a hint, without a traceback."""
    command = [sys.executable, "-c", EACH, *NAMES]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=True)
    said = done.stderr.decode().split("ended with 2\n")
    assert said.pop() == ""
    assert len(said) == len(NAMES)
    for text in said:
        assert harmless(text)
        assert "no such file" in text
        assert "Traceback" not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_next_command_names_the_very_file(tmp_path: Path, name: str) -> None:
    """What is printed to be typed comes out of a shell as the file's own name, and runs nothing."""
    summary = Summary("id", "check", "", 0.0, "", [name])
    for make in (after_check, partial(after_run, LedgerAddress.parse(tmp_path / "ledger.db"))):
        command = make(summary, "results")[-1 if make is after_check else 0].partition("  # ")[0]
        assert command.isprintable()
        echoed = command.replace("importer", "printf '%s\\0'", 1)
        done = subprocess.run(["bash", "-c", echoed], capture_output=True, cwd=tmp_path, check=True)
        said = done.stdout.split(b"\0")
        assert os.fsencode(f"./{name}" if name.startswith("-") else name) in said
        assert not (tmp_path / "hacked").exists()


def test_the_ledgers_own_words_are_harmless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of earlier sources and of the ledger are shown escaped."""
    path = tmp_path / "\x1b[2J.db"
    with open_ledger(path, Account("https://example.com", "test", "default")) as ledger:
        ledger.begin_run(
            "run", started_at=0.0, command="run", version="0", key_digest="", sources=[EVIL]
        )
    show_ledger(LedgerAddress.parse(path))
    assert harmless(capsys.readouterr().out)
