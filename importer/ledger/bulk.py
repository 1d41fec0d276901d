"""Many rows in few statements.

sqlite3 gives other threads way at every row that it steps through, and a busy event loop takes its
turn each time: a batch of 256 rows then waits 256 times. One statement of many rows waits once.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

SIZES = (256, 64, 16, 4, 1)
"""Rows of one statement: few texts, so that SQLite's prepared statements are used again."""


def insert(
    db: sqlite3.Connection, head: str, rows: Sequence[Sequence[Any]], tail: str = ""
) -> None:
    """Run ``head VALUES (?, ...), (?, ...) tail`` for all rows, in order; all have one length."""
    start = 0
    for size in SIZES:
        while len(rows) - start >= size:
            part = rows[start : start + size]
            marks = f"({', '.join('?' * len(part[0]))})"
            values = ", ".join([marks] * size)
            db.execute(f"{head} VALUES {values} {tail}", tuple(chain.from_iterable(part)))
            start += size
