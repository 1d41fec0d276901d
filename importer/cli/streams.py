"""Output that nobody reads any more must not end a run: ``importer run ... 2>&1 | head``."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unbreakable:
    """A text stream whose writes never fail; what cannot be written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None
        """Why something that a reader waits for could not be written (a full disk); a reader who
        went away, or a terminal that hung up, waits for nothing."""

    def write(self, text: str) -> int:
        """Write, or drop where the reader is gone or the disk is full."""
        with self._dropping():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush as far as possible."""
        with self._dropping():
            self._stream.flush()

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in {errno.EPIPE, errno.EIO, errno.EBADF}:
                self.lost = self.lost or error
        except ValueError:
            pass  # It is closed.

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
