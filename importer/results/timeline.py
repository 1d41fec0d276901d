"""How a delivery went over time: a bounded number of intervals, whatever it took. Pure.

Samples come a few times a second. When all intervals are full, each two become one of twice the
length, so a run of many hours has as many as one of a minute: between 120 and 240.

``pace.csv`` holds them, so that a report can be written again.
"""

from __future__ import annotations

import csv
import math
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from importer.results.workspace import Workspace

MOST = 240
"""Intervals; an even number."""
FIRST_STEP = 0.25
"""Seconds of an interval at first."""
_SHORTEST = 0.001
PACE_FILE = "pace.csv"

_REASONS = (
    ("does not answer", "Moment did not answer"),
    ("turns every row away", "Moment turned every row away"),
    ("waiting for a worker", "no worker was there"),
    ("waiting for the ledger's database", "the ledger's database, which keeps the rate, was away"),
    ("Retry-After", "Moment asked to wait (Retry-After)"),
    ("nothing remains", "Moment's rate limit was used up (RateLimit)"),
    ("(--rate)", "at the ceiling of --rate"),
    ("RateLimit headers", "at the rate that Moment's RateLimit headers allow"),
    ("x 429", "slowed down by 429 answers"),
    ("answers 429", "just below the rate at which Moment answers 429"),
    ("requests failed", "fewer in flight, because requests failed"),
    ("answers take", "fewer in flight, because answers took longer than usual"),
)
"""What stands in the words of a hold (pacing), and what it is called in sum: those have figures
that change all the time. Of two that fit the first is meant."""
OTHER_REASON = "held for another reason"


def reason_of(holding: str) -> str:
    """The kind of hold that these words tell of; "" where nothing holds."""
    if not holding:
        return ""
    return next((name for sign, name in _REASONS if sign in holding), OTHER_REASON)


class Interval(NamedTuple):
    """A stretch of a delivery, as a line of ``pace.csv`` has it."""

    begin: float
    """Seconds since the first request could leave."""
    seconds: float
    """How long it is; above 0."""
    requests_per_second: float
    settled: int
    """Rows that got their outcome."""
    in_flight: int
    """Most requests in flight, as sampled."""
    waiting: int
    """Most rows that waited for their next request."""
    answers_429: int
    held_seconds: float
    """How long something held the pace down."""
    why: str
    """What held it for the longest time; "" where nothing did."""


@record
class _Point:
    requests: float = 0.0
    settled: int = 0
    in_flight: int = 0
    waiting: int = 0
    throttled: int = 0
    held: dict[str, float] = field(default_factory=dict)

    def take(self, other: _Point) -> None:
        """Become the sum of both."""
        self.requests += other.requests
        self.settled += other.settled
        self.in_flight = max(self.in_flight, other.in_flight)
        self.waiting = max(self.waiting, other.waiting)
        self.throttled += other.throttled
        for reason, seconds in other.held.items():
            self.held[reason] = self.held.get(reason, 0.0) + seconds


class Timeline:
    """Takes samples of one run's deliveries, one after the other."""

    def __init__(self) -> None:
        self._step = FIRST_STEP
        self._points: list[_Point] = []
        self._origin: float | None = None
        self._end = 0.0
        """Of what has been sampled, seconds."""
        self._told = (0, 0, 0)
        """Requests, 429s and settled rows of the present delivery, as last told."""
        self.held: dict[str, float] = {}
        """Seconds for which each reason held the pace down."""

    def start(self, now: float) -> None:
        """A delivery begins, whose counts begin at 0; ``now`` is on a monotonic clock, seconds."""
        self._origin = now if self._origin is None else self._origin
        self._told = (0, 0, 0)

    def add(
        self,
        now: float,
        *,
        requests: int,
        throttled: int,
        settled: int,
        in_flight: int,
        waiting: int,
        holding: str,
    ) -> None:
        """Take a sample: what was counted since the delivery began, and how it stands now."""
        begin, at = self._end, max(self._end, now - (self._origin or 0.0))
        while self._index(at) >= MOST:
            self._halve()
        self._grow(self._index(at))
        counts = (requests, throttled, settled)
        # A worker that is lost takes its counts with it.
        sent, refused, done = (max(0, b - a) for a, b in zip(self._told, counts, strict=True))
        self._told = counts
        reason = reason_of(holding)
        for point, share in self._shares(begin, at):
            point.requests += sent * share
            if reason:
                point.held[reason] = point.held.get(reason, 0.0) + (at - begin) * share
        last = self._points[self._index(at)]
        last.settled += done
        last.throttled += refused
        last.in_flight = max(last.in_flight, in_flight)
        last.waiting = max(last.waiting, waiting)
        if reason:
            self.held[reason] = self.held.get(reason, 0.0) + at - begin
        self._end = at

    def intervals(self) -> list[Interval]:
        """What was sampled; a short rest at the end belongs to the last whole interval."""
        points = list(self._points)
        rest = self._end - self._step * (len(points) - 1)
        if len(points) > 1 and rest < self._step / 2:
            last, points[-2:] = points[-2:], [_Point()]
            for one in last:
                points[-1].take(one)
        return [
            _interval(one, number * self._step, self._length(number, len(points)))
            for number, one in enumerate(points)
            if self._length(number, len(points)) > 0
        ]

    def _length(self, number: int, count: int) -> float:
        return self._step if number < count - 1 else self._end - number * self._step

    def _index(self, at: float) -> int:
        """The interval that ends at, or holds, this time."""
        return max(0, math.ceil(at / self._step) - 1)

    def _grow(self, index: int) -> None:
        self._points += [_Point() for _ in range(index + 1 - len(self._points))]

    def _halve(self) -> None:
        pairs = self._points
        for first, second in zip(pairs[::2], pairs[1::2], strict=False):
            first.take(second)
        self._points = pairs[::2]
        self._step *= 2

    def _shares(self, begin: float, end: float) -> Iterator[tuple[_Point, float]]:
        """The intervals of a stretch, each with its share of it; the shares are 1 together."""
        last = self._index(end)
        if end <= begin:
            yield self._points[last], 1.0
            return
        for index in range(min(last, int(begin / self._step)), last + 1):
            low, high = index * self._step, (index + 1) * self._step
            share = (min(end, high) - max(begin, low)) / (end - begin)
            if share > 0:
                yield self._points[index], share


def _interval(point: _Point, begin: float, seconds: float) -> Interval:
    seconds = max(seconds, _SHORTEST)
    why, _ = max(point.held.items(), key=lambda one: one[1], default=("", 0.0))
    return Interval(
        round(begin, 2),
        round(seconds, 3),
        round(point.requests / seconds, 2),
        point.settled,
        point.in_flight,
        point.waiting,
        point.throttled,
        round(min(seconds, sum(point.held.values())), 2),
        why,
    )


def coarser(intervals: Sequence[Interval], most: int) -> list[Interval]:
    """The same in at most so many intervals, for a table."""
    size = max(1, math.ceil(len(intervals) / most))
    return [_joined(intervals[at : at + size]) for at in range(0, len(intervals), size)]


def _joined(some: Sequence[Interval]) -> Interval:
    seconds = sum(one.seconds for one in some)
    held: dict[str, float] = {}
    for one in some:
        if one.why:
            held[one.why] = held.get(one.why, 0.0) + one.held_seconds
    return Interval(
        some[0].begin,
        seconds,
        sum(one.requests_per_second * one.seconds for one in some) / seconds,
        sum(one.settled for one in some),
        max(one.in_flight for one in some),
        max(one.waiting for one in some),
        sum(one.answers_429 for one in some),
        sum(one.held_seconds for one in some),
        max(held, key=held.__getitem__, default=""),
    )


def write_pace(workspace: Workspace, intervals: Iterable[Interval]) -> None:
    """Write ``pace.csv`` into the workspace."""
    with workspace.open_text(PACE_FILE) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Interval._fields)
        writer.writerows(intervals)


def read_pace(lines: Iterable[str]) -> list[Interval]:
    """The intervals of a ``pace.csv``.

    Raises:
        ValueError: it is none.
    """
    rows = list(csv.DictReader(lines))
    try:
        found = [
            Interval(
                float(row["begin"]),
                float(row["seconds"]),
                float(row["requests_per_second"]),
                int(row["settled"]),
                int(row["in_flight"]),
                int(row["waiting"]),
                int(row["answers_429"]),
                float(row["held_seconds"]),
                row["why"],
            )
            for row in rows[:MOST]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from None
    numbers = [value for one in found for value in one[:-1]]
    if not all(math.isfinite(one) and one >= 0 for one in numbers):
        raise ValueError("no figures of a delivery")
    return [one for one in found if one.seconds > 0]
