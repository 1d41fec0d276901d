"""Adaptive pacing: how many requests in flight and how many a second, as a pure fold.

``adapt(pace, sample) -> pace`` is all there is (``answered`` is its plain case, without a sample):
no clock, no randomness, O(1) a sample.
Three things limit a run, each for its own reason:

- ``pacing_flight``: requests in flight, cut when faults pile up or answers slow down;
- ``pacing_rate``: requests a second, measured once a 429 has shown that there is a limit;
- ``hold_until``: nothing is sent before, because the server said so (``Retry-After``, RFC 9110
  section 10.2.3, or ``RateLimit`` with nothing remaining).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from importer.delivery.pacing import in_flight as flights
from importer.delivery.pacing import rate_limit as rates
from importer.values import new, quick

if TYPE_CHECKING:
    from importer.delivery.pacing.server_hints import RateLimitHint


RECENT = 10
"""Seconds that ``explain`` looks back for 429s."""
SHORT_WINDOW = 10.0
"""Seconds; a quota for a longer window may be used at once, and is paced when it runs low."""
LOW = 0.1
"""Share of a quota that counts as running low."""
IN_USE = 0.9
"""Share of an allowed rate from which on the rate is what holds the run."""


class Kind(StrEnum):
    """How one request ended. Values are what ``Gate.leave`` takes."""

    OK = "ok"
    """Any sensible answer, replayed ones included."""
    THROTTLED = "throttled"
    """429."""
    FAULT = "fault"
    """5xx, or no connection."""
    LOST = "lost"
    """Timeout, reset or cut: the outcome is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceSettings:
    """What the user sets, and where a run starts."""

    max_in_flight: int = 32
    """``--concurrency``."""
    rate_ceiling: float | None = None
    """``--rate``, requests per second."""
    start_in_flight: int = flights.FIRST


class Sample(NamedTuple):
    """One finished request."""

    at: float
    """When it ended, monotonic seconds."""
    latency: float
    """Seconds since it was sent."""
    in_flight: int
    """Requests in flight with it, itself included."""
    kind: Kind
    retry_after: float | None = None
    """Seconds from ``at``."""
    hint: RateLimitHint | None = None


@quick
class Pace(NamedTuple):
    """What may be sent now, and why. Immutable; times are monotonic seconds."""

    flight: flights.Flight
    rate: rates.Rate = rates.Rate()
    in_flight: int = 0
    """As of the last sample; this and what is above changes with each."""
    ceiling: float | None = None
    max_in_flight: int = 1
    hold_until: float = -math.inf
    hold_cause: str = ""
    cap: float | None = None
    """Requests a second by the server's own ``RateLimit`` headers."""
    cap_until: float = -math.inf
    throttled: tuple[tuple[int, int], ...] = ()
    """(second, number of 429s in it), the last ten seconds at most."""

    @property
    def limit(self) -> int:
        """Requests that may be in flight at once, 1 to ``max_in_flight``."""
        return int(self.flight.limit)

    @property
    def has_rate(self) -> bool:
        """Whether a rate is set, was told or is known; else ``send_rate`` is None until one is."""
        return not (self.ceiling is None and self.cap is None and self.rate.base is None)


def start(settings: PaceSettings) -> Pace:
    """The pace at the beginning of a run."""
    most = max(1, settings.max_in_flight)
    first = float(max(1, min(settings.start_in_flight, most)))
    return Pace(flights.Flight(limit=first), ceiling=settings.rate_ceiling, max_in_flight=most)


def expecting(pace: Pace, limit: float, now: float) -> Pace:
    """The pace of a worker that has seen no limit yet, and hears from the others of this one.

    ``limit`` is its share of the server's limit, in requests a second.
    """
    if pace.rate.base is not None:
        return pace
    return pace._replace(rate=rates.heard_of(pace.rate, now, limit))


def send_rate(pace: Pace, now: float) -> float | None:
    """Requests a second that may be sent at ``now``; None is no limit."""
    found = rates.allowed(pace.rate, now)
    if pace.cap is not None and now < pace.cap_until:
        found = pace.cap if found is None else min(found, pace.cap)
    if pace.ceiling is not None:
        found = pace.ceiling if found is None else min(found, pace.ceiling)
    return found


def adapt(pace: Pace, sample: Sample) -> Pace:
    """The pace after one more finished request.

    A 429 moves only the rate: it is no fault, and its latency says nothing about the work. Any
    other answer passed the limiter. ``Retry-After`` counts on 429 and on faults (503).
    """
    if sample.hint is not None:
        pace = _hinted(pace, sample, sample.hint)
    at, sent = sample.at, sample.at - sample.latency
    if sample.kind is Kind.THROTTLED:
        waited = _held(pace, sample)
        wait = max(0.0, waited.hold_until - max(at, pace.hold_until))
        rate = rates.refused(pace.rate, at, sent, wait)
        if rate.tolerated:
            waited = pace  # It is no matter of the rate: its row waits, and nobody else.
        return waited._replace(
            rate=rate,
            in_flight=sample.in_flight,
            throttled=_counted(pace.throttled, int(at)),
        )
    if sample.kind is not Kind.OK:
        pace = _held(pace, sample)
    good = sample.kind is Kind.OK
    return answered(pace, at, sample.latency, sample.in_flight, good=good)


def answered(pace: Pace, at: float, latency: float, in_flight: int, *, good: bool = True) -> Pace:
    """``adapt`` for an answer that was no 429, and said nothing of rates and waits."""
    flight, rate, _, *rest = pace
    most, sent = pace.max_in_flight, at - latency
    flight = flights.answered(flight, at, latency, in_flight, good=good, ceiling=most)
    return new(Pace, [flight, rates.passed(rate, at, sent), in_flight, *rest])


def _held(pace: Pace, sample: Sample) -> Pace:
    if sample.retry_after is None:
        return pace
    return _hold(pace, sample.at + sample.retry_after, "Moment sent Retry-After")


def _hold(pace: Pace, until: float, cause: str) -> Pace:
    """The longest wait wins; none is ever shortened."""
    if until <= pace.hold_until:
        return pace
    return pace._replace(hold_until=until, hold_cause=cause)


def _hinted(pace: Pace, sample: Sample, hint: RateLimitHint) -> Pace:
    if hint.remaining == 0 and hint.reset:
        pace = _hold(pace, sample.at + hint.reset, "its RateLimit says nothing remains")
    if hint.limit and hint.window and (hint.remaining is None or hint.window <= SHORT_WINDOW):
        return pace._replace(cap=hint.limit / hint.window * rates.MARGIN, cap_until=math.inf)
    if hint.limit and hint.reset and 0 < (hint.remaining or 0) <= LOW * hint.limit:
        remaining = hint.remaining or 0
        return pace._replace(cap=remaining / hint.reset, cap_until=sample.at + hint.reset)
    return pace


def _counted(counts: tuple[tuple[int, int], ...], second: int) -> tuple[tuple[int, int], ...]:
    if counts and counts[-1][0] == second:
        return (*counts[:-1], (second, counts[-1][1] + 1))
    return (*(entry for entry in counts if entry[0] > second - RECENT), (second, 1))


def explain(pace: Pace, now: float) -> str:
    """Why it is not faster, in plain words; empty when nothing but the work itself holds it."""
    if now < pace.hold_until:
        return f"waiting {math.ceil(pace.hold_until - now)} s: {pace.hold_cause}"
    return _explain_rate(pace, now) or _explain_flight(pace)


def _explain_rate(pace: Pace, now: float) -> str:
    rate = send_rate(pace, now)
    if pace.rate.tolerated and rate not in {pace.cap, pace.ceiling}:
        return ""
    refused = sum(count for second, count in pace.throttled if second > now - RECENT)
    if refused:
        speed = f", {spoken(rate)} requests/s" if rate is not None else ""
        return (
            f"holding at {max(1, pace.in_flight)} in flight{speed}: "
            f"{refused} x 429 in the last {RECENT} s"
        )
    if rate is None or pace.rate.throughput < IN_USE * rate:
        return ""
    if rate == pace.ceiling:
        return f"at the ceiling of {spoken(rate)} requests/s (--rate)"
    source = "Moment's RateLimit headers" if rate == pace.cap else "above it Moment answers 429"
    return f"holding at {spoken(rate)} requests/s: {source}"


def _explain_flight(pace: Pace) -> str:
    flight = pace.flight
    if flight.cause == "faults":
        why = f"{flight.last_bad} of the last {flight.last_count} requests failed"
    elif flight.cause == "latency":
        why = f"answers take {flight.last_latency:.2f} s, usually {flight.usual or 0:.2f} s"
    else:
        return ""
    return f"holding at {pace.limit} in flight: {why}"


def spoken(rate: float) -> str:
    """A rate as people say it."""
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"  # noqa: PLR2004 - two digits say enough
