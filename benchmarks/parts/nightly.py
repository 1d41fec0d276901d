"""The nightly run: nothing new among a million rows, and one row in a hundred new."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.process import run
from benchmarks.rounds import alternate, ratio, spread
from benchmarks.target.api import serving

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.process import Cost
    from benchmarks.target.api import Api

NEW_EVERY = 100


def measure(bench: Bench) -> dict[str, Any]:
    """Seconds of the baseline, the no-op, the run with 1 % new, and those rows alone."""
    rows, new = bench.rows, bench.rows // NEW_EVERY
    file = bench.file(f"{rows}.csv", rows)
    changed = bench.file(f"{rows}-changed.csv", rows, "--new-every", str(NEW_EVERY))
    alone = bench.file("alone.csv", new)
    with serving(bench.cores) as api:
        settled = bench.ledger("nightly.db", file, api.url)
        # The night before, after which every quiet one is the same.
        bench.importer("run", file, "--ledger", settled, "--base-url", api.url).expect(
            "unchanged", rows
        )
        plain: list[str | Path] = [bench.python, "-m", "benchmarks.baseline", file, settled]
        samples = alternate(
            {
                "baseline": partial(run, plain, core=bench.cores.client),
                "noop": partial(_run, bench, api, file, settled, {"unchanged": rows}),
                "changed": partial(
                    _run, bench, api, changed, settled, {"unchanged": rows - new, "created": new}
                ),
                "alone": partial(_run, bench, api, alone, None, {"created": new}),
            },
            bench.rounds,
        )
    wall = {name: [one.wall for one in costs] for name, costs in samples.items()}
    cpu = {name: [one.cpu for one in costs] for name, costs in samples.items()}
    sums = [a + b for a, b in zip(wall["noop"], wall["alone"], strict=True)]
    bench.forget(bench.work / "nightly.db")
    return {
        "rows": rows,
        "new": new,
        "wall": {name: spread(values) for name, values in wall.items()},
        "cpu": {name: spread(values) for name, values in cpu.items()},
        "noop_over_baseline": ratio(wall["noop"], wall["baseline"]),
        "noop_over_baseline_cpu": ratio(cpu["noop"], cpu["baseline"]),
        "changed_over_sum": ratio(wall["changed"], sums),
    }


def _run(
    bench: Bench, api: Api, file: Path, settled: Path | None, outcomes: dict[str, int]
) -> Cost:
    """One run on a copy of the settled ledger and of its memo, or on a new one."""
    ledger = bench.work / "tonight.db"
    for end in () if settled is None else ("", ".memo"):
        # Nothing is remembered of a file as small as those of --quick.
        if (kept := Path(f"{settled}{end}")).exists():
            Path(shutil.copyfile(kept, f"{ledger}{end}")).chmod(0o600)
    job = bench.run(file, ledger, api.url, bench.in_flight)
    for outcome, rows in outcomes.items():
        job.expect(outcome, rows)
    return job.cost


def targets(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What was promised, what was measured, whether that is met."""
    times, sums = figures["noop_over_baseline"], figures["changed_over_sum"]
    return [
        (
            "nightly no-op: at most 3 times polars.read_csv and reading the ledger",
            f"{times:.2f} times ({figures['noop_over_baseline_cpu']:.2f} times its CPU)",
            times <= 3,
        ),
        (
            "1 % new: the no-op and the posts, nothing else (at most 1.1 times their sum)",
            f"{sums:.2f} times",
            sums <= 1.1,
        ),
    ]


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One line for each run."""
    rows, new = figures["rows"], figures["new"]
    words = {
        "baseline": f"polars.read_csv of {rows:,} rows, and reading the ledger",
        "noop": f"run, {rows:,} rows, all settled and unchanged",
        "changed": f"run, {rows:,} rows, {new:,} of them new",
        "alone": f"run, {new:,} rows, all new, empty ledger",
    }
    lines = [["what", "seconds", "from to", "CPU seconds"]]
    for name, text in words.items():
        middle, low, high = figures["wall"][name]
        cpu = figures["cpu"][name][0]
        lines.append([text, f"{middle:.2f}", f"{low:.2f} to {high:.2f}", f"{cpu:.2f}"])
    return lines
