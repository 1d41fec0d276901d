"""The short form of ``make torture``: real processes, real signals, then the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.torture import checks
from tests.torture.scenarios import SCENARIOS, play

if TYPE_CHECKING:
    from pathlib import Path

SHORT = (
    "kill_anywhere",
    "kill_writing_results",
    "kill_updating_faulty",
    "signal_once",
    "ledger_file_limit",
    "database_killed",
    "bad_network",
    "second_importer",
    "file_grows",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_every_customer_is_created_once_whatever_happens(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After the fault, the same command again settles every row, and the audit finds nothing."""
    # One folder for all: the customers are made once.
    one = play(SCENARIOS[name], "short", tmp_path_factory.getbasetemp() / "torture")
    if one.skipped:
        pytest.skip(one.skipped)
    assert one.audits
    assert one.violations == []


def test_the_checks_see_what_they_look_for(tmp_path: Path) -> None:
    """A log with a traceback and a name, an open file and a leftover are all complained about."""
    source = tmp_path / "in.csv"
    source.write_text("external_reference,name\nC-1,Ada Example\n", encoding="utf-8")
    log = tmp_path / "run.log"
    log.write_text("Traceback (most recent call last):\nAda Example\n", encoding="utf-8")
    out = tmp_path / "results"
    (out / ".run.partial").mkdir(parents=True)
    (out / "run").mkdir(mode=0o700)
    (out / ".run.partial").chmod(0o755)
    assert [*checks.traceback_in(log, interrupted=False)] != []
    assert [*checks.Secrets.of(source).found_in(log)] == ["run.log holds personal data at byte 35"]
    assert [*checks.open_modes(tmp_path / "ledger.db", out)] == [".run.partial has mode 0755"]
    assert [*checks.leftovers(out)] == [".run.partial was left behind"]
    assert len([*checks.half_results(out, ["C-1"])]) == 1


def test_a_false_conflict_and_an_unseen_edit_are_complained_about(tmp_path: Path) -> None:
    """A conflict where nobody edited, and another outcome where somebody did, are violations."""
    header = "external_reference,outcome,bcus_id\n"
    rows = "A,conflict,1\nB,updated,2\nC,conflict,3\n"
    (tmp_path / "results.csv").write_text(header + rows, encoding="utf-8")
    ids = {"A": "1", "B": "2", "C": "3"}
    assert [*checks.unsettled_results(tmp_path, ids, {"A", "B"})] == [
        "results.csv says updated 2 of B",
        "results.csv says conflict 3 of C",
    ]
    assert [*checks.unsettled_results(tmp_path, ids, {"A", "C"})] == []
