"""One run at a time on one ledger: a lock of the operating system that dies with its process."""

from __future__ import annotations

import fcntl
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from importer.errors import LedgerFailed, LedgerInUse, UsageError
from importer.ledger.sqlite.ledger_file import PRIVATE

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self


_MOST = 4096
"""Bytes of the holder's note that are read."""


class RunLock:
    """Held as a context manager from before the ledger is opened until after it is closed.

    The lock is flock(2) on ``<ledger>.lock`` beside the resolved ledger, so that every path to one
    ledger meets the same lock. The file stays: removing it would let two runs lock two files of
    one name. What it holds only serves the message.

    Raises (on entering):
        LedgerInUse: another run holds it; the message names its run id and process id.
        UsageError: the lock file cannot be made, or the file system has no locks.
    """

    def __init__(self, path: Path, *, run_id: str = "", started_at: float = 0.0) -> None:
        self._ledger = path
        self._note = {"pid": os.getpid(), "run_id": run_id, "started_at": started_at}
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        descriptor = self._open()
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                os.ftruncate(descriptor, 0)
            finally:
                os.close(descriptor)

    def check(self) -> None:
        """Make sure that the lock still keeps other runs away.

        Raises:
            LedgerFailed: its file was removed or replaced, so that another run could lock another
                file of this name.
        """
        if self._descriptor is not None:
            try:
                if os.path.samestat(os.fstat(self._descriptor), self._file().lstat()):
                    return
            except OSError:
                pass
        raise LedgerFailed(
            f"the lock {self._file()} was removed while a run held it",
            hint="another run may be working on the ledger: wait for it, then type the same"
            " command again: nothing is sent twice",
        )

    def _file(self) -> Path:
        resolved = self._ledger.resolve()
        return resolved.with_name(resolved.name + ".lock")

    def _open(self) -> int:
        try:
            return os.open(
                self._file(),
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
                PRIVATE,
            )
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"the ledger {self._ledger} cannot be locked: {reason}",
                hint="give --ledger a path in a folder that exists and that you may write to",
            ) from None

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerInUse(
                f"the ledger {self._ledger} is in use by {_holder(descriptor)}",
                hint="wait until it has ended, or give this run another --ledger",
            ) from None
        except OSError as error:
            raise UsageError(
                f"the ledger {self._ledger} cannot be locked: {error.strerror}",
                hint="put the ledger on a local disk",
            ) from None
        try:
            os.fchmod(descriptor, PRIVATE)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(self._note).encode(), 0)
        except OSError:
            pass  # The lock is ours all the same; a full disk only costs the note in it.


def _holder(descriptor: int) -> str:
    """The holder in words; it may have locked but not yet written its note."""
    try:
        note = json.loads(os.pread(descriptor, _MOST, 0))
        started = datetime.fromtimestamp(note["started_at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"run {note['run_id']} (process {note['pid']}, since {started})"
    except (OSError, OverflowError, ValueError, KeyError, TypeError):
        return "another run"
