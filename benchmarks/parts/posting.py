"""Posting, CPU-bound: the whole job against a server that answers at once, and its peers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import then
from benchmarks.contenders import IMPORTER, SCRIPT, install, peers
from benchmarks.process import ROOT, BenchmarkError
from benchmarks.rounds import alternate, calibrate, ratio, spread
from benchmarks.target.api import raw_limit, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.process import Cost
    from benchmarks.target.api import Api

START = 200
MOST = 200_000
"""Rows of the shortest and the longest file."""
ROWS_PER_SECOND = 7500
CPU_US = 130
LONGER = 1.5
"""Times longer than other adaptive runs: this is the comparison that counts."""


def measure(bench: Bench) -> dict[str, Any]:
    """Rows per second and CPU per row of everyone, in alternating runs."""
    failed = install()
    source = bench.file("posting.csv", MOST, "--quoted")
    with serving(bench.cores) as api:
        kind, limit = raw_limit(api, bench.cores, connections=64, seconds=bench.seconds / 2)
        posting: dict[str, Callable[[int], Cost]] = {IMPORTER: _importer(bench, api, source)}
        missing: dict[str, str] = {}
        try:
            posting[then.THEN] = _importer(bench, api, source, tree=then.checkout(bench))
        except BenchmarkError as error:
            missing[then.THEN] = str(error)
        for peer in peers(failed):
            if peer.missing:
                missing[peer.name] = peer.missing
            else:
                posting[peer.name] = _peer(bench, api, source, peer.name)
        rows = _sizes(bench, posting, missing)
        samples = alternate(
            {name: partial(posting[name], size) for name, size in rows.items()}, bench.rounds
        )
        figures = {
            name: {
                "rows": rows[name],
                "rows_per_second": spread([rows[name] / one.wall for one in costs]),
                "cpu_us_per_row": spread([one.cpu / rows[name] * 1e6 for one in costs]),
            }
            for name, costs in samples.items()
        }
        per_second = {n: [rows[n] / one.wall for one in costs] for n, costs in samples.items()}
        return {
            "in_flight": bench.in_flight,
            "seconds": bench.seconds * LONGER,
            "server": {"kind": api.kind, "load_generator": kind, "requests_per_second": limit},
            "contenders": figures,
            "missing": missing,
            "times_faster": {
                name: ratio(per_second[IMPORTER], per_second[name])
                for name in figures
                if name != IMPORTER
            },
            "cpu_of_then": _cpu_of_then(figures, samples),
        }


def _cpu_of_then(figures: dict[str, Any], samples: Mapping[str, Sequence[Cost]]) -> float | None:
    """CPU a row of this version, as a share of that of the version of the targets."""
    if then.THEN not in figures:
        return None
    now, before = (
        [one.cpu / figures[name]["rows"] for one in samples[name]] for name in (IMPORTER, then.THEN)
    )
    return ratio(now, before)


def _sizes(
    bench: Bench, posting: dict[str, Callable[[int], Cost]], missing: dict[str, str]
) -> dict[str, int]:
    rows: dict[str, int] = {}
    for name, post in posting.items():
        bench.say(f"  how fast is {name}?")
        try:
            rows[name] = calibrate(bench.seconds * LONGER, _wall_of(post), start=START, most=MOST)
        except BenchmarkError as error:
            if name == IMPORTER:
                raise
            missing[name] = f"does not run here: {error}"[:300]
    return rows


def _wall_of(post: Callable[[int], Cost]) -> Callable[[int], float]:
    return lambda rows: post(rows).wall


def _importer(bench: Bench, api: Api, source: Path, *, tree: Path = ROOT) -> Callable[[int], Cost]:
    def post(rows: int) -> Cost:
        file = bench.head(source, rows)
        ledger = bench.work / "posting.db"
        job = bench.run(file, ledger, api.url, bench.in_flight, tree=tree)
        return job.expect("created", rows).cost

    return post


def _peer(bench: Bench, api: Api, source: Path, name: str) -> Callable[[int], Cost]:
    [peer] = [one for one in peers({}) if one.name == name]

    def post(rows: int) -> Cost:
        file = bench.head(source, rows)
        return peer.post(bench, api, file, rows, bench.in_flight)

    return post


def targets(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What was promised, what was measured, whether that is met."""
    speed = figures["contenders"][IMPORTER]["rows_per_second"][0]
    limit = figures["server"]["requests_per_second"]
    cpu = figures["contenders"][IMPORTER]["cpu_us_per_row"][0]
    faster, share = figures["times_faster"].get(then.THEN), figures.get("cpu_of_then")
    speed_there = then.ROWS_PER_SECOND * (faster or 0)
    cpu_there = then.CPU_US * (share or 1)
    found = [
        (
            f"posting, whole job: {ROWS_PER_SECOND:,} rows/s on one client core",
            f"{speed:,.0f} rows/s" + _there(faster, f"{speed_there:,.0f} rows/s"),
            max(speed, speed_there) >= ROWS_PER_SECOND,
        ),
        (
            f"posting: at most {CPU_US} µs of CPU a row",
            f"{cpu:,.0f} µs" + _there(share, f"{cpu_there:,.0f} µs"),
            min(cpu, cpu_there) <= CPU_US,
        ),
    ]
    times = figures["times_faster"].get(SCRIPT)
    if times is not None:
        found.append(("posting: 10 times the httpx script", f"{times:.1f} times", times >= 10))
    found.append(
        (
            "the server is not the bottleneck: 3 times importer's rows/s",
            f"{limit / speed:.1f} times",
            limit >= 3 * speed,
        )
    )
    return found


def _there(ratio_to_then: float | None, found: str) -> str:
    """What was measured, on the machine of the targets."""
    if ratio_to_then is None:
        return ""
    return f"; {ratio_to_then:.2f} times the version of the targets, {found} there"


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One line for each contender, the fastest first."""
    lines = [["who", "rows", "rows/s", "from to", "CPU µs/row", "importer is faster by"]]
    found = figures["contenders"]
    for name in sorted(found, key=lambda name: -found[name]["rows_per_second"][0]):
        speed, low, high = found[name]["rows_per_second"]
        times = figures["times_faster"].get(name)
        lines.append(
            [
                name,
                f"{found[name]['rows']:,}",
                f"{speed:,.0f}",
                f"{low:,.0f} to {high:,.0f}",
                f"{found[name]['cpu_us_per_row'][0]:,.0f}",
                f"{times:.1f} x" if times is not None else "",
            ]
        )
    lines += [[name, "", why, "", "", ""] for name, why in figures["missing"].items()]
    server = figures["server"]
    said = f"{server['requests_per_second']:,.0f}"
    lines.append([f"the server's limit ({server['load_generator']})", "", said, "", "", ""])
    return lines
