"""Starts the program as its users do: as processes, with the key in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "importer"]
KEY = "sk_test_rehearsal"


def environment(base_url: str) -> dict[str, str]:
    """The environment of a run against this sandbox."""
    return {**os.environ, "MOMENT_BASE_URL": base_url, "MOMENT_API_KEY": KEY}


@contextmanager
def sandbox(*options: str) -> Iterator[str]:
    """A sandbox process on a free port; gives its base URL."""
    process, base_url = start_sandbox(*options)
    try:
        yield base_url
    finally:
        process.terminate()
        process.communicate(timeout=30)


def start_sandbox(
    *options: str, port: int = 0, group: int | None = None
) -> tuple[subprocess.Popen[str], str]:
    """Start a sandbox and wait until it serves; its process and base URL. ``group`` as setpgid."""
    command = [*PROGRAM, "sandbox", "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=group)
    assert process.stdout is not None
    ready = process.stdout.readline()
    if not ready:
        process.communicate()
        raise RuntimeError("the sandbox did not start")
    return process, ready.split()[2]


def start_run(
    base_url: str,
    source: Path | str,
    folder: Path,
    *options: str,
    log: str = "run.log",
    stdin: IO[bytes] | int | None = None,
    output: IO[bytes] | None = None,
    group: int | None = None,
    more: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``importer run``; its log goes to ``folder/log``, or to ``output``.

    ``group`` is its process group, as in setpgid(2); ``more`` is added to its environment.
    """
    command = [*PROGRAM, "run", str(source), "--ledger", str(folder / "ledger.db")]
    command += ["--out", str(folder / "results"), "--log-format", "json", *options]
    with (folder / log).open("ab") as file:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=output or file,
            stderr=output or file,
            env={**environment(base_url), **(more or {})},
            process_group=group,
        )


def export(
    folder: Path, ledger: Path | str | None = None, more: Mapping[str, str] | None = None
) -> Path:
    """Write the ledger's mapping as CSV; ``more`` is added to the environment."""
    path = folder / "ids.csv"
    path.unlink(missing_ok=True)
    command = [*PROGRAM, "export", str(path), "--ledger", str(ledger or folder / "ledger.db")]
    env = {**os.environ, **(more or {})}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    return path
