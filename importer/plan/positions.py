"""One integer says where a record stands: its source and its physical line, in input order."""

from __future__ import annotations

LINE_BITS = 40
"""A source may have 2**40 lines; 2**22 sources fit beside them into SQLite's 63 bits."""


def position(source: int, line: int) -> int:
    """The position of a record; sorting by it gives the input order."""
    return source << LINE_BITS | line


def source_and_line(at: int) -> tuple[int, int]:
    """The inverse of ``position``."""
    return at >> LINE_BITS, at & ((1 << LINE_BITS) - 1)
