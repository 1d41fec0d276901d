"""Workers on one ledger: does delivery grow with them, and is one rate over all of them kept?

PostgreSQL, a Dask scheduler and 1, 2 and 4 workers, all on this machine; the server answers after
100 ms. A worker has so few requests in flight that latency is what limits it, not these cores.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.process import BenchmarkError, Cores
from benchmarks.rounds import spread
from benchmarks.target.api import serving
from tests.cluster.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.target.api import Api

WORKERS = (1, 2, 4)
LATENCY_MS = 100.0
IN_FLIGHT = 8
"""Of each worker."""
RATE_SHARE = 0.6
"""The rate that is asked of the most workers, of what they could do without one."""
SECONDS = 30
"""That a run shall last."""
SAMPLE = 0.02
"""Seconds between two looks at the server's counter."""
FROM, TO = 0.25, 0.75
"""The part of a run that is measured: all workers are at work in it."""
LINEAR = 1.9
WITHIN = 0.03


class Curve:
    """How many POSTs the server had answered when."""

    def __init__(self) -> None:
        self.points: list[tuple[float, int]] = []

    def speed(self, rows: int) -> float:
        """Rows a second in the middle of a run of so many."""
        first = self._when(FROM * rows)
        last = self._when(TO * rows)
        return (last[1] - first[1]) / (last[0] - first[0])

    def fullest_second(self) -> int:
        """The most POSTs between two looks that are a second apart, or a little more."""
        most, start = 0, 0
        for number, (at, posts) in enumerate(self.points):
            while start < number and self.points[start + 1][0] <= at - 1:
                start += 1
            most = max(most, posts - self.points[start][1])
        return most

    def _when(self, posts: float) -> tuple[float, int]:
        return next(point for point in self.points if point[1] >= posts)


@contextmanager
def _watched(api: Api) -> Iterator[Curve]:
    curve, ended = Curve(), threading.Event()
    before = api.posts()

    def watch() -> None:
        while not ended.wait(SAMPLE):
            curve.points.append((time.monotonic(), api.posts() - before))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield curve
    finally:
        ended.set()
        thread.join()


def measure(bench: Bench) -> dict[str, Any]:
    """Rows per second with so many workers; then with a rate that is below what they could do."""
    each = IN_FLIGHT / LATENCY_MS * 1000
    seconds = 2 if bench.quick else SECONDS
    rounds = 1 if bench.quick else min(3, bench.rounds)
    source = bench.file("machines.csv", round(each * max(WORKERS) * seconds))
    found: dict[str, list[float]] = {str(number): [] for number in WORKERS}
    load = os.getloadavg()[0]
    with serving(Cores(None, None), latency_ms=LATENCY_MS) as api:
        for number in [*WORKERS] * rounds:
            bench.say(f"  {number} workers")
            rows = round(each * number * seconds)
            curve = _run(bench, api, bench.head(source, rows), rows, number)
            found[str(number)].append(curve.speed(rows))
        rate = round(RATE_SHARE * each * max(WORKERS))
        bench.say(f"  {max(WORKERS)} workers, --rate {rate}")
        rows = rate * seconds
        curve = _run(bench, api, bench.head(source, rows), rows, max(WORKERS), "--rate", str(rate))
    return {
        "latency_ms": LATENCY_MS,
        "in_flight": IN_FLIGHT,
        "ideal_of_one": each,
        "rows_per_second": {number: spread(speeds) for number, speeds in found.items()},
        "rate": rate,
        "at_rate": curve.speed(rows),
        "fullest_second": curve.fullest_second(),
        "load": load,
        "cpus": os.cpu_count(),
    }


def _run(bench: Bench, api: Api, file: Path, rows: int, workers: int, *options: str) -> Curve:
    folder = bench.work / "machines"
    folder.mkdir(exist_ok=True)
    free = replace(bench, cores=Cores(None, None))
    with Fleet(folder, workers=workers) as fleet, _watched(api) as curve:
        job = free.importer(
            *("run", file, "--ledger", fleet.ledger, "--engine", fleet.engine),
            *("--concurrency", str(IN_FLIGHT), "--base-url", api.url, *options),
            environment=fleet.environment,
        )
        job.expect("created", rows)
    if curve.points[-1][1] < rows:
        raise BenchmarkError(f"{rows:,} rows, but {curve.points[-1][1]:,} POSTs were seen")
    return curve


def _gain(figures: dict[str, Any], number: int) -> float:
    speeds = figures["rows_per_second"]
    return float(speeds[str(number)][0] / speeds["1"][0])


def targets(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What was promised, what was measured, whether that is met."""
    rate, reached, most = figures["rate"], figures["at_rate"], figures["fullest_second"]
    return [
        (
            f"two workers, latency-bound: {LINEAR} times one",
            f"{_gain(figures, 2):.2f} times; four: {_gain(figures, 4):.2f} times",
            _gain(figures, 2) >= LINEAR,
        ),
        (
            f"one rate over four workers: within {WITHIN:.0%} of it; no second above it by 25 %",
            f"{reached / rate:.1%} of {rate}/s; {most / rate:.1%} in the fullest second",
            abs(reached / rate - 1) <= WITHIN and most <= 1.25 * rate + 1,
        ),
    ]


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One line for each number of workers, and one for the rate."""
    lines = [["workers", "ideal rows/s", "rows/s", "from to", "times one"]]
    for number in WORKERS:
        middle, low, high = figures["rows_per_second"][str(number)]
        ideal = figures["ideal_of_one"] * number
        lines.append(
            [
                str(number),
                f"{ideal:,.0f}",
                f"{middle:,.0f}",
                f"{low:,.0f} to {high:,.0f}",
                f"{_gain(figures, number):.2f}",
            ]
        )
    rate, reached = figures["rate"], figures["at_rate"]
    lines.append([f"{max(WORKERS)}, `--rate {rate}`", f"{rate:,}", f"{reached:,.0f}", "", ""])
    return lines
