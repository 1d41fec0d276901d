"""Opens files and standard input, sees through compression, and hands out plain bytes.

The standard library's zstd reader, from its backport before Python 3.14.

Private temporary files: nobody else can read them, and they are gone when they are closed.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import tempfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from importer.errors import SourceError, UsageError
from importer.source.source_options import STANDARD_INPUT, source_name
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def scratch_file(folder: Path | None) -> BinaryIO:
    """A file without a name, so that not even SIGKILL leaves it behind.

    Args:
        folder: where its bytes are kept; None for the system's folder of temporary files.

    Raises:
        UsageError: it cannot be made.
    """
    with writing(folder):
        # It is the caller who closes it.
        return cast("BinaryIO", tempfile.TemporaryFile(dir=folder))


def spooled(read: Callable[[], bytes], folder: Path | None) -> BinaryIO:
    """All that ``read`` gives until b"", in a file that stands at its beginning.

    Raises:
        UsageError: the disk is full, or cannot be written.
    """
    file = scratch_file(folder)
    try:
        while piece := read():
            with writing(folder):
                file.write(piece)
        with writing(folder):
            file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def writing(folder: Path | None) -> Iterator[None]:
    """Say in words where a temporary file could not be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"a temporary file cannot be written to {folder or tempfile.gettempdir()}:"
            f" {error.strerror or error}",
            hint="make room there, or choose another disk with --out or TMPDIR",
        ) from None


PARQUET_MAGIC = b"PAR1"
ZIP_MAGIC = b"PK\x03\x04"
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PIECE = 256 << 10
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)


@value
class Stamp:
    """What a regular file looked like when it was opened."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp | None:
        """None for pipes and devices, which have no size."""
        if not stat.S_ISREG(status.st_mode):
            return None
        return cls(status.st_size, status.st_mtime_ns)


class CutOff(SourceError):
    """What was fetched ended too early; another try may bring all of it."""


def changed(name: str) -> SourceError:
    """The error for a file that was written to while it was read."""
    return SourceError(
        f"{source_name(name)}: the file changed while it was read",
        hint="wait until whatever writes it is done, then run again",
    )


def open_file(name: str, stdin: BinaryIO | None) -> BinaryIO:
    """Open a path, or take standard input for ``-``.

    Raises:
        SourceError: it is missing, a directory, or may not be read.
    """
    if name == STANDARD_INPUT:
        if stdin is None:
            raise SourceError("standard input is not available", hint="name a file instead of -")
        return stdin
    try:
        return open(name, "rb")  # noqa: PTH123 - closed by the source that is made of it
    except FileNotFoundError:
        raise SourceError(f"{name}: there is no such file", hint="check the path") from None
    except IsADirectoryError:
        hint = "name the files in it, for example with a shell pattern"
        raise SourceError(f"{name}: is a directory", hint=hint) from None
    except PermissionError:
        hint = "check its permissions, or run as a user who may read it"
        raise SourceError(f"{name}: may not be read by this user", hint=hint) from None
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from None


def first_bytes(name: str, file: BinaryIO, count: int = 4) -> bytes:
    """The first bytes of a file that was just opened; fewer where it is shorter.

    Raises:
        SourceError: reading failed.
    """
    found = b""
    try:
        while len(found) < count and (more := file.read(count - len(found))):
            found += more
    except OSError as error:
        raise _unreadable(name, error) from None
    return found


class RawStream:
    """The text of one file, decompressed: all members of gzip, all frames of zstd."""

    def __init__(self, name: str, file: BinaryIO, head: bytes) -> None:
        """``head`` is what was already read from ``file``, which the stream closes with itself."""
        self._name = name
        self._file = file
        self._stamp = stamp_of(file)
        self._bytes = 0
        self._lines = 0
        raw = cast("io.RawIOBase", _Rejoined(head, file))
        joined = io.BufferedReader(raw, _PIECE)
        self.compression = ""
        self._text: _Text = joined
        self._broken_by: tuple[type[Exception], ...] = _BROKEN
        if head.startswith(GZIP_MAGIC):
            self.compression = "gzip"
            self._text = gzip.GzipFile(fileobj=joined)
        elif head.startswith(ZSTD_MAGIC):
            self.compression = "zstd"
            self._text, error = _of_zstd(cast("BinaryIO", joined))
            self._broken_by = (*_BROKEN, error)

    def read(self) -> bytes:
        """Some more text, b"" at the end.

        Raises:
            SourceError: reading failed, or the compressed data is cut off or damaged.
        """
        try:
            piece = self._text.read1(_PIECE)
        except self._broken_by as error:
            raise self._broken(error) from None
        except OSError as error:
            raise _unreadable(self._name, error) from None
        self._bytes += len(piece)
        self._lines += piece.count(b"\n")
        return piece

    def check_unchanged(self) -> None:
        """Call at the end: the file must still be the one that was opened.

        Raises:
            SourceError: its size or time of change is another one.
        """
        if stamp_of(self._file) != self._stamp:
            raise changed(self._name)

    def close(self) -> None:
        """Close the file, unless it is standard input."""
        if self._name != STANDARD_INPUT:
            self._file.close()

    def _broken(self, error: Exception) -> SourceError:
        what = "ends too early" if isinstance(error, EOFError) else "is damaged"
        return SourceError(
            f"{source_name(self._name)}: the {self.compression} data {what}, after"
            f" {self._bytes:,} bytes of text ({self._lines:,} complete lines)",
            hint="fetch or compress the file again; nothing of it was imported",
        )


class _Text(Protocol):
    def read1(self, size: int, /) -> bytes: ...


def _of_zstd(file: BinaryIO) -> tuple[_Text, type[Exception]]:
    """The file's text, and what is raised where it is damaged. Few files are of zstd."""
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdError, ZstdFile  # noqa: PLC0415
    else:
        from backports.zstd import ZstdError, ZstdFile  # noqa: PLC0415
    return ZstdFile(file), ZstdError


class _Rejoined(io.RawIOBase):
    """Bytes that were already taken from a file, then the rest of it."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._head[: len(buffer)] or self._file.read(len(buffer))
        self._head = self._head[len(piece) :] if self._head else b""
        buffer[: len(piece)] = piece
        return len(piece)


def stamp_of(file: BinaryIO) -> Stamp | None:
    """The stamp of an open file; None for what has none."""
    try:
        return Stamp.of(os.fstat(file.fileno()))
    except OSError:
        # io.UnsupportedOperation too: a stream in memory cannot change.
        return None


def _unreadable(name: str, error: Exception) -> SourceError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SourceError(f"{source_name(name)}: cannot be read: {reason}", hint="check the file")
