"""The plan decides by the ledger's state and the fingerprint alone."""

from __future__ import annotations

import pytest

from importer.delivery.protocol.states import NEW, Done, Origin, Rejected, Sent, State
from importer.outcomes import Outcome
from importer.plan.decide import decide

SAME, OTHER = b"s" * 32, b"o" * 32


@pytest.mark.parametrize(
    ("state", "retry", "outcome"),
    [
        (NEW, False, None),
        (Sent(0, SAME, 1.0), False, None),
        (Sent(0, OTHER, 1.0), False, None),
        (Done(0, SAME, "bcus_1", Origin.CREATED), False, Outcome.UNCHANGED),
        (Done(0, OTHER, "bcus_1", Origin.FOUND), False, Outcome.CHANGED),
        (Done(0, OTHER, "bcus_1", Origin.FOUND), True, Outcome.CHANGED),
        (Done(0, SAME, "bcus_1", Origin.FOUND, ("balance",)), False, Outcome.CHANGED),
        (Rejected(0, SAME, 400, "bad"), False, Outcome.REJECTED),
        (Rejected(0, SAME, 400, "bad"), True, None),
        (Rejected(0, OTHER, 400, "bad"), False, None),
    ],
)
def test_what_is_decided(state: State, retry: bool, outcome: Outcome | None) -> None:  # noqa: FBT001
    """Settled rows need no request; refused ones only if they changed or are forced."""
    decision = decide(state, SAME, retry_rejected=retry)
    assert decision.outcome is outcome
    in_moment = isinstance(state, Done)
    assert decision.customer_id == ("bcus_1" if in_moment else "")


def test_a_customer_that_was_found_otherwise_is_never_called_unchanged() -> None:
    """What Moment was seen to hold otherwise is named again each night, until it is in step."""
    found = Done(0, SAME, "bcus_1", Origin.FOUND, ("name", "balance"))
    decision = decide(found, SAME, retry_rejected=False)
    assert decision.error_code == "differs"
    assert decision.error == "Moment holds other values in: name, balance"
