"""Whole jobs on a ledger in PostgreSQL: the same commands, the same answers."""

from __future__ import annotations

import csv
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from importer.cli.export_command import export_mapping
from importer.cli.status_command import show_customer, show_ledger
from importer.errors import ExitCode, LedgerInUse
from importer.job.observer import Observer, Progress
from importer.ledger.account import Account
from importer.ledger.opening import hold
from importer.ledger.postgres.postgres_connection import open_postgres
from tests.job.conftest import Job, customers, outcomes, results

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.ledger.address import LedgerAddress
    from tests.job.planning import Planner
    from tests.postgres_server import PostgresServer


@pytest.fixture
def shared(job: Job, postgres_address: LedgerAddress) -> Job:
    """A job whose ledger is in a database."""
    job.options["ledger"] = postgres_address
    return job


class Midway(Observer):
    """Does something once, when so many rows are settled."""

    def __init__(self, at: int, what: Callable[[], None]) -> None:
        self._at = at
        self._what = what
        self.happened = False

    def delivering(self, progress: Progress) -> None:
        """As Observer."""
        if not self.happened and sum(progress.outcomes.values()) >= self._at:
            self.happened = True
            self._what()


def test_the_commands_are_the_same(
    planner: Planner, shared: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plan, run, plan again, follow it, update, status and export: as with a file."""
    address = shared.options["ledger"]
    text = customers(range(20))
    first = planner.plan(text, save=False, ledger=address)
    assert first.forecast.outcomes == {"would_create": 20}
    assert outcomes(shared.run(text)) == {"created": 20}
    other = text.replace("ZAR,7\n", "ZAR,700\n") + customers(range(20, 22)).partition("\n")[2]
    planned = planner.plan(other, ledger=address, update="balance=source")
    assert planned.forecast.outcomes == {"unchanged": 19, "would_update": 1, "would_create": 2}
    follow = planner.follow(update="balance=source")
    assert outcomes(follow) == {"unchanged": 19, "updated": 1, "created": 2}
    assert outcomes(shared.run(other)) == {"unchanged": 22}
    show_ledger(address)
    assert "22 in Moment" in capsys.readouterr().out
    assert show_customer(address, "C-7") is ExitCode.OK
    assert "updated HTTP 200" in capsys.readouterr().out
    assert export_mapping(address, shared.folder / "ids.csv", None) == 22
    with (shared.folder / "ids.csv").open() as file:
        told = {one["external_reference"]: one["bcus_id"] for one in csv.DictReader(file)}
    assert told == shared.held()


def test_a_run_goes_on_over_the_death_of_the_server(
    shared: Job, postgres_server: PostgresServer
) -> None:
    """Kill -9 of the whole server in the middle: every row is created once, and none is owed."""

    def dies() -> None:
        postgres_server.kill_nine()
        postgres_server.restart()

    midway = Midway(50, lambda: Thread(target=dies).start())
    finished = shared.run(customers(range(400)), observer=midway, rate=200.0)
    assert midway.happened
    assert finished.exit_code is ExitCode.OK
    assert outcomes(finished) == {"created": 400}
    assert {row["bcus_id"] for row in results(finished)} == set(shared.held().values())
    assert shared.state()["customers"] == 400


def test_a_run_whose_lease_has_ended_stops_with_exit_code_4(shared: Job) -> None:
    """Its results say what it did; whoever comes next makes the rest, and nobody twice."""
    address = shared.options["ledger"]

    def taken_over() -> None:
        with open_postgres(address) as db:
            db.read("DELETE FROM lease RETURNING 1")

    midway = Midway(50, taken_over)
    finished = shared.run(customers(range(400)), observer=midway, rate=200.0)
    assert midway.happened
    assert finished.exit_code is ExitCode.LEDGER_IN_USE
    assert finished.stopped_by is not None
    assert finished.stopped_by.reason == "lease_lost"
    told = outcomes(finished)
    assert set(told) == {"created", "unsettled"}
    assert sum(told.values()) == len(results(finished)) == 400
    again = shared.run(customers(range(400)))
    assert again.exit_code is ExitCode.OK
    assert shared.state()["customers"] == 400
    assert {row["bcus_id"] for row in results(again)} == set(shared.held().values())


def test_a_second_run_on_the_account_is_refused(shared: Job) -> None:
    """It ends with exit code 4 and sends nothing; another account is free."""
    account = Account(shared.base_url, "test")
    held = hold(shared.options["ledger"], account, run_id="other", started_at=0)
    with held, pytest.raises(LedgerInUse, match="run other") as caught:
        shared.run(customers(range(2)))
    assert caught.value.exit_code is ExitCode.LEDGER_IN_USE
    assert shared.state()["requests"] == {}
    with held:
        assert outcomes(shared.run(customers(range(2)), account="second")) == {"created": 2}


def test_the_rate_is_leased_from_the_database(shared: Job) -> None:
    """A run sends by the one bucket of its API key; what that holds, holds the run."""
    outcomes(shared.run(customers(range(5)), rate=500.0))
    with closing(open_postgres(shared.options["ledger"])) as database:
        [(base_url, digest, workers)] = database.read(
            "SELECT base_url, key_digest, workers FROM rate"
        )
        assert base_url == shared.base_url
        assert shared.key.secret not in digest
        assert [rate for _, rate, _ in workers.values()] == [500.0]
        before = shared.state()["requests"]
        database.read("UPDATE rate SET blocked_until = seen_at + 3600 RETURNING 1")
        held = shared.run(customers(range(9)), rate=500.0, patience=1.0, accept_drift=True)
    assert held.exit_code is ExitCode.TEMPFAIL
    assert outcomes(held) == {"unchanged": 5, "unsettled": 4}
    assert shared.state()["requests"] == before
