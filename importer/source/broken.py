"""Says what is wrong with a record that could not be framed. Pure.

Messages name the column and the fix and never hold a cell's value: it may be personal data.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from importer.source.encodings import UTF8
from importer.source.limits import MAX_FIELD, MAX_RECORD, MAX_RECORD_LINES
from importer.source.naming import numbered_column
from importer.source.records import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DOUBLE = 'write a quote that belongs to the text twice ("") and quote the whole cell'
_UTF8_HINT = "if the whole file is in Windows-1252, add --encoding windows-1252"


class Breakage:
    """Makes ``Malformed`` records for one source."""

    def __init__(
        self,
        delimiter: str,
        columns: tuple[str, ...],
        encoding: Callable[[], str] = lambda: UTF8,
    ) -> None:
        self._encoding = encoding
        self._delimiter = delimiter
        self._columns = columns
        mark = re.escape(delimiter)
        field = rf'(?:"(?:[^"]++|"")*+"|[^"{mark}\r\n]*+)'
        self._field = re.compile(rf"{field}(?={mark})")
        self._record = re.compile(rf"{field}(?:{mark}{field})*+\r*\n")

    def well_formed(self, text: str) -> bool:
        """True if every quote of the record is where RFC 4180 section 2 allows one."""
        return self._record.fullmatch(text) is not None

    def width(self, line: int, cells: Sequence[str], text: str, *, single: bool) -> Malformed:
        """Too few or too many cells; ``text`` is the first physical line."""
        expected = len(self._columns)
        found = f"{len(cells)} cell{'s' if len(cells) != 1 else ''} where the header has {expected}"
        if len(cells) < expected:
            message = f"the record has {found}; add the missing cells or delimiters"
            code = "too_few_fields"
        else:
            message = f"the record has {found}; quote a cell that holds the delimiter"
            code = "too_many_fields"
        parts = cells if single else self._split(text)
        return self._made(line, code, message, parts)

    def quote(self, line: int, text: str, *, single: bool) -> Malformed:
        """A quote in the wrong place (``single``: it shows on the first physical line)."""
        place = self._place(text)
        if single:
            message = f"{place}: text follows a closing quote; {_DOUBLE}"
            return self._made(line, "stray_quote", message, self._lenient(text))
        message = f"{place}: a quote is opened and not closed properly; close it, or {_DOUBLE}"
        return self._made(line, "unclosed_quote", message, self._split(text))

    def endless(self, line: int, text: str) -> Malformed:
        """A quote that is not closed within the limits of a record, or at all."""
        message = (
            f"{self._place(text)}: a quote is opened and not closed within a cell's"
            f" {MAX_FIELD:,} characters and a record's {MAX_RECORD_LINES:,} lines and"
            f" {MAX_RECORD:,} characters; close it, or {_DOUBLE}"
        )
        return self._made(line, "unclosed_quote", message, self._split(text))

    def long_field(self, line: int, text: str) -> Malformed:
        """A cell over the limit on one physical line."""
        message = f"a cell has more than {MAX_FIELD:,} characters; shorten it"
        return self._made(line, "field_too_long", message, self._split(text))

    def long_record(self, line: int, text: str) -> Malformed:
        """One physical line over the limit of a record; only its beginning is kept."""
        message = (
            f"the record has more than {MAX_RECORD:,} characters, and only its beginning is kept"
            " here; a line break may be missing"
        )
        return self._made(line, "record_too_long", message, self._split(text[:MAX_RECORD]))

    def carriage_return(self, line: int, text: str) -> Malformed:
        """A CR outside quotes that ends no line."""
        message = (
            f"{self._place(text)}: holds a carriage return; remove it, quote the cell,"
            " or end every line with a line feed"
        )
        return self._made(line, "bare_carriage_return", message, self._split(text))

    def nul(self, line: int, cells: Sequence[str]) -> Malformed:
        """A NUL byte in a well-framed record."""
        place = self._first(cells, lambda cell: "\0" in cell)
        message = f"{place}: holds a NUL byte; remove it"
        return self._made(line, "nul_byte", message, cells)

    def encoding(self, line: int, cells: Sequence[str]) -> Malformed:
        """Bytes without a meaning (here surrogate escapes) in a well-framed record."""
        place = self._first(cells, lambda cell: not is_utf8(cell))
        cell = next(cell for cell in cells if not is_utf8(cell))
        escaped = [one for one in cell if "\udc80" <= one <= "\udcff"]
        encoding = self._encoding()
        if encoding == UTF8:
            shown = f"holds the byte 0x{ord(escaped[0]) - 0xDC00:02X}, which is not UTF-8"
            return self._made(line, "not_utf8", f"{place}: {shown}; {_UTF8_HINT}", cells)
        what = f"the byte 0x{ord(escaped[1]) - 0xDC00:02X}" if len(escaped) > 1 else "a byte"
        message = (
            f"{place}: holds {what}, which means nothing in {encoding};"
            " correct it, or name the file's encoding with --encoding"
        )
        return self._made(line, "undefined_byte", message, cells)

    def _made(self, line: int, code: str, message: str, cells: Sequence[str]) -> Malformed:
        # Not padded: a line of one character may stand below a header of 10,000 columns.
        width = len(self._columns)
        return Malformed(line, code, message, tuple(cells[:width]), tuple(cells[width:]))

    def _place(self, text: str) -> str:
        """The first cell of a line that is not well-formed on its own."""
        at = index = 0
        while (match := self._field.match(text, at)) is not None:
            at = match.end() + 1
            index += 1
        return numbered_column(self._columns, index)

    def _first(self, cells: Sequence[str], test: Callable[[str], bool]) -> str:
        index = next(index for index, cell in enumerate(cells) if test(cell))
        return numbered_column(self._columns, index)

    def _split(self, text: str) -> list[str]:
        return text.rstrip("\r\n").split(self._delimiter)

    def _lenient(self, text: str) -> list[str]:
        try:
            cells = next(csv.reader([text], delimiter=self._delimiter))
        except (csv.Error, StopIteration):
            return self._split(text)
        return cells if len(cells) == len(self._columns) else self._split(text)


def is_utf8(text: str) -> bool:
    """False where ``text`` holds surrogate escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
