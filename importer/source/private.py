"""Private temporary files: nobody else can read them, and they are gone when they are closed."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from importer.errors import UsageError

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
