"""A py-spy profile of one importer run: a flame graph, and its heaviest functions as text."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.parts.posting import MOST
from benchmarks.peers.payload import KEY
from benchmarks.process import BenchmarkError, run
from benchmarks.target.api import serving

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

ROWS = 20_000
TOP = 25


def profile(bench: Bench, folder: Path, tool: str | None = None) -> str:
    """Profile a run of 20,000 rows against the fast server.

    Writes ``posting.svg`` and ``posting.txt`` (collapsed stacks) into the folder.

    Raises:
        BenchmarkError: py-spy is not installed or may not look into processes here.
    """
    found = shutil.which(tool or "py-spy")
    if found is None:
        raise BenchmarkError("py-spy is not installed: pip install py-spy, or --py-spy PATH")
    folder.mkdir(parents=True, exist_ok=True)
    file = bench.head(bench.file("posting.csv", MOST, "--quoted"), ROWS)
    stacks = folder / "posting.txt"
    with serving(bench.cores) as api:
        for kind, target in (("flamegraph", folder / "posting.svg"), ("raw", stacks)):
            ledger, out = bench.work / "profile.db", bench.work / "profile"
            recording: list[str | Path] = [
                "record",
                "--format",
                kind,
                "--output",
                target,
                "--function",
                "--rate",
                "500",
                "--",
            ]
            job: list[str | Path] = [
                "-m",
                "importer",
                "run",
                file,
                "--ledger",
                ledger,
                "--out",
                out,
            ]
            command: list[str | Path] = [found, *recording, bench.python, *job]
            command += ["--base-url", api.url, "--quiet"]
            run(command, core=bench.cores.client, environment={"MOMENT_API_KEY": KEY})
            bench.forget(ledger)
            shutil.rmtree(out)
    return heaviest(stacks.read_text(encoding="utf-8"))


def heaviest(stacks: str, top: int = TOP) -> str:
    """The functions with the most samples of their own, and with those below them."""
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    total = 0
    for line in stacks.splitlines():
        frames, _, number = line.rpartition(" ")
        names, samples = frames.split(";"), int(number)
        own[names[-1]] += samples
        for name in set(names):
            below[name] += samples
        total += samples
    lines = [f"{total:,} samples", "  own  below  function"]
    for name, count in own.most_common(top):
        lines.append(f"{count / total:5.1%} {below[name] / total:6.1%}  {name}")
    return "\n".join(lines)
