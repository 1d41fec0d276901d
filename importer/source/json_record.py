"""One line of JSON Lines becomes text cells without loss. Pure.

| value | text |
| --- | --- |
| text | as it is |
| number | as it is written; without its decimals where they are all 0 |
| true, false | ``true`` / ``false`` in ``metadata.*``, else a fault |
| null | an empty cell |
| object | JSON text in ``metadata``, else a fault |
| list | a fault |
"""

from __future__ import annotations

import json
import re
from typing import Any

from importer.source.limits import MAX_FIELD
from importer.source.naming import column_name
from importer.source.parquet_text import API_FIELDS

_ZERO_DECIMALS = re.compile(r"(-?[0-9]+)\.0+\Z")
_INTEGER = re.compile(r"-?[0-9]+\Z")
_SURROGATES = re.compile("[\ud800-\udfff]")


class Number(str):
    """A number as it is written, so that no digit is lost."""

    __slots__ = ()


class NotARecord(ValueError):
    """A line that is no record; ``code`` and the message are for its ``Malformed``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_record(line: str) -> dict[str, Any]:
    """The object of one line, its numbers as ``Number``.

    Raises:
        NotARecord: it is no JSON, no object, or an object in it gives a key twice.
    """
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        message = f"is no JSON: {error.msg} at character {error.pos + 1}; correct the line"
        raise NotARecord("not_json", message) from None
    except RecursionError:
        raise NotARecord("not_json", "is nested too deeply; give one flat object") from None
    if not isinstance(value, dict):
        raise NotARecord("not_an_object", "is no JSON object; write one {...} on each line")
    if any("\0" in part for part in _texts(value)):
        raise NotARecord("nul_byte", "holds a NUL character (\\u0000); remove it")
    return value


def cell_of(column: str, value: Any) -> tuple[str | None, tuple[str, str] | None]:
    """The text of one value, and (code, message) where it has no lossless form for its column."""
    if value is None:
        return None, None
    field = column.strip()
    place = f"column {column_name(column)}"
    if isinstance(value, Number):
        return _number(field, place, value)
    if isinstance(value, str):
        return _text(place, value)
    if isinstance(value, bool):
        wrong = ("wrong_type", f"{place} holds true or false, which makes no sense there")
        return json.dumps(value), None if field.startswith("metadata.") else wrong
    text, fault = _text(place, dumped(value))
    if isinstance(value, dict) and field == "metadata":
        return (None if not value else text), fault
    kind = "an object" if isinstance(value, dict) else "a list"
    return text, ("wrong_type", f"{place} holds {kind}; give one text or number")


def dumped(value: Any) -> str:
    """JSON text; numbers exactly as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(key, ensure_ascii=False)}: {dumped(one)}" for key, one in value.items()
        )
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(dumped, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _number(field: str, place: str, value: Number) -> tuple[str, tuple[str, str] | None]:
    if len(value) > MAX_FIELD:
        return _text(place, value)
    match = _ZERO_DECIMALS.match(value)
    text = match[1] if match else str(value)
    if _INTEGER.match(text) or field not in API_FIELDS:
        return text, None
    message = f"{place} holds a number that is no whole number; write it as one, or as a text"
    return text, ("not_integer", message)


def _text(place: str, value: str) -> tuple[str, tuple[str, str] | None]:
    if len(value) > MAX_FIELD:
        message = (
            f"{place} has more than {MAX_FIELD:,} characters, and only so many are kept here;"
            " shorten it"
        )
        return _SURROGATES.sub("\ufffd", value[:MAX_FIELD]), ("field_too_long", message)
    if _SURROGATES.search(value):
        message = f"{place} holds half of a surrogate pair, which is no character; remove it"
        return _SURROGATES.sub("\ufffd", value), ("not_unicode", message)
    return str(value), None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for one in value.values() for text in _texts(one))]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return []


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotARecord("key_twice", f"gives the key {column_name(twice)} twice; keep one of them")
    return found


def _no_number(constant: str) -> Any:
    raise NotARecord("not_json", f"is no JSON: {constant} is no number; write a number or null")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_float=Number, parse_int=Number, parse_constant=_no_number
)
