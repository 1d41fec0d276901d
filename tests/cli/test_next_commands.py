"""What is printed to be typed next works when it is pasted, and means what was typed before."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from importer.cli import main
from importer.cli.next_commands import after_run
from importer.ledger.address import DEFAULT_LEDGER
from importer.results.summary import Summary
from tests import plain_http

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "external_reference,name\nA-1,Ann\nA-2,Bob\n"
BAD = b"external_reference;name;email\nB-1;Zo\xeb;\nB-2;Cid;x\n"
Type = Callable[[str], tuple[int, list[str]]]


@pytest.fixture
def type_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Type:
    """Types a command on a terminal: its exit code, and the commands that it proposes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOMENT_API_KEY", "sk_test_of_these_tests")
    monkeypatch.setenv("COLUMNS", "60")

    def typed(command: str) -> tuple[int, list[str]]:
        words = shlex.split(command, comments=True)
        monkeypatch.setattr(sys, "argv", words)
        monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)
        with pytest.raises(SystemExit) as left:
            main()
        shown = capsys.readouterr()
        assert "error:" not in shown.err, shown.err
        lines = shown.out.partition("next:\n")[2].splitlines()
        return int(left.value.code or 0), [line.strip() for line in lines]

    return typed


def customers(base_url: str) -> set[str]:
    """The references of what the sandbox holds."""
    text = plain_http.get(f"{base_url}/_sandbox/customers").text
    return {json.loads(line)["external_reference"] for line in text.splitlines()}


def test_a_rehearsal_by_flags_goes_on_where_it_began(
    tmp_path: Path, sandbox: str, type_in: Type
) -> None:
    """The errors are in the second source: its file is named, with every flag that was typed."""
    (tmp_path / "good file.csv").write_text(GOOD)
    (tmp_path / "bad.csv").write_bytes(BAD)
    code, proposed = type_in(
        "importer run 'good file.csv' bad.csv --ledger 'my ledger.db' --account shop"
        f" --base-url {sandbox} --encoding windows-1252 --on-duplicate first --max-errors 90%"
        " --out 'my results'"
    )
    assert code == 1
    words = shlex.split(proposed[0], comments=True)
    assert words[2].endswith("/errors-2.csv")
    errors = tmp_path / words[2]
    text = errors.read_text()
    assert "'my ledger.db'" in proposed[1]
    assert "--account shop" in proposed[2]
    errors.write_text(text.replace("Cid;x;", "Cid;;"))
    code, proposed = type_in(proposed[0])
    assert code == 0
    assert customers(sandbox) == {"A-1", "A-2", "B-1", "B-2"}
    for command in proposed[1:]:
        assert type_in(command)[0] == 0
    assert "B-2" in (tmp_path / "ids.csv").read_text()


def test_a_plan_s_settings_are_given_to_what_follows_no_plan(
    tmp_path: Path, sandbox: str, type_in: Type
) -> None:
    """Errors of a run that followed a plan are fed back with the settings that the plan had."""
    (tmp_path / "bad.csv").write_bytes(BAD)
    flags = f"--ledger l.db --account shop --base-url {sandbox} --encoding windows-1252"
    code, proposed = type_in(f"importer plan bad.csv {flags}")
    assert proposed[0].startswith("importer plan bad.csv ")
    code, proposed = type_in(proposed[0])
    assert proposed == ["importer run --plan plan.json  # do this"]
    code, proposed = type_in(proposed[0])
    assert code == 1
    words = shlex.split(proposed[0], comments=True)
    assert words[2].endswith("/errors.csv")
    for flag in (f"--base-url {sandbox}", "--account shop", "--ledger l.db"):
        assert flag in proposed[0]


MAPPING = """\
version = 1
[run]
out = "res"
max_errors = "90%"
fail_on = "created"
[source]
empty = ["NULL"]
[fields.external_reference]
column = "Ref"
[fields.name]
column = "Full"
[update]
name = "if_untouched"
"""


def test_a_plan_leaves_to_the_mapping_file_what_it_does_not_hold(
    tmp_path: Path, sandbox: str, type_in: Type
) -> None:
    """Where results go and what counts as done; and no flag repeats what stands in it."""
    (tmp_path / "crm.toml").write_text(MAPPING)
    (tmp_path / "crm.csv").write_text("Ref,Full\nA-1,Ann\n,NULL\n")
    flags = f"--config crm.toml --base-url {sandbox}"
    _, proposed = type_in(f"importer plan crm.csv {flags} --save p.json")
    code, proposed = type_in(proposed[0])
    assert code == 1
    command = proposed[0].partition("#")[0].split()
    assert command[2].startswith("res/")
    assert command[3:] == flags.split()


@pytest.mark.usefixtures("no_settling")
def test_the_morning_after_a_conflict(tmp_path: Path, sandbox: str, type_in: Type) -> None:
    """What was left alone and who is gone can be looked at; the source may win, this once."""
    (tmp_path / "crm.toml").write_text(MAPPING.replace('fail_on = "created"', 'series = "crm"'))
    export = tmp_path / "crm.csv"
    export.write_text("Ref,Full\nA-1,Ann\nA-2,Bob\n")
    run = f"importer run crm.csv --config crm.toml --base-url {sandbox}"
    assert type_in(run)[0] == 0
    url = f"{sandbox}/billing/customers/A-1"
    key = {"Authorization": "Bearer sk_test_of_these_tests"}
    plain_http.patch(url, headers=key, json={"name": "Anna"}).raise_for_status()
    export.write_text("Ref,Full\nA-1,Anne\n")
    code, proposed = type_in(run)
    assert code == 1
    errors, wins, vanished, status, export_ids = proposed
    for look in (errors, vanished):
        less, name = look.partition("#")[0].split()
        assert less == "less"
        assert (tmp_path / name).read_text().count("A-") == 1
    assert type_in(wins)[0] == 0
    assert plain_http.get(url, headers=key).json()["name"] == "Anne"
    for command in (status, export_ids):
        assert type_in(command)[0] == 0
    code, proposed = type_in(run)
    assert code == 0
    assert len(proposed) == 4


def test_rows_that_changed_are_shown_how_they_come_in_step(
    tmp_path: Path, sandbox: str, type_in: Type
) -> None:
    """Without --update nothing is sent for them; the plan that is proposed would update them."""
    export, run = tmp_path / "crm.csv", f"importer run crm.csv --base-url {sandbox}"
    export.write_text("external_reference,name,balance,currency\nA-1,Ann,5,EUR\n")
    assert type_in(run)[0] == 0
    export.write_text("external_reference,name,balance,currency\nA-1,Ann,7,EUR\n")
    code, proposed = type_in(run)
    assert code == 0
    assert proposed[1].startswith("importer plan crm.csv")
    assert type_in(proposed[1])[0] == 0
    assert type_in(proposed[1].replace("importer plan", "importer run"))[0] == 0
    key = {"Authorization": "Bearer sk_test_of_these_tests"}
    shown = plain_http.get(f"{sandbox}/billing/customers/A-1", headers=key).json()
    assert shown["balance"] == 7


def test_customers_that_are_missing_are_asked_for_again(
    tmp_path: Path, sandbox: str, type_in: Type
) -> None:
    """The errors file of a run is a source of verify; marks that failed are looked at."""
    (tmp_path / "good.csv").write_text(GOOD)
    assert type_in(f"importer run good.csv --base-url {sandbox}")[0] == 0
    (tmp_path / "errors.csv").write_text(GOOD)
    summary = Summary("id", "run", "", 0.0, "", ["good.csv"])
    summary.errors_files = {"errors.csv": {"missing": 2}}

    def flags(command: str, **_: object) -> list[str]:
        return ["--base-url", sandbox] if command == "verify" else []

    proposed = after_run(DEFAULT_LEDGER, summary, ".", flags=flags)
    assert type_in(proposed[1])[0] == 0
    summary.errors_files, summary.vanished, summary.marked = {}, 2, {"yes": 1, "missing": 1}
    assert after_run(DEFAULT_LEDGER, summary, "out")[0].startswith("less out/vanished.csv ")
    summary.marked = {"yes": 1, "unsettled": 1}
    assert after_run(DEFAULT_LEDGER, summary, "out")[0].startswith("importer run good.csv ")


def test_a_check_proposes_the_same_reading(tmp_path: Path, sandbox: str, type_in: Type) -> None:
    """No file without rows is named, and what was said of the source is said again."""
    (tmp_path / "bad.csv").write_bytes(BAD.replace(b";x", b";"))
    (tmp_path / "map.toml").write_text(
        "version = 1\n[fields]\nexternal_reference.column = 'external_reference'\n"
        f"[run]\nbase_url = '{sandbox}'\n"
    )
    flags = "--config map.toml --encoding windows-1252 --delimiter ';' --quiet"
    assert type_in(f"importer check bad.csv {flags}") == (0, [])
    code, proposed = type_in(f"importer check bad.csv {flags.replace('--quiet', '')}")
    assert code == 0
    told = [one.partition("  #")[0].rstrip() for one in proposed]
    same = "bad.csv --config map.toml --delimiter ';' --encoding windows-1252"
    assert told == [f"importer plan {same}", f"importer run {same}"]
    assert type_in(proposed[1])[0] == 0
    assert customers(sandbox) == {"B-1", "B-2"}


def test_a_dry_run_proposes_to_send(tmp_path: Path, sandbox: str, type_in: Type) -> None:
    """The same command without --dry-run comes next."""
    (tmp_path / "good.csv").write_text(GOOD)
    code, proposed = type_in(f"importer run good.csv --dry-run --base-url {sandbox} --limit 1")
    assert code == 0
    assert proposed[0].startswith(f"importer run good.csv --base-url {sandbox} --limit 1 ")
    assert type_in(proposed[0])[0] == 1
    assert customers(sandbox) == {"A-1"}


@pytest.mark.parametrize(
    ("held", "stopped_by", "expected"),
    [
        ({}, "", "importer run a.csv b.csv "),
        ({"errors-2.csv": {"unsettled": 3}}, "", "importer run a.csv b.csv "),
        ({"errors-2.csv": {"invalid": 1}}, "", "importer run out/errors-2.csv "),
        (
            {"errors.csv": {"rejected": 1}, "errors-2.csv": {"invalid": 1}},
            "",
            "importer run out/errors.csv out/errors-2.csv ",
        ),
        ({"errors-2.csv": {"conflict": 1}}, "", "less out/errors-2.csv "),
        ({"errors-2.csv": {"missing": 1}}, "", "less out/errors-2.csv "),
        ({}, "volume_guard", "importer plan a.csv b.csv "),
        ({"errors.csv": {"invalid": 99}}, "too_many_invalid", "importer check a.csv b.csv "),
    ],
)
def test_the_first_command_is_about_what_is_left(
    held: dict[str, dict[str, int]], stopped_by: str, expected: str
) -> None:
    """Files with rows to correct are named, and no others; what stopped the run comes first."""
    summary = Summary("id", "run", "", 0.0, "", ["a.csv", "b.csv"], stopped_by=stopped_by)
    summary.errors_files = held
    for outcomes in held.values():
        summary.outcomes |= outcomes
    first, *_ = after_run(DEFAULT_LEDGER, summary, "out")
    assert first.startswith(expected)
    assert "--accept-drift" not in first.partition("#")[0]


def test_a_plan_of_an_unlike_input_says_what_a_run_would_ask_for(
    tmp_path: Path, sandbox: str, type_in: Type
) -> None:
    """Its commands do what they say, and only after a look at the input."""
    rows = [f"A-{number},Ann\n" for number in range(30)]
    export = tmp_path / "crm.csv"
    export.write_text("external_reference,name\n" + "".join(rows))
    run = f"importer run crm.csv --base-url {sandbox}"
    assert type_in(run)[0] == 0
    export.write_text("external_reference,name\n" + "".join(rows[:9]))
    for saved in ("", " --save p.json"):
        _, proposed = type_in(f"importer plan crm.csv --base-url {sandbox}{saved}")
        assert "--accept-drift" in proposed[-1].partition("#")[0]
        assert proposed[-1].endswith(", if the input is right")
    assert type_in(proposed[-1])[0] == 0
