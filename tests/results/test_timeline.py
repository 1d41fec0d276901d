"""How a delivery went over time, in a bounded number of intervals that lose nothing."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.pacing import outage
from importer.delivery.pacing.pace import Kind, PaceSettings, Sample, adapt, explain, start
from importer.delivery.pacing.server_hints import RateLimitHint
from importer.delivery.pacing.valve import Valve
from importer.results.timeline import (
    MOST,
    OTHER_REASON,
    Timeline,
    coarser,
    read_pace,
    reason_of,
    write_pace,
)
from importer.results.workspace import Workspace


def sampled(samples: list[tuple[float, int, int, str]]) -> Timeline:
    """A timeline of (seconds since the last one, requests, settled rows, hold)."""
    line, now, requests, settled = Timeline(), 50.0, 0, 0
    line.start(now)
    for after, sent, done, holding in samples:
        now, requests, settled = now + after, requests + sent, settled + done
        line.add(
            now,
            requests=requests,
            throttled=requests // 7,
            settled=settled,
            in_flight=sent,
            waiting=done,
            holding=holding,
        )
    return line


SAMPLES = st.lists(
    st.tuples(
        st.integers(0, 5_000_000).map(lambda n: n / 1000),
        st.integers(0, 900),
        st.integers(0, 9),
        st.sampled_from(["", "(--rate)"]),
    ),
    min_size=1,
    max_size=60,
)


@given(SAMPLES)
def test_nothing_is_lost_and_memory_is_bounded(samples: list[tuple[float, int, int, str]]) -> None:
    """Whatever it took: few intervals without gaps, whose sums are those of the samples."""
    line = sampled(samples)
    found = line.intervals()
    end = sum(after for after, *_ in samples)
    assert len(found) <= MOST
    for before, after in itertools.pairwise(found):
        assert math.isclose(before.begin + before.seconds, after.begin, abs_tol=0.02)
    if not found:
        assert end == 0
        return
    assert math.isclose(found[-1].begin + found[-1].seconds, end, abs_tol=0.02)
    assert sum(one.settled for one in found) == sum(done for _, _, done, _ in samples)
    requests = sum(sent for _, sent, _, _ in samples)
    assert sum(one.answers_429 for one in found) == requests // 7
    assert max(one.in_flight for one in found) == max(sent for _, sent, _, _ in samples)
    told = sum(one.requests_per_second * one.seconds for one in found)
    assert math.isclose(told, requests, rel_tol=0.02, abs_tol=0.02 * end + 1)
    held = sum(after for after, _, _, holding in samples if holding)
    assert math.isclose(sum(line.held.values()), held, abs_tol=0.01)
    assert len(coarser(found, 24)) <= 24


def test_hours_are_as_fine_as_they_can_be() -> None:
    """Each halving keeps at least half of the intervals; when the pace broke is still seen."""
    line = sampled([(0.25, 25 if n < 20_000 else 0, 0, "") for n in range(40_000)])
    found = line.intervals()
    assert MOST / 2 <= len(found) <= MOST
    rates = [one.requests_per_second for one in found]
    assert rates[0] == rates[len(rates) // 2 - 2] == 100
    assert rates[-1] == 0


def test_a_second_delivery_goes_on_where_the_first_ended() -> None:
    """Its counts begin at 0 again, and a worker's that is lost take nothing back."""
    line = sampled([(1.0, 10, 5, "")])
    line.start(52.0)
    for requests in (4, 2, 3):
        line.add(
            53.0, requests=requests, throttled=0, settled=0, in_flight=0, waiting=0, holding=""
        )
    found = line.intervals()
    assert sum(one.requests_per_second * one.seconds for one in found) == pytest.approx(15)
    assert found[-1].begin + found[-1].seconds == 3


def test_what_is_written_is_read_again(tmp_path: object) -> None:
    """pace.csv holds the intervals, private; what is none is refused."""
    found = sampled([(0.2, 3, 1, "waiting 3 s: Moment sent Retry-After")] * 9).intervals()
    with Workspace(tmp_path, "20261126T013004Z-1f3a9c") as workspace:  # type: ignore[arg-type]
        write_pace(workspace, found)
        path = workspace.partial / "pace.csv"
        text = path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
    assert read_pace(text.splitlines()) == found
    assert read_pace(text.splitlines()[:1]) == []
    head = text.splitlines()[0]
    for wrong in (
        "a,b\n1,2",
        f"{head}\n1,2",
        f"{head}\n0,nan,1,1,1,1,1,1,",
        f"{head}\n0,1,x,1,1,1,1,1,",
    ):
        with pytest.raises(ValueError):
            read_pace(wrong.splitlines())


def holds() -> list[str]:
    """What the parts that hold a delivery say, each reason once."""
    settings = PaceSettings(max_in_flight=20, rate_ceiling=50)
    begun = start(settings)
    refused = adapt(begun, Sample(10.0, 0.1, 5, Kind.THROTTLED, 3.0))
    empty = RateLimitHint(limit=10, remaining=0, reset=5.0, window=None)
    told = [
        explain(refused, 11.0),
        explain(refused, 14.0),
        explain(adapt(begun, Sample(10.0, 0.1, 5, Kind.OK, None, empty)), 11.0),
    ]
    told += [
        explain(begun._replace(flight=begun.flight._replace(cause=cause, usual=0.1)), 10.0)
        for cause in ("faults", "latency")
    ]
    busy = begun._replace(rate=begun.rate._replace(throughput=100.0))
    told += [
        explain(busy, 10.0),
        explain(busy._replace(ceiling=None, cap=40.0, cap_until=math.inf), 10.0),
    ]
    for blocked in (True, False):
        valve = Valve(now=lambda: 0.0)
        valve.health = outage.Health(paused_until=9.0, blocked=blocked)
        told.append(valve.reason)
    return told


def test_every_hold_is_known_by_its_words() -> None:
    """What pacing says keeps its kind here, whatever its figures; what is new is not lost."""
    told = holds()
    assert all(told), told
    kinds = [reason_of(one) for one in told]
    assert OTHER_REASON not in kinds, list(zip(told, kinds, strict=True))
    assert len({*kinds}) >= 8
    assert reason_of("2 workers: holding at 3 in flight: 2 of the last 9 requests failed") in kinds
    assert reason_of("something new") == OTHER_REASON
    assert reason_of("") == ""
