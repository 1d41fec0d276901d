"""Output that nobody reads any more must not end a run: ``importer run ... 2>&1 | head``."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TextIO


class Unbreakable:
    """A text stream whose writes never fail; what cannot be written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop where the reader is gone or the disk is full."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush as far as possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
