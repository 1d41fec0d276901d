"""What the results say of an update: the fields, what the source wants, and no personal data."""

from __future__ import annotations

import pytest

from importer.delivery.protocol.events import Settle, SettleUpdate
from importer.outcomes import Outcome
from importer.plan.update_words import told
from importer.rows.codes import REGISTRY

PAYLOAD = (
    '{"balance":1250,"currency":"ZAR","email":"ada@example.com","external_reference":"A-1",'
    '"metadata":{"tier":"Gold"},"name":"Ada Example","phone":"+27820000001"}'
)


MONEY = ("balance", "currency")
WANTED = "balance: the source wants 1***; currency: the source wants ZAR"


def settled(
    outcome: Outcome, *, code: str = "", message: str = "", **fields: object
) -> SettleUpdate:
    """An update that ended so."""
    return SettleUpdate(Settle(outcome, "bcus_1", 200, code, message), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ended", "code", "text"),
    [
        (settled(Outcome.UPDATED, updated=("name",)), "", ""),
        (
            settled(Outcome.CONFLICT, conflicts=("email", "metadata.tier")),
            "changed_at_moment",
            (
                "email: the source wants a***@e***.com; metadata.tier: the source wants G***;"
                " Moment holds something else, which was left alone"
            ),
        ),
        (
            settled(Outcome.CONFLICT, conflicts=MONEY, waits=MONEY),
            "amount_and_currency",
            (
                f"{WANTED}; Moment holds another currency than the source, which may not be"
                " written, and an amount does not go without its currency"
            ),
        ),
        (
            settled(Outcome.CONFLICT, conflicts=MONEY, waits=("balance",)),
            "changed_at_moment",
            (
                f"{WANTED}; Moment holds something else in currency, which was left alone;"
                " the balance waits for its currency"
            ),
        ),
        (
            settled(Outcome.CONFLICT, conflicts=MONEY, waits=("currency",)),
            "changed_at_moment",
            (
                f"{WANTED}; Moment holds something else in balance, which was left alone;"
                " the currency waits for its balance: another amount stands in Moment, which was"
                " left alone"
            ),
        ),
        (
            settled(Outcome.CONFLICT, conflicts=("currency",), waits=("currency",)),
            "amount_and_currency",
            (
                "currency: the source wants ZAR; the currency waits for its balance: another amount"
                " stands in Moment, which was left alone"
            ),
        ),
        (
            settled(Outcome.UPDATED, updated=("phone",), otherwise=("phone",), left=("name",)),
            "stored_otherwise",
            (
                "Moment stored another form of: phone;"
                " differs from Moment and is not to be updated: name"
            ),
        ),
        (
            settled(Outcome.CHANGED, left=("name",)),
            "changed_since",
            "differs from Moment and is not to be updated: name",
        ),
        (
            settled(Outcome.CONFLICT, code="other_id", message="Moment knows it as another id"),
            "other_id",
            "Moment knows it as another id",
        ),
        (
            settled(Outcome.MISSING, code="missing"),
            "missing",
            "the customer is not in Moment any more, and is not created again by itself",
        ),
    ],
)
def test_each_field_is_told_by_what_became_of_it(ended: SettleUpdate, code: str, text: str) -> None:
    """A conflict says what the source wants, masked, and that Moment holds something else."""
    assert told(ended, PAYLOAD) == (code, text)
    assert not code or code in REGISTRY


def test_no_value_is_shown() -> None:
    """Every field in conflict, and nothing personal in the text."""
    names = ("balance", "currency", "email", "metadata.tier", "name", "phone", "metadata.gone")
    _, text = told(settled(Outcome.CONFLICT, conflicts=names), PAYLOAD)
    for personal in ("1250", "ada@", "Gold", "Ada", "2000000"):
        assert personal not in text
    assert "metadata.gone: differs" in text
