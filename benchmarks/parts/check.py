"""Validation: ``importer check`` of a million valid rows, on one core."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.rounds import alternate, spread

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench, Job

FORMATS = ("csv", "csv.gz", "parquet")


def measure(bench: Bench) -> dict[str, Any]:
    """Seconds of the whole command and of its reading, by format."""
    rows = bench.rows
    files = {kind: bench.file(f"{rows}.{kind}", rows) for kind in FORMATS}
    samples = alternate(
        {kind: partial(_check, bench, file, rows) for kind, file in files.items()}, bench.rounds
    )
    return {
        "rows": rows,
        "formats": {
            kind: {
                "rows_per_cpu_second": spread([rows / job.cost.cpu for job in jobs]),
                "rows_per_second": spread([rows / job.cost.wall for job in jobs]),
                "read_rows_per_second": spread(
                    [rows / job.summary["seconds"]["read"] for job in jobs]
                ),
            }
            for kind, jobs in samples.items()
        },
    }


def _check(bench: Bench, file: Path, rows: int) -> Job:
    return bench.importer("check", file).expect("would_create", rows)


def targets(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What was promised, what was measured, whether that is met."""
    speed = figures["formats"]["csv"]["rows_per_cpu_second"][0]
    words = f"{speed:,.0f} rows per CPU second"
    return [("check: 200,000 rows/s on one core", words, speed >= 200_000)]


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One line for each format."""
    lines = [["format", "rows per CPU second", "rows/s", "rows/s, reading and validating only"]]
    for kind, found in figures["formats"].items():
        speeds = ("rows_per_cpu_second", "rows_per_second", "read_rows_per_second")
        lines.append([kind, *(f"{found[speed][0]:,.0f}" for speed in speeds)])
    return lines
