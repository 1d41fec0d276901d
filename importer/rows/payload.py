"""Builds the payload of one record: cells in, a dict for the customer model out. Pure.

Whitespace around a cell is trimmed (``text.trim``); an empty cell is an absent field; nothing else
is changed. Text inside a ``metadata`` JSON object is no cell and stays as it is.

Of the ``metadata`` column only the JSON is read here; what its values must be is the customer
model's business.

The canonical form of a payload, and so its fingerprint, is frozen for ever. The ledger compares
fingerprints of runs that may lie years apart: another canonical form would make every settled row
look changed. Much like RFC 8785 (JSON Canonicalization Scheme), with keys sorted by code point
instead of UTF-16 unit, and without floats.
"""

from __future__ import annotations

import hashlib
import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from importer.rows.balance import balance_problem, read_balance
from importer.rows.header_fields import FIELDS, METADATA, PREFIX
from importer.rows.row import Problem
from importer.rows.text import trim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from importer.rows.header_fields import ColumnMap


def canonical(payload: Mapping[str, Any]) -> str:
    """The payload as JSON: keys sorted at every level, no whitespace, characters as they are.

    Two payloads have one text if and only if they are equal.

    Args:
        payload: text keys; values are str, int or again such a mapping.

    Raises:
        TypeError: it holds a float, a bool, None, a list or a key that is no text. A float has
            no form that every serialiser agrees on, and the API has no field for the others.
    """
    parts = []
    for key in sorted(payload):
        value = payload[key]
        # Exact types: a bool is an int to isinstance, and a subclass may write itself differently.
        kind = type(value)
        if kind is str:
            text = encode_basestring(value)
        elif kind is int:
            text = str(value)
        elif kind is dict:
            text = canonical(value)
        else:
            raise TypeError(f"a {kind.__name__} has no canonical form")
        parts.append(f"{encode_basestring(key)}:{text}")
    return f"{{{','.join(parts)}}}"


def fingerprint(canonical_text: str) -> bytes:
    """SHA-256 of the canonical text in UTF-8, 32 bytes."""
    return hashlib.sha256(canonical_text.encode()).digest()


NOT_OBJECT = "metadata_not_object"
KEY_TWICE = "metadata_key_twice"
_EXAMPLE = 'for example {"customer_type": "premium"}'


def carried_fields(payloads: pl.Series) -> dict[str, int]:
    """How many canonical payloads have each optional field; a quick look, for the volume guard.

    A metadata key that is called as a field counts as that field.
    """
    return {
        name: int(payloads.str.contains(f'"{name}":', literal=True).sum())
        for name in (*FIELDS[1:], METADATA)
    }


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


def build_payload(cells: Sequence[str], columns: ColumnMap) -> tuple[dict[str, Any], list[Problem]]:
    """The fields that a record gives, and the problems of cells that have no value to give.

    Args:
        cells: one text per header column, in header order.
        columns: what each of them is.

    Returns:
        The payload (not yet validated) without the fields that have problems, and the problems.
    """
    payload: dict[str, Any] = {}
    problems: list[Problem] = []
    for index, field in columns.texts:
        text = trim(cells[index])
        if text:
            payload[field] = text
    if columns.balance is not None:
        text = trim(cells[columns.balance])
        if text:
            amount = read_balance(text)
            if amount is None:
                currency = payload.get("currency", "")
                problems.append(Problem("balance", *balance_problem(text, currency)))
            else:
                payload["balance"] = amount
    metadata = _metadata(cells, columns, problems)
    if metadata is not None:
        payload["metadata"] = metadata
    return payload, problems


def _metadata(
    cells: Sequence[str], columns: ColumnMap, problems: list[Problem]
) -> dict[str, Any] | None:
    merged: dict[str, Any] | None = None
    if columns.metadata is not None:
        text = trim(cells[columns.metadata])
        if text:
            try:
                merged = read_metadata(text)
            except MetadataError as error:
                problems.append(Problem(METADATA, error.code, error.message, error.hint))
    for index, key in columns.metadata_keys:
        text = trim(cells[index])
        if not text:
            continue
        if merged is None:
            merged = {}
        if key in merged:
            message = f"the column {METADATA} of this row gives this key as well"
            hint = f"give it once, in {METADATA} or in {PREFIX}{key}"
            problems.append(Problem(PREFIX + key, KEY_TWICE, message, hint))
        else:
            merged[key] = text
    return merged
