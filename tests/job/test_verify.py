"""``verify`` asks for every customer, says what is not as it was confirmed, and changes nothing."""

from __future__ import annotations

import csv
import dataclasses
import sqlite3
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from importer.delivery.credentials import ApiKey
from importer.delivery.protocol.states import Synced
from importer.errors import ExitCode, UsageError
from importer.job.job_settings import DeliverySettings, InputSettings
from importer.job.verify import Verified, compare, verify
from importer.job.world import World
from importer.ledger.address import LedgerAddress
from tests import plain_http
from tests.job.conftest import KEY, Job, customers

if TYPE_CHECKING:
    from collections.abc import Sequence

FAST = 10_000.0


def verified(job: Job, *, sources: Sequence[str] = (), key: ApiKey = KEY, **more: Any) -> Verified:
    """One verify of the job's ledger."""
    inputs = InputSettings(sources=tuple(sources), out=job.folder / "results")
    delivery = DeliverySettings(
        ledger=job.options.get("ledger") or LedgerAddress.parse(job.folder / "ledger.db"),
        base_url=job.base_url,
        rate=FAST,
        patience=more.pop("patience", 60.0),
    )
    return verify(inputs, delivery, key, **more)


def listed(found: Verified) -> list[tuple[str, str, str]]:
    """(reference, finding, fields) of verify.csv."""
    with (found.results / "verify.csv").open(newline="") as file:
        return [
            (row["external_reference"], row["finding"], row["fields"])
            for row in csv.DictReader(file)
        ]


def edit(job: Job, reference: str, **fields: Any) -> None:
    """Somebody edits at Moment."""
    answer = plain_http.patch(
        f"{job.base_url}/billing/customers/{reference}",
        json=fields,
        headers={"Authorization": f"Bearer {KEY.secret}"},
    )
    answer.raise_for_status()


def asked_of(job: Job) -> int:
    """GETs of customers so far."""
    return sum(n for call, n in job.state()["requests"].items() if call.startswith("GET"))


BASE = (("balance", b"1"), ("name", b"2"))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((("balance", b"1"), ("name", b"2")), ("in_step", ())),
        ((("balance", b"1"), ("name", b"2"), ("phone", b"3")), ("in_step", ())),
        ((("balance", b"9"), ("name", b"2")), ("balance_moved", ("balance",))),
        ((("balance", b"1"), ("name", b"9")), ("drift", ("name",))),
        ((("balance", b"9"),), ("drift", ("balance", "name"))),
        ((), ("drift", ("balance", "name"))),
    ],
)
def test_only_what_was_confirmed_is_compared(
    seen: tuple[tuple[str, bytes], ...], expected: tuple[str, tuple[str, ...]]
) -> None:
    """A field that we never wrote may hold anything."""
    assert compare(Synced("bcus_1", 1, BASE), seen) == expected
    assert compare(Synced("bcus_1", 1), seen) == ("no_base", ())


def test_an_import_is_signed_off_without_a_change(job: Job) -> None:
    """One GET a customer, no other request, exit code 0."""
    job.run(customers(range(30)))
    posts = job.state()["requests"]
    found = verified(job)
    assert found.exit_code is ExitCode.OK
    assert found.found == {"in_step": 30}
    assert listed(found) == []
    asked = {call: n - posts.get(call, 0) for call, n in job.state()["requests"].items()}
    assert {call: n for call, n in asked.items() if n} == {"GET 200": 30}


def test_edits_and_payments_are_told_apart(job: Job) -> None:
    """A balance that moved is named as that; any other field is drift."""
    job.run(customers(range(5)))
    edit(job, "C-1", name="Somebody Else")
    edit(job, "C-2", balance=77, currency="ZAR")
    found = verified(job)
    assert found.exit_code is ExitCode.ROWS_LEFT
    assert listed(found) == [("C-1", "drift", "name"), ("C-2", "balance_moved", "balance")]
    assert found.found == {"in_step": 3, "drift": 1, "balance_moved": 1}


def test_a_customer_that_is_gone_is_missing(job: Job) -> None:
    """By its id and by its reference."""
    job.run(customers(range(3)))
    plain_http.post(f"{job.base_url}/_sandbox/reset").raise_for_status()
    found = verified(job)
    assert found.exit_code is ExitCode.ROWS_LEFT
    assert found.found == {"missing": 3}


def test_what_could_not_be_asked_goes_on_by_itself() -> None:
    """75 where that is all; what is otherwise needs a person, whatever could not be asked."""
    left = Counter(in_step=5, not_checked=1)
    assert Verified("a", Path(), left).exit_code is ExitCode.TEMPFAIL
    assert Verified("a", Path(), left + Counter(drift=1)).exit_code is ExitCode.ROWS_LEFT


def test_a_reference_of_another_id_is_named(job: Job) -> None:
    """The customer was made again: by its id it is gone, by its reference it is there."""
    job.run(customers(range(2)))
    db = sqlite3.connect(job.folder / "ledger.db")
    with db:
        db.execute("UPDATE customer SET customer_id = 'bcus_Before' WHERE reference = 'C-0'")
    db.close()
    assert listed(verified(job)) == [("C-0", "another_id", "")]


def test_an_id_that_is_another_references_is_no_reason_to_try_again(job: Job) -> None:
    """Moment shows somebody else by it: the reference is asked for, and a person is needed."""
    job.run(customers(range(3)))
    held = job.held()
    db = sqlite3.connect(job.folder / "ledger.db")
    with db:
        db.execute("UPDATE customer SET customer_id = ? WHERE reference = 'C-0'", (held["C-1"],))
    db.close()
    found = verified(job)
    assert listed(found) == [("C-0", "another_id", "")]
    assert found.exit_code is ExitCode.ROWS_LEFT


def test_sources_and_samples_ask_for_a_part(job: Job) -> None:
    """Those that the sources have a record of, or as many as were asked for."""
    job.run(customers(range(20)))
    part = job.write(customers(range(3, 8)), "part.csv")
    assert verified(job, sources=(part,)).found == {"in_step": 5}
    assert verified(job, sample=4).found == {"in_step": 4}
    assert verified(job, sample=400).found == {"in_step": 20}


def test_an_interrupted_verify_goes_on_where_it_stopped(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found before is in its table and its file; nobody is asked for twice."""
    monkeypatch.setattr("importer.job.verify.PAGE", 4)
    job.run(customers(range(10)))
    edit(job, "C-0", name="Somebody Else")
    before = asked_of(job)
    calls = 0

    def stops(_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verified(job, tell=stops)
    found = verified(job)
    assert found.gone_on_after == "C-7"
    assert found.found == {"in_step": 9, "drift": 1}
    assert listed(found) == [("C-0", "drift", "name")]
    asked = asked_of(job) - before
    assert asked == 10


def test_a_ledger_in_a_database_is_verified_alike(
    job: Job, postgres_address: LedgerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, with what was edited, what is gone, and a sample."""
    monkeypatch.setattr("importer.job.verify.PAGE", 3)
    job.options["ledger"] = postgres_address
    job.run(customers(range(10)))
    assert verified(job).found == {"in_step": 10}
    edit(job, "C-4", name="Somebody Else")
    found = verified(job)
    assert found.found == {"in_step": 9, "drift": 1}
    assert listed(found) == [("C-4", "drift", "name")]
    assert sum(verified(job, sample=5).found.values()) == 5


def test_another_merchants_key_verifies_nothing(job: Job) -> None:
    """Else every customer would seem to be missing."""
    job.run(customers(range(2)))
    with pytest.raises(UsageError, match="not the one"):
        verified(job, key=ApiKey("sk_test_of_somebody_else", "test"))


def test_an_account_of_which_nobody_is_known_is_no_good_news(job: Job) -> None:
    """A forgotten ``--account`` is refused with the accounts that the ledger knows."""
    job.options["account"] = "shop"
    job.run(customers(range(3)))
    with pytest.raises(UsageError, match=r"no customer of .* default; it knows .*shop"):
        verified(job)


def test_without_a_ledger_there_is_nothing_to_verify(job: Job) -> None:
    """The message names it, and no ledger is made."""
    with pytest.raises(UsageError, match="no ledger"):
        verified(job)
    assert not (job.folder / "ledger.db").exists()


def test_trouble_of_some_answers_is_asked_again(job: Job) -> None:
    """A lost answer or a 503 says nothing of a customer."""
    job.run(customers(range(12)))
    job.fault("lost=0.2,503=0.2")
    quick = dataclasses.replace(World(), draw=lambda: 0.01)
    assert verified(job, world=quick).found == {"in_step": 12}
