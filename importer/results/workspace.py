"""The run's own folder: private while it is being written, renamed into place when it is whole.

``OUT/.RUN_ID.partial`` holds staging and half-written files and a lock that dies with its process;
``OUT/RUN_ID`` appears in one rename. What a killed run left behind is removed by the next run with
the same OUT, because it may hold personal data. Only what is ours by its name and by what its lock
says is ever removed, and only while nobody holds that lock.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TextIO

from importer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600
LOCK = "lock"
_MOST = 200
"""Bytes of a lock that are read; ours has fewer."""
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}(?:-[0-9]+of[0-9]+)?", re.ASCII)
"""What a results folder is called (``job.world.new_run_id``)."""
_TRIES = 100
"""Others may remove OUT, or our folder before it is locked, so often and no more."""


class Workspace:
    """A private folder for one run; ``publish`` makes its files the run's results.

    Raises:
        UsageError: OUT cannot be created or written; nothing was sent.
    """

    def __init__(self, out: Path, run_id: str) -> None:
        self.final = out / run_id
        self.partial = out / f".{run_id}.partial"
        try:
            out.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(out)
            self._lock = _make(self.partial, run_id)
        except OSError as error:
            raise UsageError(
                f"the results folder {out} cannot be written: {error.strerror or error}",
                hint="choose a writable folder with --out",
            ) from None

    def open_text(self, name: str) -> TextIO:
        """A new private file in UTF-8; bytes that were no UTF-8 come out as they went in."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        handle = os.open(self.partial / name, flags, PRIVATE_FILE)
        return os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="")

    def publish(self) -> Path:
        """Move the results into place; everything else of the workspace is gone afterwards."""
        for path in self.partial.iterdir():
            with path.open("rb") as written:
                os.fsync(written.fileno())
        # Renamed first: a folder without its lock would look like one that a killed run left.
        self.partial.rename(self.final)
        (self.final / LOCK).unlink(missing_ok=True)
        _sync_folder(self.final)
        _sync_folder(self.final.parent)
        return self.final

    def __enter__(self) -> Self:
        """The workspace exists from construction on."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove whatever was not published."""
        shutil.rmtree(self.partial, ignore_errors=True)
        os.close(self._lock)


def results_folders(out: Path) -> Iterator[Path]:
    """The results folders in OUT, the newest first.

    A run's id begins with the second in which the run began; of several in one the last to be
    written comes first.
    """
    with suppress(OSError):
        names = [one for one in os.listdir(out) if RUN_ID.fullmatch(one)]  # noqa: PTH208 - names alone
        yield from sorted((out / one for one in names), key=_age, reverse=True)


def _age(folder: Path) -> tuple[str, int]:
    """Sorts by time; what is written into a folder later, a report again, does not count."""
    written = 0
    with suppress(OSError):
        written = (folder / "results.csv").stat().st_mtime_ns
    return folder.name.partition("-")[0], written


def _make(partial: Path, run_id: str) -> int:
    """Make the folder with its lock, and hold that; the descriptor of the lock."""
    for attempt in range(_TRIES):
        try:
            partial.mkdir(mode=PRIVATE_DIR, exist_ok=attempt > 0)
            lock = os.open(partial / LOCK, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE_FILE)
        except FileNotFoundError:
            # Somebody removed OUT while it was empty, or ours before it was locked.
            partial.parent.mkdir(parents=True, exist_ok=True)
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_at(lock, partial / LOCK):
            os.pwrite(lock, _note(run_id), 0)
            return lock
        os.close(lock)
    raise OSError(f"{partial} was removed again and again")


def _note(run_id: str) -> bytes:
    """What the lock of a run says, so that no other folder passes for one."""
    return f"importer workspace {run_id}\n".encode()


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether this open file is the one that stands at ``path``."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False


def _remove_leftovers(out: Path) -> None:
    for partial in out.glob(".*.partial"):
        with suppress(OSError):  # Another run removes it, or it is somebody else's.
            _remove_leftover(partial)


def _remove_leftover(partial: Path) -> None:
    run_id = partial.name.removeprefix(".").removesuffix(".partial")
    if partial.is_symlink():
        return
    try:
        lock = os.open(partial / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        # Killed as it was made; a run that is making it now makes it again.
        if RUN_ID.fullmatch(run_id):
            partial.rmdir()  # Only if it is empty.
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(lock, partial / LOCK):
            return
        said = os.pread(lock, _MOST, 0)
        if said == _note(run_id):
            shutil.rmtree(partial, ignore_errors=True)
        elif not said and RUN_ID.fullmatch(run_id) and os.listdir(partial) == [LOCK]:  # noqa: PTH208
            (partial / LOCK).unlink()
            partial.rmdir()
    finally:
        os.close(lock)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
