"""The parts of an Excel workbook (ECMA-376), read as a stream: memory does not grow with them.

Cells are read as they are stored. fastexcel would give an error cell as an empty one, and a number
as a text, so neither could be told any more.

They become text without loss, with the kind of each:

| cell | kind | text |
| --- | --- | --- |
| text | TEXT | as it is, with what its format writes around it |
| number | NUMBER | decimal digits, at most 15 of them: Excel keeps no more; INEXACT beyond |
| number whose format makes a key of it (00000, "CUST-"0000) | TEXT | as Excel shows it |
| date, time | DATE | ISO 8601 |
| TRUE, FALSE | BOOLEAN | ``true`` / ``false`` |
| #N/A and other errors, a formula without a value, half a surrogate pair | ERROR | what there is |
"""

from __future__ import annotations

import errno
import posixpath
import re
import struct
import zipfile
import zlib
from array import array
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, BinaryIO
from xml.parsers import expat

from importer.errors import SourceError
from importer.source.excel.number_format import (
    GENERAL,
    InapplicableError,
    NumberFormat,
    built_in,
    parsed,
)
from importer.source.raw import scratch_file, writing
from importer.source.records import Kind
from importer.source.source_options import MAX_FIELD, column_name
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


Fault = tuple[str, str]
"""Code and message."""
_TOO_LARGE = 1e15
"""Whole numbers from here on have more than 15 digits."""
_LAST_DAY = 2_958_466
"""The day after 9999-12-31."""
_LEAP_1900 = 60
"""Excel counts a 29 February 1900, which never was."""
_SECONDS = 86_400
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SURROGATES = re.compile("[\ud800-\udfff]")
_MIDNIGHT = re.compile(r"T00:00:00(?:\.0+)?Z?\Z")
_TRUE, _FALSE = frozenset({"1", "true"}), frozenset({"0", "false"})
_AS_TEXT = "format the column as text and enter the value again"


@value
class Cell:
    """One cell as it is stored."""

    kind: str
    """``s`` text, ``n`` number, ``b`` boolean, ``d`` ISO date, ``e`` error, ``f`` a formula without
    a value."""
    text: str
    format: NumberFormat = GENERAL


def format_of(format_id: int, codes: Mapping[int, str]) -> NumberFormat:
    """The number format of a style; ``codes`` are those that the workbook defines."""
    code = codes.get(format_id)
    return built_in(format_id) if code is None else parsed(code)


def unescaped(text: str) -> str:
    """``_x000D_`` stands for a character that XML cannot hold (ECMA-376 part 1, 22.9.2.19)."""
    if "_x" not in text:
        return text
    units = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    if not _SURROGATES.search(units):
        return units
    # Two escapes are one character beyond the first 65,536; half a pair stays what it is.
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def cell_text(column: str, cell: Cell, *, since_1904: bool) -> tuple[str, Kind, Fault | None]:
    """The text and the kind of one cell; the column's name is for messages."""
    place = f"column {column_name(column)}"
    match cell.kind:
        case "s":
            return _string(place, cell.format.text(cell.text))
        case "b":
            return _boolean(place, cell.text.strip())
        case "e":
            message = f"{place} holds the Excel error {_error_name(cell.text)}; correct the formula"
            return cell.text[:20], Kind.ERROR, ("cell_error", message)
        case "f":
            message = f"{place} holds a formula without a value; open it in Excel and save it"
            return "", Kind.ERROR, ("cell_error", message)
        case "d":
            return _MIDNIGHT.sub("", cell.text.strip()), Kind.DATE, None
        case _:
            return _number(place, cell, since_1904=since_1904)


def _boolean(place: str, text: str) -> tuple[str, Kind, Fault | None]:
    if text in _TRUE | _FALSE:
        return "true" if text in _TRUE else "false", Kind.BOOLEAN, None
    message = f"{place} holds a truth value that cannot be read; correct it"
    return text, Kind.ERROR, ("cell_error", message)


def _string(place: str, text: str) -> tuple[str, Kind, Fault | None]:
    if "\0" in text:
        message = f"{place} holds a NUL character (_x0000_); remove it"
        return text.replace("\0", "")[:MAX_FIELD], Kind.ERROR, ("nul_byte", message)
    if _SURROGATES.search(text):
        message = f"{place} holds half of a surrogate pair, which is no character; remove it"
        return _SURROGATES.sub("\ufffd", text)[:MAX_FIELD], Kind.ERROR, ("not_unicode", message)
    if len(text) <= MAX_FIELD:
        return text, Kind.TEXT, None
    message = f"{place} has more than {MAX_FIELD:,} characters; shorten it"
    return text[:MAX_FIELD], Kind.ERROR, ("field_too_long", message)


def _number(place: str, cell: Cell, *, since_1904: bool) -> tuple[str, Kind, Fault | None]:
    value = _value(cell.text)
    if value is None:
        message = f"{place} holds a number that cannot be read; correct it"
        return cell.text, Kind.ERROR, ("cell_error", message)
    if cell.format.date:
        text = _moment(value, elapsed=cell.format.elapsed, since_1904=since_1904)
        message = f"{place} holds a date that Excel cannot show; correct it"
        no_day = (cell.text, Kind.ERROR, ("cell_error", message))
        return (text, Kind.DATE, None) if text else no_day
    if not abs(value) < _TOO_LARGE:
        message = (
            f"{place} holds a number of more than 15 digits, of which Excel keeps only 15;"
            f" {_AS_TEXT}"
        )
        return _plain(value), Kind.INEXACT, ("number_inexact", message)
    text = str(int(value)) if value.is_integer() else _plain(value)
    try:
        shown = cell.format.number(value)
    except InapplicableError:
        message = (
            f"{place} holds a number whose format writes more than the number, and it cannot be"
            f" told what; {_AS_TEXT}"
        )
        return text, Kind.ERROR, ("wrong_type", message)
    if shown is not None:
        # What is shown with zeros or a prefix is a key, and not an amount.
        return shown, Kind.TEXT, None
    return text, Kind.NUMBER, None


def _value(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _plain(value: float) -> str:
    # 15 digits are what Excel itself shows: 0.30000000000000004 was 0.3.
    return format(Decimal(f"{value:.15g}"), "f")


def _moment(value: float, *, elapsed: bool, since_1904: bool) -> str:
    """ISO 8601; "" for what is no day of Excel's."""
    if not 0 <= value < _LAST_DAY:
        return ""
    if int(value) == _LEAP_1900 and not (elapsed or since_1904):
        return ""  # 29 February 1900, which there never was
    seconds = round(value * _SECONDS)
    if elapsed or value < 1:
        minutes, second = divmod(seconds, 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
    if since_1904:
        start = datetime(1904, 1, 1)  # noqa: DTZ001 - Excel knows no time zones
    else:
        start = datetime(1899, 12, 31 if value < _LEAP_1900 else 30)  # noqa: DTZ001
    try:
        moment = start + timedelta(seconds=seconds)
    except OverflowError:
        return ""
    return moment.date().isoformat() if not seconds % _SECONDS else moment.isoformat()


def _error_name(text: str) -> str:
    return text if re.fullmatch(r"#[A-Z0-9/_!?]{1,20}", text) else "value"


Attributes = dict[str, str]
_PIECE = 256 << 10
_MOST_PART = 4 << 30
"""Bytes that one part may unpack to."""
_MOST_SMALL = 32 << 20
"""The same for the parts that are held in memory."""
_MOST_TOKEN = 8 << 20
"""Bytes of one XML tag or text."""
_MOST_STRINGS = 20_000_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DIRECTORY = 16 << 20
_END = b"PK\x05\x06"
_CACHED = 1 << 14
DAMAGED = (
    zipfile.BadZipFile, zlib.error, expat.ExpatError, struct.error, EOFError, KeyError, IndexError,
    NotImplementedError, OSError, OverflowError, RuntimeError, UnicodeError, ValueError,
)  # fmt: skip
"""What reading a damaged workbook raises."""


class TooLargeError(Exception):
    """A part is beyond what is read; the message says which and how large."""


@value
class Sheet:
    """One sheet of the workbook."""

    name: str
    part: str
    visible: bool


@contextmanager
def in_words(name: str) -> Iterator[None]:
    """Turn what goes wrong within a workbook into a SourceError."""
    try:
        yield
    except TooLargeError as error:
        raise SourceError(
            f"{name}: the Excel workbook {error}",
            hint="save the sheet as CSV UTF-8 in Excel, and import that",
        ) from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise SourceError(
                f"{name}: cannot be read: {error.strerror}", hint="check the file and its disk"
            ) from None
        if isinstance(error, RuntimeError) and "password" in str(error):
            raise SourceError(
                f"{name}: the workbook is protected by a password", hint="save it without one"
            ) from None
        raise SourceError(
            f"{name}: the Excel workbook is damaged or cut off",
            hint="open it in Excel and save it again; nothing of it was imported",
        ) from None


class Workbook:
    """A workbook whose list of sheets has been read. Raises ``DAMAGED`` and ``TooLargeError``."""

    def __init__(self, file: BinaryIO, folder: Path | None) -> None:
        _check_directory(file)
        self._zip = zipfile.ZipFile(file)
        self._folder = folder
        self.since_1904 = False
        self.sheets: list[Sheet] = []
        # The names of parts are the same in upper and lower case (OPC, ECMA-376 part 2, 6.2.2.3).
        self._entries = {_part(name): name for name in self._zip.namelist()}
        self.recalculated = False
        """Whether the saved values of formulas are to be calculated when it is opened."""
        self._main = self._main_part()
        self._read_sheets()

    def formats(self) -> list[NumberFormat]:
        """The number format of each style of cells, by index."""
        codes: dict[int, str] = {}
        formats: list[int] = []
        path: list[str] = []

        def start(tag: str, attributes: Attributes) -> None:
            path.append(tag)
            if tag == "numFmt":
                codes[int(attributes["numFmtId"])] = attributes["formatCode"]
            elif tag == "xf" and "cellXfs" in path:
                formats.append(int(attributes.get("numFmtId", "0")))

        part = self._related("/styles")
        if part:
            self._parse(part, start, lambda _: path.pop(), most=_MOST_SMALL)
        return [format_of(one, codes) for one in formats]

    def strings(self) -> Strings:
        """The texts that cells share."""
        strings = Strings(self._folder)
        part = self._related("/sharedStrings")
        if part:
            reader = _StringReader(strings)
            try:
                self._parse(part, reader.start, reader.end, reader.text)
                strings.flush()
            except BaseException:
                strings.close()
                raise
        return strings

    def pieces(self, part: str, most: int = _MOST_PART) -> Iterator[bytes]:
        """The content of one part."""
        done = 0
        entry = self._entries[_part(part)]
        if self._zip.getinfo(entry).compress_type not in _METHODS:
            raise ValueError("another compression than Excel's")
        with self._zip.open(entry) as content:
            while piece := content.read(_PIECE):
                done += len(piece)
                if done > most:
                    raise TooLargeError(f"unpacks to more than {most >> 20:,} MiB in {part}")
                yield piece

    def close(self) -> None:
        """Forget the archive; the file is the caller's."""
        self._zip.close()

    def _parse(
        self,
        part: str,
        start: Callable[[str, Attributes], object],
        end: Callable[[str], object],
        text: Callable[[str], object] | None = None,
        *,
        most: int = _MOST_PART,
    ) -> None:
        feed = xml_feed(start, end, text)
        for piece in self.pieces(part, most):
            feed(piece, False)
        feed(b"", True)

    def _main_part(self) -> str:
        found = [
            target for kind, target, _ in self._relations("") if kind.endswith("/officeDocument")
        ]
        return found[0]

    def _read_sheets(self) -> None:
        targets = {key: target for _, target, key in self._relations(self._main)}

        def start(tag: str, attributes: Attributes) -> None:
            if tag == "workbookPr":
                self.since_1904 = attributes.get("date1904") in {"1", "true"}
            elif tag == "calcPr":
                # Set, or not completed before it was saved: 18.2.2.
                self.recalculated = (
                    attributes.get("fullCalcOnLoad") in _TRUE
                    or attributes.get("forceFullCalc") in _TRUE
                    or attributes.get("calcCompleted") in _FALSE
                )
            elif tag == "sheet":
                key = next(value for name, value in attributes.items() if name.endswith(":id"))
                part = targets[key]
                visible = attributes.get("state", "visible") == "visible"
                if "/chartsheet" not in part and "/dialogsheet" not in part:
                    self.sheets.append(Sheet(attributes["name"], part, visible))

        self._parse(self._main, start, lambda _: None, most=_MOST_SMALL)

    def _related(self, kind: str) -> str:
        found = [target for type_, target, _ in self._relations(self._main) if type_.endswith(kind)]
        return found[0] if found and _part(found[0]) in self._entries else ""

    def _relations(self, part: str) -> list[tuple[str, str, str]]:
        """(type, target part, id) of what a part refers to."""
        folder, base = posixpath.split(part)
        found: list[tuple[str, str, str]] = []

        def start(tag: str, attributes: Attributes) -> None:
            if tag == "Relationship":
                target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"]))
                found.append((attributes["Type"], target.lstrip("/"), attributes["Id"]))

        where = posixpath.join(folder, "_rels", f"{base}.rels")
        self._parse(where, start, lambda _: None, most=_MOST_SMALL)
        return found


class Strings:
    """Texts by number, kept in a private temporary file."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file = scratch_file(folder)
        self._waiting = bytearray()
        self._ends = array("Q", [0])
        self._cached = lru_cache(maxsize=_CACHED)(self._read)

    def append(self, text: str) -> None:
        """Add the next text."""
        if len(self._ends) > _MOST_STRINGS:
            raise TooLargeError(f"has more than {_MOST_STRINGS:,} texts")
        # Half a surrogate pair is kept: its cell is an error, and no other.
        data = text.encode(errors="surrogatepass")
        self._waiting += data
        self._ends.append(self._ends[-1] + len(data))
        if len(self._waiting) > _PIECE:
            self.flush()

    def flush(self) -> None:
        """Write what waits; call it before anything is read.

        Raises:
            UsageError: the disk is full.
        """
        with writing(self._folder):
            self._file.write(self._waiting)
            self._file.flush()
        self._waiting.clear()

    def __getitem__(self, index: int) -> str:
        return self._cached(index)

    def _read(self, index: int) -> str:
        if not 0 <= index < len(self._ends) - 1:
            raise IndexError(index)
        start = self._ends[index]
        self._file.seek(start)
        return self._file.read(self._ends[index + 1] - start).decode(errors="surrogatepass")

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


class _StringReader:
    """Handlers for the part of shared texts."""

    def __init__(self, strings: Strings) -> None:
        self._strings = strings
        self._parts: list[str] = []
        self._size = 0
        self._open = False
        self._phonetic = 0

    def start(self, tag: str, _: Attributes) -> None:
        if tag == "si":
            self._parts.clear()
            self._size = 0
        elif tag == "rPh":
            self._phonetic += 1
        self._open = tag == "t" and not self._phonetic

    def end(self, tag: str) -> None:
        self._open = False
        if tag == "rPh":
            self._phonetic -= 1
        elif tag == "si":
            self._strings.append(unescaped("".join(self._parts)))

    def text(self, text: str) -> None:
        if self._open and self._size <= MAX_FIELD:
            self._parts.append(text)
            self._size += len(text)


def xml_feed(
    start: Callable[[str, Attributes], object],
    end: Callable[[str], object],
    text: Callable[[str], object] | None = None,
) -> Callable[[bytes, bool], None]:
    """A function that takes the next bytes of XML and whether they are the last.

    Handlers get names without their prefix. No document type is taken: entities could unpack to
    any size.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    local = lru_cache(maxsize=1024)(lambda tag: tag.rpartition(":")[2])
    fed = 0

    def refuse(*_: object) -> None:
        raise ValueError("a document type is not taken")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda tag, attributes: start(local(tag), attributes)
    parser.EndElementHandler = lambda tag: end(local(tag))
    if text is not None:
        parser.CharacterDataHandler = text

    def feed(piece: bytes, final: bool) -> None:  # noqa: FBT001 - as expat's own
        nonlocal fed
        parser.Parse(piece, final)
        fed += len(piece)
        if fed - parser.CurrentByteIndex > _MOST_TOKEN:
            raise TooLargeError(f"holds a tag of more than {_MOST_TOKEN >> 20} MiB")

    return feed


def _part(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _check_directory(file: BinaryIO) -> None:
    """Refuse an archive whose list of parts alone would need much memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - (1 << 16) - 22))
    tail = file.read()
    end = tail.rfind(_END)
    if end >= 0 and len(tail) >= end + 16:
        listed = int.from_bytes(tail[end + 12 : end + 16], "little")
        if listed > _DIRECTORY:
            raise TooLargeError("lists too many parts")
    file.seek(0)


_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]+)\Z")


@lru_cache(maxsize=4096)
def column_index(letters: str) -> int:
    """``A`` is 0, ``AA`` is 26."""
    number = 0
    for one in letters:
        number = number * 26 + ord(one) - 64
    return number - 1


def column_of(reference: str) -> int:
    """The column of ``B7``, from 0."""
    match = _REFERENCE.match(reference)
    if match is None:
        raise ValueError(reference)
    return column_index(match[1])
