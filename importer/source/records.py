"""What the source layer hands on: batches of text cells that know their physical lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl


@dataclass(frozen=True, slots=True)
class Layout:
    """How one source is laid out: what its errors file must look like to be fed back."""

    name: str
    """The source as the user named it (``-`` for standard input)."""
    columns: tuple[str, ...]
    """The header, in the source's own order."""
    delimiter: str = ","
    """One character; ``,`` where the source has none."""
    fed_back: bool = False
    """True where the source is an errors file of an earlier run (its escaping is undone)."""


SOURCE_CODES = frozenset(
    {
        "too_few_fields",
        "too_many_fields",
        "stray_quote",
        "unclosed_quote",
        "not_utf8",
        "undefined_byte",
        "nul_byte",
        "field_too_long",
        "record_too_long",
        "bare_carriage_return",
        "not_json",
        "not_an_object",
        "key_twice",
        "not_integer",
        "number_inexact",
        "cell_error",
        "wrong_type",
        "not_unicode",
        "spreadsheet_altered",
        "digest_missing",
    }
)
"""What a reader may refuse a record or a cell for. The text that is left may not show it."""


class SourceFault(NamedTuple):
    """What a reader refused in one record; it does not show in the text that is left of it."""

    column: str
    """As the source names it, "" where the whole record is wrong."""
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class CellFault:
    """A cell that has no lossless text form for its field (Parquet, Excel and JSON Lines)."""

    index: int
    """Row index within the batch's frame, from 0."""
    column: str
    code: str
    message: str
    """Without the value: it may be personal data."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that could not be framed. It costs itself, never a neighbour."""

    line: int
    code: str
    """``too_few_fields``, ``too_many_fields``, ``stray_quote``, ``unclosed_quote``,
    ``not_utf8``, ``undefined_byte``, ``nul_byte``, ``field_too_long``, ``record_too_long``,
    ``bare_carriage_return``; of JSON Lines also ``not_json``, ``not_an_object``, ``key_twice``."""
    message: str
    """Says what is wrong and the fix; never holds cell values."""
    cells: tuple[str, ...] = ()
    """Best effort, at most as many as the header has; those that are missing are not padded."""
    extra: tuple[str, ...] = ()
    """Cells beyond the header's width, kept so that nothing is lost."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Some consecutive records of one source.

    ``frame`` has one String column per header column, in header order (null or "" = absent);
    ``lines[i]`` is the physical line (from 1, first line of the record) of frame row ``i``.
    For Parquet a line is the row number from 1, for Excel the one that Excel shows.
    ``malformed`` records lie among or around these lines; ordering everything by line gives the
    input order.
    """

    source: int
    """Index into the run's list of sources."""
    frame: pl.DataFrame
    lines: Sequence[int]
    malformed: tuple[Malformed, ...] = ()
    faults: tuple[CellFault, ...] = field(default=())
