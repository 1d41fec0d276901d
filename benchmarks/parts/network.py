"""The HTTP libraries alone, CPU-bound: what the choice of importer's transport rests on."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import PYTHON, install
from benchmarks.process import ROOT, BenchmarkError, run
from benchmarks.rounds import alternate, calibrate, spread
from benchmarks.target.api import raw_limit, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.process import Cost
    from benchmarks.target.api import Api

IN_FLIGHT = 64
WORDS = {
    "importer": "importer's transport",
    "pyreqwest": "pyreqwest",
    "aiohttp": "aiohttp",
    "httpx": "httpx.AsyncClient as it comes",
}
_OURS = ("importer",)


def measure(bench: Bench) -> dict[str, Any]:
    """Requests per second and CPU a request; what starting costs is subtracted."""
    failed = install()
    missing = dict.fromkeys((k for k in WORDS if k not in _OURS), failed.get("python", ""))
    missing = {kind: why for kind, why in missing.items() if why}
    with serving(bench.cores) as api:
        kind, limit = raw_limit(api, bench.cores, connections=IN_FLIGHT, seconds=bench.seconds / 2)
        counts: dict[str, int] = {}
        for name in WORDS:
            if name in missing:
                continue
            try:
                time = _time_of(bench, api, name)
                counts[name] = calibrate(
                    bench.seconds / 2, time, start=IN_FLIGHT * 4, most=1_000_000
                )
            except BenchmarkError as error:
                missing[name] = f"does not run here: {error}"[:300]
        contenders: dict[str, Callable[[], Cost]] = {}
        for name, count in counts.items():
            contenders[name] = partial(_post, bench, api, name, count)
            contenders[f"{name} starting"] = partial(_post, bench, api, name, 0)
        samples = alternate(contenders, bench.rounds)
    return {
        "in_flight": IN_FLIGHT,
        "transport": _transport(bench),
        "server": {"kind": api.kind, "load_generator": kind, "requests_per_second": limit},
        "libraries": {
            name: _figures(count, samples[name], samples[f"{name} starting"])
            for name, count in counts.items()
        },
        "missing": missing,
    }


def _transport(bench: Bench) -> str:
    """The name of the transport that importer opens here."""
    script = "from importer.delivery.around import open_network as o; print(type(o(1)).__name__)"
    done = subprocess.run(
        [bench.python, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _figures(count: int, costs: list[Cost], starting: list[Cost]) -> dict[str, Any]:
    wall, cpu = median(one.wall for one in starting), median(one.cpu for one in starting)
    return {
        "requests": count,
        "requests_per_second": spread([count / max(one.wall - wall, 0.001) for one in costs]),
        "cpu_us": spread([(one.cpu - cpu) / count * 1e6 for one in costs]),
    }


def _time_of(bench: Bench, api: Api, kind: str) -> Callable[[int], float]:
    return lambda count: _post(bench, api, kind, count).wall


def _post(bench: Bench, api: Api, kind: str, count: int) -> Cost:
    python: str | Path = sys.executable if kind in _OURS else PYTHON
    words = [kind, api.url, str(IN_FLIGHT), str(count)]
    before = api.posts()
    cost = run([python, "-m", "benchmarks.network", *words], core=bench.cores.client)
    if api.posts() - before != count:
        raise BenchmarkError(f"{kind} posted {api.posts() - before:,} of {count:,}")
    return cost


def targets(_: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """None: this part is evidence for a choice."""
    return []


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One line for each library, the fastest first."""
    lines = [["over uvloop", "requests/s", "from to", "CPU µs/request"]]
    found = figures["libraries"]
    for kind in sorted(found, key=lambda kind: -found[kind]["requests_per_second"][0]):
        speed, low, high = found[kind]["requests_per_second"]
        cpu = found[kind]["cpu_us"][0]
        lines.append([WORDS[kind], f"{speed:,.0f}", f"{low:,.0f} to {high:,.0f}", f"{cpu:,.0f}"])
    lines += [[WORDS[kind], why, "", ""] for kind, why in figures["missing"].items()]
    server = figures["server"]
    said = f"{server['requests_per_second']:,.0f}"
    lines.append([f"the server's limit ({server['load_generator']})", said, "", ""])
    return lines
