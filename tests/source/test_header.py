"""The header and the delimiter of a CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from importer.errors import UsageError
from importer.source.source_options import names_in, names_text

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


def test_a_name_may_stand_twice(read: Callable[..., Content]) -> None:
    """The columns keep their places; who needs one of them says what is wrong."""
    content = read(b"a,b,a,c,c\n1,2,3,4,5\n")
    assert content.layout.columns == ("a", "b", "a", "c", "c")
    assert content.cells == [("1", "2", "3", "4", "5")]


def test_columns_without_a_name_may_hold_nothing(read: Callable[..., Content]) -> None:
    """Empty columns that a spreadsheet leaves behind are tolerated."""
    content = read(b"a,,b,\n1,,2,\n3, ,4,\n")
    assert content.layout.columns == ("a", "_unnamed_2", "b", "_unnamed_4")
    assert content.cells == [("1", "", "2", ""), ("3", " ", "4", "")]


@pytest.mark.parametrize("row", [b"3,x\n", b'"3",x\n'])
def test_data_without_a_name_is_told(read: Callable[..., Content], row: bytes) -> None:
    """It is not read, and its line is named; the index of a pandas frame is the usual case."""
    content = read(b"a,\n1,\n" + row + b"4,y\n")
    assert [cells[0] for cells in content.cells] == ["1", "3", "4"]
    (told,) = content.unnamed
    assert "line 3: column 2 holds data but has no name in the header" in told
    assert read(b",a\n0,x\n").cells == [("0", "x")]


def test_too_many_columns(
    read: Callable[..., Content], refused: Callable[..., SourceError]
) -> None:
    """10,000 columns are read, one more is refused."""
    names = [f"c{i}" for i in range(10_000)]
    assert len(read(",".join(names).encode()).layout.columns) == 10_000
    assert "the header has 10,001 columns" in refused(",".join([*names, "x"]).encode()).message


TABLE = b"external_reference,name,balance\nR-1,Ann,5\nR-2,Ben,6\n"


@pytest.mark.parametrize(
    ("above", "line"),
    [
        (b"Customer list\n", 2),
        (b"Customer list, as of 2026-11-01\n\n", 3),
        (b"Customer list,,\n,,\n", 3),
        (b'"Customers","2026-11-01"\nprinted by Ann\n\n', 4),
        (b"sep=,\nCustomers\n", 3),
        (b'"EXTF",700,16,"Debitoren",5,20261120140440439,,"RE"\n', 2),
    ],
)
def test_a_title_above_the_header(
    read: Callable[..., Content], refused: Callable[..., SourceError], above: bytes, line: int
) -> None:
    """It is told with the line of the header; the setting reads it, and init finds it."""
    error = refused(above + TABLE)
    assert f"line {line} seems to name the columns" in error.message
    assert f"--header-row {line}" in error.hint
    for options in ({"header_row": line}, {"find_header": True}):
        content = read(above + TABLE, **options)
        assert content.layout.columns == ("external_reference", "name", "balance")
        assert content.layout.header_row == line
        assert content.rows == [
            (line + 1, ("R-1", "Ann", "5")),
            (line + 2, ("R-2", "Ben", "6")),
        ]


def test_a_title_above_a_table_with_rules(read: Callable[..., Content]) -> None:
    """Lines of dashes about the names are passed over, as lists of SAP have them."""
    rule = b"-----------\n"
    data = b"Debitoren\n\n" + rule + b"|no|name|\n" + rule + b"|1|Ann|\n|2|Ben|\n"
    content = read(data, find_header=True)
    assert content.layout.header_row == 4
    assert content.layout.columns[1:3] == ("no", "name")


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        b"external_reference,2025,2026\nR-1,Ann,5\nR-2,Ben,6\n",
        b"external_reference\nR-1\nR-2\n",
        b",external_reference,name\n0,R-1,Ann\n1,R-2,Ben\n",
        b"external_reference,name,,,\nR-1,Ann,,,\nR-2,Ben,,,\n",
        b"external_reference,name,tags\nR-1,Ann,a;b;c;d\nR-2,Ben,x;y;z;w\n",
    ],
)
def test_what_is_no_title(read: Callable[..., Content], data: bytes) -> None:
    """A header stays the header, however few names it has."""
    assert read(data).layout.header_row is None


@pytest.mark.parametrize(
    ("data", "names", "cells"),
    [
        (b"external_reference,name\n1,R-1,Ann\n2,R-2,Ben\n3,R-3,Cy\n", 2, 3),
        (b"external_reference,name\nR-1,Ann,x\nR-2,Ben,y\nR-3,Cy,z\n", 2, 3),
        (b'"external_reference" "name"\n"a" "R-1" "Ann"\n"b" "R-2" "B"\n"c" "R-3" "C"\n', 2, 3),
        (b"external_reference,a,b\nR-1,1,2,3,4\nR-2,1,2,3,4\nR-3,1,2,3,4\n", 3, 5),
        (b"external_reference\nR-1,1\nR-2,2\nR-3,3\n", 1, 2),
    ],
)
@pytest.mark.parametrize("find_header", [True, False])
def test_a_header_that_lacks_a_name(
    read: Callable[..., Content],
    refused: Callable[..., SourceError],
    data: bytes,
    names: int,
    cells: int,
    *,
    find_header: bool,
) -> None:
    """R leaves out the name of the first column: no customer is taken for the header."""
    delimiter = "," if b"," in data else " "
    error = refused(data, delimiter=delimiter, find_header=find_header)
    assert f"line 1 names {names} column" in error.message
    assert f"have {cells} cells" in error.message
    assert "--header NAMES --header-row 1" in error.hint
    given = ("", "external_reference", *map(str, range(cells - 2)))
    content = read(data, delimiter=delimiter, header=given, header_row=1)
    assert [line for line, _ in content.rows] == [2, 3, 4]


def test_a_header_row_that_is_not_there(refused: Callable[..., SourceError]) -> None:
    """It is told as such."""
    assert "no header on line 9" in refused(TABLE, header_row=9).message


@pytest.mark.parametrize("sign", ["^", "~", "\x01", "¦", "§"])
def test_any_sign_may_delimit(read: Callable[..., Content], sign: str) -> None:
    """Given, or found where it stands equally often in every line."""
    data = f"a{sign}b\n1{sign}x\n2{sign}y\n".encode()
    for options in ({}, {"delimiter": sign}):
        content = read(data, **options)
        assert content.layout.delimiter == sign
        assert content.cells == [("1", "x"), ("2", "y")]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_blanks_about_a_quote_are_no_text(read: Callable[..., Content], delimiter: str) -> None:
    """In the header, before a quote and behind it; a delimiter within the quotes stays text."""
    data = 'ref, "name" , "mail"\nSQ-3, "Ben, ""B""" , "b@x.co"\n"SQ-4" , x, y\n'
    content = read(data.replace(", ", f"{delimiter} ").encode(), delimiter=delimiter)
    assert [name.strip() for name in content.layout.columns] == ["ref", "name", "mail"]
    within = f'Ben{delimiter} "B"'
    assert [tuple(map(str.strip, cells)) for cells in content.cells] == [
        ("SQ-3", within, "b@x.co"),
        ("SQ-4", "x", "y"),
    ]


@pytest.mark.parametrize("blank", ["\t", "\u00a0", " \u2009 ", "\ufeff", "\u200b\t"])
def test_other_blanks_about_a_quote_are_no_text_either(
    read: Callable[..., Content], blank: str
) -> None:
    """Tabs, no-break spaces, and a byte order mark where files were joined."""
    data = f'ref,{blank}"name, x"{blank}\n1,{blank}"Ben, ""B, {blank}""{blank}"\n{blank}"2","y"\n'
    content = read(data.encode(), delimiter=",")
    assert content.layout.columns == ("ref", "name, x")
    assert content.cells == [("1", f'Ben, "B, {blank}"{blank}'), ("2", "y")]
    assert content.codes == []


@pytest.mark.parametrize("block_bytes", [1, 1 << 16])
def test_a_delimiter_at_the_end_of_every_record(
    read: Callable[..., Content], refused: Callable[..., SourceError], block_bytes: int
) -> None:
    """The cells beyond the header are nothing as long as all of them are empty."""
    data = b"a,b\n1,x,\n2,y,\n"
    assert read(data, block_bytes=block_bytes).cells == [("1", "x"), ("2", "y")]
    assert read(data + b'3,"z",\n', block_bytes=block_bytes).cells[2] == ("3", "z")
    more = data + b"3,z,\n" * 300
    assert "line 304: the record has more" in refused(more + b"4,z,5\n").message
    assert read(b"a,b\n1,x,\n2,y\n3,z\n").codes == [(2, "too_many_fields")]
    assert read(more + b"4,z,5,\n").codes == [(304, "too_many_fields")]
    assert read(data + b'3,"z\n\n' + 300 * b"\n" + b'",\n').cells[:2] == [("1", "x"), ("2", "y")]
    last = read(data + b"3,z\n", block_bytes=block_bytes)
    assert (last.cells[2:], last.codes) == ([("3", "z")], [])
    shifted = read(data + b"3,\n4,z,\n", block_bytes=block_bytes)
    assert shifted.codes == [(4, "too_few_fields")]
    assert shifted.cells[2:] == [("4", "z")]


def test_a_file_that_is_cut_within_its_last_line(read: Callable[..., Content]) -> None:
    """It is told where the records before it have a line end; one record alone says nothing."""
    assert "line 3: the last line has no line end" in read(b"a,b\n1,2\n3,1").doubts[0]
    assert read(b"a,b\n1,2\n3,1\n").doubts == ()
    assert read(b"a,b\n1,2").doubts == ()
    cut = read(b"a,b\n1,2\n3")
    assert [one.framed for one in cut.malformed] == [False]
    assert [one.framed for one in read(b"a,b\n1,2\n3\n").malformed] == [True]
    assert [one.framed for one in read(b"a,b\n1,2\n3\n\r").malformed] == [True]


def test_an_end_mark_of_dos_is_no_record(read: Callable[..., Content]) -> None:
    """Ctrl-Z says that all was written, whether or not the last line has an end."""
    for end in (b"\n\x1a", b"\x1a", b"\r\n\x1a\x1a", b"\n\x1a\r\n"):
        content = read(b"a,b\n1,2\n3,4" + end, block_bytes=1)
        assert (content.cells, content.codes, content.doubts) == ([("1", "2"), ("3", "4")], [], ())
    assert read(b"a,b\n1,\x1a\n").cells == [("1", "\x1a")]
    assert read(b"a,b\n\x1a").cells == []


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b'"a,b"\n"1,2"\n', "in quotes as a whole"),
        (b"'a','b'\n'1','2'\n", "single quotes"),
        (b"no      name\n1       Ann\n", "stand apart by blanks"),
        (b"no  name  mail\n1   Ann   x\n", "stand apart by blanks"),
        (b"BEGIN:VCARD\nFN:Ann\n", "vCard"),
        (b"ID;PWXL;N;E\nC;Y1\n", "SYLK"),
        (b"{\\rtf1 x}\n", "RTF"),
        (b"ARROW1\0\0x", "Feather"),
        (b"Obj\x01x", "Avro"),
        (b"PARE\x1e\0\0\0\xf3", "encrypted Parquet"),
        (b"a,b\n1,2\n" + bytes(4096), "line 3 and what follows is nothing but NUL bytes"),
        (b"a,b\n1,2\n" + bytes(4096) + b"x", "binary file"),
    ],
)
def test_what_is_no_table_says_what_it_is(
    refused: Callable[..., SourceError], data: bytes, part: str
) -> None:
    """No hint to rename a column, which would not help."""
    assert part in refused(data).message


@pytest.mark.parametrize(
    "line", ["C1,Ann,a@b.co", "C1,+27 82 123 4567", "C1,ZAR,951.89", "C1,Ann,(1 951.89)"]
)
def test_a_file_without_a_header_loses_no_record(
    refused: Callable[..., SourceError], line: str
) -> None:
    """Its first record is not taken for the names of the columns, and no cell of it is shown."""
    error = refused(f"{line}\n{line}\n".encode(), delimiter=",", find_header=True)
    assert "line 1 seems to be a record" in error.message
    assert not any(cell in error.message for cell in line.split(",")[2:])


@pytest.mark.parametrize(
    ("data", "header", "rows"),
    [
        (b"1,Ann,a@b.co\n2,Ben,c@d.co\n", "id,name,mail", [1, 2]),
        (b"\n1,Ann,a@b.co\n", "id,name,mail", [2]),
        (b"1;Ann\r\n2;Ben\r\n", "id,name", [1, 2]),
        (b"1,Ann,\n2,Ben,\n", "id,name", [1, 2]),  # a delimiter at the end of every record
        (b"1,\\N,x\n2,Ben,y\n", "id,name,", [1, 2]),  # a column that nobody needs
        (b'1,"a\nb"\n2,c\n', "id,name", [1, 3]),
        ("1\tZo\u00eb\n".encode("utf-16-le"), "id,name", [1]),
        (b"A,null\nB,5\nC,6\n", "id,balance", [1, 2, 3]),  # no name of a column
        (b"Ann,x\nBen,y\n", "name,kind", [1, 2]),
    ],
)
def test_a_file_without_a_header_is_read_with_the_names_that_are_given(
    read: Callable[..., Content], data: bytes, header: str, rows: list[int]
) -> None:
    """All of its lines are records, and keep their numbers."""
    content = read(data, header=names_in(header))
    assert [line for line, _ in content.rows] == rows
    assert content.layout.columns[0] == names_in(header)[0]
    assert (content.codes, content.layout.header_row) == ([], None)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"1,Ann,x\n", "line 1 has 3 cells, and the header that is given names 2"),
        (b"1\n", "line 1 has 1 cell,"),
        (b"no,balance\nC1,5.00\nC2,\n", "line 1 seems to name the columns"),
        (b"\nno,mail\nC1,a@b.co\nC2,\\N\nC3,c@d.co\n", "line 2 seems to name the columns"),
    ],
)
def test_names_that_do_not_fit_the_file_are_refused(
    refused: Callable[..., SourceError], data: bytes, part: str
) -> None:
    """No cell gets another column's name, and a header is no customer."""
    assert part in refused(data, header=("id", "balance")).message


@pytest.mark.parametrize(
    ("data", "row", "first"),
    [
        (b"no,name,name\n1,Ann,Rep\n", 1, 2),
        (b"x,,\nno,name,name\n1,Ann,Rep\n", 2, 3),
        (b'no,"first\nname",name\n1,Ann,Rep\n', 1, 3),
    ],
)
def test_names_may_take_the_place_of_the_files_own(
    read: Callable[..., Content], data: bytes, row: int, first: int
) -> None:
    """Where two columns share a name; the lines of records stay as they are."""
    content = read(data, header_row=row, header=("no", "name", "rep"))
    assert content.layout.columns == ("no", "name", "rep")
    assert content.rows == [(first, ("1", "Ann", "Rep"))]


def test_a_second_line_of_names_is_no_record(refused: Callable[..., SourceError]) -> None:
    """Whoever names the first of two lines is told of the other."""
    data = b"Customer,Balance\nNo,ZAR\nC1,5.00\nC2,7.00\n"
    error = refused(data, header_row=1, header=("id", "balance"))
    assert "line 2 seems to name the columns" in error.message


@pytest.mark.parametrize("text", ["", " , ", "id,id", 'id,"name'])
def test_names_that_name_no_columns(text: str) -> None:
    """None at all, the same twice, or broken quotes."""
    with pytest.raises(UsageError):
        names_in(text)


def test_names_are_written_as_they_are_read() -> None:
    """A comma in one is quoted, blanks about one are nothing."""
    names = names_in(' id, "Name, first", ,mail')
    assert names == ("id", "Name, first", "", "mail")
    assert names_in(names_text(names)) == names


def test_an_errors_file_has_a_header_of_its_own(read: Callable[..., Content]) -> None:
    """What is said of its source does not hold for it."""
    data = b"id,name,_line,_error_code,_error,_digest\nC1,Ann,1,x,y,ok\n"
    assert read(data, header=("id", "name")).layout.columns[:2] == ("id", "name")


def test_who_names_the_header_row_is_believed(read: Callable[..., Content]) -> None:
    """A column may be called 10.50, where somebody says that its line is the header."""
    assert read(b"no,10.50\n1,2\n", header_row=1).layout.columns == ("no", "10.50")


def test_the_mark_above_a_list_of_myob_is_a_title(read: Callable[..., Content]) -> None:
    """It is no JSON object, and the names stand on the line below it."""
    data = b"{}\r\nCo./Last Name\tCard ID\r\nNkosi\tC1\r\nBotha\tC2\r\n"
    content = read(data, find_header=True)
    assert (content.layout.header_row, content.cells) == (2, [("Nkosi", "C1"), ("Botha", "C2")])


def test_names_that_only_look_like_another_format(read: Callable[..., Content]) -> None:
    """ID;Phone is a header, and so is one name of several words, or in quotes of either kind."""
    assert read(b"ID;Phone\n1;x\n").cells == [("1", "x")]
    assert read(b"PARENT;Phone\n1;x\n").cells == [("1", "x")]
    assert read(b"customer no\n1\n").cells == [("1",)]
    assert read(b"'t Hooft,b\n1,2\n").cells == [("1", "2")]
    assert read(b'"a"\n"1"\n').cells == [("1",)]
    assert read(b"no,2026,30 days,1.5,e@home\n1,2,3,4,5\n").codes == []


def test_a_record_in_quotes_as_a_whole_says_so(read: Callable[..., Content]) -> None:
    """Its message names the quotes, and not the cells that are missing."""
    assert "quotes about the whole line" in read(b'a,b\n"1,2"\n').malformed[0].message
