"""kill -9: anywhere, and aimed at reading, at commits, at the results, at the whole group."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.arena import Arena, Run

FAULTS = "lost=0.05,stored500=0.03,503=0.03"


def kill_anywhere(arena: Arena) -> None:
    """Kill -9 in a loop, at any moment from the start of Python to the end of the results."""
    arena.options = ["--rate", str(arena.rng.choice([200, 400, 1000]))]
    arena.open_sandbox("--faults", FAULTS, "--seed", str(arena.rng.randrange(1000)))
    for _ in range(4 if arena.thorough else 2):
        run = arena.start()
        time.sleep(arena.rng.uniform(0.1, 3.0))
        arena.kill(run)
    arena.settle()


def kill_reading(arena: Arena) -> None:
    """Kill -9 while the input is read: nothing was sent, and its staging is gone after the next."""
    arena.open_sandbox()
    for _ in range(2):
        run = arena.start()
        run.until(lambda: _partial(arena.out, "staging.db"))
        time.sleep(arena.rng.uniform(0, 0.1))
        unread = not run.logged("input_verified")
        arena.kill(run)
        if unread and not run.logged("plan_made"):
            arena.nothing_sent()
            _left(arena)
    arena.settle()


def kill_committing(arena: Arena) -> None:
    """Kill -9 the moment a group commit reaches the ledger's write-ahead log."""
    arena.options = ["--rate", "500"]
    arena.open_sandbox("--faults", "lost=0.05", "--seed", str(arena.rng.randrange(1000)))
    log = arena.ledger.with_name(arena.ledger.name + "-wal")
    for _ in range(3 if arena.thorough else 2):
        run = arena.start()
        run.until_logged("plan_made")
        for _ in range(arena.rng.randrange(1, 20)):
            before = _stamp(log)
            run.until(lambda before=before: _stamp(log) != before, 5)  # type: ignore[misc]
        arena.kill(run)
    arena.settle()


def kill_writing_results(arena: Arena) -> None:
    """Kill -9 while results are written: no half folder, and the ledger knows every id."""
    arena.open_sandbox()
    for _ in range(3):
        run = arena.start()
        run.until(lambda: _partial(arena.out, "errors.csv"))
        time.sleep(arena.rng.uniform(0, 0.02))
        arena.kill(run)
    arena.settle()


def kill_everything(arena: Arena) -> None:
    """Kill -9 the process group: importer and sandbox die together, as in a power cut."""
    arena.options = ["--rate", "500"]
    arena.open_sandbox("--data", str(arena.folder / "sandbox.db"), group=0)
    for _ in range(2):
        assert arena.sandbox is not None
        run = arena.start(group=arena.sandbox.pid)
        arena.under_way(run, arena.rng.uniform(0.05, 0.6))
        os.killpg(arena.sandbox.pid, signal.SIGKILL)
        arena.kills += 1
        arena.kill(run)
        arena.kill_sandbox()
        arena.open_sandbox(group=0)
    arena.settle()


def keys_expire(arena: Arena) -> None:
    """Between two runs, one of them killed, the server forgets every idempotency key."""
    arena.options = ["--rate", "500"]
    arena.open_sandbox("--faults", FAULTS, "--seed", str(arena.rng.randrange(1000)))
    for _ in range(2):
        run: Run = arena.start()
        arena.under_way(run, arena.rng.uniform(0.1, 0.9))
        arena.kill(run)
        arena.tell_sandbox("clock", advance_seconds=25 * 3600)
    arena.settle()


def _partial(out: Path, name: str) -> bool:
    return any(out.glob(f".*.partial/{name}"))


def _left(arena: Arena) -> None:
    """The next run must have something to clean up, or the scenario shows nothing."""
    if not any(arena.out.glob(".*.partial")):
        arena.violate("a run killed while reading left no staging: the kill was not aimed")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return status.st_size, status.st_mtime_ns
