"""Cuts a stream of bytes into blocks of whole physical lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.source.source_options import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable


class Blocks:
    r"""Blocks that end in ``\n``; a last line without one gets it.

    A line of more than ``MAX_LINE_BYTES`` is cut there and its rest thrown away, so memory stays
    bounded: what remains is still too long for a record and is reported as such. Of a first line
    the rest is read only when more is taken: a header of that length is refused without it.
    """

    def __init__(self, read: Callable[[], bytes], block_bytes: int) -> None:
        """``read`` gives some more bytes, b"" at the end."""
        self._read = read
        self._size = max(block_bytes, 1)
        self._buffer = bytearray()
        self._at_end = False
        self._begun = False
        self.unended = False
        """True once it is known that the last line has no line end of its own."""
        self._within = False
        """Whether what comes next is the rest of a first line that was cut."""

    @property
    def ended(self) -> bool:
        """True once it is known that nothing follows."""
        return self._at_end and not self._buffer

    def take(self) -> bytes:
        """The next lines: at most about ``block_bytes``, at least one line, b"" at the end."""
        first, self._begun = not self._begun, True
        if self._within:
            self._within = False
            self._skip_line()
        while len(self._buffer) < self._size and self._fill():
            pass
        cut = self._buffer.rfind(b"\n", 0, self._size) + 1
        searched = self._size
        while not cut:
            cut = self._buffer.find(b"\n", searched) + 1
            if cut or len(self._buffer) > MAX_LINE_BYTES:
                break
            searched = len(self._buffer)
            if not self._fill():
                return self._last()
        if not cut:
            return self._too_long(first=first)
        taken = bytes(self._buffer[:cut])
        del self._buffer[:cut]
        return taken

    def put_back(self, data: bytes) -> None:
        """Give back whole lines that were taken last."""
        self._buffer[:0] = data

    def _fill(self) -> bool:
        if self._at_end:
            return False
        piece = self._read()
        self._buffer += piece
        self._at_end = not piece
        return bool(piece)

    def _last(self) -> bytes:
        taken = bytes(self._buffer)
        self._buffer.clear()
        self.unended = self.unended or bool(taken)
        return taken + b"\n" if taken else b""

    def _too_long(self, *, first: bool) -> bytes:
        kept = bytes(self._buffer[: MAX_LINE_BYTES + 1])
        self._buffer.clear()
        if first:
            self._within = True
        else:
            self._skip_line()
        return kept + b"\n"

    def _skip_line(self) -> None:
        while self._fill():
            cut = self._buffer.find(b"\n") + 1
            if cut:
                del self._buffer[:cut]
                break
            self._buffer.clear()
