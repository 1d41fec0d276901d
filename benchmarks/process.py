"""Runs one process to its end and says what it cost: wall clock, CPU, peak memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
_TAIL = 2000


class BenchmarkError(Exception):
    """Something that was to be measured does not run; the message says what and why."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process and its children took; seconds, bytes."""

    wall: float
    cpu: float
    peak: int
    """Most resident memory of any one of its processes."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core serves and which asks; None where the system cannot pin, or has one core."""

    server: int | None
    client: int | None


def choose_cores() -> Cores:
    """The first and the last of the cores that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[-1]) if len(usable) > 1 else Cores(None, None)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Processes that are started within run on this core, from their first instruction."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run(
    command: Sequence[str | Path],
    *,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> Cost:
    """Run to the end.

    Peak memory is that of the kernel's accounts, which begin with what this process held when it
    forked: so nothing large is done in this one.

    Raises:
        BenchmarkError: it could not start or ended with another code than 0; with its last words.
    """
    with tempfile.TemporaryFile() as words:
        began = time.perf_counter()
        try:
            with pinned(core):
                process = subprocess.Popen(
                    [str(word) for word in command],
                    cwd=cwd,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=words,
                    stderr=subprocess.STDOUT,
                )
        except OSError as error:
            raise BenchmarkError(f"{command[0]}: {error.strerror}") from None
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            words.seek(0, os.SEEK_END)
            words.seek(max(0, words.tell() - _TAIL))
            said = words.read().decode(errors="replace").strip()
            name = " ".join(str(word) for word in command[:4])
            raise BenchmarkError(f"{name} ... ended with {process.returncode}: {said}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
