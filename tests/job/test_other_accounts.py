"""An account that looks like another one of the ledger is asked about before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from importer.delivery.credentials import ApiKey
from importer.errors import UsageError
from importer.job.planning import plan
from importer.job.run import run
from tests.job.conftest import customers, outcomes
from tests.job.planning import Heard, Planner

if TYPE_CHECKING:
    from tests.job.conftest import Job

LIVE = ApiKey("sk_of_the_account_tests", "live")
ROWS = customers(range(3))


def renamed(job: Job) -> str:
    """The sandbox by its other name."""
    return job.base_url.replace("127.0.0.1", "localhost")


def test_a_renamed_host_stops_before_anything_is_sent(job: Job) -> None:
    """The same merchant at another host: a stop with both ways out, a warning in a dry run."""
    job.key = LIVE
    job.run(ROWS)
    sent = job.state()
    other = replace(job, base_url=renamed(job))
    with pytest.raises(UsageError, match="every row would be sent again") as stopped:
        other.run(ROWS)
    assert "importer ledger move --base-url http://localhost" in stopped.value.hint
    heard = Heard()
    other.run(ROWS, dry_run=True, observer=heard)
    assert [one.startswith("new_account: ") for one in heard.warnings] == [True]
    assert job.state() == sent
    with pytest.raises(UsageError, match="every row"):  # A dry run makes no account.
        other.run(ROWS)
    assert outcomes(other.run(ROWS, accept_new_account=True)) == {
        "created": 3
    }  # By their keys: replayed.
    assert outcomes(other.run(ROWS)) == {"unchanged": 3}


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_may_say_that_it_is_another_merchant(job: Job, *, answer: bool) -> None:
    """The reason is told and a person asked; without a yes nothing is sent."""
    job.key = LIVE
    job.run(ROWS)
    asked: list[str] = []

    def confirm(doubt: str) -> bool:
        asked.append(doubt)
        return answer

    inputs, delivery = Planner(replace(job, base_url=renamed(job))).settings((job.write(ROWS),))
    if answer:
        assert outcomes(run(inputs, delivery, LIVE, confirm_account=confirm)) == {
            "created": 3
        }  # By their keys: replayed.
    else:
        with pytest.raises(UsageError, match="every row would be sent again"):
            run(inputs, delivery, LIVE, confirm_account=confirm)
    assert len(asked) == 1


def test_a_rehearsal_is_in_nobodys_way(job: Job) -> None:
    """In test mode this machine's own address is a sandbox, whatever it is called."""
    job.run(ROWS)
    assert outcomes(replace(job, base_url=renamed(job)).run(ROWS)) == {
        "created": 3
    }  # By their keys: replayed.


def test_a_forgotten_account_name_stops(job: Job) -> None:
    """The same key under another account name: a stop that names the account."""
    job.key = LIVE
    job.run(ROWS, account="shop")
    with pytest.raises(UsageError, match="same API key") as stopped:
        job.run(ROWS)
    assert "--account shop" in stopped.value.hint
    job.key = ApiKey("sk_of_another_merchant", "live")
    assert outcomes(job.run(customers(range(3, 5)))) == {"created": 2}


def test_a_plan_warns(job: Job, planner: Planner) -> None:
    """A plan, which knows no key, says that a run would stop, and what to do."""
    job.key = LIVE
    job.run(ROWS)
    heard = Heard()
    inputs, delivery = planner.settings((job.write(ROWS),), base_url=renamed(job))
    plan(inputs, delivery, "live", observer=heard)
    (warning,) = heard.warnings
    assert "a run would stop (the same merchant: importer ledger move" in warning
