"""Reads and checks the header of a source. Pure."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.source.naming import source_name
from importer.source.source_options import MAX_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl


@dataclass(frozen=True, slots=True)
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
    spaced = bool(spaced_quote(delimiter).search("".join(lines[:1]).encode(errors="replace")))
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
    mark = re.escape(delimiter)
    return re.compile(rf' *+(?:"((?:[^"\r\n]++|"")*+)" *+|([^"{mark}\r\n]*+))(?:{mark}|\r*\n|\Z)')


@cache
def spaced_quote(delimiter: str) -> re.Pattern[bytes]:
    """Finds a cell whose opening quote has blanks before it: ``SQ-3, "Ben"``."""
    return re.compile(rb"(?:^|" + re.escape(delimiter.encode()) + rb") +\"", re.MULTILINE)


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
    half as many cells as most rows below it do, or has not even as many; then it is the first that
    fills as many as they do, each with a name of its own.
    """
    filled = [[cell.strip() for cell in row if cell.strip()] for row in rows[:HEADER_LINES]]
    widths = Counter(len(cells) for cells in filled[1:] if len(cells) > 1)
    if not widths or not filled[0]:
        return 0
    usual = max(widths, key=lambda width: (widths[width], -width))
    if 2 * len(filled[0]) > usual and len(rows[0]) >= usual:
        return 0
    for index, cells in enumerate(filled[1:], 1):
        below = filled[index + 1 : index + 2]
        if 2 * len(cells) > usual and below and 2 * len(below[0]) > usual:
            names = {cell.casefold() for cell in cells}
            named = len(names) == len(cells) and not any(map(_VALUE.fullmatch, cells))
            return index if named else 0
    return 0


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
