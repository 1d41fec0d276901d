"""Starts the program as its users do: as processes, with the key in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "importer"]
KEY = "sk_test_rehearsal"


def environment(base_url: str) -> dict[str, str]:
    """The environment of a run against this sandbox."""
    return {**os.environ, "MOMENT_BASE_URL": base_url, "MOMENT_API_KEY": KEY}


@contextmanager
def sandbox(*options: str) -> Iterator[str]:
    """A sandbox process on a free port; gives its base URL."""
    command = [*PROGRAM, "sandbox", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        ready = process.stdout.readline() if process.stdout else ""
        if not ready:
            raise RuntimeError("the sandbox did not start")
        yield ready.split()[2]
    finally:
        process.terminate()
        process.wait(timeout=30)
        if process.stdout:
            process.stdout.close()


def start_run(base_url: str, source: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start ``importer run``; its log goes to ``folder/run.log``."""
    command = [*PROGRAM, "run", str(source), "--ledger", str(folder / "ledger.db")]
    command += ["--out", str(folder / "results"), "--log-format", "json", *options]
    with (folder / "run.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment(base_url))


def export(folder: Path) -> Path:
    """Write the ledger's mapping as CSV."""
    path = folder / "ids.csv"
    path.unlink(missing_ok=True)
    command = [*PROGRAM, "export", str(path), "--ledger", str(folder / "ledger.db")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path
