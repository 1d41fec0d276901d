"""The careful path: frames any CSV text with the standard library and knows every line. Pure.

A malformed record costs its first physical line; framing goes on at the next one, so an unclosed
quote never swallows a neighbour. That could make a hostile file quadratic, as every line may open
a quote that stays open for 1,000 lines. So the lines that were read in vain are counted; beyond
``_PATIENCE`` of them, a record may span only ``_IMPATIENT_LINES``.

Says what is wrong with a record that could not be framed. Pure.

Messages name the column and the fix and never hold a cell's value: it may be personal data.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import field, replace
from typing import TYPE_CHECKING

from importer.source.records import Malformed, has_odd_quote, has_spaced_quote, padded_cells
from importer.source.source_options import MAX_FIELD, MAX_RECORD, MAX_RECORD_LINES, numbered_column
from importer.source.text.encodings import UTF8
from importer.values import record

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
        field = rf'(?: *+"(?:[^"]++|"")*+"|[^"{mark}\r\n]*+)'
        self._field = re.compile(rf"{field}(?={mark})")
        self._record = re.compile(rf"{field}(?:{mark}{field})*+\r*\n")

    def well_formed(self, text: str) -> bool:
        """True if every quote of the record is where RFC 4180 section 2 allows one."""
        return self._record.fullmatch(text) is not None

    def width(
        self, line: int, cells: Sequence[str], text: str, *, single: bool, sure: bool = False
    ) -> Malformed:
        """Too few or too many cells; ``text`` is the first physical line."""
        expected = len(self._columns)
        found = f"{len(cells)} cell{'s' if len(cells) != 1 else ''} where the header has {expected}"
        if len(cells) < expected:
            message = f"the record has {found}; add the missing cells or delimiters"
            if len(cells) == 1 and self._delimiter in cells[0]:
                message = f"the record has {found}; take away the quotes about the whole line"
            code = "too_few_fields"
        else:
            message = f"the record has {found}; quote a cell that holds the delimiter"
            code = "too_many_fields"
        parts = cells if single else self._split(text)
        made = self._made(line, code, message, parts)
        return replace(made, framed=single and sure)

    def quote(self, line: int, text: str, *, single: bool) -> Malformed:
        """A quote in the wrong place (``single``: it shows on the first physical line)."""
        place = self._place(text)
        if single:
            message = f"{place}: text follows a closing quote; {_DOUBLE}"
            if '\\"' in text:
                message += (
                    '; a backslash, as MySQL writes it (\\"), makes no quote part of the text'
                )
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


_PATIENCE = 2_000_000
_IMPATIENT_LINES = 16


@record
class Framed:
    """What one block held. ``lines[i]`` is the first physical line of ``records[i]``."""

    records: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    rest: bytes = b""
    """A record that is still open at the end of the block: frame it again with what follows."""
    rest_line: int = 0
    """The physical line after what is framed: the first of ``rest``, or of the next block."""


class Framer:
    """Frames one source, block after block."""

    def __init__(
        self,
        delimiter: str,
        columns: tuple[str, ...],
        encoding: Callable[[], str] = lambda: UTF8,
        surplus: int = 0,
    ) -> None:
        """Frame records of a header.

        Args:
            delimiter: one character.
            columns: the header.
            encoding: what the text was in before it became UTF-8, for messages.
            surplus: empty cells that a record may have beyond the header.
        """
        self._delimiter = delimiter
        self._width = len(columns)
        self._surplus = surplus
        self._broken = Breakage(delimiter, columns, encoding)
        self._in_vain = 0

    def frame(self, block: bytes, first_line: int, *, final: bool) -> Framed:
        """Frame whole physical lines.

        Args:
            block: ends in a line feed; starts where a record starts.
            first_line: the physical line of its first byte.
            final: nothing follows, so an open quote is an error and not a reason to wait.
        """
        spaced = has_spaced_quote(block, self._delimiter)
        work = _Work(block, first_line, spaced=spaced)
        work.odd = b'"' in block and has_odd_quote("".join(work.lines), self._delimiter)
        at = self._at_once(work)
        while at < len(work.lines):
            after = self._stretch(work, at, final=final)
            if after is None:
                break
            at = after
        return work.finish()

    def _at_once(self, work: _Work) -> int:
        """Frame a block each of whose lines is a record of the right width; its lines, or 0."""
        if not work.plain or work.odd or self._surplus:
            return 0
        reader = csv.reader(
            work.lines, delimiter=self._delimiter, strict=True, skipinitialspace=work.spaced
        )
        try:
            records = list(reader)
        except csv.Error:
            return 0
        number = len(work.lines)
        if len(records) != number or set(map(len, records)) != {self._width}:
            return 0
        work.out.records = records
        work.out.lines = list(range(work.first_line, work.first_line + number))
        work.done = number
        return number

    def _stretch(self, work: _Work, at: int, *, final: bool) -> int | None:  # noqa: C901
        """Frame up to the next malformed record; the line to go on at, None at an open end."""
        patient = self._in_vain < _PATIENCE
        feed = _Feed(work.lines, at, MAX_RECORD_LINES if patient else _IMPATIENT_LINES)
        reader = csv.reader(
            feed, delimiter=self._delimiter, strict=True, skipinitialspace=work.spaced
        )
        out = work.out
        try:
            for cells in reader:
                first = feed.first
                single = feed.at == first + 1
                if work.odd and single:
                    cells = self._without_blanks(work.lines[first], cells)  # noqa: PLW2901
                if self._surplus:
                    cells = self._without_surplus(cells)  # noqa: PLW2901
                if (len(cells) != self._width) or not (single and work.plain):
                    wrong = self._judge(work, cells, first, feed.at) if cells else None
                    if wrong is not None:
                        out.malformed.append(wrong)
                        if not single and wrong.code not in _WELL_FRAMED:
                            work.done = first + 1
                            return self._resume(feed)
                        cells = []  # noqa: PLW2901 - nothing left to keep
                if cells:
                    out.records.append(cells)
                    out.lines.append(work.first_line + first)
                feed.first = feed.at
                work.done = feed.at
        except _TooFarError:
            out.malformed.append(self._endless(work, feed.first))
        except csv.Error as error:
            kind = str(error)
            if kind.startswith("unexpected end") and not final:
                return None
            self._refused(work, feed, kind)
        else:
            return feed.at
        work.done = feed.first + 1
        return self._resume(feed)

    def _without_surplus(self, cells: list[str]) -> list[str]:
        """A record without the empty cells that it may have beyond the header.

        One that has fewer of them, and an empty last cell, may lack a cell within.
        """
        width, beyond = self._width, len(cells) - self._width
        if beyond < 0 or any(map(str.strip, cells[width:])):
            return cells
        if beyond >= self._surplus:
            return cells[: max(width, len(cells) - self._surplus)]
        return cells[:width] if width == 1 or cells[width - 1].strip() else cells[: width - 1]

    def _without_blanks(self, line: str, cells: list[str]) -> list[str]:
        """A record without the blanks about its quotes, of which csv knows only spaces."""
        is_odd = has_odd_quote(line, self._delimiter)
        padded = padded_cells(line, self._delimiter) if is_odd else None
        return cells if padded is None else padded

    def _refused(self, work: _Work, feed: _Feed, kind: str) -> None:
        """Take a line that csv refuses where only blanks stand about its quotes."""
        first = feed.first
        line = work.lines[first]
        about_quotes = "expected after" in kind and _is_clean(line)
        cells = padded_cells(line, self._delimiter) if about_quotes else None
        if cells is not None and len(cells) == self._width:
            work.out.records.append(cells)
            work.out.lines.append(work.first_line + first)
        else:
            work.out.malformed.append(self._failed(work, feed, kind))

    def _resume(self, feed: _Feed) -> int:
        self._in_vain += feed.at - feed.first - 1
        return feed.first + 1

    def _judge(self, work: _Work, cells: list[str], first: int, after: int) -> Malformed | None:
        """What is wrong with a record that csv accepted; None if nothing is."""
        line, text = work.first_line + first, work.lines[first]
        single = after == first + 1
        if len(text) > MAX_RECORD:
            return self._broken.long_record(line, text)
        if not single:
            whole = "".join(work.lines[first:after])
            if len(whole) > MAX_RECORD:
                return self._broken.endless(line, text)
            if not self._broken.well_formed(whole):
                # csv lets quotes within bare cells pass. Across lines that is an unclosed quote.
                return self._broken.quote(line, text, single=False)
        if len(cells) != self._width:
            return self._broken.width(line, cells, text, single=single, sure=_is_clean(text))
        return None if work.plain else self._judge_bytes(line, cells)

    def _judge_bytes(self, line: int, cells: list[str]) -> Malformed | None:
        if any("\0" in cell for cell in cells):
            return self._broken.nul(line, cells)
        if not all(map(is_utf8, cells)):
            return self._broken.encoding(line, cells)
        return None

    def _failed(self, work: _Work, feed: _Feed, kind: str) -> Malformed:
        line, text = work.first_line + feed.first, work.lines[feed.first]
        single = feed.at == feed.first + 1
        if len(text) > MAX_RECORD:
            return self._broken.long_record(line, text)
        if kind.startswith("field larger"):
            broken = self._broken
            return broken.long_field(line, text) if single else broken.endless(line, text)
        if kind.startswith("new-line"):
            return self._broken.carriage_return(line, text)
        if kind.startswith("unexpected end"):
            return self._broken.endless(line, text)
        return self._broken.quote(line, text, single=single)

    def _endless(self, work: _Work, first: int) -> Malformed:
        line, text = work.first_line + first, work.lines[first]
        if len(text) > MAX_RECORD:
            return self._broken.long_record(line, text)
        return self._broken.endless(line, text)


def _is_clean(line: str) -> bool:
    return len(line) <= MAX_RECORD and "\0" not in line and is_utf8(line)


# These cost the whole record: its lines belong together beyond doubt.
_WELL_FRAMED = {"nul_byte", "not_utf8", "undefined_byte"}


class _TooFarError(Exception):
    """A record spans more lines or characters than one may."""


class _Work:
    """One block, its lines and what came of them."""

    def __init__(self, block: bytes, first_line: int, *, spaced: bool) -> None:
        """``spaced``: blanks before a quote that opens a cell are no part of it."""
        self.spaced = spaced
        self.odd = False
        """Whether other blanks than spaces stand before a quote that opens a cell."""
        try:
            text, intact = block.decode(), True
        except UnicodeDecodeError:
            text, intact = block.decode(errors="surrogateescape"), False
        # Only a line feed ends a physical line; str.splitlines knows many more.
        self.lines = list(io.StringIO(text, newline="\n"))
        self.first_line = first_line
        self.plain = (
            intact and "\0" not in text and max(map(len, self.lines), default=0) <= MAX_RECORD
        )
        self.done = 0
        self.out = Framed()

    def finish(self) -> Framed:
        """The result, with the lines that wait for the next block."""
        rest = "".join(self.lines[self.done :])
        self.out.rest = rest.encode(errors="surrogateescape")
        self.out.rest_line = self.first_line + self.done
        return self.out


class _Feed:
    """Hands lines to csv, and stops it when one record takes too many of them."""

    __slots__ = ("_lines", "_most", "_size", "at", "first")

    def __init__(self, lines: list[str], at: int, most: int) -> None:
        self._lines = lines
        self._most = most
        self._size = 0
        self.at = at
        self.first = at

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        at = self.at
        if at > self.first:
            before = 0 if at == self.first + 1 else self._size
            self._size = before + len(self._lines[at - 1])
            if at - self.first >= self._most or self._size > MAX_RECORD:
                raise _TooFarError
        if at >= len(self._lines):
            raise StopIteration
        self.at = at + 1
        return self._lines[at]
