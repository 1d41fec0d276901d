"""The version that the targets were set for, run beside this one: it tells how fast a machine is.

A target in rows a second or milliseconds holds on one machine only. What that version made there is
known, so what it makes here says how many times slower this machine is in this minute, for a
program of this kind: a peer that computes less and waits more is slowed down by another factor.
"""

from __future__ import annotations

import subprocess
import tarfile
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from benchmarks.process import ROOT, BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.target.api import Api

THEN = "importer, version of the targets"
COMMIT = "e1dc8916cce3c35ecc20d9c8bdb806099a40d2de"
ROWS_PER_SECOND = 4_644
CPU_US = 214.0
"""Microseconds a row, start-up included, of as many rows as took six seconds."""
TEN_ROWS_MS = 608.0
"""Milliseconds of CPU of a run over ten rows."""
SHARES: Mapping[int, float] = {32: 0.91, 64: 0.89, 128: 0.85, 256: 0.75}
"""Of the ideal, by requests in flight, where answers took 50 ms and runs 4 s."""
ROW_US = CPU_US - TEN_ROWS_MS * 1000 / (ROWS_PER_SECOND * 6)
"""Of ``CPU_US``, what is not start-up."""
FEW, MANY = 800, 6_000
"""Rows of the two runs whose difference is free of start-up."""


def checkout(bench: Bench) -> Path:
    """A folder with that version's package, beside what is measured; made once.

    It runs with the interpreter and the packages of this version: what differs is importer.

    Raises:
        BenchmarkError: this folder has no history that holds it.
    """
    folder = bench.work / "then"
    if not folder.exists():
        git = ["git", "archive", "--format=tar", COMMIT, "importer"]
        try:
            done = subprocess.run(git, cwd=ROOT, capture_output=True, check=False)
        except OSError as error:
            raise BenchmarkError(f"git: {error.strerror}") from None
        if done.returncode:
            raise BenchmarkError(f"no history with {COMMIT[:10]} here")
        with tarfile.open(fileobj=BytesIO(done.stdout)) as files:
            files.extractall(folder, filter="data")
    return folder


def slower(bench: Bench, api: Api) -> float:
    """How many times the CPU a row takes here now that it took on the machine of the targets.

    At least 1: where it is less, the targets hold as they are.
    """
    tree, source = checkout(bench), bench.file("then.csv", MANY, "--quoted")
    job = partial(bench.run, ledger=bench.work / "then.db", url=api.url, in_flight=32, tree=tree)
    few, many = (job(bench.head(source, n)).expect("created", n).cost.cpu for n in (FEW, MANY))
    return max(1.0, (many - few) * 1e6 / (MANY - FEW) / ROW_US)
