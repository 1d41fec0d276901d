"""The run's health: whose trouble it is, outages, probes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.pacing.outage import (
    WELL,
    Health,
    HealthSettings,
    asking,
    gives_up,
    held_until,
    is_its_own,
    no_news,
    troubled,
)
from importer.delivery.pacing.valve import Trail, Valve
from importer.delivery.protocol import answers as a

SETTINGS = HealthSettings(outage_after=3, pause=1, longest_pause=8, probes=2)
MANY = 1000


def after(
    rows: list[int],
    *,
    at: float = 10.0,
    blocked: bool = False,
    among: int = MANY,
    health: Health | None = None,
) -> Health:
    """A run that began at 0 and then met only trouble, of these rows."""
    health = health or WELL
    for row in rows:
        health = troubled(health, SETTINGS, at, row, blocked=blocked, rows=among)
    return health


def test_trouble_of_a_few_rows_does_not_pause_the_run() -> None:
    """Below an outage each row backs off for itself."""
    assert not after([1, 2]).out


def test_one_row_is_no_outage_however_often_it_fails() -> None:
    """Distinct rows count, not requests."""
    assert not after([1, 2] * 50).out


def test_where_few_rows_are_left_all_of_them_are_enough() -> None:
    """A small file, or the end of a large one."""
    assert after([1, 2, 3], among=3).out
    assert not after([1, 2, 2], among=3).out
    assert not after([1, 2], among=2).out


def test_an_outage_pauses_the_run_longer_and_longer_up_to_a_limit() -> None:
    """Each probe that fails doubles the next pause, up to the longest, whichever row it was."""
    health = after([1, 2, 3])
    pauses = [health.paused_until - 10]
    for row in (4, 4, 1, 5, 6):
        tried_at = health.paused_until
        health = after([row], at=tried_at, health=health)
        pauses.append(health.paused_until - tried_at)
    assert pauses == [1, 2, 4, 8, 8, 8]


def test_requests_that_fail_together_are_one_try() -> None:
    """What was in flight as the outage began does not make its first pause longer."""
    assert after([1, 2, 3]) == after(list(range(1, 4)) + list(range(10, 40)))


def test_after_a_pause_one_request_asks_for_all() -> None:
    """The others are held until its answer, and no longer than the longest pause."""
    assert held_until(asking(after([1, 2]), SETTINGS, 11.0)) == 0
    health = asking(after([1, 2, 3]), SETTINGS, 11.0)
    assert held_until(health) == 11.0 + SETTINGS.longest_pause
    assert held_until(no_news(health)) == 11.0
    assert held_until(WELL) == 0


def test_one_sensible_answer_ends_the_outage() -> None:
    """Moment is back: everything goes on at once."""
    valve = Valve(health=SETTINGS, now=lambda: 10.0)
    for row in (1, 2, 3):
        valve.leave(Trail(row), 9.0, a.Unknown("read_timeout"), rows=MANY)
    assert valve.enter_now(Trail(4)) is None
    valve.leave(Trail(4), 9.0, a.Created("bcus_4"), rows=MANY)
    assert (valve.trouble, valve.enter_now(Trail(5))) == ("", 10.0)


def test_trouble_is_the_rows_own_if_others_were_answered_between() -> None:
    """First trouble is nobody's; a second one after others were served is the row's."""
    assert not is_its_own(0.0, None)
    assert not is_its_own(0.0, 5.0)
    assert is_its_own(6.0, 5.0)


def test_rows_that_are_turned_away_end_the_run_after_a_few_probes() -> None:
    """A fault is ridden out for longer: it passes more often."""
    health = after([1, 2, 3], blocked=True)
    assert not gives_up(health, SETTINGS)
    for row in (4, 5):
        health = after([row], at=health.paused_until, blocked=True, health=health)
    assert gives_up(health, SETTINGS)
    mixed = after([4], at=health.paused_until, health=health)
    assert not gives_up(mixed, SETTINGS)


@given(st.lists(st.tuples(st.sampled_from("fbsn"), st.integers(0, 9), st.floats(0, 60))))
def test_health_stays_bounded(events: list[tuple[str, int, float]]) -> None:
    """Memory and pauses stay bounded, and only trouble of enough rows holds anything."""
    health, now = WELL, 0.0
    for what, row, passed in events:
        now += passed
        if what == "s":
            health = WELL
        elif what == "n":
            health = no_news(health)
        else:
            health = after([row], at=now, blocked=what == "b", health=health)
        assert len(health.troubled) <= SETTINGS.outage_after
        assert health.out == (len(health.troubled) >= SETTINGS.outage_after)
        assert held_until(health) <= now + SETTINGS.longest_pause
