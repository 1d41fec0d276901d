"""What every part of the suite is given: where, how long, how often, on which cores."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from benchmarks.peers.payload import KEY
from benchmarks.process import ROOT, BenchmarkError, Cores, Cost, choose_cores, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_RUNS = count(1)


@dataclass(frozen=True, slots=True)
class Bench:
    """One campaign."""

    work: Path
    """Folder for files, ledgers and results; deleted at the end."""
    cores: Cores = field(default_factory=choose_cores)
    rounds: int = 5
    seconds: float = 4.0
    """How long one run of a contender shall last, where rows are chosen by time."""
    rows: int = 1_000_000
    """Of the large files."""
    many: int = 10_000_000
    """Of the largest files (memory)."""
    in_flight: int = 32
    levels: tuple[int, ...] = (32, 64, 128, 256)
    """Requests in flight in the latency part."""
    python: str = sys.executable
    quick: bool = False

    def say(self, words: str) -> None:
        """Tell who watches how far it is."""
        print(words, file=sys.stderr, flush=True)

    def file(self, name: str, rows: int, *words: str) -> Path:
        """A customer file; made once."""
        path = self.work / name
        if not path.exists():
            self.say(f"  writing {name}: {rows:,} rows")
            self.need(rows * 150)
            run([self.python, "-m", "benchmarks.data", path, str(rows), *words])
        return path

    def head(self, source: Path, rows: int) -> Path:
        """The first rows of a CSV that has no line breaks in its cells; replaced by the next."""
        target = self.work / "head.csv"
        with source.open("rb") as lines, target.open("wb") as file:
            file.writelines(islice(lines, rows + 1))
        return target

    def ledger(self, name: str, file: Path, url: str) -> Path:
        """A ledger in which every row of the file is settled; made once."""
        path = self.work / name
        if not path.exists():
            self.say(f"  settling every row of {file.name} in {name}")
            run([self.python, "-m", "benchmarks.seeding", file, path, url], core=self.cores.client)
        return path

    @staticmethod
    def forget(ledger: Path) -> None:
        """Delete a ledger with everything beside it."""
        for path in ledger.parent.glob(ledger.name + "*"):
            path.unlink()

    def need(self, size: int) -> None:
        """Refuse to fill the disk.

        Raises:
            BenchmarkError: less than twice this many bytes are free.
        """
        free = shutil.disk_usage(self.work).free
        if free < 2 * size:
            raise BenchmarkError(
                f"{free / 1e9:.1f} GB free in {self.work}, {2 * size / 1e9:.1f} GB needed"
            )

    def importer(
        self,
        command: str,
        file: Path,
        *words: str | Path,
        environment: Mapping[str, str] | None = None,
        tree: Path = ROOT,
    ) -> Job:
        """Run ``importer check`` or ``importer run`` in a process of its own, to the end.

        ``tree`` holds the package that runs.
        """
        out = self.work / f"results-{next(_RUNS)}"
        base = [self.python, "-m", "importer", command, file, "--out", out, "--quiet", *words]
        variables = {"MOMENT_API_KEY": KEY, **(environment or {})}
        cost = run(base, core=self.cores.client, environment=variables, cwd=tree)
        [summary] = out.glob("*/summary.json")
        found = json.loads(summary.read_text(encoding="utf-8"))
        shutil.rmtree(out)
        return Job(cost, found)

    def run(self, file: Path, ledger: Path, url: str, in_flight: int, *, tree: Path = ROOT) -> Job:
        """Run ``importer run`` against a server, on a ledger that is gone afterwards."""
        words: list[str | Path] = ["--ledger", ledger, "--base-url", url]
        try:
            words += ["--concurrency", str(in_flight)]
            return self.importer("run", file, *words, tree=tree)
        finally:
            self.forget(ledger)


@dataclass(frozen=True, slots=True)
class Job:
    """What one run of importer cost, and its summary.json."""

    cost: Cost
    summary: dict[str, Any]

    @property
    def deliver(self) -> float:
        """Seconds of the delivery phase."""
        return float(self.summary["seconds"].get("deliver", 0))

    def expect(self, outcome: str, rows: int) -> Job:
        """Make sure that it did what is measured.

        Raises:
            BenchmarkError: not so many records have this outcome.
        """
        outcomes = self.summary["outcomes"]
        if outcomes.get(outcome) != rows:
            raise BenchmarkError(f"{rows:,} x {outcome} expected, but it says {outcomes}")
        return self
