"""The short variants of the model check; ``make model`` runs the long ones too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from importer.delivery.protocol.safeguards import Safeguards
from tests.model.explore import explore
from tests.model.variants import ABLATIONS, LIMITS, PROMISES, Ablation, Variant, named
from tests.model.world import Scene, without

SHORT = [variant for variant in PROMISES if not variant.long]
MODELLED = {
    "write_ahead",
    "write_once",
    "replay_attribution",
    "lookup_before_resend",
    "advance_on_proof",
    "compare_and_set",
    "confirm_absence",
}
ELSEWHERE = {"echo_check", "canary", "verified_read", "count_sent"}
"""Safeguards of the client, the pool and the reader, which the model does not contain; and one that
only updates rest on (test_sync_model.py)."""


@pytest.mark.slow
@pytest.mark.parametrize("variant", SHORT, ids=lambda variant: variant.name)
def test_every_promise_holds_in_every_reachable_state(variant: Variant) -> None:
    """No safety property breaks, and from every state the row can still be settled."""
    report = explore(variant.scene)
    assert report.violations == {}
    assert report.stuck_trace == []
    assert report.complete
    assert report.states > 1000


@pytest.mark.slow
@pytest.mark.parametrize("variant", LIMITS, ids=lambda variant: variant.name)
def test_every_documented_limit_is_real(variant: Variant) -> None:
    """Without what it rests on, a promise breaks just as docs/delivery.md says."""
    report = explore(variant.scene, until=variant.breaks)
    assert variant.breaks in report.violations


@pytest.mark.slow
@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda one: f"{one.safeguard}-{one.variant}")
def test_the_checker_notices_a_missing_safeguard(ablation: Ablation) -> None:
    """Switching one safeguard off breaks a variant that is clean with it."""
    scene = without(named(ablation.variant).scene, ablation.safeguard)
    report = explore(scene, until=ablation.breaks)
    assert ablation.breaks in report.violations


def test_every_safeguard_is_accounted_for() -> None:
    """A new safeguard must be ablated here or be named as one that the model cannot see."""
    assert {ablation.safeguard for ablation in ABLATIONS} == MODELLED
    assert set(Safeguards.__dataclass_fields__) == MODELLED | ELSEWHERE
    assert not any(named(ablation.variant).long for ablation in ABLATIONS)


def test_a_trace_is_told_in_plain_words_from_the_start() -> None:
    """The shortest way to a lost id without write-ahead reads like a story."""
    report = explore(without(Scene(), "write_ahead"), until="lost id")
    assert report.violations["lost id"] == [
        "importer 1 takes the row up (version A)",
        "importer 1 goes on before Sent(generation 0, version A, 0 h old) is durable",
        "importer 1 sends version A under key 0",
        "importer 1 crashes",
        "the request (key 0, version A) arrives: Moment creates the customer and answers 201",
    ]


def test_a_dead_end_is_found() -> None:
    """A server whose stored failure outlives every generation leaves states that are stuck."""
    policy = Scene().policy
    report = explore(Scene(policy=replace(policy, max_advances=0)))
    assert report.stuck > 0
    assert report.stuck_trace


def test_an_unfinished_search_says_so() -> None:
    """A search that ends at its limit does not pass for a complete one."""
    assert not explore(Scene(), limit=100).complete
