"""Peak memory of ``check`` and of a no-op ``run``, over ten times as many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.parts.check import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

NOWHERE = "http://127.0.0.1:9"
"""No server: a no-op sends nothing."""
MOST_BYTES = 600_000_000
MOST_TIMES = 1.2


def measure(bench: Bench) -> dict[str, Any]:
    """Bytes by command, format and size; the files of one size are deleted before the next."""
    peaks: dict[str, dict[str, dict[str, int]]] = {"check": {}, "run": {}}
    for rows in (bench.rows, bench.many):
        first = bench.file(f"memory-{rows}.csv", rows)
        ledger = bench.ledger(f"memory-{rows}.db", first, NOWHERE)
        for kind in FORMATS:
            file = bench.file(f"memory-{rows}.{kind}", rows)
            bench.say(f"  {rows:,} rows, {kind}")
            checked = bench.importer("check", file).expect("would_create", rows)
            words: list[str | Path] = ["--ledger", ledger, "--base-url", NOWHERE]
            ran = bench.importer("run", file, *words).expect("unchanged", rows)
            peaks["check"].setdefault(kind, {})[str(rows)] = checked.cost.peak
            peaks["run"].setdefault(kind, {})[str(rows)] = ran.cost.peak
            file.unlink()
        bench.forget(ledger)
    return {"rows": bench.rows, "many": bench.many, "peak_bytes": peaks}


def targets(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What was promised, what was measured, whether that is met."""
    few, many = str(figures["rows"]), str(figures["many"])
    every = [found for kinds in figures["peak_bytes"].values() for found in kinds.values()]
    most = max(max(found.values()) for found in every)
    times = max(found[many] / found[few] for found in every)
    return [
        (
            f"memory: at most {MOST_BYTES / 1e6:.0f} MB",
            f"{most / 1e6:.0f} MB at most",
            most <= MOST_BYTES,
        ),
        (
            f"memory: ten times the rows take at most {MOST_TIMES} times as much",
            f"{times:.2f} times at most",
            times <= MOST_TIMES,
        ),
    ]


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One line for each command and format."""
    few, many = str(figures["rows"]), str(figures["many"])
    sizes = [f"MB, {int(rows):,} rows" for rows in (few, many)]
    lines = [["command", "format", *sizes, "times"]]
    for command, kinds in figures["peak_bytes"].items():
        for kind, found in kinds.items():
            words = [f"{found[rows] / 1e6:.0f}" for rows in (few, many)]
            name = {"check": "check", "run": "run, nothing new"}[command]
            lines.append([name, kind, *words, f"{found[many] / found[few]:.2f}"])
    return lines
