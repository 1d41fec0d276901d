"""report.html as a user meets it: beside the other results, again, and of all runs."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from importer.cli import main
from importer.results import html_report

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "external_reference,name,email\nA-1,Zaphod Example,zaphod@example.com\nA-2,Bob,\n"
BAD = "external_reference,name,رقم\nB-1,Zoe,\nB 2,Cid,<script>\n"
Type = Callable[..., tuple[int, str]]


@pytest.fixture
def sandbox(sandbox: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A sandbox that commands find."""
    monkeypatch.setenv("MOMENT_BASE_URL", sandbox)
    return sandbox


@pytest.fixture
def type_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Type:
    """Types a command: its exit code, and all that it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOMENT_API_KEY", "sk_test_of_these_tests")
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "bad.csv").write_text(BAD)

    def typed(command: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as left:
            main()
        shown = capsys.readouterr()
        return int(left.value.code or 0), shown.out + shown.err

    return typed


def folders(out: Path) -> list[Path]:
    """The results folders, the oldest first."""
    return sorted(
        (one for one in out.iterdir() if one.is_dir()),
        key=lambda one: (one / "summary.json").stat().st_mtime_ns,
    )


def test_a_page_is_written_again_as_it_was(tmp_path: Path, sandbox: str, type_in: Type) -> None:
    """From what stands beside it, to the letter, private; of the newest run if none is named."""
    assert type_in("importer run good.csv --concurrency 3 --ledger l.db")[0] == 0
    assert type_in("importer check bad.csv --out results")[0] == 1
    run, check = folders(tmp_path / "results")
    first = (run / "report.html").read_text()
    for text in ("All 2 records are in Moment", "3", "flag --concurrency", "importer run good.csv"):
        assert text in first
    for text in ("Zaphod", "zaphod", "sk_test_of_these_tests"):
        assert text not in first
    assert json.loads((run / "summary.json").read_text())["answers"] == {"post": {"201": 2}}
    for folder, name in ((run, run.name), (run, f"results/{run.name}"), (check, "")):
        page = folder / "report.html"
        was = page.read_text()
        page.unlink()
        code, shown = type_in(f"importer report {name}")
        assert (code, shown) == (0, f"report: results/{folder.name}/report.html\n")
        assert page.read_text() == was
        assert page.stat().st_mode & 0o777 == 0o600
    assert "1 of 2 records are valid" not in first
    assert "1 of 2 records is valid; 1 invalid." in (check / "report.html").read_text()
    assert sandbox


def test_what_cannot_be_written_again_is_named(tmp_path: Path, type_in: Type) -> None:
    """No results, no such run, a summary that is none, figures that are none."""
    assert type_in("importer report")[0] == 2
    assert type_in("importer check good.csv")[0] == 0
    [check] = folders(tmp_path / "results")
    code, shown = type_in("importer report 20260101T000000Z-abcdef")
    assert code == 2
    assert f"the newest there are {check.name}" in shown
    assert type_in(f"importer report --all {check.name}")[0] == 2
    (check / "pace.csv").write_text("begin\nx\n")
    assert "pace.csv cannot be read" in type_in("importer report")[1]
    for text in ("[]", "{", '{"run_id": 1}', "\x00", "[" * 100_000):
        (check / "summary.json").write_text(text)
        code, shown = type_in("importer report")
        assert code == 2
        assert "summary.json cannot be read" in shown


def test_all_runs_on_one_page(tmp_path: Path, sandbox: str, type_in: Type) -> None:
    """Each run of the ledger, with a link where its page is there; private."""
    type_in("importer run good.csv")
    type_in("importer run bad.csv --no-report --max-errors 100%")
    good, bad = folders(tmp_path / "results")
    assert (good / "report.html").exists()
    assert not (bad / "report.html").exists()
    code, shown = type_in("importer report --all")
    assert (code, shown) == (0, "report: results/index.html\n")
    index = tmp_path / "results" / "index.html"
    text = index.read_text()
    assert index.stat().st_mode & 0o777 == 0o600
    assert f'<a href="{good.name}/report.html">' in text
    assert bad.name in text
    assert f"{bad.name}/report.html" not in text
    assert "2 runs, 1 of them with nothing left over." in text
    assert "sk_test_of_these_tests" not in text
    assert [one.name for one in index.parent.iterdir() if one.name.startswith(".")] == []
    assert sandbox


def test_a_page_that_fails_costs_no_results(
    tmp_path: Path, sandbox: str, type_in: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with it is a warning; the run, its results and its exit code stand."""

    def fail(*_: object) -> str:
        raise ZeroDivisionError("Zaphod")

    with monkeypatch.context() as patch:
        patch.setattr(html_report, "render_run", fail)
        code, shown = type_in("importer run good.csv")
    assert code == 0
    assert "report.html could not be written (ZeroDivisionError)" in shown
    [run] = folders(tmp_path / "results")
    names = {one.name for one in run.iterdir()}
    assert names == {"errors.csv", "pace.csv", "results.csv", "summary.json"}
    [warning] = json.loads((run / "summary.json").read_text())["warnings"]
    assert "Zaphod" not in warning
    assert type_in("importer report")[0] == 0
    assert warning.partition(";")[0] in (run / "report.html").read_text()
    assert sandbox


def test_a_run_that_stops_has_its_page(tmp_path: Path, sandbox: str, type_in: Type) -> None:
    """Why it stopped, what to do, and what to type stand on it; also after a dry run."""
    rows = "".join(f"B {n},Cid\n" for n in range(20))
    (tmp_path / "worse.csv").write_text(f"external_reference,name\n{rows}")
    assert type_in("importer run worse.csv")[0] == 3
    assert type_in("importer run good.csv --dry-run")[0] == 0
    stopped, dry = ((one / "report.html").read_text() for one in folders(tmp_path / "results"))
    assert "nothing was sent" in stopped
    assert "the mapping is more likely wrong than the rows" in stopped
    assert "importer check worse.csv" in stopped
    assert "A run would create 2 of 2 records. Nothing was sent." in dry
    assert sandbox


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, type_in: Type) -> None:
    """The old page stays as it was."""
    assert type_in("importer check good.csv")[0] == 0
    [check] = folders(tmp_path / "results")
    check.chmod(0o500)
    code, shown = type_in("importer report")
    check.chmod(0o700)
    assert code == 2
    assert "report.html cannot be written" in shown
