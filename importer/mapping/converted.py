"""What a transform makes of a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Failed:
    """A cell that a transform could not read."""

    index: int
    """Row within the column, from 0."""
    code: str
    message: str
    """What is wrong and the fix; never the value in full."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A transformed column."""

    values: pl.Series
    """Strings of the same length; null where the cell was empty or failed."""
    errors: list[Failed]
    """By index."""
    changed: int
    """Cells whose value is another text than before."""
