"""Excel workbooks: cells as they are stored, rows by Excel's numbers, damage in words."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.errors import SourceError, UsageError
from importer.source.excel.xlsx_parts import Cell, cell_text, unescaped
from importer.source.opened import open_source
from importer.source.records import Kind
from importer.source.source_options import SourceOptions
from tests.source.reading import content_of
from tests.source.workbooks import MAIN, RELATIONS, Raw, error, styled, write_workbook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.source.reading import Content
    from tests.source.workbooks import Value

HEADER: list[Value] = ["external_reference", "name", "metadata.k"]


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Content]:
    """Write a workbook and read it: ``book({sheet: {row: cells}}, sheet=..., **write)``."""

    def reading(
        sheets: dict[str, dict[int, list[Value]]], *, sheet: str | None = None, **write: Any
    ) -> Content:
        path = tmp_path / "book.xlsx"
        write_workbook(path, sheets, **write)
        return content_of(str(path), SourceOptions(sheet=sheet, folder=tmp_path))

    return reading


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("00123", "00123"),
        ("1e5", "1e5"),
        ("  x ", "  x "),
        ("a_x000D_b", "a\rb"),
        (1234567890123, "1234567890123"),
        (999999999999999, "999999999999999"),
        (-7, "-7"),
        (12.0, "12"),
        (0.1 + 0.2, "0.3"),
        (12.5, "12.5"),
        (1e-7, "0.0000001"),
        (styled("1.2345E+3", 0), "1234.5"),
        (styled(123, 2), "00123"),
        (styled(1234567, 2), "1234567"),
        (styled(45000, 1), "2023-03-15"),
        (styled(45000.5, 1), "2023-03-15T12:00:00"),
        (styled(59, 1), "1900-02-28"),
        (styled(61, 1), "1900-03-01"),
        (styled(0.75, 5), "18:00:00"),
        (styled(1.25, 3), "30:00:00"),
        (styled(2, 4), "2"),
        (True, "true"),
        (Raw('<c r="{ref}" t="str"><f>A1</f><v>made</v></c>'), "made"),
        (Raw('<c r="{ref}" t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>'), "ab"),
        (Raw('<c r="{ref}" t="d"><v>2024-01-31</v></c>'), "2024-01-31"),
        (Raw('<c r="{ref}" t="d"><v>2024-01-31T00:00:00.000Z</v></c>'), "2024-01-31"),
        (Raw('<c r="{ref}" t="b"><v>true</v></c>'), "true"),
        (styled(42, 6), "CUST-0042"),
        (styled("4.2E1", 6), "CUST-0042"),
        (Raw('<c r="{ref}" t="str" s="8"><v>0042</v></c>'), "T-0042"),
        ("Jo_xD83D__xDE00_", "Jo😀"),
        ("_x005F_x000D_", "_x000D_"),
        (Raw('<c r="{ref}" t="inlineStr"><is><t>Jo_xD83D__xDE00_</t></is></c>'), "Jo😀"),
        (Raw('<c r="{ref}" t="str"><f>IF(1,"","")</f><v></v></c>'), ""),
        (Raw('<c r="{ref}" t="s"><v/></c>'), ""),
        (Raw('<c r="{ref}" t="s"/>'), ""),
        (Raw('<c r="{ref}"><f t="shared" si="0"/><v>3</v></c>'), "3"),
        (
            Raw('<c r="{ref}" t="inlineStr"><is><t>山</t><rPh><t>やま</t></rPh></is></c>'),
            "山",
        ),
    ],
)
def test_a_cell_is_what_is_stored(book: Callable[..., Content], cell: Value, text: str) -> None:
    """Text stays text, numbers have no exponent and no noise, dates are ISO 8601."""
    content = book({"S": {1: [*HEADER], 2: ["R-1", "Ann", cell]}})
    assert content.rows == [(2, ("R-1", "Ann", text))]
    assert not content.faults


@pytest.mark.parametrize(
    ("cell", "code", "text"),
    [
        (1234567890123456, "number_inexact", "1234567890123460"),
        (styled("1E+300", 0), "number_inexact", "1" + "0" * 300),
        (error("#N/A"), "cell_error", "#N/A"),
        (error("#DIV/0!"), "cell_error", "#DIV/0!"),
        (Raw('<c r="{ref}"><f>A1+1</f></c>'), "cell_error", ""),
        (Raw('<c r="{ref}"><v>abc</v></c>'), "cell_error", "abc"),
        (Raw('<c r="{ref}"><f>A1+1</f><v/></c>'), "cell_error", ""),
        (Raw('<c r="{ref}" t="str"><f>A1&amp;""</f></c>'), "cell_error", ""),
        (Raw('<c r="{ref}"><f t="shared" si="0"/></c>'), "cell_error", ""),
        (Raw('<c r="{ref}" t="b"><v>2</v></c>'), "cell_error", "2"),
        (styled(0.42, 7), "wrong_type", "0.42"),
        (styled(42.5, 6), "wrong_type", "42.5"),
        (styled("NaN", 0), "cell_error", "NaN"),
        (styled(60, 1), "cell_error", "60"),
        (styled(-1, 1), "cell_error", "-1"),
        ("Jo_x0000_n", "nul_byte", "Jon"),
        ("Jo_xD83D_", "not_unicode", "Jo\ufffd"),
        (
            Raw('<c r="{ref}" t="inlineStr"><is><t>Jo_xD83D_</t></is></c>'),
            "not_unicode",
            "Jo\ufffd",
        ),
    ],
)
def test_what_is_no_reference(
    book: Callable[..., Content], cell: Value, code: str, text: str
) -> None:
    """A number that Excel has rounded, or an error costs its row and says what to do."""
    content = book({"S": {1: [*HEADER], 2: [cell, "Ann", None], 3: ["R-1", "Ben", None]}})
    assert [(line, fault.column, fault.code) for line, fault in content.faults] == [
        (2, "external_reference", code)
    ]
    assert content.cells == [(text, "Ann", ""), ("R-1", "Ben", "")]


def test_an_error_cell_is_a_fault_in_every_column(book: Callable[..., Content]) -> None:
    """It is not the same as an empty cell."""
    content = book({"S": {1: [*HEADER], 2: ["R-1", None, error("#REF!")]}})
    assert [(line, fault.code) for line, fault in content.faults] == [(2, "cell_error")]
    assert "#REF!" in content.faults[0][1].message


@pytest.mark.parametrize("value", ["0", "", "0.0"])
def test_a_formula_that_is_still_to_be_calculated_has_no_value(
    book: Callable[..., Content], value: str
) -> None:
    """Where the workbook asks for it, 0 is only what stands there until then."""
    cell = Raw(f'<c r="{{ref}}"><f>A1</f><v>{value}</v></c>')
    rows: dict[str, dict[int, list[Value]]] = {"S": {1: [*HEADER], 2: ["R-1", cell, 0]}}
    content = book(rows, calculate='<calcPr fullCalcOnLoad="1"/>')
    assert [(line, one.column, one.code) for line, one in content.faults] == [
        (2, "name", "cell_error")
    ]
    assert content.cells == [("R-1", "", "0")]
    assert book(rows, calculate='<calcPr calcCompleted="0"/>').faults
    if value:
        assert not book(rows).faults


def test_a_value_that_may_be_old_is_a_warning(book: Callable[..., Content]) -> None:
    """A saved value of a formula that is to be calculated again is read, and said."""
    cell = Raw('<c r="{ref}"><f>A1</f><v>7</v></c>')
    content = book(
        {"S": {1: [*HEADER], 2: ["R-1", cell, None]}}, calculate='<calcPr fullCalcOnLoad="true"/>'
    )
    assert content.cells == [("R-1", "7", "")]
    assert "1 formulas are to be calculated when the workbook is opened" in content.warnings[0]


def test_a_column_in_several_currencies_is_told(book: Callable[..., Content]) -> None:
    """Of what is shown only the number is read; one sign in all cells says nothing else."""
    rows: dict[str, dict[int, list[Value]]] = {
        "S": {1: [*HEADER], 2: ["R-1", "Ann", styled(5, 9)], 3: ["R-2", "Bo", styled(5, 10)]}
    }
    (doubt,) = book(rows).doubts
    assert "in different currencies (R, €)" in doubt
    rows["S"][2] = ["R-1", "Ann", styled(5, 10)]
    assert book(rows).doubts == ()


def test_merged_cells_that_reach_over_rows_are_told(book: Callable[..., Content]) -> None:
    """The rows below the first have no value; over columns, or in the header, nothing is lost."""
    rows: dict[str, dict[int, list[Value]]] = {
        "S": {1: [*HEADER], 2: ["R-1", "Ann", None], 3: ["R-2", None, None]}
    }
    (warning,) = book(rows, merged=["B2:B3", "A1:A1", "A1:B1", "A1:A2", "C2:D2"]).warnings
    assert "1 merged cells reach over several rows" in warning


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    """Shared texts that cannot be kept in the temporary file end with its folder's name."""
    path = tmp_path / "book.xlsx"
    write_workbook(path, {"S": {1: ["external_reference"], 2: ["R" * 2_000]}})

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with (
        mock.patch("importer.source.excel.xlsx_parts.scratch_file", return_value=Full()),
        pytest.raises(UsageError, match=f"cannot be written to {tmp_path}: No space left"),
    ):
        content_of(str(path), SourceOptions(folder=tmp_path))


def test_a_disk_that_fails_is_no_damage(tmp_path: Path) -> None:
    """What the system says of the file itself is passed on."""
    path = tmp_path / "book.xlsx"
    path.write_bytes(_plain())
    with (
        mock.patch("zipfile.ZipExtFile.read", side_effect=OSError(errno.EIO, "I/O error")),
        pytest.raises(SourceError, match="cannot be read: I/O error"),
    ):
        content_of(str(path))


def test_names_of_parts_in_other_spellings(tmp_path: Path) -> None:
    """Capitals and backslashes in the archive are those of some writers."""
    path = tmp_path / "book.xlsx"
    with (
        zipfile.ZipFile(io.BytesIO(_plain())) as source,
        zipfile.ZipFile(path, "w") as target,
    ):
        for name in source.namelist():
            other = name.replace("sharedStrings", "SharedStrings").replace("xl/w", "xl\\W")
            target.writestr(other, source.read(name))
    assert content_of(str(path)).cells == [("R-1",), ("R-2",)]


def test_a_strict_workbook(tmp_path: Path) -> None:
    """Other names of the same things (ECMA-376 part 1, ISO/IEC 29500 Strict) change nothing."""
    path = tmp_path / "book.xlsx"
    with (
        zipfile.ZipFile(io.BytesIO(_plain())) as source,
        zipfile.ZipFile(path, "w") as target,
    ):
        for name in source.namelist():
            text = source.read(name).decode()
            text = text.replace(MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main")
            text = text.replace(
                RELATIONS, "http://purl.oclc.org/ooxml/officeDocument/relationships"
            )
            target.writestr(name, text)
    assert content_of(str(path)).cells == [("R-1",), ("R-2",)]


def test_rows_have_the_numbers_that_excel_shows(book: Callable[..., Content]) -> None:
    """Blank rows, before the header too, are nothing; rows with less cells are filled up."""
    rows: dict[int, list[Value]] = {
        3: [*HEADER], 4: ["R-1"], 5: [None, None, None], 9: ["R-2", None, "x"], 12: []
    }  # fmt: skip
    content = book({"S": rows})
    assert content.rows == [(4, ("R-1", "", "")), (9, ("R-2", "", "x"))]


def test_data_beside_the_table_is_malformed(book: Callable[..., Content]) -> None:
    """A cell beyond the header is never dropped silently; white space there is nothing."""
    content = book({"S": {1: ["external_reference"], 2: ["R-1", "x"], 3: ["R-2", "  "]}})
    assert content.codes == [(2, "too_many_fields")]
    assert content.malformed[0].extra == ("x",)
    assert content.cells == [("R-2",)]


def test_the_first_sheet_with_data_is_read(book: Callable[..., Content]) -> None:
    """Empty and hidden sheets are passed over; others with data are a warning."""
    sheets: dict[str, dict[int, list[Value]]] = {
        "Empty": {}, "Secret": {1: ["x"]}, "Customers": {1: ["a"], 2: ["1"]}, "Old": {1: ["b"]}
    }  # fmt: skip
    content = book(sheets, hidden=["Secret"])
    assert content.layout.columns == ("a",)
    assert len(content.warnings) == 1
    assert 'only the sheet "Customers" is read; "Old" hold' in content.warnings[0]
    assert book(sheets, sheet="Secret", hidden=["Secret"]).layout.columns == ("x",)
    assert not book(sheets, sheet="Old").warnings


def test_a_sheet_that_is_not_there(book: Callable[..., Content]) -> None:
    """The hint names those that are."""
    with pytest.raises(SourceError) as caught:
        book({"Kunden": {1: ["a"]}}, sheet="Customers")
    assert 'no sheet "Customers"' in caught.value.message
    assert '"Kunden"' in caught.value.hint
    with pytest.raises(SourceError, match="no visible sheet of the workbook holds anything"):
        book({"S": {}})
    with pytest.raises(SourceError, match='the sheet "S" is empty'):
        book({"S": {}}, sheet="S")


def test_hidden_rows_are_read_with_a_warning(book: Callable[..., Content]) -> None:
    """A filter in Excel hides rows, it does not remove them."""
    content = book({"S": {1: ["a"], 2: ["1"], 3: ["2"]}}, row_attributes={2: 'hidden="1"'})
    assert len(content.rows) == 2
    assert "1 rows that Excel does not show" in content.warnings[0]


def test_dates_since_1904(book: Callable[..., Content]) -> None:
    """Workbooks of old Macs count days from another day on."""
    content = book({"S": {1: [*HEADER], 2: ["R", None, styled(43538, 1)]}}, since_1904=True)
    assert content.cells[0][2] == "2023-03-15"


def test_many_rows_come_in_batches(
    book: Callable[..., Content], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Order and numbers hold across batches."""
    monkeypatch.setattr("importer.source.excel.xlsx_source._MOST_CELLS", 1_000)
    rows: dict[int, list[Value]] = {1: ["a"], **{n: [f"R-{n}"] for n in range(2, 2_500)}}
    content = book({"S": rows})
    assert content.batches == 3
    assert content.rows[-1] == (2_499, ("R-2499",))


def _with_part(data: bytes, part: str, content: bytes) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(data))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, content if name == part else source.read(name))
    return target.getvalue()


def _plain() -> bytes:
    file = io.BytesIO()
    write_workbook(file, {"S": {1: ["external_reference"], 2: ["R-1"], 3: ["R-2"]}})
    return file.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
DATA = f'<worksheet xmlns="{MAIN}"><sheetData>%s</sheetData></worksheet>'


@pytest.mark.parametrize(
    ("part", "content", "text"),
    [
        (SHEET, "<worksheet><sheetData><row>", "damaged"),
        (SHEET, '<!DOCTYPE x [<!ENTITY a "b">]><worksheet>&a;</worksheet>', "damaged"),
        (SHEET, DATA % '<row r="2"/><row r="1"/>', "damaged"),
        (SHEET, DATA % '<row r="9999999"/>', "damaged"),
        (SHEET, DATA % '<row><c r="ZZZ1"><v>1</v></c></row>', "damaged"),
        (SHEET, DATA % '<row><c r="A1" t="s"><v>99</v></c></row>', "damaged"),
        (SHEET, DATA % f'<row><c r="A1" x="{"y" * (40 << 20)}"/></row>', "a tag of more than"),
        ("xl/workbook.xml", "<workbook><sheets/></workbook>", "no visible sheet"),
        ("xl/styles.xml", " " * (40 << 20), "unpacks to more than 32 MiB"),
    ],
)
def test_a_damaged_workbook(tmp_path: Path, part: str, content: str, text: str) -> None:
    """It ends with an error that names the file and the fix, before memory is used up."""
    path = tmp_path / "book.xlsx"
    path.write_bytes(_with_part(_plain(), part, content.encode()))
    with pytest.raises(SourceError) as caught:
        content_of(str(path))
    assert text in caught.value.message
    assert caught.value.hint


@given(
    st.lists(st.tuples(st.integers(4, 3_000), st.integers(0, 255)), max_size=4),
    st.integers(0, 3_000),
)
@settings(max_examples=150, deadline=None)
def test_any_damage_is_an_error_or_harmless(spoils: list[tuple[int, int]], cut: int) -> None:
    """Whatever the bytes are: rows, or a SourceError."""
    data = bytearray(_plain())
    for at, value in spoils:
        data[at % len(data)] = value
    data[:4] = b"PK\x03\x04"
    from tests.fuzz.inputs import read_all

    read_all(bytes(data[: len(data) - cut % 50 if cut % 3 == 0 else None]))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["word/document.xml"], "is a Word document"),
        (["mimetype", "content.xml"], "OpenDocument"),
        (["_rels/.rels", "xl/workbook.bin"], "binary Excel workbook"),
        (["Index/Document.iwa"], "is an Apple Numbers document"),
        (["customers.csv"], "is a zip archive and no Excel workbook"),
    ],
)
def test_other_archives(tmp_path: Path, names: list[str], text: str) -> None:
    """It is said what the archive is instead."""
    path = tmp_path / "x"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            kind = "<Relationships/>" if name.endswith(".rels") else ""
            archive.writestr(name, kind)
    with pytest.raises(SourceError, match=text):
        content_of(str(path))


def test_a_workbook_from_a_pipe() -> None:
    """Its end must be read first."""
    with pytest.raises(SourceError, match="Excel cannot be read from a pipe"):
        open_source("-", 0, SourceOptions(), io.BytesIO(_plain()))


BOMB = """
import resource, sys
from importer.errors import SourceError, UsageError
from importer.source.opened import open_source
from importer.source.source_options import SourceOptions
try:
    with open_source(sys.argv[1], 0, SourceOptions()) as source:
        print(sum(batch.frame.height for batch in source.batches()))
except SourceError as error:
    print("refused")
try:  # what getrusage says begins with what the parent holds
    status = open("/proc/self/status").read()
    print(int(status.split("VmHWM:")[1].split()[0]) >> 10)
except OSError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "cells", "strings"])
def test_a_bomb_needs_little_memory(tmp_path: Path, kind: str) -> None:
    """Hundreds of megabytes of one text, of cells or of shared texts are read as a stream."""
    path = tmp_path / "bomb.xlsx"
    head, piece, tail = {
        "text": ('<c r="A1" t="str"><v>', "x" * (1 << 20), "</v></c></row>"),
        "cells": ("", "<c/>" * 4_000, "</row>"),
        "strings": ("", f"<si><t>{'x' * 1_000}</t></si>" * 1_000, ""),
    }[kind]
    part = "xl/sharedStrings.xml" if kind == "strings" else SHEET
    with (
        zipfile.ZipFile(io.BytesIO(_plain())) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name in source.namelist():
            if name != part:
                archive.writestr(name, source.read(name))
        with archive.open(part, "w", force_zip64=True) as file:
            opening = "<sst>" if kind == "strings" else "<worksheet><sheetData><row>"
            file.write((opening + head).encode())
            for _ in range(150):
                file.write(piece.encode())
            closing = "</sst>" if kind == "strings" else "</sheetData></worksheet>"
            file.write((tail + closing).encode())
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(path)], capture_output=True, text=True, check=True
    )
    said, peak = done.stdout.split()
    assert said == {"text": "0", "cells": "refused", "strings": "2"}[kind]
    assert int(peak) < 200


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back(value: float) -> None:
    """Its text is the number to 15 digits, without an exponent."""
    cell = Cell("n", repr(value))
    text, kind, fault = cell_text("x", cell, since_1904=False)
    assert kind == (Kind.NUMBER if abs(value) < 1e15 else Kind.INEXACT)
    assert "e" not in text.lower()
    assert float(text) == float(f"{value:.15g}")
    assert (fault is not None) == (abs(value) >= 1e15)


@given(st.text(max_size=20))
def test_text_without_escapes_stays(text: str) -> None:
    """Only ``_xHHHH_`` means another character."""
    if "_x" not in text:
        assert unescaped(text) == text


@pytest.mark.parametrize("row", [3, 70])
def test_a_title_above_the_header(tmp_path: Path, row: int) -> None:
    """It is told with the row of the header, which init finds and the setting reads."""
    rows: dict[int, list[Value]] = {1: ["Customers", None], row: ["external_reference", "name", 5]}
    rows[row][2] = "town"
    rows |= {row + 1: ["R-1", "Ann", "Ulm"], row + 3: ["R-2", "Ben", "Bonn"]}
    path = tmp_path / "book.xlsx"
    write_workbook(path, {"S": rows})
    with pytest.raises(SourceError, match=f"row {row}|line {row}") as caught:
        content_of(str(path), SourceOptions(folder=tmp_path))
    assert f"--header-row {row}" in (caught.value.hint or "")
    for options in (SourceOptions(header_row=row), SourceOptions(find_header=True)):
        content = content_of(str(path), options)
        assert content.layout.header_row == row
        assert content.rows == [
            (row + 1, ("R-1", "Ann", "Ulm")),
            (row + 3, ("R-2", "Ben", "Bonn")),
        ]
    with pytest.raises(SourceError, match="no header on line 2"):
        content_of(str(path), SourceOptions(header_row=2))


def test_a_sheet_without_a_header(tmp_path: Path) -> None:
    """Its first row is a record where the names are given, and no name of a column is."""
    path = tmp_path / "book.xlsx"
    rows: dict[int, list[Value]] = {2: ["R-1", 951.89], 3: ["R-2", 7]}
    write_workbook(path, {"S": rows})
    with pytest.raises(SourceError, match="line 2 seems to be a record"):
        content_of(str(path), SourceOptions(folder=tmp_path))
    content = content_of(str(path), SourceOptions(header=("no", "balance")))
    assert content.layout.columns == ("no", "balance")
    assert content.rows == [(2, ("R-1", "951.89")), (3, ("R-2", "7"))]
    write_workbook(path, {"S": {1: ["nr", "due"], **rows}})
    with pytest.raises(SourceError, match="line 1 seems to name the columns"):
        content_of(str(path), SourceOptions(header=("no", "balance")))
    content = content_of(str(path), SourceOptions(header=("no", "balance"), header_row=1))
    assert (content.layout.columns, len(content.rows)) == (("no", "balance"), 2)
