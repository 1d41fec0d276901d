"""The memos of a ledger in files beside it: ``<ledger>.memo``, mode 0600. See ``rows/memo.py``.

Each series of runs has its own, up to ``MOST``: ``.memo``, ``.memo2`` and so on. A series without
one begins with what the newest remembers, for it may be the same file under another name.

Whatever is wrong with it costs time only: what cannot be read is not remembered, and where it
cannot be written the next run remembers what it can still read. Only who holds the ledger writes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import polars as pl

from importer.plan.frames import pack, unpack
from importer.rows.memo import COLUMNS, Segment

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

MOST = 4
"""Series that are remembered; then the memo that was written first makes room."""
_MAGIC = b"importer memo 2\n"
_WHOSE = struct.Struct("<8sQ")
"""A digest of the series' name, and the seed."""
_HEAD = struct.Struct("<32sIQ")
"""Tag of a segment, its rows, and the bytes of its frame."""
_SUM = 16
"""Bytes of the checksum between the head and the frame."""
_PIECE = 1 << 20


class _Place(NamedTuple):
    head: int
    """Where the segment begins in the file."""
    frame: int
    end: int


def memos_of(ledger: Path) -> list[Path]:
    """Where the memos of a ledger may be."""
    resolved = ledger.resolve()
    numbers = ("", *range(2, MOST + 1))
    return [resolved.with_name(f"{resolved.name}.memo{number}") for number in numbers]


class MemoFile:
    """A ``memo.Store``. Opens what last time left; ``close`` drops what was not committed."""

    def __init__(self, ledger: Path, series: str = "", *, writes: bool) -> None:
        """``writes`` is for who holds the ledger; without it nothing new is noted."""
        self._series = hashlib.blake2b(series.encode(), digest_size=8).digest()
        self._last, self._path = _own(memos_of(ledger), self._series)
        self._next = self._path.with_name(f"{self._path.name}.new")
        self._writes = writes
        self._new: BinaryIO | None = None
        self.segments: list[Segment] = []
        self._places: list[_Place] = []
        self.seed = secrets.randbits(64)
        self._old: BinaryIO | None = None
        with suppress(OSError):
            self._old = _opened(self._last, os.O_RDONLY, "rb")
            self._look_through(self._old)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open; what was begun and not committed is gone."""
        if self._old is not None:
            self._old.close()
        self._drop()

    def read(self, number: int) -> pl.DataFrame | None:
        """See ``memo.Store``."""
        place, segment = self._places[number], self.segments[number]
        if self._old is None:
            return None
        try:
            self._old.seek(place.head)
            head = self._old.read(_HEAD.size)
            said = self._old.read(_SUM)
            packed = self._old.read(place.end - place.frame)
        except OSError:
            return None
        if said != _checksum(head, packed):
            return None
        found = unpack(packed)
        is_one = found.height == segment.rows and found.schema == pl.Schema(COLUMNS)
        return found if is_one else None

    def begin(self, kept: int) -> None:
        """See ``memo.Store``."""
        if not self._writes:
            return
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._new = _opened(self._next, flags, "wb")
            os.fchmod(self._new.fileno(), 0o600)
            self._new.write(_MAGIC + _WHOSE.pack(self._series, self.seed))
            if kept and self._old is not None:
                left = self._places[kept - 1].end - self._places[0].head
                self._old.seek(self._places[0].head)
                while left and (piece := self._old.read(min(left, _PIECE))):
                    self._new.write(piece)
                    left -= len(piece)
        except OSError:
            self._drop()

    def append(self, tag: bytes, part: pl.DataFrame) -> None:
        """See ``memo.Store``."""
        if self._new is None:
            return
        packed = pack(part)
        head = _HEAD.pack(tag, part.height, packed.nbytes)
        try:
            self._new.write(head + _checksum(head, packed))
            self._new.write(packed)
        except OSError:
            self._drop()

    def commit(self) -> None:
        """See ``memo.Store``."""
        if self._new is None:
            return
        try:
            self._new.close()
            self._next.replace(self._path)
            self._new = None
        except OSError:
            self._drop()

    def forget(self) -> None:
        """See ``memo.Store``."""
        self._drop()
        with suppress(OSError):
            self._last.unlink(missing_ok=True)

    def _drop(self) -> None:
        new, self._new = self._new, None
        if new is not None:
            with suppress(OSError):
                new.close()
            with suppress(OSError):
                self._next.unlink(missing_ok=True)

    def _look_through(self, old: BinaryIO) -> None:
        """List the segments; what follows a broken one is not there."""
        size = os.fstat(old.fileno()).st_size
        if old.read(len(_MAGIC)) != _MAGIC:
            return
        _, self.seed = _WHOSE.unpack(old.read(_WHOSE.size).ljust(_WHOSE.size, b"\0"))
        at = len(_MAGIC) + _WHOSE.size
        while len(head := old.read(_HEAD.size)) == _HEAD.size:
            tag, rows, length = _HEAD.unpack(head)
            frame = at + _HEAD.size + _SUM
            if frame + length > size:
                return
            self.segments.append(Segment(tag, rows))
            self._places.append(_Place(at, frame, frame + length))
            at = frame + length
            old.seek(at)


def _own(memos: list[Path], series: bytes) -> tuple[Path, Path]:
    """(where what this series remembers is, or else the newest; where it is written)."""
    ages: dict[Path, int] = {}
    for path in memos:
        with suppress(OSError), _opened(path, os.O_RDONLY, "rb") as file:
            magic, whose = file.read(len(_MAGIC)), file.read(len(series))
            if magic == _MAGIC and whose == series:
                return path, path
            if magic == _MAGIC:
                ages[path] = os.fstat(file.fileno()).st_mtime_ns
    newest = max(ages, key=ages.__getitem__, default=memos[0])
    free = [path for path in memos if path not in ages]
    return newest, free[0] if free else min(ages, key=ages.__getitem__)


def _opened(path: Path, flags: int, mode: str) -> BinaryIO:
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o600)
    try:
        return os.fdopen(descriptor, mode)  # type: ignore[return-value] # "rb" and "wb" are binary
    except BaseException:
        os.close(descriptor)
        raise


def _checksum(head: bytes, packed: bytes | memoryview) -> bytes:
    found = hashlib.blake2b(head, digest_size=_SUM)
    found.update(packed)
    return found.digest()
