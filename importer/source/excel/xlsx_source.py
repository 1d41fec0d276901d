"""One sheet of an Excel workbook: rows in, batches of text out.

The rows of one sheet, read as a stream.
"""

from __future__ import annotations

import itertools
import re
import zipfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import polars as pl

from importer.errors import SourceError
from importer.source.excel.number_format import GENERAL
from importer.source.excel.xlsx_parts import (
    DAMAGED,
    Attributes,
    Cell,
    Workbook,
    cell_text,
    column_of,
    in_words,
    unescaped,
    xml_feed,
)
from importer.source.raw import changed, stamp_of
from importer.source.records import (
    HEADER_LINES,
    CellFault,
    Kind,
    Layout,
    Malformed,
    RecordBatch,
    Unnamed,
    find_header,
    header_of,
    kind_series,
    refuse_header,
    refuse_record,
    title_above,
)
from importer.source.source_options import MAX_FIELD, MAX_RECORD, column_name
from importer.source.text.encodings import UTF8

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from importer.source.excel.number_format import NumberFormat
    from importer.source.excel.xlsx_parts import Sheet, Strings
    from importer.source.source_options import SourceOptions


_MOST_SIGNS = 5
_MOST_MERGED = 10_000
_ROWS = re.compile(r"[A-Za-z]([0-9]{1,7})")
_NO_VALUE = frozenset({"0", "0.0"})
"""What writers of workbooks put where they cannot calculate."""
MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
"""Excel's own limits."""
Row = tuple[int, dict[int, Cell]]
"""The row's number from 1, and its cells that hold something by column from 0."""


class RowReader:
    """Reads the rows that hold something. Raises what ``in_words`` takes."""

    def __init__(
        self, strings: Strings, formats: Sequence[NumberFormat], *, recalculated: bool
    ) -> None:
        """``recalculated``: a formula's 0 is no value, but what stands there until one is."""
        self._strings = strings
        self._formats = formats
        self._recalculated = recalculated
        self.recalculated = 0
        """Formulas whose saved value may be an old one."""
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
        self.merged: list[int] = []
        """The first rows of merged cells that reach over several."""
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
        elif tag == "mergeCell":
            rows = {int(one) for one in _ROWS.findall(attributes.get("ref", ""))}
            if len(rows) > 1 and len(self.merged) < _MOST_MERGED:
                self.merged.append(min(rows))
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
            text = self._strings[int(text)] if text else ""
        elif kind in {"str", "inlineStr"}:
            text = unescaped(text)
            kind = "s"
        if self._formula and self._without_value(kind, text):
            self._cells[self._column] = Cell("f", "")
        elif text:
            self.recalculated += self._formula and self._recalculated
            at = int(self._style) if self._style and self._formats else -1
            self._cells[self._column] = Cell(kind, text, self._formats[at] if at >= 0 else GENERAL)

    def _without_value(self, kind: str, text: str) -> bool:
        """Whether nobody has calculated a formula; "" is a value that one may have."""
        if not text:
            return kind != "s" or not self._valued or self._recalculated
        return self._recalculated and kind == "n" and text.strip() in _NO_VALUE


_MAIN_PART = "xl/workbook.xml"
_AS_XLSX = "save it as .xlsx or CSV UTF-8"
_OTHERS = (
    ("xl/workbook.bin", "is a binary Excel workbook (.xlsb)", _AS_XLSX),
    ("content.xml", "is an OpenDocument file (.ods)", _AS_XLSX),
    ("Index/Document.iwa", "is an Apple Numbers document", "export it as .xlsx or CSV UTF-8"),
    ("word/document.xml", "is a Word document", "give the customers as a table"),
)
_MOST_CELLS = 200_000
"""Cells of one batch."""


class XlsxSource:
    """A sheet whose header has been read. Its line numbers are Excel's row numbers."""

    encoding = UTF8

    def __init__(self, name: str, index: int, options: SourceOptions, file: BinaryIO) -> None:
        """Choose the sheet and read its header; on an error the caller closes ``file``.

        Raises:
            SourceError: it is no workbook, has no such sheet, or no usable header.
            UsageError: a temporary file cannot be written.
        """
        self._name = name
        self._index = index
        self._file = file
        self._stamp = stamp_of(file)
        self._resources = ExitStack()
        self.warnings: list[str] = []
        self._currencies: dict[int, set[str]] = {}
        """The signs that the amounts of a column are shown with."""
        with ExitStack() as stack:
            with in_words(name):
                self._book = self._open(options)
                stack.callback(self._book.close)
                self._formats = self._book.formats()
                self._strings = self._book.strings()
                stack.callback(self._strings.close)
                sheet = self._chosen(options.sheet)
                self._reader = self._row_reader()
                self._rows = self._reader.rows(self._book.pieces(sheet.part))
                head = list(itertools.islice(self._rows, HEADER_LINES))
                if not head:
                    raise SourceError(
                        f"{name}: the sheet {column_name(sheet.name)} is empty",
                        hint="the first row must name the columns",
                    )
                names, header_row = self._header_in(head, options)
                self._header_row = (
                    0
                    if options.header and options.header_row is None
                    else options.header_row or header_row or head[0][0]
                )
                if options.header_row is None and options.header is None:
                    refuse_record(name, names, self._header_row)
            self._header = header_of(name, names)
            self._resources = stack.pop_all()
        self.layout = Layout(name, self._header.columns, header_row=header_row)
        self._unnamed = Unnamed(name, self._header)

    @property
    def unnamed(self) -> Sequence[str]:
        """The columns without a name that hold something; complete at the end."""
        return self._unnamed.found

    @property
    def doubts(self) -> Sequence[str]:
        """Columns whose amounts are shown in several currencies; complete at the end."""
        return [
            f"{self._name}: the amounts of column {column_name(self.layout.columns[at])} are shown"
            f" in different currencies ({', '.join(sorted(signs)[:_MOST_SIGNS])}), and only the"
            " numbers are read; give the currency in a column of its own"
            for at, signs in sorted(self._currencies.items())
            if len(signs) > 1
        ]

    def batches(self) -> Iterator[RecordBatch]:
        """All rows that hold something, in order.

        Raises:
            SourceError: the workbook is damaged, or changed meanwhile.
        """
        size = max(1, _MOST_CELLS // len(self.layout.columns))
        while True:
            with in_words(self._name):
                rows = list(itertools.islice(self._rows, size))
            if not rows:
                break
            batch = self._batch(rows)
            self._unnamed.look(batch.frame, batch.lines)
            yield batch
        if self._reader.hidden:
            self.warnings.append(
                f"{self._name}: {self._reader.hidden:,} rows that Excel does not show (hidden or"
                " filtered out) are read like all others"
            )
        merged = sum(row > self._header_row for row in self._reader.merged)
        if merged:
            self.warnings.append(
                f"{self._name}: {merged:,} merged cells reach over several rows, of which only the"
                " first has their value; unmerge them and fill the others"
            )
        if self._reader.recalculated:
            self.warnings.append(
                f"{self._name}: {self._reader.recalculated:,} formulas are to be calculated when"
                " the workbook is opened, so their saved values may be old ones; open it in Excel"
                " and save it"
            )
        if stamp_of(self._file) != self._stamp:
            raise changed(self._name)

    def close(self) -> None:
        """Close the file and remove temporary ones."""
        self._resources.close()
        self._file.close()

    def _open(self, options: SourceOptions) -> Workbook:
        try:
            return Workbook(self._file, options.folder)
        except DAMAGED:
            with zipfile.ZipFile(self._file) as archive:
                names = archive.namelist()
            for part, what, hint in _OTHERS:
                if part in names:
                    raise SourceError(f"{self._name}: {what}", hint=hint) from None
            if _MAIN_PART not in names:
                raise SourceError(
                    f"{self._name}: is a zip archive and no Excel workbook",
                    hint="unpack it, and name the file in it",
                ) from None
            raise

    def _chosen(self, wanted: str | None) -> Sheet:
        sheets = self._book.sheets
        if wanted is not None:
            for sheet in sheets:
                if sheet.name == wanted:
                    return sheet
            names = ", ".join(column_name(sheet.name) for sheet in sheets[:20])
            raise SourceError(
                f"{self._name}: there is no sheet {column_name(wanted)}",
                hint=f"the sheets are {names}",
            )
        filled = [sheet for sheet in sheets if sheet.visible and self._holds_something(sheet)]
        if not filled:
            raise SourceError(
                f"{self._name}: no visible sheet of the workbook holds anything",
                hint="name a hidden one with --sheet",
            )
        if len(filled) > 1:
            others = ", ".join(column_name(sheet.name) for sheet in filled[1:21])
            self.warnings.append(
                f"{self._name}: only the sheet {column_name(filled[0].name)} is read; {others}"
                f" hold{'s' * (len(filled) == 2)} data too: choose one with --sheet"  # noqa: PLR2004 - one other
            )
        return filled[0]

    def _holds_something(self, sheet: Sheet) -> bool:
        return next(self._row_reader().rows(self._book.pieces(sheet.part)), None) is not None

    def _row_reader(self) -> RowReader:
        return RowReader(self._strings, self._formats, recalculated=self._book.recalculated)

    def _header_in(
        self, head: Sequence[Row], options: SourceOptions
    ) -> tuple[list[str], int | None]:
        """The names of the columns, and their row where it is not the first; goes on below it.

        Raises:
            SourceError: a title stands above the header and nobody has said so, or there is no
                such row.
        """
        wanted = options.header_row
        if wanted is not None:
            for number, cells in itertools.chain(head, self._rows):
                if number == wanted:
                    below = [row for row in head if row[0] > wanted]
                    self._rows = itertools.chain(below, self._rows)
                    names = self._given(options, below) or self._names(cells)
                    return names, wanted if number > head[0][0] else None
                if number > wanted:
                    break
            raise SourceError(
                f"{self._name}: there is no header on line {wanted:,}",
                hint="check the header row: lines are Excel's row numbers",
            )
        if names := self._given(options, head):
            self._rows = itertools.chain(head, self._rows)
            return names, None
        at = find_header([self._names(cells) for _, cells in head])
        number, cells = head[at]
        if at and not options.find_header:
            raise title_above(self._name, number, head[0][0])
        self._rows = itertools.chain(head[at + 1 :], self._rows)
        return self._names(cells), number if at else None

    def _given(self, options: SourceOptions, below: Sequence[Row]) -> list[str]:
        """The names that the user gives for the columns of these rows; none where there are none.

        Raises:
            SourceError: the first of the rows names the columns.
        """
        if options.header is not None and below:
            refuse_header(self._name, [self._names(cells) for _, cells in below], below[0][0])
        return list(options.header or ())

    def _names(self, cells: dict[int, Cell]) -> list[str]:
        texts = {column: self._text("", cell)[0] for column, cell in cells.items()}
        width = max((column for column, text in texts.items() if text.strip()), default=-1) + 1
        return [texts.get(column, "") for column in range(width)]

    def _text(self, column: str, cell: Cell) -> tuple[str, Kind, tuple[str, str] | None]:
        return cell_text(column, cell, since_1904=self._book.since_1904)

    def _batch(self, rows: Sequence[Row]) -> RecordBatch:
        columns = self.layout.columns
        texts: list[list[str | None]] = [[] for _ in columns]
        kinds: dict[int, dict[int, Kind]] = {}
        faults: list[CellFault] = []
        malformed: list[Malformed] = []
        lines: list[int] = []
        for line, cells in rows:
            if max(cells) >= len(columns):
                wide = self._too_wide(line, cells)
                if wide is not None:
                    malformed.append(wide)
                    continue
            for index, column in enumerate(columns):
                cell = cells.get(index)
                if cell is None:
                    texts[index].append(None)
                    continue
                text, kind, fault = self._text(column, cell)
                if cell.format.currency and cell.kind == "n":
                    self._currencies.setdefault(index, set()).add(cell.format.currency)
                texts[index].append(text)
                if kind is not Kind.TEXT:
                    kinds.setdefault(index, {})[len(lines)] = kind
                if fault is not None:
                    faults.append(CellFault(len(lines), column, *fault))
            lines.append(line)
        frame = pl.DataFrame(
            [
                pl.Series(name, values, dtype=pl.String)
                for name, values in zip(self._header.keys, texts, strict=True)
            ]
        )
        by_row = {
            index: kind_series(found.get(row, Kind.TEXT) for row in range(len(lines)))
            for index, found in kinds.items()
        }
        return RecordBatch(self._index, frame, lines, tuple(malformed), tuple(faults), by_row)

    def _too_wide(self, line: int, cells: dict[int, Cell]) -> Malformed | None:
        """A row that holds something beside the table."""
        columns = self.layout.columns
        kept = [
            self._text("", cells[index])[0] if index in cells else ""
            for index in range(max(cells) + 1)
        ]
        width = len(columns)
        if not any(text.strip() for text in kept[width:]):
            return None
        at = next(index for index in range(width, len(kept)) if kept[index].strip())
        message = (
            f"cell {at + 1} of the row holds data, but the header has {width} columns;"
            " name the column, or clear the cell"
        )
        extra = tuple(text[:MAX_RECORD] for text in kept[width:])
        return Malformed(line, "too_many_fields", message, tuple(kept[:width]), extra)
