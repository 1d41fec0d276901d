"""The header and the delimiter of a CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.errors import SourceError
    from tests.source.reading import Content


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_the_delimiter_is_detected(
    read: Callable[..., Content], delimiter: str, quote: str
) -> None:
    """Each of the four is found, with quotes or without."""
    cells = ["external_reference", "name", "balance"]
    line = delimiter.join(f"{quote}{cell}{quote}" for cell in cells) + "\n"
    content = read(line.encode() * 1 + delimiter.join(["R-1", "x", "5"]).encode())
    assert content.layout.delimiter == delimiter
    assert content.rows == [(2, ("R-1", "x", "5"))]


@pytest.mark.parametrize(
    ("data", "delimiter"),
    [
        (b"a;b,c;d\n1;2,x;3\n4;5;6\n", ";"),  # the records decide
        (b'"a;b;c;d",e\n1,2\n', ","),  # quotes are respected
        (b"a;b,c;d\n", ";"),  # without records: more columns
        (b"a|b|c\n1|x,y|2\n3|z,w|4\n", "|"),  # the header decides
        (b"a;b\n1;2\n3\n4;5\n", ";"),  # one broken record is no argument
        (b'a;b\n1;"x\ny,z"\n', ";"),
        (b"external_reference\nR-1\nR-2\n", ","),
        (b"external_reference\nR-1;x\n", ","),
        (b"sep=;\na;b,c\n1;2\n", ";"),
        (b"sep=|\r\na|b\r\n", "|"),
    ],
)
def test_what_decides_the_delimiter(
    read: Callable[..., Content], data: bytes, delimiter: str
) -> None:
    """Consistent records first, then the number of columns; Excel's ``sep=`` line over both."""
    assert read(data).layout.delimiter == delimiter


def test_an_ambiguous_delimiter_is_asked_for(
    read: Callable[..., Content], refused: Callable[..., SourceError]
) -> None:
    """Where two fit equally well nothing is guessed, and the override wins."""
    data = b"a;b,c\n1;2,3\n"
    assert "comma and semicolon could both be" in refused(data).message
    assert read(data, delimiter=";").rows == [(2, ("1", "2,3"))]
    assert read(data, delimiter="^").layout.columns == ("a;b,c",)


def test_a_byte_order_mark_is_no_part_of_the_first_name(read: Callable[..., Content]) -> None:
    """It goes, in front of a quoted name too."""
    assert read(b'\xef\xbb\xbf"a b","c"\n1,2\n').layout.columns == ("a b", "c")


def test_a_header_may_span_lines(read: Callable[..., Content]) -> None:
    """Lines are counted through a name with a line break."""
    content = read(b'\n"a\nb",c\n1,2\n', block_bytes=2)
    assert content.layout.columns == ("a\nb", "c")
    assert content.rows == [(4, ("1", "2"))]


def test_a_header_alone_has_no_records(read: Callable[..., Content]) -> None:
    """A file with a header only is fine."""
    content = read(b"external_reference,name")
    assert (content.layout.columns, content.batches) == (("external_reference", "name"), 0)


def test_the_header_keeps_its_names(read: Callable[..., Content]) -> None:
    """Names come as they are, for the errors file; who maps them trims them."""
    assert read(b" a ,B\n").layout.columns == (" a ", "B")


def test_a_name_twice_is_refused(refused: Callable[..., SourceError]) -> None:
    """Every repeated name is named; whitespace makes no difference."""
    message = refused(b"a,b,a ,c,c\n").message
    assert message.endswith('more than one column is called "a", "c"')


def test_columns_without_a_name_may_hold_nothing(read: Callable[..., Content]) -> None:
    """Empty columns that a spreadsheet leaves behind are tolerated."""
    content = read(b"a,,b,\n1,,2,\n3, ,4,\n")
    assert content.layout.columns == ("a", "_unnamed_2", "b", "_unnamed_4")
    assert content.cells == [("1", "", "2", ""), ("3", " ", "4", "")]


@pytest.mark.parametrize("row", [b"3,x\n", b'"3",x\n'])
def test_data_without_a_name_is_refused(refused: Callable[..., SourceError], row: bytes) -> None:
    """Data that nobody can name stops the run, with its line."""
    error = refused(b"a,\n1,\n" + row + b"4,y\n")
    assert error.message.endswith("line 3: column 2 holds data but has no name in the header")


def test_too_many_columns(
    read: Callable[..., Content], refused: Callable[..., SourceError]
) -> None:
    """10,000 columns are read, one more is refused."""
    names = [f"c{i}" for i in range(10_000)]
    assert len(read(",".join(names).encode()).layout.columns) == 10_000
    assert "the header has 10,001 columns" in refused(",".join([*names, "x"]).encode()).message
