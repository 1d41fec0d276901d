"""Would ``--processes 2`` pay? The most that it could gain: two importers that share nothing.

Each posts half of the rows with a ledger of its own. Shards that share one ledger writer can only
be slower than that.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.peers.payload import KEY
from benchmarks.process import BenchmarkError, Cores, Cost, run
from benchmarks.rounds import alternate, ratio, spread
from benchmarks.target.api import serving

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.target.api import Api

WORTH = 1.6
"""Times faster, on two cores, that would make the option worth its complexity."""
ROWS_PER_SECOND = 4000
QUICK_ROWS = 200


def measure(bench: Bench) -> dict[str, Any]:
    """Rows per second of one importer and of two at once, neither of them pinned."""
    rows = QUICK_ROWS if bench.quick else int(bench.seconds * ROWS_PER_SECOND)
    free = replace(bench, cores=Cores(bench.cores.server, None))
    whole = bench.file("shards.csv", rows)
    halves = [_half(bench, whole, rows, part) for part in range(2)]
    with serving(bench.cores) as api:
        samples = alternate(
            {
                "one": partial(_together, free, api, [whole]),
                "two": partial(_together, free, api, halves),
            },
            bench.rounds,
        )
    speeds = {name: [rows / one.wall for one in costs] for name, costs in samples.items()}
    return {
        "rows": rows,
        "rows_per_second": {name: spread(found) for name, found in speeds.items()},
        "gain": ratio(speeds["two"], speeds["one"]),
    }


def _half(bench: Bench, whole: Path, rows: int, part: int) -> Path:
    header, *lines = whole.read_text(encoding="utf-8").splitlines(keepends=True)
    if len(lines) != rows:
        raise BenchmarkError("the file has line breaks in its cells")
    path = bench.work / f"shard-{part}.csv"
    path.write_text("".join([header, *lines[part::2]]), encoding="utf-8")
    return path


def _together(bench: Bench, api: Api, files: list[Path]) -> Cost:
    with ThreadPoolExecutor(len(files)) as threads:
        costs = list(threads.map(partial(_post, bench, api), files))
    return Cost(
        max(one.wall for one in costs),
        sum(one.cpu for one in costs),
        max(one.peak for one in costs),
    )


def _post(bench: Bench, api: Api, file: Path) -> Cost:
    ledger = file.with_suffix(".db")
    cost = run(
        [
            *(bench.python, "-m", "importer", "run", file, "--quiet", "--concurrency", "64"),
            *("--out", file.with_suffix(".out"), "--ledger", ledger, "--base-url", api.url),
        ],
        core=bench.cores.client,
        environment={"MOMENT_API_KEY": KEY},
    )
    bench.forget(ledger)
    return cost


def targets(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What would have made the option worth it."""
    gain = figures["gain"]
    return [
        (
            f"two cores: --processes 2 could gain {WORTH} times (else it is left out)",
            f"{gain:.2f} times at most",
            gain >= WORTH,
        )
    ]


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One importer, and two."""
    lines = [["importers", "rows/s", "from to"]]
    for name in ("one", "two"):
        middle, low, high = figures["rows_per_second"][name]
        lines.append([name, f"{middle:,.0f}", f"{low:,.0f} to {high:,.0f}"])
    return lines
