"""Finds which hashes come more than once among many, in bounded memory. Pure.

Equal references have equal hashes, so where no hash repeats, no reference does. Where one does,
the references themselves decide: two different ones may share a hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PART = 1_000_000
"""Hashes that are held at once."""
_SEED = 1


def hashes_of(references: pl.Series) -> pl.Series:
    """64 bits of each reference, the same for equal ones within this process."""
    return references.hash(_SEED)


def repeated_hashes(read: Callable[[], Iterable[pl.Series]], total: int) -> pl.Series:
    """Every hash that comes more than once.

    Args:
        read: gives all hashes, in some pieces; called once for each part of about ``PART``.
        total: how many they are.
    """
    parts = total // PART + 1
    found = [_repeated_in_part(read(), part, parts) for part in range(parts)]
    return pl.concat(found)


def _repeated_in_part(pieces: Iterable[pl.Series], part: int, parts: int) -> pl.Series:
    mine = [pl.Series("hash", [], dtype=pl.UInt64)]
    mine += [
        (piece if parts == 1 else piece.filter(piece % parts == part)).rename("hash")
        for piece in pieces
    ]
    ordered = pl.concat(mine).sort()
    return ordered.filter((ordered == ordered.shift(1)).fill_null(value=False)).unique()
