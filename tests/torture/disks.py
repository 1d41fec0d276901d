"""Disks: the ledger's or the results' is full, read-only, or taken away."""

from __future__ import annotations

import os
import resource
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.torture import checks
from tests.torture.arena import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.torture.arena import Arena

USAGE, STOPPED = 2, 3


def ledger_disk_full(arena: Arena) -> None:
    """The ledger's disk fills up in mid-run: a clear stop, results all the same."""
    disk = arena.stack.enter_context(small_disk(arena.folder / "disk", "32m"))
    arena.ledger = disk / "ledger.db"
    arena.options = ["--rate", "300"]
    arena.open_sandbox()
    run = arena.start()
    arena.under_way(run, arena.rng.uniform(0.05, 0.6))
    filler = fill(disk)
    arena.end(run, {STOPPED})
    arena.expect(run, "the disk is full", "same command again")
    if len(checks.published(arena.out)) != 1:
        arena.violate("no results were written although their disk has room")
    again = arena.start()
    arena.end(again, {STOPPED})
    filler.unlink()
    arena.settle({0})


def ledger_file_limit(arena: Arena) -> None:
    """No file may grow any more (RLIMIT_FSIZE, setrlimit(2)): the same as a full disk."""
    arena.options = ["--rate", "300"]
    arena.open_sandbox()
    run = arena.start()
    arena.under_way(run, arena.rng.uniform(0.05, 0.6))
    grown = arena.ledger.with_name(arena.ledger.name + "-wal").stat().st_size
    with suppress(ProcessLookupError):
        resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (grown, grown))
    arena.end(run, {STOPPED})
    arena.expect(run, '"hint": "')
    arena.settle({0})


def results_disk_full(arena: Arena) -> None:
    """The results' disk fills up: a clear stop, the ledger is whole, the next run writes them."""
    disk = arena.stack.enter_context(small_disk(arena.folder / "disk", "8m"))
    arena.out = disk / "results"
    arena.options = ["--rate", "300"]
    arena.open_sandbox()
    run = arena.start()
    arena.under_way(run, arena.rng.uniform(0.05, 0.9))
    filler = fill(disk)
    arena.end(run, {STOPPED})
    arena.expect(run, '"hint": "')
    again = arena.start()
    # What the first run gave back may be enough to stage the rows, but not for the results.
    arena.end(again, {USAGE, STOPPED})
    filler.unlink()
    arena.settle({0})


def results_unusable(arena: Arena) -> None:
    """A results folder that cannot be: nothing is sent."""
    arena.open_sandbox()
    good = arena.out
    blocker = arena.folder / "a-file"
    blocker.write_text("")
    arena.out = blocker / "results"
    arena.end(arena.start(), {USAGE})
    arena.nothing_sent()
    with suppress(Skipped), small_disk(arena.folder / "read-only", "1m", "ro") as disk:
        for arena.out in (disk, disk / "results"):
            run = arena.start()
            arena.end(run, {USAGE})
            arena.expect(run, "cannot be written", "--out")
            arena.nothing_sent()
    arena.out = good
    arena.settle({0})


def results_vanish(arena: Arena) -> None:
    """The results folder is moved away in mid-delivery: a clear error, and no id is lost."""
    arena.options = ["--rate", "300"]
    arena.open_sandbox()
    run = arena.start()
    arena.under_way(run, arena.rng.uniform(0.05, 0.6))
    arena.out.rename(arena.folder / "moved-away")
    arena.end(run, {STOPPED})
    arena.expect(run, '"hint": "')
    arena.settle({0})


def fill(disk: Path) -> Path:
    """Fill a disk to the last byte; the file that does."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_CREAT | os.O_WRONLY, 0o600)
    with suppress(OSError):
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    os.write(descriptor, b"x" * size)
    os.close(descriptor)
    return filler


@contextmanager
def small_disk(at: Path, size: str, *options: str) -> Iterator[Path]:
    """A small tmpfs.

    Raises:
        Skipped: only root may mount, and not everywhere.
    """
    at.mkdir(mode=0o700)
    wanted = ",".join([f"size={size}", "mode=0700", *options])
    command = ["mount", "-t", "tmpfs", "-o", wanted, "tmpfs", str(at)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        raise Skipped("no tmpfs can be mounted here")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)
