"""Writes small Excel workbooks (ECMA-376) by hand, so that every cell is stored as a test says."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import IO

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
FORMATS = [
    "General", "m/d/yyyy", "00000", "[h]:mm", '0.00" days"', "hh:mm:ss",
    '"CUST-"0000', '"CUST-"0%', '"T-"@', "[$€-407] 0.00", '"R" 0.00',
]  # fmt: skip
"""Styles by index, for ``styled``."""
Value = str | int | float | bool | None


class Raw(str):
    """A whole ``<c>`` element; ``{ref}`` stands for its reference."""

    __slots__ = ()


def styled(value: float | str, style: int) -> Raw:
    """A number with the format ``FORMATS[style]``."""
    return Raw(f'<c r="{{ref}}" s="{style}"><v>{value}</v></c>')


def error(text: str) -> Raw:
    """An error cell."""
    return Raw(f'<c r="{{ref}}" t="e"><v>{text}</v></c>')


def write_workbook(
    target: Path | IO[bytes],
    sheets: Mapping[str, Mapping[int, Sequence[Value]]],
    *,
    hidden: Sequence[str] = (),
    since_1904: bool = False,
    row_attributes: Mapping[int, str] | None = None,
    calculate: str = "",
    merged: Sequence[str] = (),
) -> None:
    """Write sheets of rows by number; text cells share their strings."""
    strings: dict[str, int] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", _relations([("officeDocument", "xl/workbook.xml")]))
        parts = [("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)]
        parts += [("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml")]
        archive.writestr("xl/_rels/workbook.xml.rels", _relations(parts))
        states = {name: "hidden" if name in hidden else "visible" for name in sheets}
        listed = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}" state="{states[name]}"/>'
            for n, name in enumerate(sheets, 1)
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
            f'<workbookPr date1904="{int(since_1904)}"/><sheets>{listed}</sheets>'
            f"{calculate}</workbook>",
        )
        merges = "".join(f'<mergeCell ref="{one}"/>' for one in merged)
        merges = f"<mergeCells>{merges}</mergeCells>" if merged else ""
        for n, rows in enumerate(sheets.values(), 1):
            body = "".join(
                f'<row r="{number}" {(row_attributes or {}).get(number, "")}>'
                + "".join(
                    _cell(f"{chr(65 + at)}{number}", one, strings) for at, one in enumerate(row)
                )
                + "</row>"
                for number, row in rows.items()
            )
            archive.writestr(
                f"xl/worksheets/sheet{n}.xml",
                f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData>{merges}</worksheet>',
            )
        texts = "".join(f'<si><t xml:space="preserve">{escape(one)}</t></si>' for one in strings)
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{texts}</sst>')
        codes = "".join(
            f'<numFmt numFmtId="{200 + n}" formatCode={quoteattr(code)}/>'
            for n, code in enumerate(FORMATS)
        )
        formats = "".join(f'<xf numFmtId="{200 + n}"/>' for n in range(len(FORMATS)))
        archive.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{MAIN}"><numFmts>{codes}</numFmts>'
            f'<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs>{formats}</cellXfs>'
            "</styleSheet>",
        )


def _relations(parts: Sequence[tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{n}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(parts, 1)
    )
    return f'<Relationships xmlns="{PACKAGE}">{listed}</Relationships>'


def _cell(reference: str, value: Value, strings: dict[str, int]) -> str:
    if value is None:
        return ""
    if isinstance(value, Raw):
        return value.replace("{ref}", reference)
    if isinstance(value, bool):
        return f'<c r="{reference}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c r="{reference}" t="s"><v>{strings.setdefault(value, len(strings))}</v></c>'
    return f'<c r="{reference}"><v>{value!r}</v></c>'
