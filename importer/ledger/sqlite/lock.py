"""One run at a time on one ledger: a lock of the operating system that dies with its process.

The ledger's file: made private, and refused if it is anything but a plain file.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from importer.errors import LedgerFailed, LedgerInUse, UsageError
from importer.ledger.interface import NoLedger

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self


PRIVATE = 0o600
_SIDES = ("", "-wal", "-shm")
_LEAST = 512
"""The smallest page of a SQLite file; SQLite takes some shorter files for empty ones."""


def prepare(path: Path, *, create: bool, read_only: bool) -> None:
    """Make sure that ``path`` is a private file that SQLite may open.

    An existing file is never opened here: closing it again would drop the locks that SQLite
    holds on it in this process (POSIX advisory locks, sqlite.org/howtocorrupt.html section 2.2).

    Raises:
        UsageError: the path is missing, a link, a folder, in a folder that is missing, or (for
            a writer) one of several names of one file.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        if not create or read_only:
            raise NoLedger(
                f"there is no ledger at {path}",
                hint="the first `importer run` makes it; --ledger names another one",
            ) from None
        _make(path)
        return
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from None
    if stat.S_ISLNK(status.st_mode):
        raise UsageError(
            f"the ledger {path} is a symbolic link", hint="give --ledger the file itself"
        )
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(
            f"the ledger {path} is not a file", hint="give --ledger the path of a file"
        )
    if 0 < status.st_size < _LEAST:
        raise not_a_ledger(path)
    if status.st_nlink > 1 and not read_only:
        # SQLite names the log after the path: two names, two logs (howtocorrupt.html, 2.5).
        raise UsageError(
            f"the ledger {path} has {status.st_nlink} names (hard links): two runs could use it"
            " at once and damage it",
            hint="remove the other names (find -samefile lists them), or copy the file to a"
            " name of its own with cp",
        )
    if not read_only:
        _tighten(path)


def not_a_ledger(path: Path) -> UsageError:
    """The error for a file that is something else; it was not touched."""
    return UsageError(
        f"{path} is not an importer ledger; it was left as it is",
        hint="if it was the ledger, put a backup in its place (docs/ledger.md); else give --ledger"
        " another path: the first `importer run` makes the file",
    )


def _make(path: Path) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, PRIVATE)
    except FileExistsError:
        return  # Another process was first, by the same way.
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from None
    try:
        # A umask can only take bits away; one that takes ours would lock us out.
        os.fchmod(descriptor, PRIVATE)
    finally:
        os.close(descriptor)
    _make_name_durable(path)


def _make_name_durable(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    except OSError:
        pass  # Some file systems cannot; SQLite syncs the folder with its first commit.
    finally:
        os.close(folder)


def _tighten(path: Path) -> None:
    """Take other people's rights away from a copy or a leftover that has them."""
    for side in _SIDES:
        file = path.with_name(path.name + side)
        try:
            if stat.S_IMODE(file.lstat().st_mode) & 0o077:
                file.chmod(PRIVATE)
        except OSError:
            continue  # It is not there, or not ours: then its owner decides.


def _unusable(path: Path, error: OSError | ValueError) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(
        f"the ledger {path} cannot be used: {reason}",
        hint="give --ledger a path in a folder that exists and that you may write to",
    )


_MOST = 4096
"""Bytes of the holder's note that are read."""


OTHERS_LOCK = (
    "another user has run importer here (root?): run as that user, or make the ledger, its -wal,"
    " -shm and .lock this user's (chown)"
)
"""The fix where the lock is somebody else's."""


class RunLock:
    """Held as a context manager from before the ledger is opened until after it is closed.

    ``number`` is 0: a lock needs no fencing token, because its end is its process's.

    The lock is flock(2) on ``<ledger>.lock`` beside the resolved ledger, so that every path to one
    ledger meets the same lock. The file stays: removing it would let two runs lock two files of
    one name. What it holds only serves the message.

    Raises (on entering):
        LedgerInUse: another run holds it; the message names its run id and process id.
        UsageError: the lock file cannot be made, or the file system has no locks.
    """

    number = 0

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
            what, hint = (
                "",
                "give --ledger a path in a folder that exists and that you may write to",
            )
            # Another ledger would know nobody, so a ledger that is there is not to be left.
            if isinstance(error, PermissionError) and self._file().exists():
                what, hint = f" ({self._file().name} beside it)", OTHERS_LOCK
            elif not isinstance(error, RuntimeError | ValueError) and self._ledger.exists():
                hint = "a run writes into the ledger's folder: see that it may be written to"
            raise UsageError(
                f"the ledger {self._ledger} cannot be locked: {reason}{what}", hint=hint
            ) from None

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerInUse(
                f"the ledger {self._ledger} is in use by {holder(descriptor)}",
                hint="wait until it has ended, then type the same command again",
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


def holder(descriptor: int) -> str:
    """The holder in words; it may have locked but not yet written its note."""
    try:
        note = json.loads(os.pread(descriptor, _MOST, 0))
        started = datetime.fromtimestamp(note["started_at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"run {note['run_id']} (process {note['pid']}, since {started})"
    except (OSError, OverflowError, ValueError, KeyError, TypeError):
        return "another run"
