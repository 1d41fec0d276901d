"""Posting, latency-bound: a server that answers after 50 ms, and more and more in flight.

Targets were set for a machine on which a row cost ``then.CPU_US``. Where everything takes k times
as long, answers after 50 ms are a harder task than they were there, and answers after k times 50 ms
are the same one. So both are measured, k beside each run: the machines that this runs on change
their pace within minutes. That it is the same task is shown by the version that the targets were
set for: then it must reach here what it reached there.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import then
from benchmarks.contenders import IMPORTER, SCRIPT, install, peers
from benchmarks.process import ROOT, BenchmarkError
from benchmarks.rounds import alternate, calibrate, ratio, spread
from benchmarks.target.api import raw_limit, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender
    from benchmarks.target.api import Api

GENERATOR = "load generator"
"""A contender of every round: what this machine lets pass at that moment."""
LIKE_THERE = "importer, as on the machine of the targets"
LATENCY_MS = 50.0
LONG = 5.0
"""importer's runs are so many times as long as others: 12,800 to 102,400 rows, as files have. The
row that goes alone and the climb after it take 2.5 to 3.5 round trips, however long a run is."""
MANY = 128
SHARE, SHARE_OF_MANY = 0.97, 0.95
"""Of the ideal, up to ``MANY`` in flight and beyond."""


def measure(bench: Bench) -> dict[str, Any]:
    """Shares of the ideal, which is in flight / latency."""
    failed = install()
    found = {peer.name: peer for peer in peers(failed)}
    script = found[SCRIPT]
    levels: dict[str, Any] = {}
    with (
        serving(bench.cores, latency_ms=LATENCY_MS) as api,
        serving(bench.cores) as prompt,
    ):
        for in_flight in bench.levels:
            bench.say(f"  {in_flight} in flight")
            levels[str(in_flight)] = _level(bench, api, prompt, in_flight, script)
        return {
            "latency_ms": LATENCY_MS,
            "server": {"kind": api.kind},
            "levels": levels,
            "missing": {SCRIPT: script.missing} if script.missing else {},
        }


def _level(
    bench: Bench, api: Api, prompt: Api, in_flight: int, script: Contender
) -> dict[str, Any]:
    ideal = in_flight / (LATENCY_MS / 1000)
    rows = max(in_flight * 2, round(ideal * bench.seconds * LONG))
    most = max(in_flight * 2, round(max(bench.levels) / LATENCY_MS * 1000 * bench.seconds * LONG))
    source = bench.file("latency.csv", most, "--quoted")
    kinds: set[str] = set()
    contenders: dict[str, Callable[[], tuple[float, ...]]] = {
        GENERATOR: partial(_generator, bench, api, in_flight, kinds),
        IMPORTER: partial(_importer, bench, api, source, rows, in_flight),
        LIKE_THERE: partial(_like_there, bench, prompt, source, rows, in_flight),
    }
    script_rows = 0
    if not script.missing:
        post = partial(_script, bench, api, source, script=script, in_flight=in_flight)
        script_rows = calibrate(
            bench.seconds / 2, lambda n: n / post(rows=n)[0], start=in_flight * 2, most=rows
        )
        contenders[SCRIPT] = partial(post, rows=script_rows)
    samples = alternate(contenders, bench.rounds)
    most_possible = [most for most, _ in samples.pop(GENERATOR)]
    slower, share, share_then = zip(*samples.pop(LIKE_THERE), strict=True)
    delivery = [rate for _, rate in samples[IMPORTER]]
    return {
        "ideal_rows_per_second": ideal,
        "rows": {IMPORTER: rows, SCRIPT: script_rows},
        "load_generator": kinds.pop(),
        "load_generator_share": spread([most / ideal for most in most_possible])[0],
        "share_whole_job": {
            name: spread([whole / ideal for whole, _ in found]) for name, found in samples.items()
        },
        "share_delivery": spread([rate / ideal for rate in delivery]),
        "delivery_of_load_generator": ratio(delivery, most_possible),
        "slower": spread(slower),
        "share_like_there": spread(share),
        "share_then": spread(share_then),
    }


def _generator(bench: Bench, api: Api, in_flight: int, kinds: set[str]) -> tuple[float, float]:
    """Rows per second of the load generator, whose name it adds to ``kinds``."""
    kind, limit = raw_limit(api, bench.cores, connections=in_flight, seconds=bench.seconds)
    kinds.add(kind)
    return limit, 0.0


def _importer(
    bench: Bench, api: Api, source: Path, rows: int, in_flight: int, *, tree: Path = ROOT
) -> tuple[float, float]:
    """Rows per second of the whole job, and of its delivery phase."""
    file = bench.head(source, rows)
    ledger = bench.work / "latency.db"
    job = bench.run(file, ledger, api.url, in_flight, tree=tree).expect("created", rows)
    if not job.deliver:
        raise BenchmarkError("summary.json tells no seconds of delivery")
    return rows / job.cost.wall, rows / job.deliver


def _like_there(
    bench: Bench, prompt: Api, source: Path, rows: int, in_flight: int
) -> tuple[float, float, float]:
    """How many times slower this machine is, and what is reached of the ideal in its own time.

    By this version, and by the one of the targets in a run that is as long as it was there.
    """
    slower = then.slower(bench, prompt)
    latency_ms = float(round(LATENCY_MS * slower))
    ideal = in_flight / latency_ms * 1000
    with serving(bench.cores, latency_ms=latency_ms) as api:
        _, now = _importer(bench, api, source, rows, in_flight)
        short = max(in_flight * 2, round(rows / LONG))
        _, before = _importer(bench, api, source, short, in_flight, tree=then.checkout(bench))
    return slower, now / ideal, before / ideal


def _script(
    bench: Bench, api: Api, source: Path, *, script: Contender, in_flight: int, rows: int
) -> tuple[float, float]:
    file = bench.head(source, rows)
    cost = script.post(bench, api, file, rows, in_flight)
    return rows / cost.wall, 0.0


def _levels(figures: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """(in flight, figures), by number: JSON has texts for keys, sorted as such."""
    return sorted((int(in_flight), level) for in_flight, level in figures["levels"].items())


def targets(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What was promised, what was measured, whether that is met."""
    found = []
    for in_flight, level in _levels(figures):
        wanted = SHARE if in_flight <= MANY else SHARE_OF_MANY
        delivery, there = level["share_delivery"][0], level["share_like_there"][0]
        slower = f"{level['slower'][0]:.1f} times as long, as this machine is slower"
        found.append(
            (
                f"50 ms, {in_flight} in flight: {wanted:.0%} of the ideal",
                f"{delivery:.1%}; {there:.1%} where answers take {slower}",
                max(delivery, there) >= wanted,
            )
        )
    return found


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One line for each number in flight."""
    lines = [
        [
            "in flight",
            "ideal rows/s",
            "load generator",
            "importer, whole job",
            "importer, delivery",
            "of the load generator",
            "this machine is slower by",
            "delivery, latency longer by as much",
            "from to",
            "the version of the targets, and there",
            SCRIPT,
        ]
    ]
    for in_flight, level in _levels(figures):
        script = level["share_whole_job"].get(SCRIPT)
        there, least, most = level["share_like_there"]
        set_at = then.SHARES.get(in_flight)
        lines.append(
            [
                str(in_flight),
                f"{level['ideal_rows_per_second']:,.0f}",
                f"{level['load_generator_share']:.1%}",
                f"{level['share_whole_job'][IMPORTER][0]:.1%}",
                f"{level['share_delivery'][0]:.1%}",
                f"{of:.1%}" if (of := level.get("delivery_of_load_generator")) else "",
                f"{level['slower'][0]:.1f} x",
                f"{there:.1%}",
                f"{least:.1%} to {most:.1%}",
                f"{level['share_then'][0]:.1%}" + (f", {set_at:.0%}" if set_at else ""),
                f"{script[0]:.1%}" if script else figures["missing"].get(SCRIPT, ""),
            ]
        )
    return lines
