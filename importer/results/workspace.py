"""The run's own folder: private while it is being written, renamed into place when it is whole.

``OUT/.RUN_ID.partial`` holds staging and half-written files and carries a lock that dies with its
process; ``OUT/RUN_ID`` appears in one rename. What a killed run left behind is removed by the next
run with the same OUT, because it may hold personal data.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING, Self, TextIO

from importer.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600


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
            self.partial.mkdir(mode=PRIVATE_DIR)
            self._lock = os.open(self.partial / "lock", os.O_CREAT | os.O_RDWR, PRIVATE_FILE)
        except OSError as error:
            raise UsageError(
                f"the results folder {out} cannot be written: {error.strerror or error}",
                hint="choose a writable folder with --out",
            ) from None
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def open_text(self, name: str) -> TextIO:
        """A new private file in UTF-8; bytes that were no UTF-8 come out as they went in."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        handle = os.open(self.partial / name, flags, PRIVATE_FILE)
        return os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="")

    def publish(self) -> Path:
        """Move the results into place; everything else of the workspace is gone afterwards."""
        (self.partial / "lock").unlink(missing_ok=True)
        for path in self.partial.iterdir():
            with path.open("rb") as written:
                os.fsync(written.fileno())
        self.partial.rename(self.final)
        _sync_folder(self.final.parent)
        return self.final

    def __enter__(self) -> Self:
        """The workspace exists from construction on."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove whatever was not published."""
        shutil.rmtree(self.partial, ignore_errors=True)
        os.close(self._lock)


def _remove_leftovers(out: Path) -> None:
    for partial in out.glob(".*.partial"):
        try:
            lock = os.open(partial / "lock", os.O_RDWR)
        except FileNotFoundError:
            # Killed between mkdir and lock, or between unlock and rename: nobody works there
            # unless it was made this very moment, and then it is empty.
            _remove_if_old(partial)
            continue
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(partial, ignore_errors=True)
        finally:
            os.close(lock)


def _remove_if_old(partial: Path) -> None:
    if any(partial.iterdir()):
        shutil.rmtree(partial, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
