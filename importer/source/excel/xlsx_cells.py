"""Cells of a workbook become text without loss, with the kind of each. Pure.

| cell | kind | text |
| --- | --- | --- |
| text | TEXT | as it is, with what its format writes around it |
| number | NUMBER | decimal digits, at most 15 of them: Excel keeps no more; INEXACT beyond |
| number whose format makes a key of it (00000, "CUST-"0000) | TEXT | as Excel shows it |
| date, time | DATE | ISO 8601 |
| TRUE, FALSE | BOOLEAN | ``true`` / ``false`` |
| #N/A and other errors, a formula without a value, half a surrogate pair | ERROR | what there is |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from importer.source.excel.number_format import (
    GENERAL,
    InapplicableError,
    NumberFormat,
    built_in,
    parsed,
)
from importer.source.naming import column_name
from importer.source.records import Kind
from importer.source.source_options import MAX_FIELD

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
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SURROGATES = re.compile("[\ud800-\udfff]")
_MIDNIGHT = re.compile(r"T00:00:00(?:\.0+)?Z?\Z")
_TRUE, _FALSE = frozenset({"1", "true"}), frozenset({"0", "false"})
_AS_TEXT = "format the column as text and enter the value again"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as it is stored."""

    kind: str
    """``s`` text, ``n`` number, ``b`` boolean, ``d`` ISO date, ``e`` error, ``f`` a formula without
    a value."""
    text: str
    format: NumberFormat = GENERAL


def format_of(format_id: int, codes: Mapping[int, str]) -> NumberFormat:
    """The number format of a style; ``codes`` are those that the workbook defines."""
    code = codes.get(format_id)
    return built_in(format_id) if code is None else parsed(code)


def unescaped(text: str) -> str:
    """``_x000D_`` stands for a character that XML cannot hold (ECMA-376 part 1, 22.9.2.19)."""
    if "_x" not in text:
        return text
    units = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    if not _SURROGATES.search(units):
        return units
    # Two escapes are one character beyond the first 65,536; half a pair stays what it is.
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def cell_text(column: str, cell: Cell, *, since_1904: bool) -> tuple[str, Kind, Fault | None]:
    """The text and the kind of one cell; the column's name is for messages."""
    place = f"column {column_name(column)}"
    match cell.kind:
        case "s":
            return _string(place, cell.format.text(cell.text))
        case "b":
            return _boolean(place, cell.text.strip())
        case "e":
            message = f"{place} holds the Excel error {_error_name(cell.text)}; correct the formula"
            return cell.text[:20], Kind.ERROR, ("cell_error", message)
        case "f":
            message = f"{place} holds a formula without a value; open it in Excel and save it"
            return "", Kind.ERROR, ("cell_error", message)
        case "d":
            return _MIDNIGHT.sub("", cell.text.strip()), Kind.DATE, None
        case _:
            return _number(place, cell, since_1904=since_1904)


def _boolean(place: str, text: str) -> tuple[str, Kind, Fault | None]:
    if text in _TRUE | _FALSE:
        return "true" if text in _TRUE else "false", Kind.BOOLEAN, None
    message = f"{place} holds a truth value that cannot be read; correct it"
    return text, Kind.ERROR, ("cell_error", message)


def _string(place: str, text: str) -> tuple[str, Kind, Fault | None]:
    if _SURROGATES.search(text):
        message = f"{place} holds half of a surrogate pair, which is no character; remove it"
        return _SURROGATES.sub("\ufffd", text)[:MAX_FIELD], Kind.ERROR, ("not_unicode", message)
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
    if cell.format.date:
        text = _moment(value, elapsed=cell.format.elapsed, since_1904=since_1904)
        if text:
            return text, Kind.DATE, None
    if not abs(value) < _TOO_LARGE:
        message = (
            f"{place} holds a number of more than 15 digits, of which Excel keeps only 15;"
            f" {_AS_TEXT}"
        )
        return _plain(value), Kind.INEXACT, ("number_inexact", message)
    text = str(int(value)) if value.is_integer() else _plain(value)
    try:
        shown = cell.format.number(value)
    except InapplicableError:
        message = (
            f"{place} holds a number whose format writes more than the number, and it cannot be"
            f" told what; {_AS_TEXT}"
        )
        return text, Kind.ERROR, ("wrong_type", message)
    if shown is not None:
        # What is shown with zeros or a prefix is a key, and not an amount.
        return shown, Kind.TEXT, None
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
