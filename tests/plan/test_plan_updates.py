"""A plan of updates: what would be written, what it costs, and what is left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from importer.delivery.protocol.states import (
    NEW,
    Conflict,
    Done,
    Memory,
    Origin,
    Synced,
    Transition,
    UpdateState,
    UpdateTransition,
    Updating,
    Verdict,
)
from importer.delivery.protocol.updating import Rule, UpdatePolicy
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.outcomes import Outcome
from importer.plan.forecast import forecast
from importer.plan.make import make_plan, rows_to_deliver, would_deliver
from importer.plan.staging import Staging
from importer.rows.payload import canonical, fingerprint
from importer.rows.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from importer.ledger.ledger import Ledger

ACCOUNT = Account("https://api.example.com", "test")
BEFORE = {"name": "Ada", "balance": 5, "currency": "ZAR", "metadata": {"tier": "gold"}}
LATER = {**BEFORE, "name": "Bram", "balance": 6}
NAMES = UpdatePolicy((("name", Rule.SOURCE),))
MONEY = UpdatePolicy((("balance", Rule.IF_UNTOUCHED), ("name", Rule.SOURCE)))


def row(line: int, reference: str, values: dict[str, Any]) -> Row:
    """A valid row."""
    payload = canonical({"external_reference": reference, **values})
    return Row(0, line, reference, payload, fingerprint(payload), (), (reference,))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in which A was created as ``BEFORE``, and all of it confirmed."""
    with open_ledger(tmp_path / "ledger.db", ACCOUNT) as opened:
        known = row(2, "A", BEFORE)
        assert known.fingerprint is not None
        done = Done(0, known.fingerprint, "bcus_1", Origin.CREATED)
        fields = opened.hasher()("A", BEFORE)
        change = Transition("A", NEW, done, 201, fields, fields)
        opened.apply([change], [], run_id="r", now=1.0)
        yield opened


def hold(ledger: Ledger, new: UpdateState) -> None:
    """Let the ledger keep A in step like this."""
    held = ledger.updates(["A"])["A"]
    change = UpdateTransition("A", held, replace(new, serial=held.serial + 1))
    assert ledger.apply([change], [], run_id="r", now=2.0) == [None]


def planned(
    ledger: Ledger, values: dict[str, Any], policy: UpdatePolicy
) -> tuple[str | None, str | None, list[UpdateState | None]]:
    """(outcome, error code, what would be updated) of A with these values."""
    staging = Staging()
    staging.add([row(2, "A", values)])
    make_plan(staging, ledger, retry_rejected=False, updates=policy)
    [told] = staging.rows()
    updates = [one.update for one in rows_to_deliver(staging, ledger)]
    staging.close()
    return told.outcome, told.error_code, updates


def test_what_may_be_written_is_left_to_delivery(ledger: Ledger) -> None:
    """With a policy for a field that differs the row goes on its way, with its state."""
    held = ledger.updates(["A"])["A"]
    assert planned(ledger, LATER, NAMES) == (None, "", [held])
    assert planned(ledger, LATER, UpdatePolicy()) == ("changed", "changed_since", [])
    only_money = UpdatePolicy((("balance", Rule.SOURCE),))
    assert planned(ledger, {**BEFORE, "name": "Bram"}, only_money)[:2] == (
        "changed",
        "changed_since",
    )
    assert planned(ledger, BEFORE, MONEY) == ("unchanged", "", [])


def test_after_an_update_its_version_counts(ledger: Ledger) -> None:
    """The first version is the changed one then, whether anything is updated or not."""
    version = row(2, "A", LATER).fingerprint
    assert version is not None
    hold(ledger, Synced("bcus_1", 0, ledger.hasher()("A", LATER), version))
    for policy in (UpdatePolicy(), NAMES):
        assert planned(ledger, LATER, policy) == ("unchanged", "", [])
    assert planned(ledger, BEFORE, UpdatePolicy())[0] == "changed"
    assert len(planned(ledger, BEFORE, NAMES)[2]) == 1


def test_an_open_update_is_taken_up_again(ledger: Ledger) -> None:
    """Its outcome is not known, so the row is no unchanged one, even as it was first made."""
    base, later = ledger.hasher()("A", BEFORE), ledger.hasher()("A", LATER)
    version = row(2, "A", LATER).fingerprint
    assert version is not None
    hold(ledger, Updating("bcus_1", 0, base, tuple(sorted({*later} - {*base})), version))
    for values in (BEFORE, LATER):
        assert len(planned(ledger, values, MONEY)[2]) == 1


def test_what_is_remembered_costs_no_request(ledger: Ledger) -> None:
    """The same conflict, and the same refusal, are told again each night without asking."""
    base, later = dict(ledger.hasher()("A", BEFORE)), dict(ledger.hasher()("A", LATER))
    seen = Conflict("balance", b"s" * 8, later["balance"])
    kept = tuple(sorted({**base, "name": later["name"]}.items()))
    hold(ledger, Synced("bcus_1", 0, kept, b"", Memory(conflicts=(seen,))))
    assert planned(ledger, LATER, MONEY) == ("conflict", "changed_at_moment", [])
    assert len(planned(ledger, {**LATER, "balance": 7}, MONEY)[2]) == 1
    verdict = Verdict(Outcome.REJECTED, (("name", later["name"]),), 422, "invalid_name")
    hold(ledger, Synced("bcus_1", 0, tuple(sorted(base.items())), b"", Memory(verdict=verdict)))
    assert planned(ledger, {**BEFORE, "name": "Bram"}, NAMES) == ("rejected", "invalid_name", [])
    again = replace(NAMES, retry_rejected=True)
    assert len(planned(ledger, {**BEFORE, "name": "Bram"}, again)[2]) == 1


def test_a_forecast_counts_fields_and_requests(ledger: Ledger) -> None:
    """New rows beside updates; a field that is read first costs a GET."""
    staging = Staging()
    staging.add([row(2, "A", {**LATER, "metadata": {"tier": "x"}}), row(3, "B", BEFORE)])
    policy = UpdatePolicy((*MONEY.rules, ("metadata", Rule.IF_UNTOUCHED)))
    met = make_plan(staging, ledger, retry_rejected=False, updates=policy)
    made = forecast(staging, ledger)
    assert (met.to_update, met.new) == (1, 1)
    assert made.outcomes == {"would_create": 1, "would_update": 1}
    assert dict(made.updated_fields) == {"name": 1, "balance": 1, "metadata.tier": 1}
    assert made.update_reads == 1
    shown = {name: one[0].value for name, one in made.update_examples.items()}
    assert "Bram" not in json.dumps(shown)
    assert shown["metadata.tier"] == "another value"
    would_deliver(staging, ledger)
    assert staging.counts() == {"would_create": 1, "would_update": 1}
    staging.close()
