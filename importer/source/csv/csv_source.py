"""One CSV source: blocks in, verified batches out.

Finds the delimiter of a CSV file from its header and first records. Pure.

The fast path: blocks without quotes, parsed by polars after their shape is proven. Pure.

Why no record can be framed wrongly: without quotes and bare carriage returns every line is one
record. polars refuses a line with too many cells. Together the lines hold as many delimiters as
so many full lines must hold, so where none has too many, none has too few either.
"""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from importer.errors import SourceError
from importer.source.csv.careful import Framer
from importer.source.fed_back import delimiter_of_errors
from importer.source.records import (
    HEADER_LINES,
    Header,
    Layout,
    Malformed,
    RecordBatch,
    Unnamed,
    find_header,
    header_of,
    lacks_a_name,
    refuse_header,
    refuse_record,
    split_header,
    title_above,
)
from importer.source.source_options import (
    CAREFUL_BYTES,
    CAREFUL_LINES,
    DELIMITERS,
    MAX_COLUMNS,
    MAX_FIELD,
    MAX_HEADER_BYTES,
    MAX_RECORD,
    SAMPLE_BYTES,
    called,
    source_name,
)
from importer.source.text.text_stream import UTF8_BOM, Blocks, check_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.source.source_options import SourceOptions
    from importer.source.text.text_stream import TextStream


SAMPLE_LINES = 200
_CALLED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def detect_delimiter(name: str, lines: Sequence[str]) -> str:
    """The delimiter that splits the most records as the header, then the one with most columns.

    Quotes are respected. Where none of the usual ones splits the header, another sign is taken that
    stands equally often in every line; else it is one column: ``,``.

    Args:
        name: the source, for messages.
        lines: the header and the first records, with their line endings.

    Raises:
        SourceError: two delimiters fit equally well.
    """
    scores = _scores(lines)
    if not scores:
        return _other_delimiter(lines) or ","
    best = max(scores.values())
    fitting = [delimiter for delimiter, score in scores.items() if score == best]
    if len(fitting) > 1:
        called = " and ".join(_CALLED[one] for one in fitting)
        raise SourceError(
            f"{source_name(name)}: {called} could both be the delimiter",
            hint="say which one it is with --delimiter",
        )
    return fitting[0]


def _scores(lines: Sequence[str]) -> dict[str, tuple[float, int]]:
    """For each delimiter that splits the header: (share of the records like it, its columns)."""
    scores: dict[str, tuple[float, int]] = {}
    for delimiter in DELIMITERS:
        split = split_header(lines, delimiter)
        if split is not None and len(split[0]) > 1:
            cells, used = split
            records = lines[used : used + SAMPLE_LINES]
            scores[delimiter] = (_share(records, delimiter, cells), len(cells))
    return scores


_MAY_DELIMIT = "^~¦§#!:*\x01\x1f"
_FEWEST_LINES = 3


def _other_delimiter(lines: Sequence[str]) -> str:
    sample = [line for line in lines[:SAMPLE_LINES] if line.strip()]
    for sign in _MAY_DELIMIT:
        counts = {line.count(sign) for line in sample}
        if len(sample) >= _FEWEST_LINES and len(counts) == 1 and counts != {0}:
            return sign
    return ""


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
        or not delimiter.isascii()
        or b'"' in block
        or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n"))
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


_BROKEN_QUOTES = {"stray_quote", "unclosed_quote"}
_QUOTED = re.compile(rb'"[^"]*"')
_END_MARK = b"\x1a"
_BLANKS = ' \t\r\n,;|"'
"""A line of nothing else holds nothing, whatever the delimiter is."""
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
        self._options = options
        self._line = 1
        """The physical line at which the next block starts."""
        self._header_row: int | None = None
        self._surplus = 0
        """Empty cells that every record has beyond the header."""
        delimiter, self._header = self._open()
        columns = self._header.columns
        self.layout = Layout(name, columns, delimiter, header_row=self._header_row)
        self._framer = Framer(delimiter, columns, lambda: stream.encoding, self._surplus)
        beyond = (f"_beyond_{number}" for number in range(self._surplus))
        self._physical = (*self._header.keys, *beyond)
        self._unnamed = Unnamed(name, self._header)
        self._records = 0
        self._blank = 0

    def batches(self) -> Iterator[RecordBatch]:
        """All records in input order; reading again is not possible.

        Raises:
            SourceError: the rest cannot be read, the file changed meanwhile, or a cell beyond the
                header holds data where all others are empty.
        """
        rest = b""
        while True:
            block = rest + self._blocks.take()
            if self._blocks.ended:
                block = self._without_end_mark(block)
            if not block:
                break
            batch, rest = self._batch(block, len(rest))
            self._unnamed.look(batch.frame, batch.lines)
            self._records += batch.frame.height + len(batch.malformed)
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
        if not self._blank:
            return self._stream.warnings
        rows = "row holds" if self._blank == 1 else "rows hold"
        blank = f"{source_name(self._name)}: {self._blank:,} {rows} nothing but delimiters"
        return (*self._stream.warnings, f"{blank}: no records")

    @property
    def unnamed(self) -> Sequence[str]:
        """The columns without a name that hold something; complete at the end."""
        return self._unnamed.found

    @property
    def doubts(self) -> Sequence[str]:
        """What may be damaged; complete at the end."""
        doubts: list[str] = []
        if self._blocks.unended and self._records > 1:
            doubts.append(
                f"{source_name(self._name)}: line {self._line - 1}: the last line has no line end,"
                " and those before it have one: the file may be cut off within its last value"
            )
        return doubts

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _batch(self, block: bytes, waiting: int) -> tuple[RecordBatch, bytes]:
        """Frame a block; its first ``waiting`` bytes are a record that is still open."""
        first = self._line
        if not waiting:
            frame = parse_fast(block, self.layout.delimiter, self._physical)
            if frame is not None and self._nothing_beyond(frame):
                self._line += frame.height
                frame = frame.select(self._header.keys) if self._surplus else frame
                return self._made(frame, range(first, self._line), ()), b""
        block = self._shortened(block, waiting)
        framed = self._framer.frame(block, first, final=self._blocks.ended)
        self._line = framed.rest_line
        frame = _text_frame(self._header.keys, framed.records)
        self._check_beyond(framed.malformed)
        found = framed.malformed
        last = found[-1] if found else None
        if last is not None and self._blocks.ended and self._blocks.unended and not framed.rest:
            # Of a record that the end of the file has cut, nobody knows what is missing.
            cut = last.line == self._line - 1 and not _is_blank(last)
            found[-1] = replace(last, framed=last.framed and not cut)
        malformed = [one for one in found if not _is_blank(one)]
        self._blank += len(found) - len(malformed)
        return self._made(frame, framed.lines, tuple(malformed)), framed.rest

    def _without_end_mark(self, block: bytes) -> bytes:
        """The last block without the Ctrl-Z by which DOS programs say that all was written."""
        text = block.rstrip(b"\r\n")
        written = text.rstrip(_END_MARK)
        begins_line = not written or written.endswith(b"\n")
        if text == written or not (begins_line or self._blocks.unended):
            return block
        self._blocks.unended = False
        return written if begins_line else written + b"\n"

    def _nothing_beyond(self, frame: pl.DataFrame) -> bool:
        beyond = frame.get_columns()[len(self._header.keys) :]
        return not any((one.str.strip_chars() != "").any() for one in beyond)

    def _check_beyond(self, malformed: Sequence[Malformed]) -> None:
        """Refuse data in the cells beyond the header, which all others have empty.

        A record with still more cells has a delimiter too many, one with broken quotes has its
        cells anywhere: such a record costs itself.
        """
        if not self._surplus:
            return
        wide = (
            one
            for one in malformed
            if one.code not in _BROKEN_QUOTES and 0 < len(one.extra) <= self._surplus
        )
        for one in wide:
            width = len(self.layout.columns)
            raise SourceError(
                f"{source_name(self._name)}: line {one.line}: the record has more than the"
                f" {width} cells of the header, where every record before it ends in an empty one:"
                " the header may lack a name",
                hint="name every column in the header, or quote a cell that holds the delimiter",
            )

    def _shortened(self, block: bytes, waiting: int) -> bytes:
        """Enough lines for the careful path; what follows may be fast again."""
        first = block.find(b"\n", waiting) + 1 or len(block)
        cut = block.rfind(b"\n", waiting, waiting + CAREFUL_BYTES) + 1 or first
        while block.count(b"\n", waiting, cut) > CAREFUL_LINES:
            cut = block.rfind(b"\n", waiting, (waiting + cut) // 2) + 1 or first
        self._blocks.put_back(block[cut:])
        return block[:cut]

    def _made(
        self, frame: pl.DataFrame, lines: Sequence[int], malformed: tuple[Malformed, ...]
    ) -> RecordBatch:
        batch = RecordBatch(self._index, frame, lines, malformed)
        if frame.width == 1:
            return batch  # who writes "" there means it
        # Cheap first: where the first cell is filled, the row is not blank.
        blank = _is_empty(frame.to_series(0))
        if not blank.any():
            return batch
        for column in frame.get_columns()[1:]:
            blank &= _is_empty(column)
        self._blank += int(blank.sum())
        return batch.filter(~blank) if blank.any() else batch

    def _open(self) -> tuple[str, Header]:
        head = self._blocks.take()
        while len(head) < SAMPLE_BYTES and (more := self._blocks.take()):
            head += more
        check_text(self._name, head)
        head = head.removeprefix(UTF8_BOM)
        lines = self._sample(head)
        delimiter, used = self._options.delimiter, 0
        while used < len(lines) and not lines[used].strip(_BLANKS):
            used += 1
        if (match := _SEP_LINE.fullmatch(lines[used]) if used < len(lines) else None) is not None:
            delimiter = delimiter or match[1]
            used += 1
        delimiter = delimiter or (delimiter_of_errors(lines[used]) if used < len(lines) else "")
        if self._options.header is not None:
            return self._named(self._options.header, head, lines, used, delimiter)
        delimiter, used = self._header_at(lines, used, delimiter)
        split = split_header(lines[used:], delimiter) if used < len(lines) else ([], 0)
        if split is None:
            raise SourceError(
                f"{source_name(self._name)}: the quotes of the header are broken",
                hint="close every quote of the first line; check the delimiter",
            )
        cells, header_lines = split
        _refuse_odd_header(self._name, lines[used : used + 1], cells)
        if self._options.header_row is None:
            refuse_record(self._name, cells, used + 1)
            self._refuse_unnamed(lines[used + header_lines :], delimiter, len(cells), used + 1)
        header = header_of(self._name, self._utf8(cells))
        self._begin(head, lines, used + header_lines, delimiter, len(cells))
        return delimiter, header

    def _refuse_unnamed(self, lines: list[str], delimiter: str, width: int, line: int) -> None:
        """Refuse a header with fewer names than every one of the first records has cells.

        Raises:
            SourceError: a name is missing, or another line is the header.
        """
        rows = _rows(lines, delimiter)
        wide = {len(cells) for cells in rows}
        if len(rows) < _EVERY or len(wide) > 1 or (most := max(wide)) <= width:
            return
        if any(any(map(str.strip, cells[width:])) for cells in rows):
            raise SourceError(
                f"{source_name(self._name)}: line {line} names {width} column"
                f"{'s' if width > 1 else ''}, and the records below it have {most} cells",
                hint=f"name them all: --header NAMES --header-row {line} (R leaves the first name"
                f" out); quote cells that hold the delimiter; if line {line} is a title,"
                f" --header-row {line + 1}",
            )

    def _begin(self, head: bytes, lines: list[str], used: int, delimiter: str, width: int) -> None:
        """Go on with the records, behind the lines that were used."""
        size = sum(len(one.encode(errors="surrogateescape")) for one in lines[:used])
        self._surplus = _surplus(lines[used : used + SAMPLE_LINES], delimiter, width)
        self._blocks.put_back(head[size:])
        self._line = 1 + used

    def _named(
        self,
        names: Sequence[str],
        head: bytes,
        lines: list[str],
        used: int,
        delimiter: str | None,
    ) -> tuple[str, Header]:
        """The delimiter, and the header that the user gives for want of one.

        Raises:
            SourceError: the first record has another number of cells, or names the columns.
        """
        wanted = self._options.header_row
        if wanted is not None:
            delimiter, used = self._header_at(lines, used, delimiter)
            split = split_header(lines[used:], delimiter)
            used += split[1] if split is not None else 1
        delimiter = delimiter or detect_delimiter(self._name, lines[used:])
        rows = _rows(lines[used:], delimiter)
        if rows:
            width = max(len(rows[0]) - _surplus(lines[used:], delimiter, len(names)), 0)
            if width != len(names):
                raise SourceError(
                    f"{source_name(self._name)}: line {used + 1} has"
                    f" {len(rows[0])} cell{'s' if len(rows[0]) > 1 else ''}, and the header that"
                    f" is given names {len(names)}",
                    hint="name each column, also those that nobody needs (they may be empty:"
                    ' --header "id,,email"); check the delimiter',
                )
            refuse_header(self._name, rows, used + 1)
        header = header_of(self._name, names)
        self._begin(head, lines, used, delimiter, len(names))
        return delimiter, header

    def _header_at(self, lines: list[str], first: int, delimiter: str | None) -> tuple[str, int]:
        """The delimiter, and the index of the line that names the columns.

        Raises:
            SourceError: a title stands above it, and nobody has said so.
        """
        wanted = self._options.header_row
        if wanted is not None:
            if wanted > len(lines):
                raise SourceError(
                    f"{source_name(self._name)}: there is no header on line {wanted:,}",
                    hint="check the header row: lines are counted from 1",
                )
            at = wanted - 1
        else:
            candidates = (delimiter,) if delimiter else _may_split(lines[first:])
            found = [(_below_title(lines[first:], one), one) for one in candidates]
            # With the right delimiter the header has the most names.
            (at, _), best = max(found, key=lambda one: one[0][1])
            if at:
                line = first + at + 1
                if not self._options.find_header:
                    raise title_above(self._name, line, first + 1)
                self._header_row, delimiter = line, best
            at += first
        if wanted is not None and at > first:
            self._header_row = wanted
        return delimiter or detect_delimiter(self._name, lines[at:]), at

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


_EVERY = 3
"""Of fewer records each may be wrong by itself."""


def _may_split(lines: list[str]) -> tuple[str, ...]:
    """The delimiters to try: one where the first line is like most others, else any."""
    scores = _scores(lines)
    best = max(scores, key=lambda one: scores[one], default="")
    return (best,) if best and scores[best][0] >= _MOST else DELIMITERS


_MOST = 0.5


def _below_title(lines: list[str], delimiter: str) -> tuple[int, int]:
    """(how many lines stand above the header, how many columns it names); (0, 0) for no title."""
    reader = csv.reader(lines[: 2 * HEADER_LINES], delimiter=delimiter, strict=True)
    starts: list[int] = []
    rows: list[list[str]] = []
    start = 0
    # Quotes that are broken, or cut where the sample ends: what stands above is enough.
    with suppress(csv.Error):
        for cells in reader:
            if any(map(str.strip, cells)):
                starts.append(start)
                rows.append(cells)
            start = reader.line_num
    at = find_header(rows) if rows else 0
    if at == 1 and starts[1] == starts[0] + 1 and lacks_a_name(*rows[:2]):
        return (0, 0)
    return (starts[at], len(rows[at])) if at else (0, 0)


def _refuse_odd_header(name: str, lines: Sequence[str], cells: list[str]) -> None:
    """Refuse a header whose lines are quoted in another way, or have no delimiter.

    Raises:
        SourceError: all is one cell that holds what would delimit it, or single quotes are cells'.
    """
    if len(cells) > 1 and all(_IN_SINGLE_QUOTES.fullmatch(one) for one in cells):
        raise SourceError(
            f"{source_name(name)}: its cells are in single quotes",
            hint='export it again with double quotes ("), or with none',
        )
    if len(cells) != 1 or not lines:
        return
    signs = [one for one in DELIMITERS if one in cells[0]]
    if signs and lines[0].lstrip().startswith('"'):
        raise SourceError(
            f"{source_name(name)}: the header is one cell that holds a {_CALLED[signs[0]]}:"
            " each line seems to be in quotes as a whole",
            hint="take the outer quotes away, for example"
            r""" sed -E 's/^"//; s/"(\r?)$/\1/; s/""/"/g' FILE > NEW_FILE""",
        )
    if _BY_BLANKS.search(cells[0].strip()):
        raise SourceError(
            f"{source_name(name)}: the header is one cell: its names stand apart by blanks only",
            hint="a file of fixed widths is not read: export it as CSV, or say what delimits its"
            " cells with --delimiter",
        )


_BY_BLANKS = re.compile(r"\S {3,}\S|\S {2,}\S+(?: \S+)* {2,}\S")
_IN_SINGLE_QUOTES = re.compile(r"\s*'[^']+'\s*")


def _rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The first records that hold anything, up to one whose quotes are broken."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        reader = csv.reader(lines[:SAMPLE_LINES], delimiter=delimiter, strict=True)
        rows.extend(cells for cells in reader if any(map(str.strip, cells)))
    return rows


def _surplus(lines: Sequence[str], delimiter: str, width: int) -> int:
    """How many empty cells most of the first records have beyond the header; 0 for none."""
    rows = _rows(lines, delimiter)
    if any(any(map(str.strip, cells[width:])) for cells in rows):
        return 0
    widths = [len(cells) for cells in rows]
    wide = [one for one in widths if one > width]
    return max(wide) - width if 2 * len(wide) > len(widths) else 0


def _is_blank(record: Malformed) -> bool:
    return record.framed and not any(map(str.strip, (*record.cells, *record.extra)))


def _is_empty(column: pl.Series) -> pl.Series:
    return (column.str.strip_chars() == "").fill_null(value=True)


def _text_frame(columns: tuple[str, ...], records: list[list[str]]) -> pl.DataFrame:
    cells = zip(*records, strict=True) if records else ((),) * len(columns)
    return pl.DataFrame(
        [
            pl.Series(name, column, dtype=pl.String)
            for name, column in zip(columns, cells, strict=True)
        ]
    )
