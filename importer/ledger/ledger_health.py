"""How the place of a ledger stands: who holds it, the disk, copies, the server. Nothing is written.

For a person who asks before a run, not for a run: it holds no lock, makes and changes no file.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from importer.ledger.sqlite.lock import holder
from importer.ledger.sqlite.migrations import APPLICATION_ID

if TYPE_CHECKING:
    from importer.ledger.address import LedgerAddress

_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "gpfs", "beegfs")
_FUSE = (
    "fuse.sshfs",
    "fuse.s3",
    "fuse.gcs",
    "fuse.rclone",
    "fuse.gluster",
    "fuse.ceph",
    "fuse.blob",
)
_MOUNTS = Path("/proc/self/mountinfo")
_MAGIC = b"SQLite format 3\0"
_ID_AT = 68
"""Where a SQLite file has its application id (sqlite.org/fileformat.html section 1.3.12)."""
_MOST_BESIDE = 1000
"""Files beside a ledger that are looked at for copies of it."""


class Space(NamedTuple):
    """Room on the disk of a folder."""

    free: int
    """Bytes."""
    total: int


def untouched(address: str, /, **options: Any) -> sqlite3.Connection:
    """Open a SQLite file so that nothing is written: no log, no index, no checkpoint at the end.

    For ``connect`` of ``open_ledger``. Where no run left a log the file alone is the ledger; where
    one did, its log is read with the index that stands beside it.
    """
    place = address.partition("?")[0]
    path = Path(unquote(urlsplit(place).path))
    log, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    has_log = log.exists() and log.stat().st_size > 0
    if has_log and not index.exists():
        raise sqlite3.OperationalError("its log (-wal) has no index (-shm): a run was killed")
    access = "mode=ro" if has_log else "mode=ro&immutable=1"
    found: sqlite3.Connection = sqlite3.connect(f"{place}?{access}", **options)
    return found


def closed_side(path: Path) -> str:
    """The file beside a ledger that this user may not use though a run must; "" for none."""
    resolved = path.resolve()
    for side in (".lock", "-wal", "-shm"):
        file = resolved.with_name(resolved.name + side)
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            return file.name
    return ""


def file_holder(path: Path) -> str:
    """Which run holds the lock of a ledger file, in words; "" for none.

    A run that ended took its note away. A note that is there still is a run's that works, or was
    killed: only then its lock is tried, and let go at once.
    """
    resolved = path.resolve()
    try:
        lock = os.open(resolved.with_name(resolved.name + ".lock"), os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return ""
    try:
        if not os.fstat(lock).st_size:
            return ""
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder(lock)
    except OSError:
        return ""
    finally:
        os.close(lock)
    return ""


def space_of(folder: Path) -> Space:
    """The room on the disk of a folder, or of the nearest one above it that is there."""
    found = shutil.disk_usage(nearest(folder))
    return Space(found.free, found.total)


def nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.exists())


def file_system(path: Path, mounts: Path = _MOUNTS) -> str:
    """The kind of file system that a path lies on, for example ``ext4``; "" where nobody tells.

    Linux tells in mountinfo (proc_pid_mountinfo(5)): the longest mount point wins, the last one of
    that length.
    """
    try:
        text = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    resolved, best, kind = nearest(path).resolve(), -1, ""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        parts = before.split()
        if len(parts) < 5 or not after:  # noqa: PLR2004 - the mount point is the fifth
            continue
        point = Path(parts[4].encode().decode("unicode_escape") if "\\" in parts[4] else parts[4])
        if len(point.parts) >= best and resolved.is_relative_to(point):
            best, kind = len(point.parts), after.split()[0]
    return kind


def is_network(kind: str) -> bool:
    """Whether a file system of this kind lies on another machine."""
    return kind.startswith((*_NETWORK, *_FUSE))


class Copy(NamedTuple):
    """A copy of a ledger."""

    path: Path
    made_at: float
    """Epoch seconds."""


def newest_copy(path: Path) -> Copy | None:
    """The newest other ledger beside this one, by its name a copy of it; None if there is none."""
    found: list[Copy] = []
    with suppress(OSError), os.scandir(path.absolute().parent) as entries:
        for entry, _ in zip(entries, range(_MOST_BESIDE), strict=False):
            if entry.name == path.name or path.stem not in entry.name:
                continue
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False) and _is_ledger(Path(entry.path)):
                    found.append(Copy(Path(entry.path), entry.stat().st_mtime))
    return max(found, key=lambda one: one.made_at, default=None)


def _is_ledger(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_ID_AT + 4)
    number = int.from_bytes(head[_ID_AT : _ID_AT + 4], "big")
    return head.startswith(_MAGIC) and number == APPLICATION_ID


class Server(NamedTuple):
    """A PostgreSQL server, as it answers."""

    version: str
    seconds: float
    """One question and its answer."""
    tls: str
    """The version of TLS; "" where the connection has none."""
    is_local: bool
    """By a socket of this machine."""
    is_standby: bool
    durable: str
    """``synchronous_commit``."""
    archived_at: float | None
    """When the last piece of the write-ahead log was archived; None where none is."""
    archive_fails: bool
    """The last try to archive failed."""
    leases: tuple[tuple[str, str, float], ...]
    """Those that live: run, holder, seconds that are left."""


_FACTS = """
    SELECT current_setting('server_version'), coalesce(s.version, ''),
        inet_server_addr() IS NULL, pg_is_in_recovery(), current_setting('synchronous_commit'),
        extract(epoch FROM a.last_archived_time)::float8,
        coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false)
    FROM pg_stat_archiver AS a LEFT JOIN pg_stat_ssl AS s ON s.pid = pg_backend_pid() AND s.ssl
"""
_LEASES = """
    SELECT run_id, holder, extract(epoch FROM expires - clock_timestamp())::float8
    FROM lease WHERE expires > clock_timestamp() ORDER BY number
"""
_LOOKS = 3


def look_at_server(address: LedgerAddress) -> Server:
    """What the server of a ledger says of itself; it is opened as a reader, and asked once.

    Raises:
        NoLedger, OlderLedger, UsageError, LedgerFailed: as ``open_ledger``.
    """
    from importer.ledger.postgres.postgres_connection import open_postgres  # noqa: PLC0415 - an extra

    db = open_postgres(address, read_only=True, patience=0.0)
    try:
        fastest = float("inf")
        for _ in range(_LOOKS):
            asked = time.monotonic()
            db.read("SELECT 1")
            fastest = min(fastest, time.monotonic() - asked)
        [(version, tls, is_local, standby, durable, archived, fails)] = db.read(_FACTS)
        leases = tuple((str(run), str(by), float(left)) for run, by, left in db.read(_LEASES))
    finally:
        db.close()
    return Server(
        str(version).split()[0],
        fastest,
        str(tls),
        bool(is_local),
        bool(standby),
        str(durable),
        archived,
        bool(fails),
        leases,
    )
