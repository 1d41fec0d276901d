"""Reads and checks the header of a source. Pure."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.source.limits import MAX_COLUMNS
from importer.source.naming import column_name, source_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl


@dataclass(frozen=True, slots=True)
class Header:
    """The column names of one source."""

    columns: tuple[str, ...]
    """As they are in the source, not trimmed; a column without a name is ``_unnamed_N``."""
    unnamed: tuple[int, ...]
    """Indexes of the columns without a name. They must hold nothing."""


def header_of(name: str, cells: Sequence[str]) -> Header:
    """Check the names of the columns.

    A column without a name is tolerated as long as it holds nothing (spreadsheets leave such
    columns behind); it is called ``_unnamed_N``, N counted from 1.

    Raises:
        SourceError: no name at all, a name twice, or more than 10,000 columns.
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
    counted = Counter(cell.strip() for cell in columns)
    repeated = [column_name(cell) for cell, count in counted.items() if count > 1]
    if repeated:
        raise SourceError(
            f"{shown}: more than one column is called {', '.join(repeated[:20])}",
            hint="keep one of them, and rename or remove the others",
        )
    return Header(columns, unnamed)


def split_header(lines: Sequence[str], delimiter: str) -> tuple[list[str], int] | None:
    """The header's cells and its number of physical lines; None where its quotes are broken."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        return next(reader), reader.line_num
    except (csv.Error, StopIteration):
        return None


def check_unnamed(name: str, header: Header, frame: pl.DataFrame, lines: Sequence[int]) -> None:
    """Refuse data in a column without a name: nobody could say what it is.

    Raises:
        SourceError: it holds something, with the line.
    """
    for index in header.unnamed:
        filled = (frame.to_series(index).str.strip_chars() != "").fill_null(value=False)
        row = filled.arg_max() if filled.any() else None
        if row is not None:
            raise SourceError(
                f"{source_name(name)}: line {lines[row]}: column {index + 1} holds data"
                " but has no name in the header",
                hint="name the column in the first line, or remove it",
            )
