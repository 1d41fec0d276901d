"""The ledger's file: made private, and refused if it is anything but a plain file."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from importer.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


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
            raise UsageError(
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
        hint="give --ledger another path; the first `importer run` makes the file",
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
