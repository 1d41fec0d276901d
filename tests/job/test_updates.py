"""Day 2: the customers exist, and their source has changed."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import ExitCode
from importer.ledger.account import Account
from importer.ledger.field_hashes import short_hashes_of
from importer.ledger.opening import open_ledger
from importer.rows.payload import canonical
from tests import plain_http
from tests.job.conftest import HEADER, Job, outcomes, results

if TYPE_CHECKING:
    from importer.job.run import Finished

pytestmark = pytest.mark.usefixtures("no_settling")
POLICY = "name=source,balance=source,phone=if_untouched"


def book(**rows: tuple[str, str, int]) -> str:
    """A source of these customers: name, phone, balance."""
    lines = (
        f"{ref},{name},{ref.lower()}@example.com,{phone},ZAR,{balance}\n"
        for ref, (name, phone, balance) in rows.items()
    )
    return HEADER + "".join(lines)


def payload(reference: str, name: str, phone: str, balance: int) -> str:
    """What such a row becomes."""
    email, currency = f"{reference.lower()}@example.com", "ZAR"
    row = {"external_reference": reference, "name": name, "email": email, "phone": phone}
    return canonical({**row, "currency": currency, "balance": balance})


def held(job: Job, reference: str) -> dict[str, Any]:
    """What the sandbox holds of one customer."""
    url = f"{job.base_url}/billing/customers/{reference}"
    answer = plain_http.get(url, headers={"Authorization": f"Bearer {job.key.secret}"})
    found: dict[str, Any] = answer.json()
    return found


def edit(job: Job, reference: str, **values: object) -> None:
    """Somebody changes a customer at Moment."""
    url = f"{job.base_url}/billing/customers/{reference}"
    headers = {"Authorization": f"Bearer {job.key.secret}"}
    plain_http.patch(url, headers=headers, json=values).raise_for_status()


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
    assert second.summary.answers == {"get": {"200": 2}, "patch": {"200": 3}}
    # A conflict in one field leaves the others in step.
    changes = {"updated": {"balance": 2, "name": 1}, "conflict": {"phone": 1}}
    assert second.summary.fields == changes
    assert (held(job, "A")["balance"], held(job, "B")["name"]) == (100, "Bram")
    assert (held(job, "C")["balance"], held(job, "C")["phone"]) == (33, "+27829999999")
    third = job.run(later, update=POLICY)
    assert third.summary.requests == {"post": 0, "get": 0}
    assert third.summary.fields == {"conflict": {"phone": 1}}
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
    assert dry.summary.fields == {"would_update": {"balance": 2}}
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


def test_the_source_may_win_once(job: Job) -> None:
    """A conflict that the source has won is none any more, whatever the policy says afterwards."""
    job.run(book(A=ANN))
    edit(job, "A", phone="+27829999999")
    later = book(A=("Ann", "+27820000004", 1))
    assert outcomes(job.run(later, update=POLICY)) == {"conflict": 1}
    assert outcomes(job.run(later, update="phone=source")) == {"updated": 1}
    assert held(job, "A")["phone"] == "+27820000004"
    for policy in (POLICY, "phone=source", "phone=never", POLICY):
        quiet = job.run(later, update=policy)
        assert (outcomes(quiet), quiet.summary.requests) == (
            {"unchanged": 1},
            {"post": 0, "get": 0},
        )


CURRENCIES = {
    # policy: what the first and each later night say of a row with another currency and amount
    "balance=source": ("conflict", "amount_and_currency"),
    "balance=if_untouched": ("conflict", "amount_and_currency"),
    "currency=source": ("conflict", "amount_and_currency"),
    "balance=source,currency=source": ("updated", ""),
    "balance=if_untouched,currency=if_untouched": ("updated", ""),
}


@pytest.mark.parametrize("policy", list(CURRENCIES))
def test_an_amount_that_waits_for_its_currency_is_nobodys_edit(job: Job, policy: str) -> None:
    """Both are written, or nothing; and it is told as what it is, also the night after."""
    job.run(book(A=ANN))
    later = book(A=("Ann", "+27820000001", 7)).replace("ZAR", "EUR")
    outcome, code = CURRENCIES[policy]
    finished = job.run(later, update=policy)
    assert told(finished) == {"A": (outcome, code)}
    third = job.run(later, update=policy)
    assert told(third) == {"A": ("unchanged", "") if outcome == "updated" else (outcome, code)}
    assert third.summary.requests == {"post": 0, "get": 0}
    assert (held(job, "A")["balance"], held(job, "A")["currency"]) == (
        (7, "EUR") if outcome == "updated" else (1, "ZAR")
    )
    if outcome == "conflict":
        assert "the source wants" in results(finished)[0]["error"]
        for text in (results(finished)[0]["error"], results(third)[0]["error"]):
            assert "currency" in text
            assert "somebody" not in text


def test_customers_of_an_older_ledger_are_in_step_once_they_were_updated(job: Job) -> None:
    """16 bits of each field tell that a field which is never written has not changed since."""
    job.run(book(A=ANN, B=BEN, C=CAT))
    with sqlite3.connect(job.folder / "ledger.db") as db:
        [(salt,)] = db.execute("SELECT value FROM salt")
        for reference, row in (("A", ANN), ("B", BEN), ("C", CAT)):
            old = short_hashes_of(payload(reference, *row), salt)
            sql = "UPDATE customer SET hashes = NULL, base = NULL, fields = ? WHERE reference = ?"
            db.execute(sql, (old, reference))
    later = book(A=("Ann", "+27820000001", 100), B=("Bram", "+27820000002", 200), C=CAT)
    update = "balance=source"
    second = job.run(later, update=update)
    assert told(second) == {
        "A": ("updated", ""),
        "B": ("updated", "changed_since"),
        "C": ("unchanged", ""),
    }
    third = job.run(later, update=update)
    assert told(third) == {
        "A": ("unchanged", ""),
        "B": ("changed", "changed_since"),
        "C": ("unchanged", ""),
    }
    assert third.summary.requests == {"post": 0, "get": 0}
