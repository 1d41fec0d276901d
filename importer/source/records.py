"""What the source layer hands on: batches of text cells that know their physical lines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import polars as pl


class Kind(IntEnum):
    """What a cell is in its source, beside its text; what fits a field is judged later.

    CSV knows ``TEXT`` only. An empty cell is ``TEXT`` too.
    """

    TEXT = 0
    NUMBER = 1
    """An exact number in plain decimal digits, with ``.`` and without an exponent."""
    FLOAT = 2
    """A number out of binary floating point: its shortest decimal text, plain as above."""
    DATE = 3
    """A date, time or duration in ISO 8601."""
    BOOLEAN = 4
    """``true`` or ``false``."""
    OBJECT = 5
    """A JSON object whose values are texts, where they are no objects or lists themselves."""
    LIST = 6
    INEXACT = 7
    """A number that has lost digits; its fault says why."""
    ERROR = 8
    """There is no value; its fault says why, and the text is the best there is."""


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
    header_row: int | None = None
    """The line of the header, where that is not the first one that holds anything."""
    number_format: str = ""
    """How the source writes its balances, where a mapping found it in the whole column."""


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
    """What a reader refused in one record."""

    column: str
    """As the source names it, "" where the whole record is wrong."""
    code: str
    message: str


class Unseen(NamedTuple):
    """What a reader knew of one record that the text of its cells does not show."""

    faults: tuple[SourceFault, ...] = ()
    kinds: tuple[tuple[int, int], ...] = ()
    """(header index, ``Kind``) of cells that are no text, and have no fault."""


NOTHING_UNSEEN = Unseen()


@dataclass(frozen=True, slots=True)
class CellFault:
    """A cell without a value that anybody could use: of kind ``ERROR`` or ``INEXACT``."""

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
    framed: bool = False
    """Whether the cells are the record's own beyond doubt, and only their number is wrong."""


_TEXT_OR_FAULTY = frozenset({Kind.TEXT, Kind.INEXACT, Kind.ERROR})


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Some consecutive records of one source.

    ``frame`` has one String column per header column, in header order (null or "" = absent);
    ``lines[i]`` is the physical line (from 1, first line of the record) of frame row ``i``.
    For Parquet a line is the row number from 1, for Excel the one that Excel shows.
    ``malformed`` records lie among or around these lines; ordering everything by line gives the
    input order. Where the header has a name twice, ``frame`` has names of its own: columns are
    addressed by their index.
    """

    source: int
    """Index into the run's list of sources."""
    frame: pl.DataFrame
    lines: Sequence[int]
    malformed: tuple[Malformed, ...] = ()
    faults: tuple[CellFault, ...] = ()
    """Why cells of kind ``ERROR`` and ``INEXACT`` are; a cell with a fault is one or the other."""
    kinds: Mapping[int, Kind | pl.Series] = field(default_factory=dict)
    """By header index: the ``Kind`` of every filled cell, or one for each row (UInt8). A column
    that is not here is ``TEXT``."""

    def kinds_of(self, row: int | None) -> tuple[tuple[int, int], ...]:
        """(header index, ``Kind``) of a row's cells that are no text, and have no fault."""
        if row is None:
            return ()
        found = (
            (at, int(kind if isinstance(kind, Kind) else kind[row]))
            for at, kind in self.kinds.items()
            if self.frame.item(row, at)
        )
        return tuple(one for one in found if one[1] not in _TEXT_OR_FAULTY)

    def slice(self, start: int, length: int) -> RecordBatch:
        """Some of its rows, without its malformed records."""
        end = start + length
        return replace(
            self,
            frame=self.frame.slice(start, length),
            lines=self.lines[start:end],
            malformed=(),
            faults=tuple(
                replace(one, index=one.index - start)
                for one in self.faults
                if start <= one.index < end
            ),
            kinds={
                at: kind if isinstance(kind, Kind) else kind.slice(start, length)
                for at, kind in self.kinds.items()
            },
        )

    def filter(self, kept: pl.Series) -> RecordBatch:
        """The rows for which ``kept`` is true, and all its malformed records."""
        at = kept.cum_sum() - 1 if self.faults else kept
        return replace(
            self,
            frame=self.frame.filter(kept),
            lines=[line for line, stays in zip(self.lines, kept, strict=True) if stays],
            faults=tuple(
                replace(one, index=at[one.index]) for one in self.faults if kept[one.index]
            ),
            kinds={
                column: kind if isinstance(kind, Kind) else kind.filter(kept)
                for column, kind in self.kinds.items()
            },
        )

    def completed(self, needed: AbstractSet[int]) -> RecordBatch:
        """With each record that only lacks cells at its end which nobody needs as a row.

        Spreadsheets leave empty cells at the end of a line out.

        Args:
            needed: header indexes of the columns that are looked at.
        """
        first = max(needed, default=-1) + 1
        short = [
            one
            for one in self.malformed
            if one.framed and first <= len(one.cells) < self.frame.width
        ]
        if not short:
            return self
        import polars as pl  # noqa: PLC0415 - as above

        width = self.frame.width
        more = pl.DataFrame(
            [(*one.cells, *[None] * (width - len(one.cells))) for one in short],
            schema=self.frame.schema,
            orient="row",
        )
        lines = pl.Series([*self.lines, *(one.line for one in short)], dtype=pl.Int64)
        order = lines.arg_sort()
        places = {old: new for new, old in enumerate(order)}
        rest = {id(one) for one in short}
        return replace(
            self,
            frame=pl.concat([self.frame, more])[order],
            lines=lines[order].to_list(),
            malformed=tuple(one for one in self.malformed if id(one) not in rest),
            faults=tuple(replace(one, index=places[one.index]) for one in self.faults),
            kinds={
                at: kind
                if isinstance(kind, Kind)
                else kind.extend_constant(Kind.TEXT.value, len(short))[order]
                for at, kind in self.kinds.items()
            },
        )


def kind_series(kinds: Iterable[Kind]) -> pl.Series:
    """One kind for each row of a column, as ``RecordBatch.kinds`` holds them."""
    import polars as pl  # noqa: PLC0415 - results import this module and need no polars

    return pl.Series("kind", kinds, dtype=pl.UInt8)
