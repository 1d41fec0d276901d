"""The Excel reader beside openpyxl: where both give a value, it is the same."""

from __future__ import annotations

import datetime as dt
import io
import random
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from importer.source.excel.xlsx_parts import unescaped
from importer.source.source_options import SourceOptions
from tests.source.reading import content_of
from tests.source.workbooks import MAIN, RELATIONS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:Workbook contains no default style")

WIDTH = 5
TEXTS = [
    "Zoë", " lead and trail ", "two\nlines", "tab\there", "=1+1", "'quoted", "00123", "1e5", "NA",
    "", "<&>", "😀 smile", "_x000D_", "a_x0041_b", "x" * 3_000, "\u2028", "ﬁ", "TRUE", "#N/A",
]  # fmt: skip
FORMATS = [
    "General", "0", "0.00", "#,##0", "#,##0.00", "0%", "0.00E+00", "# ?/?", "@", '"R" #,##0.00',
]  # fmt: skip
DATES = ["yyyy-mm-dd", "d/m/yy", "[$-409]mmm d, yyyy", "yyyy-mm-dd hh:mm:ss"]


def _value(chance: random.Random) -> tuple[Any, str]:
    """A value, and the number format of its cell."""
    match chance.randrange(7):
        case 0 | 1:
            return chance.choice(TEXTS), "General"
        case 2:
            return chance.choice([0, 7, -12, 951, 10**14, 123456789012345]), chance.choice(FORMATS)
        case 3:
            return chance.choice([0.1, -951.89, 1e-7, 12.0, 1 / 3, 2.5e10]), chance.choice(FORMATS)
        case 4:
            return chance.choice([True, False]), "General"
        case 5:
            day = dt.datetime(1900, 3, 1) + dt.timedelta(days=chance.randrange(90_000))  # noqa: DTZ001
            return day, chance.choice(DATES)
        case _:
            return None, "General"


def _text(value: Any) -> str:
    """What a value is to the importer."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat()
    if isinstance(value, int | float):
        whole = float(value).is_integer()
        return str(int(value)) if whole else format(Decimal(f"{value:.15g}"), "f")
    # openpyxl leaves escapes of XML as they are.
    return "" if value is None else unescaped(str(value))


def _by_openpyxl(path: Path) -> list[list[Any]]:
    book = openpyxl.load_workbook(path, data_only=True)
    return [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]


@pytest.mark.parametrize("seed", range(12))
def test_what_openpyxl_writes_is_read_as_openpyxl_reads_it(seed: int, tmp_path: Path) -> None:
    """Texts, numbers, dates and truth values of any format come to the same, cell by cell."""
    chance = random.Random(seed)
    book = openpyxl.Workbook(write_only=False)
    sheet = book.active
    assert sheet is not None
    sheet.append([f"c{n}" for n in range(WIDTH)])
    if chance.random() < 0.3:
        book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    for row in range(2, 25):
        for column in range(1, WIDTH + 1):
            value, code = _value(chance)
            cell = sheet.cell(row, column)
            cell.value = value
            cell.number_format = code
            if isinstance(value, str):
                cell.data_type = "s"
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["B"].hidden = True
    sheet.merge_cells("A30:B31")
    path = tmp_path / "book.xlsx"
    book.save(path)
    expected = [
        tuple(_text(value) for value in row)
        for row in _by_openpyxl(path)[1:]
        if any(value not in {None, ""} for value in row)
    ]
    assert content_of(str(path), SourceOptions(folder=tmp_path)).cells == expected


SHAPES = [
    '<c r="{r}"><v>{n}</v></c>',
    "<c><v>{n}</v></c>",
    '<c r="{r}" t="n"><v>{n}</v></c>',
    '<c r="{r}" t="s"><v>{s}</v></c>',
    '<c r="{r}" t="s"><v/></c>',
    '<c r="{r}" t="str"><v>{t}</v></c>',
    '<c r="{r}" t="str"><f>A1</f><v>{t}</v></c>',
    '<c r="{r}" t="str"><f>A1</f><v></v></c>',
    '<c r="{r}" t="inlineStr"><is><t>{t}</t></is></c>',
    '<c r="{r}" t="inlineStr"><is><r><rPr><b/></rPr><t>{t}</t></r><r><t>{t}</t></r></is></c>',
    '<c r="{r}" t="inlineStr"><is/></c>',
    '<c r="{r}" t="b"><v>1</v></c>',
    '<c r="{r}" t="b"><v>0</v></c>',
    '<c r="{r}" t="e"><v>#N/A</v></c>',
    '<c r="{r}" s="0"/>',
    '<c r="{r}"><f>A1+1</f><v>{n}</v></c>',
    '<c r="{r}"><f t="shared" ref="A1:A9" si="0">B1</f><v>{n}</v></c>',
    '<c r="{r}"><f t="shared" si="0"/><v>{n}</v></c>',
    '<x:c xmlns:x="{main}" r="{r}"><x:v>{n}</x:v></x:c>',
]  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_cells_by_hand_are_read_as_openpyxl_reads_them(seed: int, tmp_path: Path) -> None:
    """Whatever shape a cell has in the file: the same value, or an error of its row."""
    chance = random.Random(seed)
    path = tmp_path / "book.xlsx"
    rows = "".join(
        f'<row r="{row}">'
        + "".join(
            chance.choice(SHAPES).format(
                r=f"{chr(65 + column)}{row}",
                n=chance.choice(["1", "2.50", "1E3", "-4", "0"]),
                s=chance.randrange(3),
                t=chance.choice(["x", "é", "00123", "&lt;"]),
                main=MAIN,
            )
            for column in range(WIDTH)
        )
        + "</row>"
        for row in range(2, 12)
    )
    names = "".join(
        f'<c r="{chr(65 + n)}1" t="inlineStr"><is><t>c{n}</t></is></c>' for n in range(WIDTH)
    )
    _write(path, f'<row r="1">{names}</row>{rows}')
    content = content_of(str(path), SourceOptions(folder=tmp_path))
    wrong = {(line, fault.column) for line, fault in content.faults}
    ours = dict(content.rows)
    for number, row in enumerate(_by_openpyxl(path)[1:], 2):
        for column, value in enumerate(row):
            if (number, f"c{column}") not in wrong:
                mine = ours.get(number, ("",) * WIDTH)[column]
                assert mine == _text(value), (number, column)


def _write(path: Path, rows: str) -> None:
    """A workbook of openpyxl's with another sheet in it, and three shared texts."""
    plain = io.BytesIO()
    openpyxl.Workbook().save(plain)
    texts = "".join(f"<si><t>s{n}</t></si>" for n in range(3))
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    listed = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    related = (
        f'<Relationship Id="rId9" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>'
        "</Relationships>"
    )
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = source.read(name).decode()
            if name.endswith("sheet1.xml"):
                data = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
            elif name.endswith("workbook.xml.rels"):
                data = data.replace("</Relationships>", related)
            target.writestr(name, data.replace("</Types>", listed))
        target.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{texts}</sst>')
