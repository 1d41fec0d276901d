"""One CSV source: blocks in, verified batches out.

Finds the delimiter of a CSV file from its header and first records. Pure.

The fast path: blocks without quotes, parsed by polars after their shape is proven. Pure.

Why no record can be framed wrongly: without quotes and bare carriage returns every line is one
record. polars refuses a line with too many cells. Together the lines hold as many delimiters as
so many full lines must hold, so where none has too many, none has too few either.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import polars as pl

from importer.errors import SourceError
from importer.source.csv.careful import Framer
from importer.source.header import Header, check_unnamed, header_of, split_header
from importer.source.limits import (
    CAREFUL_BYTES,
    CAREFUL_LINES,
    MAX_COLUMNS,
    MAX_FIELD,
    MAX_HEADER_BYTES,
    MAX_RECORD,
    SAMPLE_BYTES,
)
from importer.source.naming import called, source_name
from importer.source.records import Layout, RecordBatch
from importer.source.source_options import DELIMITERS
from importer.source.text.blocks import Blocks
from importer.source.text.sniff import UTF8_BOM, check_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.source.source_options import SourceOptions
    from importer.source.text.text_stream import TextStream


SAMPLE_LINES = 200
_CALLED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def detect_delimiter(name: str, lines: Sequence[str]) -> str:
    """The delimiter that splits the most records as the header, then the one with most columns.

    Quotes are respected. A header that no delimiter splits is one column: ``,``.

    Args:
        name: the source, for messages.
        lines: the header and the first records, with their line endings.

    Raises:
        SourceError: two delimiters fit equally well.
    """
    scores: dict[str, tuple[float, int]] = {}
    for delimiter in DELIMITERS:
        split = split_header(lines, delimiter)
        if split is not None and len(split[0]) > 1:
            cells, used = split
            records = lines[used : used + SAMPLE_LINES]
            scores[delimiter] = (_share(records, delimiter, cells), len(cells))
    if not scores:
        return ","
    best = max(scores.values())
    fitting = [delimiter for delimiter, score in scores.items() if score == best]
    if len(fitting) > 1:
        called = " and ".join(_CALLED[one] for one in fitting)
        raise SourceError(
            f"{source_name(name)}: {called} could both be the delimiter",
            hint="say which one it is with --delimiter",
        )
    return fitting[0]


def _share(lines: Sequence[str], delimiter: str, header: list[str]) -> float:
    """How many of the records have as many cells as the header, 0 to 1; 0 where it is too wide."""
    if len(header) > MAX_COLUMNS:
        return 0.0
    text = "".join(lines).encode(errors="surrogateescape")
    framed = Framer(delimiter, tuple(header)).frame(text, 1, final=False)
    good, bad = len(framed.records), len(framed.malformed)
    return good / (good + bad) if good + bad else 1.0


def parse_fast(block: bytes, delimiter: str, columns: tuple[str, ...]) -> pl.DataFrame | None:
    """One row per line of ``block``, all columns String; None where the careful path must judge.

    Args:
        block: whole lines, the last one with its line feed.
        delimiter: one ASCII character.
        columns: the header.
    """
    rows, width = block.count(b"\n"), len(columns)
    if (
        width == 1  # a blank line would look like an empty cell
        or b'"' in block
        or block.count(b"\r") != block.count(b"\r\n")
        or block.count(delimiter.encode()) != rows * (width - 1)
        or b"\0" in block
        or block.startswith(UTF8_BOM)  # within the text it is a character, polars would drop it
        or not _is_utf8(block)
    ):
        return None
    try:
        frame = pl.read_csv(
            block,
            has_header=False,
            separator=delimiter,
            quote_char=None,
            schema=dict.fromkeys(columns, pl.String),
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.height == rows and _within_limits(frame) else None


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _within_limits(frame: pl.DataFrame) -> bool:
    # In bytes, so a little stricter than the limits: the careful path then counts characters.
    longest = frame.select(pl.all().str.len_bytes().max()).row(0)
    return bool(max(longest) <= MAX_FIELD and sum(longest) + 2 * len(longest) <= MAX_RECORD)


_QUOTED = re.compile(rb'"[^"]*"')
# Excel's own first line, which names the delimiter.
_SEP_LINE = re.compile(r"sep=([ -~\t])\r*\n", re.IGNORECASE)


class CsvSource:
    """A CSV file or stream whose header has been read."""

    def __init__(self, name: str, index: int, options: SourceOptions, stream: TextStream) -> None:
        """Read the header; on an error the caller closes ``stream``.

        Raises:
            SourceError: it is no CSV, has no usable header, or cannot be read.
        """
        self._name = name
        self._index = index
        self._stream = stream
        self._blocks = Blocks(stream.read, options.block_bytes)
        self._line = 1
        """The physical line at which the next block starts."""
        delimiter, self._header = self._open(options.delimiter)
        self.layout = Layout(name, self._header.columns, delimiter)
        self._framer = Framer(delimiter, self._header.columns, lambda: stream.encoding)

    def batches(self) -> Iterator[RecordBatch]:
        """All records in input order; reading again is not possible.

        Raises:
            SourceError: the rest cannot be read, the file changed meanwhile, or a column without
                a name holds data.
        """
        rest = b""
        while True:
            block = rest + self._blocks.take()
            if not block:
                break
            batch, rest = self._batch(block, len(rest))
            check_unnamed(self._name, self._header, batch.frame, batch.lines)
            if batch.frame.height or batch.malformed:
                yield batch
        self._stream.check_unchanged()

    @property
    def encoding(self) -> str:
        """The encoding, as far as it is known."""
        return self._stream.encoding

    @property
    def warnings(self) -> Sequence[str]:
        """What was decided and may be wrong; complete at the end."""
        return self._stream.warnings

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _batch(self, block: bytes, waiting: int) -> tuple[RecordBatch, bytes]:
        """Frame a block; its first ``waiting`` bytes are a record that is still open."""
        first = self._line
        if not waiting:
            frame = parse_fast(block, self.layout.delimiter, self.layout.columns)
            if frame is not None:
                self._line += frame.height
                return RecordBatch(self._index, frame, range(first, self._line)), b""
        block = self._shortened(block, waiting)
        framed = self._framer.frame(block, first, final=self._blocks.ended)
        self._line = framed.rest_line
        frame = _text_frame(self.layout.columns, framed.records)
        return (
            RecordBatch(self._index, frame, framed.lines, tuple(framed.malformed)),
            framed.rest,
        )

    def _shortened(self, block: bytes, waiting: int) -> bytes:
        """Enough lines for the careful path; what follows may be fast again."""
        first = block.find(b"\n", waiting) + 1 or len(block)
        cut = block.rfind(b"\n", waiting, waiting + CAREFUL_BYTES) + 1 or first
        while block.count(b"\n", waiting, cut) > CAREFUL_LINES:
            cut = block.rfind(b"\n", waiting, (waiting + cut) // 2) + 1 or first
        self._blocks.put_back(block[cut:])
        return block[:cut]

    def _open(self, delimiter: str | None) -> tuple[str, Header]:
        head = self._blocks.take()
        while len(head) < SAMPLE_BYTES and (more := self._blocks.take()):
            head += more
        check_text(self._name, head)
        head = head.removeprefix(UTF8_BOM)
        lines = self._sample(head)
        used = 0
        while used < len(lines) and not lines[used].strip("\r\n"):
            used += 1
        if (match := _SEP_LINE.fullmatch(lines[used]) if used < len(lines) else None) is not None:
            delimiter = delimiter or match[1]
            used += 1
        delimiter = delimiter or detect_delimiter(self._name, lines[used:])
        split = split_header(lines[used:], delimiter) if used < len(lines) else ([], 0)
        if split is None:
            raise SourceError(
                f"{source_name(self._name)}: the quotes of the header are broken",
                hint="close every quote of the first line; check the delimiter",
            )
        cells, header_lines = split
        used += header_lines
        size = sum(len(one.encode(errors="surrogateescape")) for one in lines[:used])
        header = header_of(self._name, self._utf8(cells))
        self._blocks.put_back(head[size:])
        self._line = 1 + used
        return delimiter, header

    def _sample(self, head: bytes) -> list[str]:
        """The first lines, which hold the header.

        Raises:
            SourceError: the first line has no end, or ends in a carriage return alone.
        """
        shown = source_name(self._name)
        first = head[: head.index(b"\n")].rstrip(b"\r") if head else b""
        if b"\r" in _QUOTED.sub(b"", first):
            raise SourceError(
                f"{shown}: the lines end in a carriage return alone (classic Mac)",
                hint=r"convert it: tr '\r' '\n' < FILE > NEW_FILE",
            )
        if len(first) > MAX_HEADER_BYTES:
            raise SourceError(
                f"{shown}: the header line has more than {MAX_HEADER_BYTES:,} bytes",
                hint="the first line must name the columns; check the line endings",
            )
        cut = head.rfind(b"\n", 0, MAX_HEADER_BYTES + SAMPLE_BYTES) + 1 or len(head)
        text = head[:cut].decode(errors="surrogateescape")
        return list(io.StringIO(text, newline="\n"))

    def _utf8(self, cells: list[str]) -> list[str]:
        try:
            "".join(cells).encode()
        except UnicodeEncodeError:
            raise SourceError(
                f"{source_name(self._name)}: the header is not {called(self._stream.encoding)}",
                hint="name its encoding, for example --encoding windows-1252",
            ) from None
        return cells


def _text_frame(columns: tuple[str, ...], records: list[list[str]]) -> pl.DataFrame:
    cells = zip(*records, strict=True) if records else ((),) * len(columns)
    return pl.DataFrame(
        [
            pl.Series(name, column, dtype=pl.String)
            for name, column in zip(columns, cells, strict=True)
        ]
    )
