"""How sources are to be read, and how messages call them. Pure.

The bounds keep one broken file from costing unbounded memory.
"""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

from importer.errors import UsageError, printable
from importer.source.text.encodings import AUTO, label_of
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


STANDARD_INPUT = "-"
_SHOWN = 60


def source_name(name: str) -> str:
    """A source as messages call it."""
    return "standard input" if name == STANDARD_INPUT else name


def column_name(name: str) -> str:
    """A column's name in double quotes, cut, what cannot be printed escaped."""
    cut = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
    return f'"{printable(cut)}"'


def numbered_column(columns: tuple[str, ...], index: int) -> str:
    """``column "name"``, or ``cell N`` beyond the header; ``index`` counts from 0."""
    if index < len(columns):
        return f"column {column_name(columns[index])}"
    return f"cell {index + 1}"


def names_in(text: str) -> tuple[str, ...]:
    """The names of columns that a text gives, joined by commas, with quotes where a name has one.

    An empty name is one of a column that nobody needs.

    Raises:
        UsageError: no name is given, one is given twice, or the quotes are broken.
    """
    try:
        (found,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (ValueError, csv.Error):
        found = []
    names = tuple(one.strip() for one in found)
    twice = next((one for one in names if one and names.count(one) > 1), "")
    if not any(names) or twice:
        raise UsageError(
            f"the header names {column_name(twice)} twice" if twice else "the header has no names",
            hint='join the names of the columns by commas: --header "id,name,email"',
        )
    return names


def names_text(names: Iterable[str]) -> str:
    """The inverse of ``names_in``."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def called(encoding: str) -> str:
    """An encoding as messages call it."""
    return "UTF-8" if encoding == "utf-8" else encoding


BLOCK_BYTES = 4 << 20
"""Text read at once."""
CAREFUL_BYTES = 1 << 20
"""Text framed at once by the careful path, which needs far more memory per byte."""
CAREFUL_LINES = 1 << 16
"""Lines framed at once by the careful path: each may become a record with a message."""
SAMPLE_BYTES = 64 << 10
"""Text at the start of a file from which kind and delimiter are judged."""
MAX_HEADER_BYTES = 1 << 20
MAX_COLUMNS = 10_000
MAX_FIELD = 128 << 10
"""Characters of one cell: the standard library's ``csv.field_size_limit``."""
MAX_RECORD = 1 << 20
"""Characters of one record."""
MAX_RECORD_LINES = 1_000
"""Physical lines of one record."""
MAX_LINE_BYTES = 4 * MAX_RECORD
"""Bytes kept of one physical line. No character needs more than 4, so what is cut is too long."""
PARQUET_ROWS = 50_000
"""Parquet rows read at once."""

DELIMITERS = (",", ";", "\t", "|")
"""What is detected."""


@value
class SourceOptions:
    """Settings that hold for every source of a run.

    Raises:
        UsageError: the delimiter is no character that can be one, or the encoding is unknown.
    """

    delimiter: str | None = None
    """One character; None = detected among ``,`` ``;`` tab and ``|``. CSV only."""
    block_bytes: int = BLOCK_BYTES
    """Bytes of text read at once; the results never depend on it."""

    encoding: str = AUTO
    """``auto``, or a text encoding by any of its names; CSV and JSON Lines only."""
    sheet: str | None = None
    """The sheet of an Excel workbook; None = the first that is visible and holds something."""
    header_row: int | None = None
    """The physical line (in Excel the row number) that names the columns; None = the first that
    holds anything. What stands above it is passed over. CSV and Excel only."""
    header: tuple[str, ...] | None = None
    """The names of the columns, where no line of the source has them, or in place of those in
    ``header_row``, as where two columns share a name. CSV and Excel only."""
    find_header: bool = False
    """Whether a header below a title is taken as such; else that is an error, which names it."""
    folder: Path | None = None
    """Where private temporary files are kept; None = the system's folder for them."""
    ca_bundle: Path | None = None
    """The authorities to trust for sources by URL; None = as the environment says (way.py)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoding", label_of(self.encoding))
        given = self.delimiter
        if given is not None and (len(given) != 1 or given in '"\r\n\0' or given.isalnum()):
            raise UsageError(
                f"the delimiter {given!r} cannot be used",
                hint="give one character that is no letter, digit or quote, for example ; or a tab",
            )
        if self.header_row is not None and self.header_row < 1:
            raise UsageError(
                f"there is no header row {self.header_row}", hint="lines are counted from 1"
            )

    def by_its_own_rules(self) -> SourceOptions:
        """The options for an errors file: what is said of its source does not hold for it."""
        return replace(
            self, delimiter=None, encoding=AUTO, sheet=None, header_row=None, header=None
        )
