"""Cells of a workbook become text without loss, with the kind of each. Pure.

| cell | kind | text |
| --- | --- | --- |
| text | TEXT | as it is |
| number | NUMBER | decimal digits, at most 15 of them: Excel keeps no more; INEXACT beyond |
| number shown as 00000 | TEXT | with the zeros that Excel shows |
| date, time | DATE | ISO 8601 |
| TRUE, FALSE | BOOLEAN | ``true`` / ``false`` |
| #N/A and other errors, a formula without a value | ERROR | the error's name, or nothing |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from importer.source.limits import MAX_FIELD
from importer.source.naming import column_name
from importer.source.records import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping


Fault = tuple[str, str]
"""Code and message."""
_TOO_LARGE = 1e15
"""Whole numbers from here on have more than 15 digits."""
_LAST_DAY = 2_958_466
"""The day after 9999-12-31."""
_LEAP_1900 = 60
"""Excel counts a 29 February 1900, which never was."""
_SECONDS = 86_400
_BUILT_IN_DATES = frozenset((*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)))
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_NO_CODE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_ZEROS = re.compile(r"0{2,30}\Z")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_AS_TEXT = "format the column as text and enter the value again"


@dataclass(frozen=True, slots=True)
class Style:
    """What a number format makes of a number."""

    date: bool = False
    elapsed: bool = False
    """``[h]:mm``: hours beyond 24."""
    zeros: int = 0
    """Digits that are shown at least."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as it is stored."""

    kind: str
    """``s`` text, ``n`` number, ``b`` boolean, ``d`` ISO date, ``e`` error, ``f`` no value."""
    text: str
    style: Style = Style()


def style_of(format_id: int, codes: Mapping[int, str]) -> Style:
    """The style of a number format (ECMA-376 part 1, 18.8.30)."""
    code = codes.get(format_id)
    if code is None:
        return Style(date=format_id in _BUILT_IN_DATES, elapsed=format_id == 46)  # noqa: PLR2004
    if _ELAPSED.search(code):
        return Style(date=True, elapsed=True)
    positive = _NO_CODE.sub("", code.partition(";")[0])
    if _ZEROS.match(positive):
        return Style(zeros=len(positive))
    return Style(date=re.search("[ymdhsYMDHS]", positive) is not None)


def unescaped(text: str) -> str:
    """``_x000D_`` stands for a character that XML cannot hold (ECMA-376 part 1, 22.9.2.19)."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def cell_text(column: str, cell: Cell, *, since_1904: bool) -> tuple[str, Kind, Fault | None]:
    """The text and the kind of one cell; the column's name is for messages."""
    place = f"column {column_name(column)}"
    match cell.kind:
        case "s":
            return _string(place, cell.text)
        case "b":
            return "true" if cell.text.strip() == "1" else "false", Kind.BOOLEAN, None
        case "e":
            message = f"{place} holds the Excel error {_error_name(cell.text)}; correct the formula"
            return cell.text[:20], Kind.ERROR, ("cell_error", message)
        case "f":
            message = f"{place} holds a formula without a value; open it in Excel and save it"
            return "", Kind.ERROR, ("cell_error", message)
        case "d":
            return cell.text, Kind.DATE, None
        case _:
            return _number(place, cell, since_1904=since_1904)


def _string(place: str, text: str) -> tuple[str, Kind, Fault | None]:
    if len(text) <= MAX_FIELD:
        return text, Kind.TEXT, None
    message = f"{place} has more than {MAX_FIELD:,} characters; shorten it"
    return text[:MAX_FIELD], Kind.ERROR, ("field_too_long", message)


def _number(place: str, cell: Cell, *, since_1904: bool) -> tuple[str, Kind, Fault | None]:
    try:
        value = float(cell.text)
    except ValueError:
        message = f"{place} holds a number that cannot be read; correct it"
        return cell.text, Kind.ERROR, ("cell_error", message)
    if cell.style.date:
        text = _moment(value, elapsed=cell.style.elapsed, since_1904=since_1904)
        if text:
            return text, Kind.DATE, None
    if not abs(value) < _TOO_LARGE:
        message = (
            f"{place} holds a number of more than 15 digits, of which Excel keeps only 15;"
            f" {_AS_TEXT}"
        )
        return _plain(value), Kind.INEXACT, ("number_inexact", message)
    text = str(int(value)) if value.is_integer() else _plain(value)
    if cell.style.zeros and text.isdigit():
        # What is shown with its zeros is a key, and not an amount.
        return text.zfill(cell.style.zeros), Kind.TEXT, None
    return text, Kind.NUMBER, None


def _plain(value: float) -> str:
    # 15 digits are what Excel itself shows: 0.30000000000000004 was 0.3.
    return format(Decimal(f"{value:.15g}"), "f")


def _moment(value: float, *, elapsed: bool, since_1904: bool) -> str:
    """ISO 8601; "" for what is no day of Excel's."""
    if not 0 <= value < _LAST_DAY:
        return ""
    seconds = round(value * _SECONDS)
    if elapsed or value < 1:
        minutes, second = divmod(seconds, 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
    if since_1904:
        start = datetime(1904, 1, 1)  # noqa: DTZ001 - Excel knows no time zones
    else:
        start = datetime(1899, 12, 31 if value < _LEAP_1900 else 30)  # noqa: DTZ001
    try:
        moment = start + timedelta(seconds=seconds)
    except OverflowError:
        return ""
    return moment.date().isoformat() if not seconds % _SECONDS else moment.isoformat()


def _error_name(text: str) -> str:
    return text if re.fullmatch(r"#[A-Z0-9/_!?]{1,20}", text) else "value"
