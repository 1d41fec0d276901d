"""Start-up: ``importer --help``, and a run over ten rows against the sandbox."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from benchmarks import then
from benchmarks.process import ROOT, BenchmarkError, pinned, run
from benchmarks.rounds import alternate, spread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.process import Cost

ROWS = 10
RUN_MS = 400
TIMES = 3
"""Rounds for each round of the longer parts."""


def measure(bench: Bench) -> dict[str, Any]:
    """Milliseconds, wall clock and CPU of the client."""
    file = bench.file("ten.csv", ROWS)
    helping = [bench.python, "-m", "importer", "--help"]
    with _sandbox(bench) as url:
        commands = {
            "help": lambda: run(helping, core=bench.cores.client),
            "python": lambda: run([bench.python, "-c", "pass"], core=bench.cores.client),
            "run": lambda: _run(bench, url, file),
        }
        with suppress(BenchmarkError):  # no history, no version of the targets
            tree = then.checkout(bench)
            commands["then"] = lambda: _run(bench, url, file, tree=tree)
        samples = alternate(commands, bench.rounds * TIMES)
    return {
        name: {
            "wall_ms": spread([one.wall * 1000 for one in costs]),
            "cpu_ms": spread([one.cpu * 1000 for one in costs]),
        }
        for name, costs in samples.items()
    }


@contextmanager
def _sandbox(bench: Bench) -> Iterator[str]:
    command = [bench.python, "-m", "importer", "sandbox", "--port", "0"]
    with (
        pinned(bench.cores.server),
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        try:
            found = re.search(r"http://[\d.:]+", server.stdout.readline())
            if found is None:
                raise BenchmarkError("the sandbox does not start")
            yield found[0]
        finally:
            server.kill()


def _run(bench: Bench, url: str, file: Path, *, tree: Path = ROOT) -> Cost:
    """Import ten rows into a sandbox that has them already from the second time on."""
    ledger = bench.work / "ten.db"
    job = bench.importer("run", file, "--ledger", ledger, "--base-url", url, tree=tree)
    bench.forget(ledger)
    if sum(job.summary["requests"].values()) < ROWS:
        raise BenchmarkError(f"ten rows, but {job.summary['requests']}")
    return job.cost


def targets(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What was promised, what was measured, whether that is met."""
    helping, running = figures["help"]["wall_ms"][0], figures["run"]["cpu_ms"][0]
    there, words = running, ""
    if "then" in figures:
        share = running / figures["then"]["cpu_ms"][0]
        there = then.TEN_ROWS_MS * share
        words = f"; {share:.2f} times the version of the targets, {there:.0f} ms there"
    return [
        ("start-up: importer --help under 150 ms", f"{helping:.0f} ms", helping < 150),
        (
            f"start-up: a run over 10 rows under {RUN_MS} ms of its own CPU",
            f"{running:.0f} ms{words}",
            min(running, there) < RUN_MS,
        ),
    ]


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One line for each command."""
    words = {
        "python": "python -c pass",
        "help": "importer --help",
        "run": "importer run, 10 rows, against the sandbox",
        "then": f"the same, {then.THEN}",
    }
    lines = [["command", "ms", "from to", "CPU ms"]]
    for name, text in words.items():
        if name not in figures:
            continue
        middle, low, high = figures[name]["wall_ms"]
        cpu = figures[name]["cpu_ms"][0]
        lines.append([text, f"{middle:.0f}", f"{low:.0f} to {high:.0f}", f"{cpu:.0f}"])
    return lines
