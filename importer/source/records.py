"""What the source layer hands on: batches of text cells that know their physical lines.

The header says which cells there are; it is read and checked here, for every format. Pure.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import field, replace
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from importer.errors import SourceError
from importer.source.source_options import MAX_COLUMNS, source_name
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import polars as pl


@value
class Header:
    """The column names of one source."""

    columns: tuple[str, ...]
    """As they are in the source, not trimmed; a column without a name is ``_unnamed_N``."""
    unnamed: tuple[int, ...] = ()
    """Indexes of the columns without a name."""
    keys: tuple[str, ...] = ()
    """The same names, each of them once: what the columns of a frame are called."""


def header_of(name: str, cells: Sequence[str]) -> Header:
    """Check the names of the columns.

    A column without a name (of a spreadsheet that leaves such columns behind, or the index of a
    pandas frame) is called ``_unnamed_N``, N counted from 1. Two columns may share a name: who
    needs one of them says that it is there twice.

    Raises:
        SourceError: no name at all, or more than 10,000 columns.
    """
    shown = source_name(name)
    if not any(cell.strip() for cell in cells):
        raise SourceError(
            f"{shown}: there is no header", hint="the first line must name the columns"
        )
    if len(cells) > MAX_COLUMNS:
        raise SourceError(
            f"{shown}: the header has {len(cells):,} columns, {MAX_COLUMNS:,} are allowed",
            hint="keep only the columns to import; check the delimiter",
        )
    unnamed = tuple(index for index, cell in enumerate(cells) if not cell.strip())
    columns = tuple(
        cell if cell.strip() else f"_unnamed_{number}" for number, cell in enumerate(cells, 1)
    )
    return Header(columns, unnamed, _keys(columns))


_OF_A_RECORD = re.compile(
    r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}|\+[1-9][0-9 ()./-]{6,18}|[-(]?[0-9][0-9 .,]*[.,][0-9]{2}[-)]?"
)
"""An e-mail address, an international phone number, or an amount with cents."""


def refuse_record(name: str, cells: Sequence[str], line: int) -> None:
    """Refuse a header that is a record: the file has none, and its first customer would be lost.

    Raises:
        SourceError: a cell of it is what no column is called. The message shows none of them.
    """
    wrong = [n for n, cell in enumerate(cells, 1) if _OF_A_RECORD.fullmatch(cell.strip())]
    if wrong:
        raise SourceError(
            f"{source_name(name)}: line {line} seems to be a record and no header: what stands in"
            f" column {wrong[0]} is an address, a number or an amount",
            hint=f'name its {len(cells)} columns: --header "ID,NAME,...", or header = "..." under'
            f" [source] of the mapping; if line {line} names them, --header-row {line}",
        )


def refuse_header(name: str, rows: Sequence[Sequence[str]], line: int) -> None:
    """Refuse a first record that names the columns, where the user names them: it is no customer.

    It is one if numbers, dates or addresses stand below it in some columns, and words in it.

    Args:
        name: the source.
        rows: the first records.
        line: where the first of them stands.

    Raises:
        SourceError: it is one.
    """
    first, others = rows[0], rows[1:]
    told = [
        at
        for at in range(len(first))
        if (below := [row[at].strip() for row in others if at < len(row) and row[at].strip()])
        and 2 * sum(map(bool, map(_VALUE.fullmatch, below))) > len(below)
    ]
    if told and all(_WORDS.fullmatch(first[at].strip()) for at in told):
        raise SourceError(
            f"{source_name(name)}: line {line} seems to name the columns, though other names are"
            " given for them",
            hint="leave the header out (--header, or header under [source]); to put other names in"
            f" their place, say --header-row {line} too; if line {line} is a customer, put a line"
            " with the names above it instead",
        )


_WORDS = re.compile(r"(?!(?i:null|none|nan|n/?a)\Z)[^\W\d][\w .#()/%-]*")
"""What may name a column, and stands for no empty cell."""


def _keys(columns: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(columns)) == len(columns):
        return columns
    taken = set(columns)
    seen: set[str] = set()
    keys = []
    for number, column in enumerate(columns, 1):
        key = column
        while key in seen or (key != column and key in taken):
            key = f"{key} ({number})"
        seen.add(key)
        keys.append(key)
    return tuple(keys)


def split_header(lines: Sequence[str], delimiter: str) -> tuple[list[str], int] | None:
    """The header's cells and its number of physical lines; None where its quotes are broken."""
    first = "".join(lines[:1])
    if has_odd_quote(first, delimiter) and (cells := padded_cells(first, delimiter)) is not None:
        return cells, 1
    spaced = has_spaced_quote(first.encode(errors="replace"), delimiter)
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=spaced)
    try:
        return next(reader), reader.line_num
    except StopIteration:
        return None
    except csv.Error:
        cells = padded_cells(lines[0], delimiter)
        return None if cells is None else (cells, 1)


def padded_cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of a line whose quotes may have blanks about them: ``"Ben" ,5``; else None."""
    cells: list[str] = []
    at = 0
    while at < len(line) and (match := _padded_cell(delimiter).match(line, at)) is not None:
        quoted, bare = match.groups()
        cells.append(bare if quoted is None else quoted.replace('""', '"'))
        at = match.end()
    return cells if at == len(line) else None


@cache
def _padded_cell(delimiter: str) -> re.Pattern[str]:
    mark, blank = re.escape(delimiter), f"[{_BLANKS.replace(delimiter, '')}]*+"
    return re.compile(
        rf'{blank}(?:"((?:[^"\r\n]++|"")*+)"{blank}|([^"{mark}\r\n]*+))(?:{mark}|\r*\n|\Z)'
    )


def has_spaced_quote(block: bytes, delimiter: str) -> bool:
    """Whether there is a cell whose opening quote has blanks before it: ``SQ-3, "Ben"``."""
    # Bytes are found many times faster than a pattern, and most files have no such two.
    return b' "' in block and _spaced_quote(delimiter).search(block) is not None


def has_odd_quote(text: str, delimiter: str) -> bool:
    """As ``has_spaced_quote``, for other blanks than spaces: the csv module knows nothing of them.

    Spaces may stand beside them.
    """
    is_blank_before = any(one in text for one in _BLANK_AND_QUOTE)
    return is_blank_before and _odd_quote(delimiter).search(text) is not None


@cache
def _spaced_quote(delimiter: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?:^|" + re.escape(delimiter.encode()) + rb") +\"", re.MULTILINE)


_BLANKS = (
    " \t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
    "\u202f\u205f\u2060\u3000\ufeff"
)
"""What nobody sees beside a quote; a byte order mark stands where files were joined."""
_BLANK_AND_QUOTE = tuple(f'{blank}"' for blank in _BLANKS)


@cache
def _odd_quote(delimiter: str) -> re.Pattern[str]:
    blanks = _BLANKS.replace(delimiter, "")
    others = blanks.replace(" ", "")
    spaces = "" if delimiter == " " else " *+"
    return re.compile(rf'(?:^|{re.escape(delimiter)}){spaces}[{others}][{blanks}]*+"', re.MULTILINE)


class Unnamed:
    """Notes whether a column without a name holds anything: nobody could say what it is."""

    def __init__(self, name: str, header: Header) -> None:
        self._name = name
        self._open = list(header.unnamed)
        self.found: list[str] = []
        """One text for each such column."""

    def look(self, frame: pl.DataFrame, lines: Sequence[int]) -> None:
        """Look at one batch."""
        for index in tuple(self._open):
            filled = (frame.to_series(index).str.strip_chars() != "").fill_null(value=False)
            row = filled.arg_max() if filled.any() else None
            if row is not None:
                self._open.remove(index)
                self.found.append(
                    f"{source_name(self._name)}: line {lines[row]}: column {index + 1} holds data"
                    " but has no name in the header, and is not read"
                )


HEADER_LINES = 60
"""Lines among which the header is looked for."""
_VALUE = re.compile(
    r"[-+(]?\W{0,3}[0-9][0-9.,' /:()\u00a0-]*\W{0,3}|[^@\s]+@[^@\s]+|[0-9]{4}-[0-9]{2}-[0-9]{2}.*"
)
"""A number, a date, a phone number or an address: nothing that names a column."""


def find_header(rows: Sequence[Sequence[str]]) -> int:
    """Which of the first rows of a table names its columns: 0, or one below a title. Pure.

    A title fills few cells of its row. So the first row stays the header unless it fills at most
    half as many cells as most rows below it do, or has not even as many, or names nothing: numbers
    and dates stand in it (the head of a DATEV file). Then it is the first that fills as many as
    they do, each with a name of its own. Rules (``-----``) are passed over.
    """
    filled = [[cell.strip() for cell in row if cell.strip()] for row in rows[:HEADER_LINES]]
    for cells in filled[1:]:
        if all(map(_RULE.fullmatch, cells)):
            cells.clear()
    widths = Counter(len(cells) for cells in filled[1:] if len(cells) > 1)
    if not widths or not filled[0]:
        return 0
    usual = max(widths, key=lambda width: (widths[width], -width))
    odd = sum(map(bool, map(_VALUE.fullmatch, filled[0])))
    if 2 * len(filled[0]) > usual and len(rows[0]) >= usual and odd < _ODD:
        return 0
    for index, cells in enumerate(filled[1:], 1):
        below = [one for one in filled[index + 1 : index + 3] if one][:1]
        if 2 * len(cells) > usual and below and 2 * len(below[0]) > usual:
            names = {cell.casefold() for cell in cells}
            named = len(names) == len(cells) and not any(map(_VALUE.fullmatch, cells))
            return index if named else 0
    return 0


def lacks_a_name(first: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a line may name all columns but one, as R writes it, and be no title. Pure.

    ``below`` is the line that follows: a record then, and not the names.
    """
    names = {cell.strip().casefold() for cell in first}
    distinct = len(names) == len(first) and "" not in names
    one_less = 2 * len(first) > len(below) == len(first) + 1
    return one_less and distinct and not any(map(_VALUE.fullmatch, first))


_ODD = 3
"""So many numbers and dates name no columns."""
_RULE = re.compile(r"[-=_+|\u2500]{3,}")


def title_above(name: str, line: int, first: int) -> SourceError:
    """The error for a source whose header is not where it was looked for.

    Args:
        name: the source.
        line: where the header seems to be.
        first: the line that was taken for it.
    """
    return SourceError(
        f"{source_name(name)}: line {first} is no header, it looks like a title; line {line} seems"
        " to name the columns",
        hint=f"say so with --header-row {line}, or header_row = {line} under [source] of the"
        f" mapping; if line {first} is the header, with --header-row {first}",
    )


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


@value
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


@value
class CellFault:
    """A cell without a value that anybody could use: of kind ``ERROR`` or ``INEXACT``."""

    index: int
    """Row index within the batch's frame, from 0."""
    column: str
    code: str
    message: str
    """Without the value: it may be personal data."""


@value
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


@value
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
        torn = self._torn()
        malformed = tuple(
            replace(one, message=_TORN) if one.line in torn else one for one in self.malformed
        )
        short = [
            one
            for one in malformed
            if one.framed and one.line not in torn and first <= len(one.cells) < self.frame.width
        ]
        if not short:
            return replace(self, malformed=malformed) if torn else self
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
            malformed=tuple(one for one in malformed if id(one) not in rest),
            faults=tuple(replace(one, index=places[one.index]) for one in self.faults),
            kinds={
                at: kind
                if isinstance(kind, Kind)
                else kind.extend_constant(Kind.TEXT.value, len(short))[order]
                for at, kind in self.kinds.items()
            },
        )

    def _torn(self) -> set[int]:
        """Lines of the pieces of records that a line break within a cell has torn apart.

        Pieces stand on lines that follow each other, and have together as many cells as the header;
        and a second piece begins with what begins no record here.
        """
        width = self.frame.width
        pieces = [one for one in self.malformed if one.framed and 0 < len(one.cells) < width]
        if len(pieces) < 2:  # noqa: PLR2004 - a piece alone may be a record
            return set()
        begins = set(map(_characters, self.frame.to_series(0).head(_LOOKED_AT)))
        torn: set[int] = set()
        for at, first in enumerate(pieces):
            usual = begins | {_characters(first.cells[0])}
            cells = len(first.cells)
            for size, other in enumerate(pieces[at + 1 : at + _MOST_PIECES], 2):
                cells += len(other.cells) - 1
                apart = other.line != first.line + size - 1
                if apart or _characters(other.cells[0]) in usual or cells > width:
                    break
                if cells == width:
                    torn.update(range(first.line, other.line + 1))
        return torn


_LOOKED_AT = 1_000
_MOST_PIECES = 20
"""Lines that one record may have been torn into, to be found."""
_TORN = (
    "a line break within a cell seems to have torn the record apart: with the line beside it, it"
    " has as many cells as the header; join them, and put the cell in double quotes"
)
_CHARACTERS = (str.isdigit, str.isupper, str.islower, str.isspace)


def _characters(cell: str | None) -> frozenset[int]:
    """Which kinds of characters a cell holds."""
    text = cell or ""
    return frozenset(
        next((n for n, is_one in enumerate(_CHARACTERS) if is_one(one)), -1)
        for one in set(text.strip())
    )


def kind_series(kinds: Iterable[Kind]) -> pl.Series:
    """One kind for each row of a column, as ``RecordBatch.kinds`` holds them."""
    import polars as pl  # noqa: PLC0415 - results import this module and need no polars

    return pl.Series("kind", kinds, dtype=pl.UInt8)
