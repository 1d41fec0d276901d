"""What a person and a log reader see of a run's errors."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from importer.cli import main
from importer.cli.logs import MOST_GROUPS, LogObserver, configure
from importer.cli.next_commands import after_run
from importer.cli.terminal import SHOWN, print_groups
from importer.ledger.address import LedgerAddress
from importer.results.summary import GroupReport, Summary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "importer"]
TEXT = "phone is not in E.164 format: in national form"
FIX = 'region = "ZA" in [fields.phone] (the country of the numbers without a country code)'

TOML = '[fields.phone]\nregion = "ZA"'


def group(rows: int = 812, *, source: str = "in.csv", text: str = TEXT) -> GroupReport:
    """One group of errors."""
    lines = list(range(14, 14 + min(rows, 10)))
    return GroupReport(
        "invalid", rows, source, "phone", "phone_not_e164", "", 0, lines, text, FIX, TOML
    )


def summary(groups: list[GroupReport], *, toml: str = "", found: int = 0) -> Summary:
    """The summary of a check."""
    told = Summary("id", "check", "", 0.0, "", ["in.csv"], groups=groups, toml=toml)
    told.groups_found = found or len(groups)
    return told


def printed(told: Summary, capsys: pytest.CaptureFixture[str]) -> str:
    """What a terminal of 80 columns shows."""
    print_groups(Console(width=80, highlight=False), told)
    return "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())


def test_a_group_is_told_in_rows_words_lines_and_fix(capsys: pytest.CaptureFixture[str]) -> None:
    """At 80 columns everything is there, and what is too long goes on below itself."""
    assert printed(summary([group()]), capsys) == (
        "errors by cause:\n"
        "812 rows  phone is not in E.164 format: in national form\n"
        "          lines 14, 15, 16, 17, 18 …\n"
        '          fix: region = "ZA" in [fields.phone] (the country of the numbers\n'
        "          without a country code)"
    )


def test_one_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A single row is not told in the plural."""
    shown = printed(summary([group(1)]), capsys)
    assert "1 row  " in shown
    assert "line 14\n" in shown


def test_the_toml_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    """Long lines are not broken, brackets are no markup: what is shown is TOML."""
    values = ", ".join(f'"currency {n}" = "ZAR"' for n in range(20))
    toml = f"[fields.currency]\nvalues = {{ {values} }}"
    shown = printed(summary([group()], toml=toml), capsys)
    assert tomllib.loads(shown.partition("in these sections:\n")[2]) == tomllib.loads(toml)


def test_what_is_not_shown_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal shows the most frequent groups, and how many there are besides."""
    shown = printed(summary([group()] * 20, found=1234), capsys)
    assert shown.count("fix:") == SHOWN
    assert f"and {1234 - SHOWN:,} more groups, in summary.json" in shown


def test_several_sources_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With more than one source each group says where it is, harmlessly."""
    told = summary([group(source="\x1b[2J.csv", text="[bold]x")])
    told.sources.append("other.csv")
    shown = printed(told, capsys)
    assert "\\x1b[2J.csv: [bold]x" in shown


def test_without_errors_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A clean run has no heading over nothing."""
    assert printed(summary([]), capsys) == ""


def test_each_group_is_one_event(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON logs get an event per group, at most twenty, before the end of the run."""
    configure(json=True, quiet=True)
    observer = LogObserver()
    told = summary([group()] * (MOST_GROUPS + 5))
    told.stopped_by = "too_many_invalid"
    observer.finished(told, "results/id")
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["event"] for one in events] == ["errors_grouped"] * MOST_GROUPS + ["run_finished"]
    assert events[0]["rows"] == 812
    assert events[0]["fix"] == FIX
    assert events[0]["toml"] == ["[fields.phone]", 'region = "ZA"']


def test_a_stopped_run_sends_the_user_to_check(tmp_path: Path) -> None:
    """After too many invalid rows the same command would stop again, so it is not proposed."""
    told = summary([group()])
    told.stopped_by = "too_many_invalid"
    told.outcomes = {"invalid": 812, "unsettled": 3}
    assert after_run(LedgerAddress.parse(tmp_path / "ledger.db"), told, "out")[0].startswith(
        "importer check in.csv "
    )


def write_in(folder: Path) -> None:
    """A file with two good rows and a bad one."""
    (folder / "in.csv").write_text("external_reference,currency\nC-1,ZAR\nC-2,UK\nC-3,ZAR\n")


def check(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A check of it, as a process."""
    write_in(folder)
    command = [*PROGRAM, "check", "in.csv", "--log-format", "console", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def test_fail_fast_names_line_and_fix(tmp_path: Path) -> None:
    """The process ends with 1 and two lines: what is wrong where, and what to write."""
    done = check(tmp_path, "--fail-fast")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-2:]
    assert last == [
        'error: in.csv: line 3: currency "UK" is not an active ISO 4217 code; did you mean GBP?',
        '  hint: values = { "UK" = "GBP" } in [fields.currency]',
    ]


@pytest.mark.parametrize(("limit", "code"), [("50%", 1), ("1", 1), ("0", 3), ("ten", 2)])
def test_max_errors_decides_about_the_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    importer: Callable[..., tuple[int, str, str]],
    limit: str,
    code: int,
) -> None:
    """Within the limit 1, beyond it 3, and 2 for what is no limit; no traceback ever."""
    monkeypatch.chdir(tmp_path)
    write_in(tmp_path)
    ended, _, err = importer("check", "in.csv", "--log-format", "console", "--max-errors", limit)
    assert ended == code
    assert "Traceback" not in err


@pytest.mark.parametrize(("gives", "code"), [(EOFError, 2), (KeyboardInterrupt, 130)])
def test_a_question_that_is_left_is_no_run_with_rows_left(
    gives: type[BaseException], code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-D is a no, as where nobody can be asked; Ctrl-C ends the command as anywhere else."""

    def left(*_: object) -> str:
        raise gives

    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("external_reference,name\nA-1,Ann\n")
    monkeypatch.setenv("MOMENT_API_KEY", "sk_live_of_these_tests")
    monkeypatch.setattr("importer.cli.questions.on_terminal", lambda: True)
    monkeypatch.setattr("typer._click.termui.visible_prompt_func", left)
    monkeypatch.setattr(sys, "argv", ["importer", "run", "in.csv"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
