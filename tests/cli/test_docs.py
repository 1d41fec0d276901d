"""The documents and the program agree: commands, options, codes, outcomes, targets."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml

import importer
from importer.cli import main
from importer.delivery.stopping import REASONS, stop_error
from importer.errors import ExitCode
from importer.job.job_settings import TABLE, Setting
from importer.job.metrics import METRICS
from importer.job.run import TOO_MANY_INVALID
from importer.job.volume import VOLUME_GUARD
from importer.outcomes import OUTCOME_WORDS, Outcome
from importer.results.record_files import COLUMNS
from importer.rows.codes import REGISTRY
from man import make_man

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMANDS = (
    "run",
    "plan",
    "check",
    "verify",
    "config",
    "doctor",
    "init",
    "presets",
    "status",
    "why",
    "runs",
    "report",
    "export",
    "ledger",
    "ledger copy",
    "ledger move",
    "notify",
    "notify test",
    "sandbox",
    "sandbox edit",
)
REFERENCE = DOCS / "command-line.md"


def help_of(command: str) -> str:
    """What ``importer COMMAND --help`` prints, 80 columns wide."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as shown:
        patch.setenv("COLUMNS", "80")
        patch.setenv("TERMINAL_WIDTH", "80")
        patch.delenv("MOMENT_BASE_URL", raising=False)
        patch.setattr(sys, "argv", ["importer", *command.split(), "--help"])
        patch.setattr(sys.modules["__main__"], "__package__", "", raising=False)  # not pytest's
        with pytest.raises(SystemExit) as left:
            main()
    assert not left.value.code
    return shown.getvalue().strip()


def reference() -> str:
    """The text of docs/command-line.md."""
    head = (
        "# Command line\n\nEvery command and option, as `--help` prints them"
        " (a test holds this page against the program;\n`UPDATE_DOCS=1 make test` writes it"
        " again). The API key comes from `MOMENT_API_KEY`, from the file that\n"
        "`MOMENT_API_KEY_FILE` names, or from the command in `MOMENT_API_KEY_COMMAND`; there is no"
        " flag for it. Exit codes:"
        " [exit-codes.md](exit-codes.md).\n"
    )
    parts = [f"\n## importer {name}\n\n```text\n{help_of(name)}\n```\n" for name in COMMANDS]
    return head + "".join(parts)


def test_the_command_line_is_documented() -> None:
    """docs/command-line.md is what --help prints, for every command."""
    shown = reference()
    if os.environ.get("UPDATE_DOCS"):
        REFERENCE.write_text(shown)
    assert REFERENCE.read_text() == shown


def variables(one: Setting) -> str:
    """The variables that set it; of a secret also the one that names a file."""
    names = [one.variable, f"{one.variable}_FILE"] if one.secret else [one.variable]
    return ", ".join(f"`{name}`" for name in names if name)


def settings_shown() -> str:
    """The table of docs/settings.md, from the table of settings."""
    columns = ("setting", "flag", "variable", "default", "commands", "what it does")
    head = f"| {' | '.join(columns)} |\n" + "| --- " * len(columns)
    rows = [
        f"| `{one.name}` | {'' if one.secret else f'`{one.flag}`'} | {variables(one)} |"
        f" {'' if one.default is None else f'`{str(one.default).lower()}`'} |"
        f" {', '.join(one.commands)} | {one.help.replace('|', chr(92) + '|')} |"
        for one in TABLE
    ]
    return "\n".join([f"{head}|", *rows])


def test_every_setting_is_documented() -> None:
    """docs/settings.md has the table of settings as the program has it."""
    page = DOCS / "settings.md"
    begin, end = "-->\n", "\n<!-- settings end -->"
    before, _, rest = page.read_text().partition(begin)
    shown = f"{before}{begin}{settings_shown()}{end}{rest.split(end.strip())[1]}"
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(shown)
    assert page.read_text() == shown


def test_no_command_is_missing_in_the_reference() -> None:
    """A new command must be added to the page."""
    listed = re.findall(r"^  ([a-z-]+)  ", help_of("").split("Commands:")[1], re.MULTILINE)
    assert sorted(listed) == sorted(one for one in COMMANDS if " " not in one)


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_is_documented(code: ExitCode) -> None:
    """docs/exit-codes.md has a line for each code."""
    assert f"| {int(code)} | `{code.name}` |" in (DOCS / "exit-codes.md").read_text()


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_is_documented_in_the_same_words(outcome: Outcome) -> None:
    """docs/results.md and the terminal use one wording for each outcome."""
    line = f"| `{outcome.value}` | {OUTCOME_WORDS[outcome.value]} |"
    assert line in (DOCS / "results.md").read_text()


@pytest.mark.parametrize("column", COLUMNS)
def test_every_results_column_is_documented(column: str) -> None:
    """docs/results.md names each column of results.csv."""
    assert f"| `{column}` |" in (DOCS / "results.md").read_text()


def held_against(page: str, heading: str, table: list[str]) -> None:
    """The table below a heading is this one; ``UPDATE_DOCS=1`` writes it."""
    path = DOCS / page
    before, found, after = path.read_text().partition(f"## {heading}\n")
    assert found, f"{page} has no heading {heading}"
    first, _, rest = after.partition("\n| ")
    _, end, rest = rest.partition("\n\n")
    made = f"{before}{found}{first}\n" + "\n".join(table) + (end and f"\n\n{rest}")
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(made.rstrip("\n") + "\n")
    assert path.read_text().rstrip("\n") == made.rstrip("\n")


def test_the_error_codes_are_documented() -> None:
    """docs/validation.md has a line for each code, with its meaning and its fix."""
    lines = [f"| `{code}` | {one.meaning} | {one.fix} |" for code, one in REGISTRY.items()]
    header = ["| code | meaning | what to do |", "| --- | --- | --- |"]
    held_against("validation.md", "Error codes", [*header, *(line for line in lines)])


def test_the_stop_rules_are_documented() -> None:
    """docs/exit-codes.md has a line for each reason that ends a run early."""
    lines = [
        f"| `{code}` | {int(stop_error(code).exit_code)} | {one.message} | {one.hint} |"
        for code, one in REASONS.items()
    ]
    header = ["| `stopped_by` | exit | meaning | what to do |", "| --- | --- | --- | --- |"]
    held_against("exit-codes.md", "Every reason of delivery", [*header, *lines])


def test_every_reason_of_a_stop_is_documented() -> None:
    """Whatever the program gives as a reason has its exit code on the page."""
    page = (DOCS / "exit-codes.md").read_text()
    found = set()
    for path in (ROOT / "importer").rglob("*.py"):
        found |= set(
            re.findall(r'(?:reason=|\breason = |stop_error\(\s*)"([a-z_]+)"', path.read_text())
        )
    assert len(found) > 8
    for reason in found | {TOO_MANY_INVALID, VOLUME_GUARD, *REASONS}:
        assert re.search(rf"^\| .*`{reason}`.* \| [0-9]", page, re.MULTILINE), reason


def test_the_metrics_are_documented() -> None:
    """docs/metrics.md has a line for each, and its alert rules name no other."""
    lines = [f"| `{name}` | {told.labels} | {told.meaning} |" for name, told in METRICS.items()]
    header = ["| name | further labels | what it is |", "| --- | --- | --- |"]
    held_against("metrics.md", "All of them", [*header, *lines])
    text = (DOCS / "metrics.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    rules = [rule for group in yaml.safe_load(block)["groups"] for rule in group["rules"]]
    used = {name for rule in rules for name in re.findall(r"importer_\w+", rule["expr"])}
    assert {"importer_last_success_timestamp_seconds", "importer_guard_fewer"} <= used <= {*METRICS}
    assert all(rule["alert"] and rule["annotations"]["summary"] for rule in rules)


def test_no_code_is_told_in_two_ways() -> None:
    """What stops a run and is a row's code as well means the same."""
    assert not {*REASONS} & {*REGISTRY}


@pytest.mark.parametrize("name", importer.__all__)
def test_every_exported_name_is_documented(name: str) -> None:
    """Each public name has a docstring, and stands in docs/python.md."""
    if not name.startswith("__"):
        assert (getattr(importer, name).__doc__ or "").strip()
    assert f"`{name}`" in (DOCS / "python.md").read_text()


def test_every_link_between_documents_leads_somewhere() -> None:
    """Relative links in README and docs point to files that exist."""
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_the_manual_page_is_made_from_the_program() -> None:
    """man/importer.1 has every command, setting and exit code as the program has them."""
    page = make_man.page()
    if os.environ.get("UPDATE_DOCS"):
        make_man.PAGE.write_text(page)
    assert make_man.PAGE.read_text() == page
    for name in COMMANDS:
        assert make_man.escaped(f'.SS "importer {name} ')[2:] in page, name
    for one in TABLE:
        flag = re.escape(make_man.escaped(one.flag))
        shown = re.search(rf"^\\fB(\S+ )?{flag}( .+)?\\fR$", page, re.MULTILINE)
        assert bool(shown) != one.secret, one.name
        assert not one.variable or make_man.escaped(one.variable) in page


@pytest.mark.parametrize(
    "command", [["mandoc", "-T", "lint", "-W", "warning"], ["groff", "-man", "-ww", "-z"]]
)
def test_the_manual_page_is_well_formed(command: list[str]) -> None:
    """The programs that show it have nothing to say about it."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    told = subprocess.run([*command, make_man.PAGE], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_no_text_of_the_manual_page_is_a_command_of_roff() -> None:
    """What begins with a dot or holds a backslash is shown as it is."""
    shown = make_man.escaped(r".TH x\n'--a' `b`")
    assert shown == r"\&.TH x\en\(aq\-\-a\(aq \(gab\(ga"


def test_every_make_target_explains_itself() -> None:
    """``make help`` lists each phony target with its one-line description."""
    text = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE):
        assert re.search(rf"^{target}:.*## \S", text, re.MULTILINE), target
