"""A forecast says which rows would be sent and why, and which fields have changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from importer.delivery.protocol.states import NEW, Done, Origin, Rejected, Sent, State, Transition
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.plan.forecast import EXAMPLES, Example, Forecast, forecast, masked_fields
from importer.plan.make import make_plan
from importer.plan.staging import Staging
from importer.rows.payload import canonical, fingerprint
from importer.rows.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from importer.ledger.ledger import Ledger

ACCOUNT = Account("https://api.example.com", "test")
OTHER = fingerprint("another version")


def row(line: int, reference: str, **values: object) -> Row:
    """A valid row."""
    payload = canonical({"external_reference": reference, **values})
    return Row(0, line, reference, payload, fingerprint(payload), (), (reference,))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    with open_ledger(tmp_path / "ledger.db", ACCOUNT) as opened:
        yield opened


def hold(ledger: Ledger, known: Row, state: State, *, noted: bool = True) -> None:
    """Let the ledger hold a row in a state; ``noted`` if its fields are known."""
    assert known.payload is not None
    fields = ledger.hasher()(known.reference, json.loads(known.payload)) if noted else None
    change = Transition(known.reference, NEW, state, fields=fields)
    ledger.apply([change], [], run_id="r", now=1.0)


def done(known: Row) -> Done:
    """The state of a row that was settled as it is here."""
    assert known.fingerprint is not None
    return Done(0, known.fingerprint, "bcus_1", Origin.CREATED)


def made(rows: list[Row], ledger: Ledger | None, *, retry_rejected: bool = False) -> Forecast:
    """The forecast of these rows."""
    staging = Staging()
    staging.add(rows)
    if ledger is not None:
        make_plan(staging, ledger, retry_rejected=retry_rejected)
    try:
        return forecast(staging, ledger)
    finally:
        staging.close()


def test_rows_that_would_be_sent_say_why(ledger: Ledger) -> None:
    """New, in flight, corrected and retried rows are told apart; the rest has its outcome."""
    rows = [row(line, reference) for line, reference in enumerate("NIJCRDE", 2)]
    own = {one.reference: one.fingerprint or b"" for one in rows}
    hold(ledger, rows[1], Sent(0, own["I"], 1.0))
    hold(ledger, rows[2], Sent(1, OTHER, 1.0))
    hold(ledger, rows[3], Rejected(0, OTHER, 400, "bad"))
    hold(ledger, rows[4], Rejected(0, own["R"], 400, "bad"))
    hold(ledger, rows[5], done(rows[5]))
    hold(ledger, rows[6], Done(0, OTHER, "bcus_2", Origin.FOUND))
    told = made(rows, ledger)
    assert told.outcomes == {
        "would_create": 1,
        "in_flight": 2,
        "corrected": 1,
        "rejected": 1,
        "unchanged": 1,
        "changed": 1,
    }
    assert told.to_deliver == 4
    told = made(rows, ledger, retry_rejected=True)
    assert told.outcomes == {
        "would_create": 1,
        "in_flight": 2,
        "corrected": 1,
        "retried": 1,
        "unchanged": 1,
        "changed": 1,
    }
    assert told.to_deliver == 5


def test_without_a_ledger_every_valid_row_is_new() -> None:
    """The first run of all is planned before there is a file."""
    assert made([row(2, "A"), row(3, "B")], None).outcomes == {"would_create": 2}


def test_changed_rows_name_their_fields_with_masked_examples(ledger: Ledger) -> None:
    """Each field is counted; examples show the new value masked, or that it is left out."""
    before, after = [], []
    for line in range(2, 8):
        reference, mail = f"C{line}", f"old{line}@example.com"
        before.append(row(line, reference, name="Ada", email=mail, balance=line))
        after.append(row(line, reference, name="Ada", email=f"new{line}@example.com"))
    for one in before:
        hold(ledger, one, done(one))
    told = made(after, ledger)
    assert told.outcomes == {"changed": 6}
    assert told.changed_fields == {"email": 6, "balance": 6}
    assert told.unknown_fields == 0
    assert {name: len(shown) for name, shown in told.examples.items()} == {
        "email": EXAMPLES,
        "balance": EXAMPLES,
    }
    assert told.examples["email"][0] == Example(0, 2, "C2", "n***@e***.com")
    assert told.examples["balance"][0] == Example(0, 2, "C2", "left out now")


def test_fields_that_were_not_noted_are_not_guessed(ledger: Ledger) -> None:
    """A row that was settled before fields were noted is changed in fields that nobody knows."""
    before, after = row(2, "A", balance=1), row(2, "A", balance=2)
    hold(ledger, before, done(before), noted=False)
    told = made([after], ledger)
    assert told.outcomes == {"changed": 1}
    assert told.unknown_fields == 1
    assert not told.changed_fields


def test_no_value_is_shown_as_it_is() -> None:
    """Personal data is masked, of metadata only the keys are shown; a currency names nobody."""
    payload = canonical(
        {
            "external_reference": "A",
            "name": "Zaphod Example",
            "email": "zaphod@example.com",
            "phone": "+27829999999",
            "currency": "ZAR",
            "balance": 123456,
            "metadata": {"plan": "gold-secret"},
        }
    )
    shown = masked_fields(payload)
    assert shown["currency"] == "ZAR"
    assert shown["metadata"] == "keys plan"
    for secret in ("Zaphod", "zaphod", "29999", "23456", "secret"):
        assert secret not in str(shown)
