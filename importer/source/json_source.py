"""One JSON Lines source: the keys of all lines make the header, so it is read twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl

from importer.errors import SourceError
from importer.source.blocks import Blocks
from importer.source.header import check_unnamed, header_of
from importer.source.json_record import NotARecord, cell_of, parse_record
from importer.source.limits import MAX_COLUMNS, MAX_RECORD
from importer.source.naming import source_name
from importer.source.private import spooled
from importer.source.records import CellFault, Layout, Malformed, RecordBatch
from importer.source.sniff import UTF8_BOM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from importer.source.options import SourceOptions
    from importer.source.text_stream import TextStream

_NAMED = re.compile(r"\.(?:jsonl|ndjson)(?:\.gz|\.zst)?\Z", re.IGNORECASE)
_OBJECT = re.compile(rb'\s*\{\s*(?:"|\}|\Z)')
_PIECE = 256 << 10
_MOST_CELLS = 1_000_000
"""Cells of one batch: lines may have few of many keys each."""


def is_json_lines(name: str, head: bytes) -> bool:
    """Whether the text begins with a JSON object, or the name says that it will."""
    text = head.removeprefix(UTF8_BOM)
    return bool(_OBJECT.match(text[:_PIECE])) or _NAMED.search(name) is not None


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
        if stream.peek().removeprefix(UTF8_BOM).lstrip()[:1] == b"[":
            raise SourceError(
                f"{source_name(name)}: is a JSON list",
                hint="write one object on each line: jq -c '.[]' FILE > FILE.jsonl",
            )
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

    @property
    def encoding(self) -> str:
        """The encoding of the text."""
        return self._stream.encoding

    @property
    def warnings(self) -> Sequence[str]:
        """What was decided and may be wrong."""
        return self._stream.warnings

    def batches(self) -> Iterator[RecordBatch]:
        """All records in input order.

        Raises:
            SourceError: a key without a name holds data.
        """
        most = max(1, _MOST_CELLS // len(self.layout.columns))
        work = _Work(self._index, self.layout.columns, self._keys)
        for line, content in self._lines():
            work.add(line, content)
            if work.size >= self._block_bytes or len(work.lines) + len(work.malformed) >= most:
                yield self._checked(work.batch())
                work = _Work(self._index, self.layout.columns, self._keys)
        if work.lines or work.malformed:
            yield self._checked(work.batch())

    def close(self) -> None:
        """Close the file and remove the temporary one."""
        self._spool.close()
        self._stream.close()

    def _checked(self, batch: RecordBatch) -> RecordBatch:
        check_unnamed(self._name, self._header, batch.frame, batch.lines)
        return batch

    def _all_keys(self) -> list[str]:
        keys: dict[str, None] = {}
        for _, content in self._lines():
            try:
                keys.update(dict.fromkeys(parse_record(_decoded(content))))
            except NotARecord:
                continue
            if len(keys) > MAX_COLUMNS:
                break  # header_of says what is wrong
        if not keys:
            raise SourceError(
                f"{source_name(self._name)}: there is no JSON object in it",
                hint='write one object on each line: {"external_reference": "...", ...}',
            )
        return list(keys)

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


class _Work:
    """The records of one batch."""

    def __init__(self, index: int, columns: tuple[str, ...], keys: Sequence[str]) -> None:
        """``keys`` are what the columns are called in the file."""
        self._index = index
        self._columns = [
            (name, key, list[str | None]()) for name, key in zip(columns, keys, strict=True)
        ]
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
        for name, key, cells in self._columns:
            cells.append(self._cell(row, name, record.get(key)))

    def _cell(self, row: int, name: str, value: Any) -> str | None:
        text, fault = cell_of(name, value)
        if fault is not None:
            self._faults.append(CellFault(row, name, *fault))
        return text

    def batch(self) -> RecordBatch:
        frame = pl.DataFrame(
            [pl.Series(name, cells, dtype=pl.String) for name, _, cells in self._columns]
        )
        return RecordBatch(
            self._index, frame, self.lines, tuple(self.malformed), tuple(self._faults)
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
