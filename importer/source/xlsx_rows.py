"""The rows of one sheet, read as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.source.limits import MAX_FIELD
from importer.source.xlsx_cells import Cell, Style, unescaped
from importer.source.xlsx_parts import Attributes, column_of, xml_feed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from importer.source.xlsx_parts import Strings

MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
"""Excel's own limits."""
_GENERAL = Style()
Row = tuple[int, dict[int, Cell]]
"""The row's number from 1, and its cells that hold something by column from 0."""


class RowReader:
    """Reads the rows that hold something. Raises what ``in_words`` takes."""

    def __init__(self, strings: Strings, styles: Sequence[Style]) -> None:
        self._strings = strings
        self._styles = styles
        self._rows: list[Row] = []
        self._number = 0
        self._cells: dict[int, Cell] = {}
        self._column = -1
        self._kind = self._style = ""
        self._parts: list[str] = []
        self._size = 0
        self._inside = self._formula = self._valued = False
        self._phonetic = 0
        self._in_data = False
        self.hidden = 0
        """Rows with cells that Excel does not show (hidden, or filtered out)."""
        self._row_hidden = False

    def rows(self, pieces: Iterable[bytes]) -> Iterator[Row]:
        """All rows with cells, in order."""
        feed = xml_feed(self._start, self._end, self._text)
        for piece in pieces:
            feed(piece, False)
            yield from self._taken()
        feed(b"", True)
        yield from self._taken()

    def _taken(self) -> list[Row]:
        taken, self._rows = self._rows, []
        return taken

    def _start(self, tag: str, attributes: Attributes) -> None:
        if tag == "c":
            self._start_cell(attributes)
        elif tag in {"v", "t"}:
            self._inside = not self._phonetic
            self._valued = True
        elif tag == "f":
            self._formula = True
        elif tag == "row":
            self._start_row(attributes)
        elif tag == "rPh":
            self._phonetic += 1

    def _start_row(self, attributes: Attributes) -> None:
        number = int(attributes.get("r", self._number + 1))
        if not self._number < number <= MOST_ROWS:
            raise ValueError("rows out of order")
        self._number = number
        self._cells = {}
        self._column = -1
        self._row_hidden = attributes.get("hidden") in {"1", "true"}

    def _start_cell(self, attributes: Attributes) -> None:
        reference = attributes.get("r")
        column = column_of(reference) if reference else self._column + 1
        if not self._column < column < MOST_COLUMNS:
            raise ValueError("cells out of order")
        self._column = column
        self._kind = attributes.get("t", "n")
        self._style = attributes.get("s", "")
        self._parts.clear()
        self._size = 0
        self._formula = self._valued = False

    def _text(self, text: str) -> None:
        if self._inside and self._size <= MAX_FIELD:
            self._parts.append(text)
            self._size += len(text)

    def _end(self, tag: str) -> None:
        if tag == "c":
            self._end_cell()
        elif tag in {"v", "t"}:
            self._inside = False
        elif tag == "rPh":
            self._phonetic -= 1
        elif tag == "row" and self._cells:
            self.hidden += self._row_hidden
            self._rows.append((self._number, self._cells))

    def _end_cell(self) -> None:
        text = "".join(self._parts)
        kind = self._kind
        if kind == "s":
            text = self._strings[int(text)] if self._valued else ""
            kind = "s"
        elif kind in {"str", "inlineStr"}:
            text = unescaped(text)
            kind = "s"
        if text:
            style = self._styles[int(self._style)] if self._style and self._styles else _GENERAL
            self._cells[self._column] = Cell(kind, text, style)
        elif self._formula and not self._valued:
            self._cells[self._column] = Cell("f", "")
