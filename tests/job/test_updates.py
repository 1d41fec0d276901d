"""Day 2: the customers exist, and their source has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from importer.errors import ExitCode
from importer.ledger import Account, open_ledger
from tests.job.conftest import HEADER, Job, outcomes, results

if TYPE_CHECKING:
    from importer.job.run import Finished

POLICY = "name=source,balance=source,phone=if_untouched"


def book(**rows: tuple[str, str, int]) -> str:
    """A source of these customers: name, phone, balance."""
    lines = (
        f"{ref},{name},{ref.lower()}@example.com,{phone},ZAR,{balance}\n"
        for ref, (name, phone, balance) in rows.items()
    )
    return HEADER + "".join(lines)


def held(job: Job, reference: str) -> dict[str, Any]:
    """What the sandbox holds of one customer."""
    url = f"{job.base_url}/billing/customers/{reference}"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {job.key.secret}"})
    found: dict[str, Any] = answer.json()
    return found


def edit(job: Job, reference: str, **values: object) -> None:
    """Somebody changes a customer at Moment."""
    url = f"{job.base_url}/billing/customers/{reference}"
    headers = {"Authorization": f"Bearer {job.key.secret}"}
    httpx.patch(url, headers=headers, json=values).raise_for_status()


def told(finished: Finished) -> dict[str, tuple[str, str]]:
    """(outcome, error code) by reference."""
    return {
        row["external_reference"]: (row["outcome"], row["error_code"]) for row in results(finished)
    }


ANN, BEN, CAT = ("Ann", "+27820000001", 1), ("Ben", "+27820000002", 2), ("Cat", "+27820000003", 3)


def test_the_second_day(job: Job) -> None:
    """Balances and names follow, an edit at Moment is left alone, and the third day is quiet."""
    job.run(book(A=ANN, B=BEN, C=CAT))
    edit(job, "C", phone="+27829999999")
    later = book(
        A=("Ann", "+27820000001", 100), B=("Bram", "+27820000002", 2), C=("Cat", "+27820000004", 33)
    )
    second = job.run(later, update=POLICY)
    assert told(second) == {
        "A": ("updated", ""),
        "B": ("updated", ""),
        "C": ("conflict", "changed_at_moment"),
    }
    assert second.exit_code is ExitCode.ROWS_LEFT
    # What looks like somebody else's edit is looked at twice: a replica may lag behind.
    assert second.summary.requests == {"post": 0, "get": 2, "patch": 3}
    assert (held(job, "A")["balance"], held(job, "B")["name"]) == (100, "Bram")
    assert (held(job, "C")["balance"], held(job, "C")["phone"]) == (33, "+27829999999")
    third = job.run(later, update=POLICY)
    assert third.summary.requests == {"post": 0, "get": 0}
    assert told(third) == {
        "A": ("unchanged", ""),
        "B": ("unchanged", ""),
        "C": ("conflict", "changed_at_moment"),
    }
    account = Account(job.base_url, "test")
    with open_ledger(job.folder / "ledger.db", account, read_only=True) as ledger:
        history = ledger.history("A")
        assert ledger.open_updates() == 0
    assert history is not None
    assert [(one.event, one.detail) for one in history.entries if one.detail] == [
        ("updating", "balance"),
        ("updated", "balance"),
    ]


def test_nothing_is_updated_unless_asked_for(job: Job) -> None:
    """Without a policy a row that differs is told of, and nothing is sent."""
    job.run(book(A=ANN, B=BEN))
    later = job.run(book(A=("Ann", "+27820000001", 7), B=BEN))
    assert told(later) == {"A": ("changed", "changed_since"), "B": ("unchanged", "")}
    assert later.summary.requests == {"post": 0, "get": 0}
    assert held(job, "A")["balance"] == 1
    strict = job.run(book(A=("Ann", "+27820000001", 7), B=BEN), fail_on="changed")
    assert (later.exit_code, strict.exit_code) == (ExitCode.OK, ExitCode.ROWS_LEFT)


def test_a_dry_run_and_a_limit_hold_for_updates(job: Job) -> None:
    """What would be updated is told, and what is beyond the limit waits for the next run."""
    job.run(book(A=ANN, B=BEN))
    later = book(A=("Ann", "+27820000001", 7), B=("Ben", "+27820000002", 8))
    dry = job.run(later, update=POLICY, dry_run=True)
    assert outcomes(dry) == {"would_update": 2}
    first = job.run(later, update=POLICY, limit=1)
    assert told(first) == {"A": ("updated", ""), "B": ("unsettled", "not_reached")}
    assert told(job.run(later, update=POLICY)) == {"A": ("unchanged", ""), "B": ("updated", "")}


def test_going_back_to_the_first_version_is_a_change(job: Job) -> None:
    """Moment holds the second version then, whatever the first run made."""
    job.run(book(A=ANN))
    later = book(A=("Ann", "+27820000001", 7))
    assert outcomes(job.run(later, update=POLICY)) == {"updated": 1}
    assert outcomes(job.run(book(A=ANN))) == {"changed": 1}
    assert outcomes(job.run(book(A=ANN), update=POLICY)) == {"updated": 1}
    assert held(job, "A")["balance"] == 1
