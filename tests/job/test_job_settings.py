"""Settings of delivery that hold more than one word."""

from __future__ import annotations

import pytest

from importer.delivery.protocol.updating import Rule
from importer.errors import UsageError
from importer.job.finish import exit_code
from importer.job.job_settings import DeliverySettings, parse_fail_on, parse_update


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("name=source", "name=source"),
        (" balance = source , name=if_untouched,", "name=if_untouched,balance=source"),
        ("metadata.tier=never,metadata=source", "metadata=source,metadata.tier=never"),
    ],
)
def test_update_policies_have_one_spelling(text: str, canonical: str) -> None:
    """A saved plan compares them as texts; what they say is read back from that spelling."""
    assert parse_update(text) == canonical
    assert parse_update(canonical) == canonical
    policy = DeliverySettings(update=canonical, retry_rejected=True).updates
    assert policy.retry_rejected
    assert policy.rule("phone") is Rule.NEVER
    if "tier" in canonical:
        assert policy.rule("metadata.tier") is Rule.NEVER
        assert policy.rule("metadata.other") is Rule.SOURCE


def test_more_outcomes_can_count_as_not_done() -> None:
    """``conflict`` and ``missing`` always do; the others if asked."""
    assert parse_fail_on(" vanished, changed") == "changed,vanished"
    with pytest.raises(UsageError, match="is no outcome"):
        parse_fail_on("chnaged")
    assert exit_code({"changed": 1, "updated": 2, "would_update": 1}) == 0
    assert exit_code({"changed": 1}, ["changed"]) == 1
    assert exit_code({"vanished": 1, "created": 1}, ["vanished"]) == 1
    for outcome in ("conflict", "missing", "rejected", "invalid"):
        assert exit_code({"created": 1, outcome: 1}) == 1
        assert exit_code({"unsettled": 1, outcome: 1}) == 1


def test_only_unsettled_rows_go_on_by_themselves() -> None:
    """Not where ``--limit`` left them, nor where ``--fail-on`` names an outcome that is there."""
    assert exit_code({"created": 1, "unsettled": 1, "invalid": 0}) == 75
    assert exit_code({"created": 1, "unsettled": 1}, ["changed"]) == 75
    assert exit_code({"unsettled": 1}, goes_on=False) == 1
    assert exit_code({"unsettled": 1}, ["unsettled"]) == 1
    assert exit_code({"changed": 1, "unsettled": 1}, ["changed"]) == 1
    assert exit_code({"created": 1}, goes_on=False) == 0
