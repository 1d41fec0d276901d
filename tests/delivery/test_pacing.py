"""Properties of the pure pacing fold."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.delivery.pacing.pace import (
    Kind,
    Pace,
    PaceSettings,
    Sample,
    adapt,
    explain,
    send_rate,
    start,
)
from importer.delivery.pacing.server_hints import RateLimitHint

MOST = 64
SETTINGS = PaceSettings(max_in_flight=MOST)

seconds = st.floats(0.001, 100.0)
hints = st.builds(
    RateLimitHint,
    st.none() | st.integers(0, 500),
    st.none() | seconds,
    st.none() | st.integers(0, 500),
    st.none() | seconds,
)


@st.composite
def samples(draw: st.DrawFn, kinds: list[Kind] = list(Kind)) -> list[Sample]:  # noqa: B006
    """Samples in the order of their arrival."""
    found, at = [], 10.0
    for _ in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0.0, 0.001, 0.02, 0.3, 5.0]))
        found.append(
            Sample(
                at,
                draw(st.sampled_from([0.001, 0.02, 0.1, 2.0])),
                draw(st.integers(1, MOST)),
                draw(st.sampled_from(kinds)),
                draw(st.none() | seconds),
                draw(st.none() | hints),
            )
        )
    return found


def fold(found: list[Sample], pace: Pace | None = None) -> Pace:
    """The pace after these samples."""
    return reduce(adapt, found, pace or start(SETTINGS))


def good(pace: Pace, at: float, seconds: float, latency: float = 0.1) -> tuple[Pace, float]:
    """Answer as many requests as the pace allows, all well, for this long."""
    end = at + seconds
    while at < end:
        rate = send_rate(pace, at)
        at += max(latency / pace.limit, 1 / rate if rate else 0.0)
        pace = adapt(pace, Sample(at, latency, pace.limit, Kind.OK))
    return pace, at


@settings(max_examples=25, deadline=None)
@given(samples())
def test_the_limits_stay_within_their_bounds(found: list[Sample]) -> None:
    """In flight is 1 to the setting and the rate is positive, whatever happens."""
    pace = start(SETTINGS)
    for sample in found:
        pace = adapt(pace, sample)
        assert 1 <= pace.limit <= MOST
        rate = send_rate(pace, sample.at)
        assert rate is None or rate > 0
        assert isinstance(explain(pace, sample.at), str)


@settings(max_examples=25, deadline=None)
@given(samples())
def test_a_wait_is_never_shortened(found: list[Sample]) -> None:
    """The time before which nothing is sent only moves forward, to the longest that was asked."""
    # The wait of a 429 that is no matter of the rate is its row's alone.
    pace = start(SETTINGS)
    for sample in found:
        after = adapt(pace, sample)
        assert after.hold_until >= pace.hold_until
        of_one_row = sample.kind is Kind.THROTTLED and after.rate.tolerated
        if sample.kind is not Kind.OK and sample.retry_after is not None and not of_one_row:
            assert after.hold_until >= sample.at + sample.retry_after
        if sample.hint and sample.hint.remaining == 0 and sample.hint.reset:
            assert after.hold_until >= sample.at + sample.hint.reset
        pace = after


@settings(max_examples=25, deadline=None)
@given(samples())
def test_a_429_moves_nothing_but_the_rate(found: list[Sample]) -> None:
    """A 429 is no fault, no latency and no passed request; nothing is counted elsewhere."""
    pace = fold(found)
    sample = Sample(found[-1].at, 9.0, MOST, Kind.THROTTLED)
    after = adapt(pace, sample)
    assert after.flight == pace.flight
    assert after.rate.passed == pace.rate.passed
    assert after.rate.counted == pace.rate.counted
    assert sum(n for _, n in after.throttled) >= 1


@settings(max_examples=25, deadline=None)
@given(samples([Kind.OK, Kind.FAULT, Kind.LOST]))
def test_faults_never_bring_a_rate_limit(found: list[Sample]) -> None:
    """Without a 429 (or a header that says so) no rate is imposed."""
    plain = [Sample(s.at, s.latency, s.in_flight, s.kind) for s in found]
    assert send_rate(fold(plain), plain[-1].at) is None


@settings(max_examples=25, deadline=None)
@given(samples())
def test_a_bad_answer_never_speeds_up(found: list[Sample]) -> None:
    """A 429 does not raise the rate, a fault does not raise the limit."""
    pace, at = fold(found), found[-1].at + 1.0
    rate = send_rate(pace, at)
    throttled = adapt(pace, Sample(at, 0.5, 10, Kind.THROTTLED))
    assert rate is None or (send_rate(throttled, at) or 0.0) <= rate
    storm = [Sample(at + i / 100, 0.01, MOST, Kind.FAULT) for i in range(1, 200)]
    assert fold(storm, pace).limit <= pace.limit


@settings(max_examples=25, deadline=None)
@given(samples())
def test_a_longer_retry_after_never_ends_sooner(found: list[Sample]) -> None:
    """The response to ``Retry-After`` is monotone."""
    pace, at = fold(found), found[-1].at
    ends = [
        adapt(pace, Sample(at, 0.1, 1, Kind.THROTTLED, wait)).hold_until
        for wait in (0.0, 1.0, 5.0, 60.0)
    ]
    assert ends == sorted(ends)


@settings(max_examples=12, deadline=None)
@given(samples())
def test_good_answers_bring_the_maximum_back(found: list[Sample]) -> None:
    """After any storm of 429s, faults and slowness, good answers lead back to full speed."""
    plain = [Sample(s.at, s.latency, s.in_flight, s.kind) for s in found]
    pace, at = good(fold(plain), plain[-1].at + 3, 200, latency=1.0)
    assert pace.limit == MOST
    rate = send_rate(pace, at)
    assert rate is None or rate >= MOST / 1.0


@pytest.mark.parametrize("kind", [Kind.FAULT, Kind.LOST])
def test_a_storm_of_faults_leaves_one_in_flight(kind: Kind) -> None:
    """When everything fails the limit falls to 1, and the words say so."""
    pace, at = good(start(SETTINGS), 0.0, 5.0)
    pace = fold([Sample(at + i / 10, 0.05, 10, kind) for i in range(1, 400)], pace)
    assert pace.limit == 1
    assert explain(pace, at + 40) == "holding at 1 in flight: 1 of the last 1 requests failed"


def test_a_few_faults_do_not_slow_the_run() -> None:
    """One lost or failed request in ten is trouble of single rows."""
    pace = start(SETTINGS)
    for i in range(3000):
        kind = Kind.FAULT if i % 10 == 0 else Kind.OK
        pace = adapt(pace, Sample(i / 50, 0.1, pace.limit, kind))
    assert pace.limit == MOST


def test_a_server_that_refuses_everything_is_asked_ever_more_rarely() -> None:
    """429s without ``Retry-After`` and nothing else: the rate backs off to the floor."""
    pace, at = good(start(SETTINGS), 0.0, 2.0)
    rates = []
    for _ in range(60):
        rate = send_rate(pace, at)
        at += 1 / rate if rate else 0.02
        pace = adapt(pace, Sample(at + 0.02, 0.02, 1, Kind.THROTTLED))
        rates.append(send_rate(pace, at) or 0.0)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.2)


def test_retry_after_on_a_good_answer_is_no_wait() -> None:
    """A replayed 429 or 503 is a good answer about the server; its old header holds nothing."""
    pace = fold([Sample(1.0, 0.1, 1, Kind.OK, retry_after=60.0)])
    assert explain(pace, 1.0) == ""


def test_a_policy_of_the_server_caps_the_rate_without_any_429() -> None:
    """A quota for a short window is used to 99 %, a long one freely until it runs low."""
    hint = RateLimitHint(80, 1.0, 100, 1.0)
    pace = fold([Sample(1.0, 0.1, 1, Kind.OK, hint=hint)])
    assert send_rate(pace, 99.0) == pytest.approx(99.0)
    plenty = fold([Sample(1.0, 0.1, 1, Kind.OK, hint=RateLimitHint(4000, 60.0, 5000, 3600.0))])
    assert send_rate(plenty, 1.0) is None
    low = fold([Sample(1.0, 0.1, 1, Kind.OK, hint=RateLimitHint(300, 60.0, 5000, 3600.0))])
    assert send_rate(low, 1.0) == pytest.approx(5.0)
    assert send_rate(low, 61.5) is None


def test_the_reasons_in_plain_words() -> None:
    """Each thing that can hold a run has its own sentence."""
    pace = start(SETTINGS)
    assert explain(pace, 0.0) == ""
    held = adapt(pace, Sample(1.0, 0.1, 1, Kind.THROTTLED, 12.0))
    assert explain(held, 1.5) == "waiting 12 s: Moment sent Retry-After"
    empty = RateLimitHint(0, 30.0)
    none_left = adapt(pace, Sample(1.0, 0.1, 1, Kind.OK, hint=empty))
    assert explain(none_left, 1.0) == "waiting 30 s: its RateLimit says nothing remains"
    refused = fold([Sample(3.0, 0.1, 14, Kind.THROTTLED)] * 3, good(pace, 0.0, 2.5)[0])
    words = explain(refused, 4.0)
    assert words.startswith("holding at 14 in flight, ")
    assert words.endswith(" requests/s: 3 x 429 in the last 10 s")
    limited = PaceSettings(max_in_flight=8, rate_ceiling=50)
    pace = start(limited)
    for i in range(200):
        pace = adapt(pace, Sample(i / 50, 0.1, 5, Kind.OK))
    assert explain(pace, 4.0) == "at the ceiling of 50 requests/s (--rate)"
