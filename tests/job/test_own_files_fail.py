"""Trouble with the run's own files: what is owed is still done, and the exit code is honest."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from importer.errors import ExitCode, LedgerFailed, RunStopped, SourceError, UsageError
from importer.job.observer import Observer, Progress
from importer.job.world import World
from importer.ledger.account import Account
from importer.ledger.ledger import Ledger
from importer.ledger.opening import open_ledger
from importer.plan.staging import Staging
from tests.job.conftest import Job, customers, results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from importer.delivery.protocol.states import State


class _TakesAway(Observer):
    """Removes the results folder while rows are delivered."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def delivering(self, progress: Progress) -> None:
        del progress
        shutil.rmtree(self._out, ignore_errors=True)


def test_results_that_cannot_be_written_are_no_usage_error(job: Job) -> None:
    """Exit code 2 means that nothing was sent, so this is 3, and the ledger has every id."""
    with pytest.raises(RunStopped) as caught:
        job.run(customers(range(5)), observer=_TakesAway(job.folder / "results"), rate=4.0)
    assert caught.value.exit_code is ExitCode.STOPPED
    assert caught.value.reason == "results_failed"
    again = job.run(customers(range(5)))
    assert [row["bcus_id"] for row in results(again)] == [*job.held().values()]
    assert again.summary.requests == {"post": 0, "get": 0}


def test_results_are_written_although_the_ledger_fails_at_the_end(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger cannot note the end of the run: the run says so, after writing its results."""

    def fails(*_: object, **__: object) -> None:
        raise LedgerFailed("the ledger failed: the disk is full")

    monkeypatch.setattr(Ledger, "end_run", fails)
    finished = job.run(customers(range(5)))
    assert finished.exit_code is ExitCode.STOPPED
    assert isinstance(finished.stopped_by, LedgerFailed)
    assert {row["outcome"] for row in results(finished)} == {"created"}


def test_no_standard_input_is_a_clear_error(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has no stdin where the process was started without one (``<&-``)."""
    monkeypatch.setattr("sys.stdin", None)
    assert World().standard_input() is None
    with pytest.raises(SourceError, match="standard input is not available"):
        job.run(sources=("-",))


def test_staging_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """A full or missing disk is told in words, with what to do."""
    with pytest.raises(UsageError, match="could not be staged") as caught:
        Staging(tmp_path / "missing" / "staging.db")
    assert "disk space" in caught.value.hint


def test_staging_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    """SQLite's own errors never reach a person, also not from a read."""
    staging = Staging(tmp_path / "staging.db")
    staging._file.db.close()
    with pytest.raises(UsageError, match="could not be staged"):
        staging.counts()


def last_exit_code(job: Job) -> int | None:
    """What ``importer status`` says of the last run."""
    account = Account(job.base_url, "test")
    with open_ledger(job.folder / "ledger.db", account, read_only=True) as ledger:
        return ledger.runs(1)[0].exit_code


def test_the_process_and_the_list_of_runs_say_the_same(job: Job) -> None:
    """A run whose results could not be written ends with 3 in the ledger, too."""
    with pytest.raises(RunStopped) as caught:
        job.run(customers(range(5)), observer=_TakesAway(job.folder / "results"))
    assert last_exit_code(job) == caught.value.exit_code == 3


def test_results_are_written_although_the_ledger_cannot_be_read_at_the_end(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that delivery reported on keep their ids; of the others nobody can tell."""

    def fails(ledger: Ledger, references: Sequence[str]) -> dict[str, State]:
        """Asked at the end alone: a plan asks for ``known``."""
        assert references
        assert ledger.totals()["done"] == 3
        raise LedgerFailed("the ledger failed: the file is damaged")

    monkeypatch.setattr(Ledger, "states", fails)
    finished = job.run(customers(range(5)), limit=3)
    assert finished.exit_code is ExitCode.STOPPED
    assert isinstance(finished.stopped_by, LedgerFailed)
    told = [(row["outcome"], row["error_code"]) for row in results(finished)]
    assert told == 3 * [("created", "")] + 2 * [("unsettled", "ledger_unreadable")]
