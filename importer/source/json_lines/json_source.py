"""One JSON Lines source: the keys of all lines make the header, so it is read twice.

An array of objects is read in the same way: its elements stand for the lines.

One line of JSON Lines becomes text cells without loss. Pure.

| value | kind | text |
| --- | --- | --- |
| text | TEXT | as it is |
| whole number | NUMBER | as it is written |
| number with decimals | NUMBER | as it is written |
| number with ``.0`` or an exponent | FLOAT | ``12.0`` is ``12``, ``1.5e3`` is ``1500`` |
| true, false | BOOLEAN | ``true`` / ``false`` |
| null | TEXT | an empty cell |
| object | OBJECT | JSON text; its numbers, true and false are texts by the rules above |
| list | LIST | JSON text |
"""

from __future__ import annotations

import codecs
import json
import re
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from importer.errors import SourceError
from importer.source.raw import spooled
from importer.source.records import (
    CellFault,
    Kind,
    Layout,
    Malformed,
    RecordBatch,
    Unnamed,
    header_of,
    kind_series,
)
from importer.source.source_options import (
    MAX_COLUMNS,
    MAX_FIELD,
    MAX_RECORD,
    column_name,
    source_name,
)
from importer.source.text.text_stream import UTF8_BOM, Blocks
from importer.values import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, KeysView, Sequence

    from importer.source.source_options import SourceOptions
    from importer.source.text.text_stream import TextStream


_ZERO_DECIMALS = pattern(r"(-?[0-9]+)\.0+\Z")
_WRITTEN_OUT = 40
"""Digits that an exponent may add: what a double holds beyond is no amount and no number of
anybody's."""
_SURROGATES = pattern("[\ud800-\udfff]")


class Number(str):
    """A number as it is written, so that no digit is lost."""

    __slots__ = ()


class NotARecord(ValueError):
    """A line that is no record; ``code`` and the message are for its ``Malformed``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_record(line: str) -> dict[str, Any]:
    """The object of one line, its numbers as ``Number``.

    Raises:
        NotARecord: it is no JSON, no object, or an object in it gives a key twice.
    """
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        message = f"is no JSON: {what} at character {error.pos + 1}; correct the line"
        raise NotARecord("not_json", message) from None
    except RecursionError:
        raise NotARecord("not_json", "is nested too deeply; give one flat object") from None
    if not isinstance(value, dict):
        raise NotARecord("not_an_object", "is no JSON object; write one {...} on each line")
    if "\\u0000" in line and any("\0" in part for part in _texts(value)):
        raise NotARecord("nul_byte", "holds a NUL character (\\u0000); remove it")
    return value


Cell = tuple[str | None, Kind, tuple[str, str] | None]
"""Text, kind, and the code and message of its fault."""


def cell_of(column: str, value: Any) -> Cell:
    """The text and the kind of one value; the column's name is for messages."""
    if value is None or (type(value) is str and len(value) <= MAX_FIELD and value.isascii()):
        return value, Kind.TEXT, None  # nearly all are of this kind
    place = f"column {column_name(column)}"
    if isinstance(value, Number):
        return _number(place, value)
    if isinstance(value, str):
        return _text(place, value, Kind.TEXT)
    if isinstance(value, bool):
        return json.dumps(value), Kind.BOOLEAN, None
    if isinstance(value, list):
        return _text(place, dumped(value), Kind.LIST)
    texts = {key: _as_text(place, one) for key, one in value.items() if one is not None}
    return _text(place, dumped(texts), Kind.OBJECT) if texts else (None, Kind.TEXT, None)


def _as_text(place: str, value: Any) -> Any:
    """A number, true or false within an object as text; anything else as it is."""
    if isinstance(value, Number):
        return str(_number(place, value)[0])
    return json.dumps(value) if isinstance(value, bool) else value


def dumped(value: Any) -> str:
    """JSON text; numbers exactly as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(key, ensure_ascii=False)}: {dumped(one)}" for key, one in value.items()
        )
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(dumped, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _number(place: str, value: Number) -> Cell:
    if len(value) > MAX_FIELD:
        return _text(place, value, Kind.NUMBER)
    if match := _ZERO_DECIMALS.match(value):
        return match[1], Kind.FLOAT, None
    if "e" not in value and "E" not in value:
        return str(value), Kind.NUMBER, None
    exponent = int(value.lower().partition("e")[2][:6])
    if abs(exponent) <= _WRITTEN_OUT:
        text = format(Decimal(value), "f")
        match = _ZERO_DECIMALS.match(text)
        return match[1] if match else text, Kind.FLOAT, None
    message = f"{place} holds a number with a large exponent; write all its digits, or a text"
    return str(value), Kind.INEXACT, ("number_inexact", message)


def _text(place: str, value: str, kind: Kind) -> Cell:
    if len(value) > MAX_FIELD:
        message = (
            f"{place} has more than {MAX_FIELD:,} characters, and only so many are kept here;"
            " shorten it"
        )
        cut = _SURROGATES.sub("\ufffd", value[:MAX_FIELD])
        return cut, Kind.ERROR, ("field_too_long", message)
    if _SURROGATES.search(value):
        message = f"{place} holds half of a surrogate pair, which is no character; remove it"
        return _SURROGATES.sub("\ufffd", value), Kind.ERROR, ("not_unicode", message)
    return str(value), kind, None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for one in value.values() for text in _texts(one))]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return []


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotARecord("key_twice", f"gives the key {column_name(twice)} twice; keep one of them")
    return found


def _no_number(constant: str) -> Any:
    raise NotARecord("not_json", f"is no JSON: {constant} is no number; write a number or null")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_float=Number, parse_int=Number, parse_constant=_no_number
)

_NAMED = pattern(r"\.(?:jsonl|ndjson|json)(?:\.gz|\.zst)?\Z", re.IGNORECASE)
_NO_OBJECT = re.compile(rb"\{\}\r?\n(?=[^{\s])")
"""The first line of a list that MYOB writes: its text follows."""
_OBJECT = re.compile(rb'\s*(?:\{\s*(?:"|\}|\Z)|\[\s*(?:\{|\]|\Z))')
_PIECE = 256 << 10
MAX_ARRAY_ELEMENT = 4 * MAX_RECORD
"""Characters that are looked through for the end of one element of an array."""
_MOST_CELLS = 1_000_000
"""Cells of one batch: lines may have few of many keys each."""


def is_json_lines(name: str, head: bytes) -> bool:
    """Whether the text begins with a JSON object or a list of them, or the name says that."""
    text = head.removeprefix(UTF8_BOM)
    return (bool(_OBJECT.match(text[:_PIECE])) and not _NO_OBJECT.match(text)) or _NAMED.search(
        name
    ) is not None


class JsonSource:
    """A JSON Lines file or stream whose keys are known."""

    def __init__(self, name: str, index: int, options: SourceOptions, stream: TextStream) -> None:
        """Read all of it into a private temporary file, and collect the keys on the way.

        Raises:
            SourceError: it is no JSON Lines, holds no object, or cannot be read.
            UsageError: the temporary file cannot be written.
        """
        self._name = name
        self._index = index
        self._stream = stream
        self._is_document = name.lower().endswith(".json")
        self._is_array = stream.peek().removeprefix(UTF8_BOM).lstrip()[:1] == b"["
        self._spool = spooled(stream.read, options.folder)
        self._block_bytes = options.block_bytes
        try:
            stream.check_unchanged()
            self._keys = self._all_keys()
            # A key may hold half of a surrogate pair, which no column's name can.
            shown = [key.encode(errors="replace").decode() for key in self._keys]
            self._header = header_of(name, shown)
        except BaseException:
            self._spool.close()
            raise
        self.layout = Layout(name, self._header.columns)
        self._unnamed = Unnamed(name, self._header)

    @property
    def encoding(self) -> str:
        """The encoding of the text."""
        return self._stream.encoding

    @property
    def warnings(self) -> Sequence[str]:
        """What was decided and may be wrong."""
        return self._stream.warnings

    @property
    def unnamed(self) -> Sequence[str]:
        """The columns without a name that hold something; complete at the end."""
        return self._unnamed.found

    @property
    def doubts(self) -> Sequence[str]:
        """What may be damaged: nothing that the format would not refuse."""
        return ()

    def batches(self) -> Iterator[RecordBatch]:
        """All records in input order."""
        most = max(1, _MOST_CELLS // len(self.layout.columns))
        work = _Work(self._index, self._header.keys, self._keys)
        for line, content in self._texts():
            work.add(line, content)
            if work.size >= self._block_bytes or len(work.lines) + len(work.malformed) >= most:
                yield self._checked(work.batch())
                work = _Work(self._index, self._header.keys, self._keys)
        if work.lines or work.malformed:
            yield self._checked(work.batch())

    def close(self) -> None:
        """Close the file and remove the temporary one."""
        self._spool.close()
        self._stream.close()

    def _checked(self, batch: RecordBatch) -> RecordBatch:
        self._unnamed.look(batch.frame, batch.lines)
        return batch

    def _all_keys(self) -> list[str]:
        keys: dict[str, None] = {}
        records, bad = 0, 0
        for _, content in self._texts():
            try:
                found: KeysView[str] = parse_record(_decoded(content)).keys()
            except NotARecord:
                found = _keys_of_bad(content)
                bad += not records and not found
            else:
                records += 1
            if not found <= keys.keys():
                keys.update(dict.fromkeys(found))
            if len(keys) > MAX_COLUMNS:
                break  # header_of says what is wrong
        is_one = records == 1 and self._is_document
        if not keys or bad or is_one:
            self._refuse_document(keys)
        if is_one:
            self._refuse_columns()
        return list(keys)

    def _refuse_document(self, keys: Iterable[str]) -> None:
        """Say what a file is that holds no object on a line of its own, or one that holds all.

        Raises:
            SourceError: unless its only object is a record.
        """
        shown = source_name(self._name)
        self._spool.seek(0)
        head = self._spool.read(_PIECE).removeprefix(UTF8_BOM).decode(errors="replace")
        path = _path_of_records(head) if head.lstrip().startswith("{") else None
        if path is not None:
            raise SourceError(
                f"{shown}: is one JSON object, which holds its records under {column_name(path)}",
                hint=f"write them one on each line: jq -c '.{path}[]' FILE > FILE.jsonl",
            )
        if any(keys):
            return
        if head.lstrip().startswith("{"):
            line = head.lstrip().partition("\n")[0].rstrip()
            wrong = _wrong_in(line)
            if wrong:
                raise SourceError(
                    f"{shown}: none of its lines is JSON; the first one {wrong}",
                    hint='write one object on each line: {"external_reference": "...", ...}',
                )
            raise SourceError(
                f"{shown}: its JSON objects stand on several lines each",
                hint="write one object on each line: jq -c . FILE > FILE.jsonl",
            )
        raise SourceError(
            f"{shown}: there is no JSON object in it",
            hint='write one object on each line: {"external_reference": "...", ...}',
        )

    def _refuse_columns(self) -> None:
        """Say that the only object of a file holds all records: by columns, or under their keys.

        Raises:
            SourceError: each of its values is an object with the same keys, or it is a table.
        """
        record = next(self._records(), {})
        values = list(record.values())
        inner = [one.keys() for one in values if isinstance(one, dict)]
        # One value, or several without any key in common, may be a record with objects in it.
        if len(inner) == len(values) > 1 and inner[0] and all(one == inner[0] for one in inner):
            if all(key.isdigit() for key in inner[0]):
                raise _pandas(self._name, "columns")
            raise SourceError(
                f"{source_name(self._name)}: is one JSON object, which holds its records under"
                " their keys",
                hint="write them one on each line: jq -c '.[]' FILE > FILE.jsonl",
            )
        if record.keys() == {"columns", "index", "data"}:
            raise _pandas(self._name, "a table")

    def _records(self) -> Iterator[dict[str, Any]]:
        for _, content in self._texts():
            with suppress(NotARecord):
                yield parse_record(_decoded(content))

    def _texts(self) -> Iterator[tuple[int, bytes]]:
        """Line and text of each record: those of the lines, or the elements of one array."""
        if not self._is_array:
            return self._lines()
        self._spool.seek(0)
        return _Array(self._name, self._spool.read).elements()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Number and content of each line that is not blank."""
        self._spool.seek(0)
        blocks = Blocks(_reader(self._spool.read), self._block_bytes)
        number = 0
        while block := blocks.take():
            if not number:
                block = block.removeprefix(UTF8_BOM)
            lines = block.split(b"\n")
            lines.pop()
            for line in lines:
                number += 1
                if line.strip():
                    yield number, line


def _pandas(name: str, what: str) -> SourceError:
    return SourceError(
        f"{source_name(name)}: is one JSON object, {what} as pandas writes it",
        hint='write the records: to_json(FILE, orient="records", lines=True)',
    )


def _keys_of_bad(content: bytes) -> KeysView[str]:
    """The keys of a line that is refused, though its columns are plain: a key twice, a NaN."""
    try:
        found = json.loads(_decoded(content))
    except (NotARecord, ValueError, RecursionError):
        found = None
    return (found if isinstance(found, dict) else {}).keys()


def _wrong_in(line: str) -> str:
    """What is wrong with a line that is no JSON; "" where it may go on on the next one."""
    try:
        _LENIENT.decode(line)
    except json.JSONDecodeError as error:
        open_text = error.msg.startswith("Unterminated")
        if open_text or error.pos >= len(line.rstrip(",")) or line in {"{", "{}"}:
            return ""
        return f"says at character {error.pos + 1}: {error.msg}"
    except RecursionError:
        return "is nested too deeply"
    return ""


_LENIENT = json.JSONDecoder()
_DEEPEST = 3
"""Levels that are looked through for the records of a document."""


def _path_of_records(head: str) -> str | None:
    """Where the list of objects is within the only object of a text, such as ``data.customers``."""
    try:
        found, _ = _LENIENT.raw_decode(head.lstrip())
    except (json.JSONDecodeError, RecursionError):
        key = _KEY_OF_ARRAY.search(head)
        return key[1] if key else None
    level = [("", found)]
    for _ in range(_DEEPEST):
        below = [
            (f"{path}.{key}".lstrip("."), value)
            for path, one in level
            if isinstance(one, dict)
            for key, value in one.items()
            if _PLAIN_KEY.fullmatch(key)
        ]
        lists = [(path, one) for path, one in below if _is_list_of_objects(one)]
        if lists:
            # The schema of a table is shorter than the table.
            return max(lists, key=lambda one: len(one[1]))[0]
        level = below
    return None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


_PLAIN_KEY = pattern(r"[A-Za-z_][A-Za-z0-9_]*")


class _Work:
    """The records of one batch."""

    def __init__(self, index: int, columns: tuple[str, ...], keys: Sequence[str]) -> None:
        """``keys`` are what the columns are called in the file."""
        self._index = index
        self._columns = [
            (name, key, list[str | None]()) for name, key in zip(columns, keys, strict=True)
        ]
        self._kinds: dict[int, dict[int, Kind]] = {}
        """By column and row, where a cell is no text."""
        self._faults: list[CellFault] = []
        self.lines: list[int] = []
        self.malformed: list[Malformed] = []
        self.size = 0

    def add(self, line: int, content: bytes) -> None:
        self.size += len(content)
        try:
            record = parse_record(_decoded(content))
        except NotARecord as error:
            whole = content[:MAX_RECORD].decode(errors="surrogateescape")
            # In no column, as it has none: what is beyond the header is kept as it is.
            made = Malformed(line, error.code, f"the line {error}", (), (whole,))
            self.malformed.append(made)
            return
        row = len(self.lines)
        self.lines.append(line)
        for at, (name, key, cells) in enumerate(self._columns):
            text, kind, fault = cell_of(name, record.get(key))
            cells.append(text)
            if kind is not Kind.TEXT:
                self._kinds.setdefault(at, {})[row] = kind
            if fault is not None:
                self._faults.append(CellFault(row, name, *fault))

    def batch(self) -> RecordBatch:
        frame = pl.DataFrame(
            [pl.Series(name, cells, dtype=pl.String) for name, _, cells in self._columns]
        )
        kinds = {
            at: kind_series(found.get(row, Kind.TEXT) for row in range(len(self.lines)))
            for at, found in self._kinds.items()
        }
        malformed, faults = tuple(self.malformed), tuple(self._faults)
        return RecordBatch(self._index, frame, self.lines, malformed, faults, kinds)


_BLANK = pattern(r"[ \t\r\n]*")
_KEY_OF_ARRAY = pattern(r'"([A-Za-z_][A-Za-z0-9_]*)"\s*:\s*\[\s*\{')


class _Array:
    """The elements of one JSON array, as a stream."""

    def __init__(self, name: str, read: Callable[[int], bytes]) -> None:
        self._name = name
        self._read = read
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="surrogateescape")
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._line = 1
        """Physical line of ``_at``."""
        self._ended = False

    def elements(self) -> Iterator[tuple[int, bytes]]:
        """The number of each element from 1, and its text.

        Raises:
            SourceError: it is no JSON, or ends too early: nobody could say where the next begins.
        """
        self._sign()
        self._skip(1)  # the bracket that opens it
        number = 0
        while (sign := self._sign()) != "]" or number:
            end = self._end()
            number += 1
            yield number, self._text[self._at : end].encode(errors="surrogateescape")
            self._skip(end - self._at)
            sign = self._sign()
            if sign == "]":
                break
            if sign != ",":
                raise self._broken(self._at)
            self._skip(1)
        self._skip(1)
        if self._sign():
            raise self._broken(self._at, "is followed by something else")

    def _end(self) -> int:
        """Where the element ends that begins here."""
        while True:
            try:
                _, end = self._scan(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if self._ended or len(self._text) - self._at > MAX_ARRAY_ELEMENT:
                    place = error.pos if isinstance(error, json.JSONDecodeError) else self._at
                    raise self._broken(place) from None
            else:
                # A number may go on in what was not read yet.
                if end < len(self._text) or self._ended:
                    return end
            self._fill()

    def _sign(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._skip(len(blank[0]) if blank is not None else 0)
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._fill()

    def _fill(self) -> None:
        piece = self._read(_PIECE)
        self._ended = not piece
        self._text = self._text[self._at :] + self._decoder.decode(piece, self._ended)
        self._at = 0

    def _skip(self, characters: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + characters)
        self._at += characters

    def _broken(self, place: int, what: str = "") -> SourceError:
        line = self._line + self._text.count("\n", self._at, place)
        at_end = self._ended and place >= len(self._text.rstrip())
        what = what or ("ends too early" if at_end else "is broken here")
        return SourceError(
            f"{source_name(self._name)}: line {line:,}: the JSON array {what}",
            hint="export it again, or write one object on each line (JSON Lines)",
        )


def _reader(read: Callable[[int], bytes]) -> Callable[[], bytes]:
    return lambda: read(_PIECE)


def _decoded(content: bytes) -> str:
    if len(content) > MAX_RECORD:
        raise NotARecord(
            "record_too_long",
            f"has more than {MAX_RECORD:,} bytes, and only its beginning is kept here",
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise NotARecord(
            "not_utf8", f"holds a byte that is no character, at byte {error.start + 1}; correct it"
        ) from None
