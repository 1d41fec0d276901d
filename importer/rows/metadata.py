"""Reads the ``metadata`` column: the text of one JSON object. Pure.

What the values must be is the customer model's business; here only the JSON is read.
"""

from __future__ import annotations

import json
from typing import Any

NOT_OBJECT = "metadata_not_object"
KEY_TWICE = "metadata_key_twice"
_EXAMPLE = 'for example {"customer_type": "premium"}'


class MetadataError(ValueError):
    """The text is no JSON object that can be used; carries ``code``, ``message`` and ``hint``."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def read_metadata(text: str) -> dict[str, Any]:
    """The object that ``text`` writes (RFC 8259), its values as they are.

    Raises:
        MetadataError: it is no JSON, no object, or gives one key twice.
    """
    try:
        value = _DECODE(text)
    except json.JSONDecodeError as error:
        raise MetadataError(NOT_OBJECT, *_not_json(text, error)) from None
    except RecursionError:
        message = "is nested too deeply"
        raise MetadataError(NOT_OBJECT, message, f"write one object, {_EXAMPLE}") from None
    if isinstance(value, dict):
        return value
    kind = _KINDS.get(type(value), "a number")
    message = f"is {kind} instead of an object"
    raise MetadataError(NOT_OBJECT, message, f"write one JSON object, {_EXAMPLE}")


def _not_json(text: str, error: json.JSONDecodeError) -> tuple[str, str]:
    # error.msg names the rule; the text itself is personal data and stays out.
    message = f"is no JSON: {error.msg} at position {error.pos + 1}"
    if "'" in text and '"' not in text:
        return message, f"JSON has double quotes, {_EXAMPLE}"
    if '""' in text and text.startswith("{"):
        return message, "the quotes look doubled twice; double them once within a quoted CSV cell"
    return message, f"write one JSON object, {_EXAMPLE}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        message = "gives a key twice"
        raise MetadataError(KEY_TWICE, message, "keep one of the two values")
    return found


_KINDS = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
_DECODE = json.JSONDecoder(
    object_pairs_hook=_object,
    # A number is never a metadata value, so its size and precision do not matter.
    parse_int=float,
).decode
