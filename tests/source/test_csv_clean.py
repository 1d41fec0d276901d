"""Clean CSV comes back cell by cell, with its physical lines, whatever path reads it."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from importer.source.csv.careful import Framer
from importer.source.csv.csv_source import parse_fast
from importer.source.opened import open_source
from importer.source.source_options import SourceOptions
from tests.source.reading import content_of, lines_of_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.source.reading import Content

CELLS = st.text(
    alphabet=st.one_of(
        st.sampled_from(",;\t|\"' \n\r=é€😀NA01e\u2028\x0b\x1c\ufeff"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=8,
)


@st.composite
def written(draw: st.DrawFn) -> tuple[bytes, str, list[list[str]], list[int]]:
    """A CSV file from the csv module: its bytes, delimiter, cells and physical lines."""
    delimiter = draw(st.sampled_from(",;\t|"))
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    quoted = draw(st.booleans())
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8))
    if not quoted and ending == "\n":
        # Here csv writes a carriage return without quotes, which it then refuses to read.
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=delimiter,
        lineterminator=ending,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerow([f"column_{i}" for i in range(width)])
    starts, gaps = [], draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    for row, gap in zip(rows, gaps, strict=True):
        out.write(ending * (gap == 2))
        starts.append(out.getvalue().count("\n") + 1)
        writer.writerow(row)
    text = out.getvalue()
    if draw(st.booleans()):
        text = text.removesuffix(ending)
    bom = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    return bom + text.encode(), delimiter, rows, starts


@given(written(), st.integers(1, 80))
@settings(max_examples=200, deadline=None)
def test_what_csv_writes_is_read_back(
    file: tuple[bytes, str, list[list[str]], list[int]], block_bytes: int
) -> None:
    """Every cell and every first line comes back, at any block size."""
    # The encoding is named: a cell that is one control character may be text of another encoding.
    data, delimiter, rows, starts = file
    # With a Ctrl-Z DOS programs say that all was written (test_header.py).
    assume(not data.rstrip(b"\r\n").endswith(b"\x1a"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "customers.csv")
        path.write_bytes(data)
        content = content_of(str(path), SourceOptions(delimiter, block_bytes, "utf-8"))
    assert content.malformed == []
    kept = [
        (start, tuple(row))
        for start, row in zip(starts, rows, strict=True)
        if len(row) == 1 or any(map(str.strip, row))
    ]
    assert content.rows == kept


@given(
    st.lists(
        st.lists(
            st.text(
                alphabet=st.characters(exclude_categories=["Cs"], exclude_characters=',"\n\r\0'),
                max_size=6,
            ),
            min_size=3,
            max_size=3,
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(deadline=None)
def test_both_paths_agree_on_clean_blocks(rows: list[list[str]], ending: str) -> None:
    """The fast path takes a clean block, and says what the careful path says."""
    block = "".join(",".join(row) + ending for row in rows).encode()
    columns = ("a", "b", "c")
    frame = parse_fast(block, ",", columns)
    careful = Framer(",", columns).frame(block, 2, final=True)
    if frame is None:
        assert rows[0][0].startswith("\ufeff")
    else:
        assert frame.rows() == [tuple(row) for row in careful.records]
    assert careful.lines == list(range(2, 2 + len(rows)))
    assert careful.malformed == []


@given(st.binary(max_size=60) | st.text(alphabet="a,\n\r", max_size=40).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_the_fast_path_never_takes_what_the_careful_path_would_not(block: bytes) -> None:
    """On any bytes the fast path declines or agrees in cells and lines."""
    block += b"\n"
    columns = ("a", "b")
    frame = parse_fast(block, ",", columns)
    if frame is not None:
        careful = Framer(",", columns).frame(block, 1, final=True)
        assert careful.malformed == []
        assert frame.rows() == [tuple(row) for row in careful.records]
        assert careful.lines == list(range(1, 1 + frame.height))


@pytest.mark.parametrize("quote", ["", '"'])
def test_no_text_is_magic(read: Callable[..., Content], quote: str) -> None:
    """Nulls, numbers, dates, spaces and comments stay the text that they are."""
    row = ("NA", "null", "00123", "1e5", " x ", "#c", "true", "2024-01-02", "-", "None", "1_000")
    head = ",".join(f"c{i}" for i in range(len(row)))
    line = ",".join(quote + cell + quote for cell in row)
    content = read(f"{head}\n{line}\n".encode())
    assert content.rows == [(2, row)]


def test_the_fast_path_knows_lines_without_counting(tmp_path: Path) -> None:
    """A clean file comes in blocks whose lines are ranges that join up."""
    path = tmp_path / "customers.csv"
    path.write_bytes(b"a,b\n" + b"".join(b"%d,x\n" % i for i in range(5000)))
    content = content_of(str(path), SourceOptions(None, 4096))
    assert content.batches > 5
    assert content.rows == [(i + 2, (str(i), "x")) for i in range(5000)]


def test_a_broken_block_leaves_the_others_fast(read: Callable[..., Content]) -> None:
    """Lines stay right where fast and careful blocks alternate."""
    rows = [b'"q\n%d",x\n' % i if i % 500 == 250 else b"%d,x\n" % i for i in range(3000)]
    content = read(b"a,b\n" + b"".join(rows), block_bytes=1000)
    assert [line for line, _ in content.rows] == lines_of_records(rows, first=2)


@pytest.mark.parametrize("width", [1, 2])
def test_blank_lines_are_no_records(read: Callable[..., Content], width: int) -> None:
    """Empty lines are skipped and still counted, in files of one column too."""
    cells = ("x", "y")[:width]
    names, line = ",".join("ab"[:width]), ",".join(cells)
    content = read(f"\n{names}\n\n{line}\r\n\r\n\n{line}\n\n".encode())
    assert content.rows == [(4, cells), (7, cells)]


@pytest.mark.parametrize("blank", [b",,\n", b'"","",""\n', b" , ,\n", b",\n", b",,,,\n", b"  \n"])
@pytest.mark.parametrize("block_bytes", [1, 1 << 16])
def test_a_row_of_nothing_is_none(
    read: Callable[..., Content], blank: bytes, block_bytes: int
) -> None:
    """As in Excel; its line counts, and how many there were is said."""
    data = b"a,b,c\n" + blank + b"1,,\n" + 2 * blank + b"2,,\n" + blank
    content = read(data, block_bytes=block_bytes)
    assert content.rows == [(3, ("1", "", "")), (6, ("2", "", ""))]
    assert content.malformed == []
    assert "4 rows hold nothing" in content.warnings[0]


def test_a_single_column_may_hold_an_empty_cell(read: Callable[..., Content]) -> None:
    """In a file of one column an empty record is written with quotes."""
    assert read(b'external_reference\nA-1\n""\n').rows == [(2, ("A-1",)), (3, ("",))]


def test_a_quote_within_a_bare_cell_is_text(read: Callable[..., Content]) -> None:
    """As csv has it, a quote that does not open the cell is a character."""
    assert read(b'a,b\nO"Brien,6"\n').rows == [(2, ('O"Brien', '6"'))]


def test_an_errors_file_is_unescaped(read: Callable[..., Content]) -> None:
    """Fed back, exactly one apostrophe of importer's own escaping goes, in both paths."""
    head = b"external_reference,phone,_line,_error_code,_error\n"
    fast = read(head + b"'x,'+27820000001,2,c,e\n")
    careful = read(head + b"\"'x\",\"''=y\",2,c,e\n'-1,'@,2,c\n")
    assert fast.layout.fed_back
    assert fast.cells == [("'x", "+27820000001", "2", "c", "e")]
    assert careful.cells == [("'x", "'=y", "2", "c", "e")]
    assert careful.malformed[0].cells == ("-1", "@", "2", "c")


def test_other_files_keep_their_apostrophes(read: Callable[..., Content]) -> None:
    """Only a file with all three added columns was escaped by importer."""
    content = read(b"external_reference,_line,_error\n'+1,2,3\n")
    assert not content.layout.fed_back
    assert content.cells == [("'+1", "2", "3")]


def test_an_empty_frame_has_the_columns(tmp_path: Path) -> None:
    """A batch of malformed records only still has a frame with every column as String."""
    path = tmp_path / "customers.csv"
    path.write_bytes(b"a,b\nx\n")
    with open_source(str(path), 0, SourceOptions()) as source:
        (batch,) = source.batches()
    assert batch.frame.schema == {"a": pl.String, "b": pl.String}
    assert len(batch.malformed) == 1
