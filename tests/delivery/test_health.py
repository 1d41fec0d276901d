"""The run's health: outages, patience and the retry budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.pacing.outage import (
    Health,
    HealthSettings,
    answered,
    asking,
    faulted,
    start,
    verdict,
)

SETTINGS = HealthSettings(outage_after=3, pause=1, longest_pause=8, patience=100, budget=5)


def after(faults: int, *, settings: HealthSettings = SETTINGS, at: float = 10.0) -> Health:
    """A run that began at 0 and then met only faults."""
    health = start(settings, 0.0)
    for _ in range(faults):
        health = faulted(health, settings, at)
    return health


def test_a_few_faults_do_not_pause_the_run() -> None:
    """Below an outage each row backs off for itself."""
    assert after(2).paused_until == 0


def test_an_outage_pauses_the_run_longer_and_longer_up_to_a_limit() -> None:
    """Each try after a pause that fails doubles the next one, up to the longest."""
    health = after(3)
    pauses = [health.paused_until - 10]
    for _ in range(5):
        tried_at = health.paused_until
        health = faulted(health, SETTINGS, tried_at)
        pauses.append(health.paused_until - tried_at)
    assert pauses == [1, 2, 4, 8, 8, 8]


def test_requests_that_fail_together_are_one_try() -> None:
    """What was in flight as the outage began does not make its first pause longer."""
    assert after(3) == after(35)


def test_after_a_pause_one_request_asks_for_all() -> None:
    """The others are held until its answer, and no longer than the longest pause."""
    assert asking(after(2), SETTINGS, 11.0).asking_until == 0
    health = asking(after(3), SETTINGS, 11.0)
    assert health.asking_until == 11.0 + SETTINGS.longest_pause
    assert answered(health, SETTINGS, 12.0).asking_until == 0
    assert faulted(health, SETTINGS, 12.0).asking_until == 0


def test_one_sensible_answer_ends_the_pause() -> None:
    """Moment is back: everything goes on at once."""
    health = answered(after(6), SETTINGS, 11.0)
    assert (health.faults, health.paused_until) == (0, 0.0)
    assert health.well_at == 11.0


def test_an_outage_does_not_spend_the_retry_budget() -> None:
    """While nothing answers, probing is patience, not waste."""
    assert after(2).budget == after(50).budget == SETTINGS.budget - 2


def test_the_run_gives_up_when_nothing_has_answered_for_too_long() -> None:
    """Patience counts from the last sensible answer, and only while there are faults."""
    assert verdict(after(4), SETTINGS, 100.0) == ""
    assert verdict(after(4), SETTINGS, 100.1) == "unreachable"
    assert verdict(start(SETTINGS, 0.0), SETTINGS, 1000.0) == ""


def test_a_half_broken_api_uses_up_the_budget() -> None:
    """Faults that never make an outage still have an end."""
    health = start(SETTINGS, 0.0)
    for now in range(30):
        fold = answered if now % 3 == 2 else faulted
        health = fold(health, SETTINGS, float(now))
        if verdict(health, SETTINGS, float(now)):
            break
    assert verdict(health, SETTINGS, 1.0) == "retry_budget_spent"


def test_good_answers_earn_retries_but_no_more_than_the_budget() -> None:
    """A long good time does not pay for a long bad one."""
    health = answered(start(SETTINGS, 0.0), SETTINGS, 1.0)
    assert health.budget == SETTINGS.budget
    assert answered(after(2), SETTINGS, 11.0).budget == SETTINGS.budget - 1.5


@given(st.lists(st.booleans(), max_size=60))
def test_a_pause_never_exceeds_its_limit_and_the_budget_never_its_start(good: list[bool]) -> None:
    """Whatever the order of answers."""
    health = start(SETTINGS, 0.0)
    for now, well in enumerate(good):
        health = (answered if well else faulted)(health, SETTINGS, float(now))
        assert health.paused_until <= now + SETTINGS.longest_pause
        assert health.budget <= SETTINGS.budget
        assert (health.faults == 0) == well
