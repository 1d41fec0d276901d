"""A malformed record costs itself: never the file, never a neighbour, never a line number."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.source.csv.careful import Framer
from importer.source.source_options import (
    MAX_FIELD,
    MAX_LINE_BYTES,
    MAX_RECORD,
    MAX_RECORD_LINES,
    SourceOptions,
)
from tests.source.reading import content_of, lines_of_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.source.reading import Content

HEADER = "ä,b,c\n".encode()
"""A letter that shows the file to be UTF-8: a file of nothing else could be in any encoding."""
CORRUPT = {
    b"R-9,x\n": "too_few_fields",
    b"R-9\n": "too_few_fields",
    b"R-9,x,y,\n": "too_many_fields",
    b"R-9,x,y,z,z\n": "too_many_fields",
    b'R-9,"x"x,y\n': "stray_quote",
    b'R-9,"x,y\n': "unclosed_quote",
    b'"R-9,x,y\n': "unclosed_quote",
    b'R-9,x,"\n': "unclosed_quote",
    b"R-9,\xe9,y\n": "not_utf8",
    b"R-9,\xff\xfe,y\n": "not_utf8",
    b"R-9,x\0,y\n": "nul_byte",
    b"R-9,x\ry,z\n": "bare_carriage_return",
    b"R-9," + b"x" * (MAX_FIELD + 1) + b",y\n": "field_too_long",
}
GOOD = [
    (b"R-1,Ann Example,x\n", ("R-1", "Ann Example", "x")),
    (b'R-2,"Example, Ben",\r\n', ("R-2", "Example, Ben", "")),
    (b'"R-3","two\nlines","q""q"\n', ("R-3", "two\nlines", 'q"q')),
    (b'R-4,"a\r\n\r\nb",",x"\n', ("R-4", "a\r\n\r\nb", ",x")),
    ("R-5,Zoë,😀\n".encode(), ("R-5", "Zoë", "😀")),
    (b",,x\n", ("", "", "x")),
]


@given(
    st.lists(st.sampled_from(GOOD), max_size=12),
    st.lists(st.sampled_from(GOOD), max_size=12),
    st.sampled_from(list(CORRUPT)),
    st.integers(1, 60),
)
@settings(max_examples=200, deadline=None)
def test_a_corrupt_record_costs_exactly_itself(
    before: list[tuple[bytes, tuple[str, ...]]],
    after: list[tuple[bytes, tuple[str, ...]]],
    corrupt: bytes,
    block_bytes: int,
) -> None:
    """Its neighbours keep their cells and lines, and it is named with its own line."""
    before = [GOOD[0], *before]  # a delimiter too many in every record is no error
    records = [HEADER, *(raw for raw, _ in before), corrupt, *(raw for raw, _ in after)]
    lines = lines_of_records(records, first=1)
    bad = 1 + len(before)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "customers.csv")
        path.write_bytes(b"".join(records))
        content = content_of(str(path), SourceOptions(",", block_bytes))
    assert content.codes == [(lines[bad], CORRUPT[corrupt])]
    good = [cells for _, cells in (*before, *after)]
    assert content.rows == list(zip(lines[1:bad] + lines[bad + 1 :], good, strict=True))


@given(
    st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"x", b"\0", b"\xe9"]), max_size=60).filter(
        lambda pieces: pieces.count(b"\0") <= 16
    )
)
@settings(max_examples=200, deadline=None)
def test_blocks_never_change_what_is_found(pieces: list[bytes]) -> None:
    """Hostile bytes give the same records, or the same refusal, at every block size."""
    data = "ä,b\n".encode() + b"".join(pieces)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "customers.csv")
        path.write_bytes(data)
        whole, cut = (found_in(path, size) for size in (1 << 20, 3))
    assert whole == cut


def found_in(path: Path, block_bytes: int) -> object:
    """What is read of a file: its records, or why the whole file is refused."""
    try:
        content = content_of(str(path), SourceOptions(",", block_bytes))
    except SourceError as error:
        return str(error)
    return content.rows, content.malformed


def test_broken_quotes_beside_a_delimiter_too_many_cost_their_record(
    read: Callable[..., Content],
) -> None:
    """Where every record ends in an empty cell, one with a stray quote is no sign of a column."""
    content = read(b'a,b\n1,x,\n2,"x"y,z\n3,y,\n')
    assert content.codes == [(3, "stray_quote")]
    assert content.cells == [("1", "x"), ("3", "y")]


@pytest.mark.parametrize("corrupt", list(CORRUPT))
def test_a_message_holds_no_value(read: Callable[..., Content], corrupt: bytes) -> None:
    """What is wrong is said in one line without the cell's text."""
    (bad,) = read(HEADER + GOOD[0][0] + corrupt.replace(b"x", b"Secret")[:200_000]).malformed
    assert "Secret" not in bad.message
    assert "R-9" not in bad.message
    assert "\n" not in bad.message


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (b'R-9,"x"x,y\n', 'column "b"'),
        (b'R-9,x,"y\n', 'column "c"'),
        (b"R-9,x,\xe9\n", 'column "c": holds the byte 0xE9'),
        (b"R-9,x\0,y\n", 'column "b"'),
        (b"R-9,x\ry,z\n", 'column "b"'),
    ],
)
def test_a_message_names_the_column(read: Callable[..., Content], line: bytes, place: str) -> None:
    """Where one column is to blame it is named."""
    assert read(HEADER + line).malformed[0].message.startswith(place)


def test_bytes_that_are_not_utf8_come_back(read: Callable[..., Content]) -> None:
    """The cells of such a record can be written as they were."""
    (bad,) = read("ä,b\nx,Zo".encode() + b"\xeb\n").malformed
    assert [cell.encode(errors="surrogateescape") for cell in bad.cells] == [b"x", b"Zo\xeb"]
    assert "--encoding windows-1252" in bad.message


def test_no_cell_is_lost(read: Callable[..., Content]) -> None:
    """Short records stay as they are, and what is beyond the header is kept apart."""
    short, long = read(HEADER + b"1,2\n1,2,3,4,5\n").malformed
    assert (short.cells, short.extra) == (("1", "2"), ())
    assert (long.cells, long.extra) == (("1", "2", "3"), ("4", "5"))


def test_a_long_record_of_many_lines_with_too_many_cells(read: Callable[..., Content]) -> None:
    """Its first line is charged, and framing goes on at the line after it."""
    content = read(b'a,b\n1,"x\n2,y\n",z\n3,4\n')
    assert content.codes[0] == (2, "too_many_fields")
    assert content.rows[0] == (3, ("2", "y"))
    assert content.rows[-1] == (5, ("3", "4"))


def test_an_unclosed_quote_cannot_pair_with_a_neighbour(read: Callable[..., Content]) -> None:
    """A quote within a bare cell closes no quote of an earlier line."""
    content = read(b'a,b,c\n1,"x\n2,",x",y\n')
    assert content.codes == [(2, "unclosed_quote")]
    assert content.rows == [(3, ("2", ",x", "y"))]


def test_an_unclosed_quote_at_the_end(read: Callable[..., Content]) -> None:
    """A quote that is open at the end of the file costs its line."""
    content = read(b'a,b\n1,"x\n2,y\n3,z')
    assert content.codes == [(2, "unclosed_quote")]
    assert content.rows == [(3, ("2", "y")), (4, ("3", "z"))]


@pytest.mark.parametrize("block_bytes", [1000, 1 << 20])
def test_a_record_may_span_a_thousand_lines(read: Callable[..., Content], block_bytes: int) -> None:
    """One line more is an unclosed quote."""
    fits = b'1,"' + b"\n" * (MAX_RECORD_LINES - 1) + b'"\n'
    over = b'1,"' + b"\n" * MAX_RECORD_LINES + b'"\n'
    assert read(b"a,b\n" + fits, block_bytes=block_bytes).rows[0][0] == 2
    assert read(b"a,b\n" + over, block_bytes=block_bytes).codes[0] == (2, "unclosed_quote")


@pytest.mark.parametrize("length", [MAX_RECORD, MAX_LINE_BYTES, MAX_LINE_BYTES + (1 << 20)])
def test_an_endless_line_costs_itself(read: Callable[..., Content], length: int) -> None:
    """A line over the limit is cut and reported, and lines go on being counted."""
    content = read(b"a,b\n1,2\n" + b"x," * (length // 2) + b"\n3,4\n")
    assert content.codes == [(3, "record_too_long")]
    assert content.rows == [(2, ("1", "2")), (4, ("3", "4"))]
    assert len(content.malformed[0].cells) == 2


def test_characters_are_counted_not_bytes(read: Callable[..., Content]) -> None:
    """A cell of as many characters as may be is read, whatever they need in bytes."""
    cell = "é" * MAX_FIELD
    assert read(f"a,b\n1,{cell}\n".encode()).cells == [("1", cell)]


def test_hostile_quotes_are_not_quadratic() -> None:
    """However many quotes stay open, the lines read in vain are bounded."""
    block = b'"\n' + b'x","y\n' * 20_000
    framer = Framer(",", ("a", "b"))
    framed = framer.frame(block, 1, final=True)
    assert len(framed.records) + len(framed.malformed) >= 10_000
    assert framer._in_vain < 2_000_000 + MAX_RECORD_LINES + 20_000 * 16


@pytest.mark.parametrize(
    ("block", "at_once"),
    [
        ("a,b\nc,d\n", True),
        ('"a","b ""x"""\n,\n', True),
        ('a,b\n"c\nd",e\n', False),
        ('"a\n",b,"c\n",d\n', False),
        ("a,b\n\nc,d\n", False),
        ("a,b\nc\n", False),
        ("a,b\nc,d,e\n", False),
        ('a,b\n"c,d\n', False),
        ("a,b\nc\rx,d\n", False),
        ("a,b\nc\0,d\n", False),
        ('a,b\nc,\t"d"\n', False),
    ],
    ids=repr,
)
def test_a_block_that_is_framed_at_once_is_framed_alike_line_by_line(
    block: str, *, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where each line is a record of the right width is none of them looked at by itself."""
    framer, looked = Framer(",", ("x", "y")), []
    line_by_line = framer._stretch

    def stretch(*work: Any, **named: Any) -> int | None:
        looked.append(work)
        return line_by_line(*work, **named)

    monkeypatch.setattr(framer, "_stretch", stretch)
    found = framer.frame(block.encode(), 7, final=True)
    assert (not looked) is at_once
    monkeypatch.setattr(framer, "_at_once", lambda _: 0)
    assert framer.frame(block.encode(), 7, final=True) == found
