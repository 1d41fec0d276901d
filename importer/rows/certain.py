"""Finds the rows of a batch that are certainly valid, all at once, and builds their payloads. Pure.

Every rule is that of the customer model, or a stricter one. A row that does not pass is not wrong:
it may be, and ``judge`` decides. So what is rare or hard (JSON metadata, a character that JSON
escapes, an amount of 19 digits) is left out here, and no rule has two owners.
"""

from __future__ import annotations

import functools
import operator
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from importer.rows import api_limits as rules
from importer.rows.currencies import ACTIVE
from importer.rows.header_fields import FIELDS, METADATA
from importer.rows.text import TRIMMED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from importer.rows.header_fields import ColumnMap

REFERENCE = "reference"
PAYLOAD = "payload"
"""The columns of ``Certain.rows``."""

_ESCAPED = r'[\x00-\x1f"\\]'
"""What ``payload.canonical`` writes with a backslash."""
_BALANCE = "^[+-]?[0-9]{1,18}$"
"""Fits into 64 bits whatever its digits are."""
CARRIED = (*FIELDS[1:], METADATA)
"""The optional fields, in the order of the bits that say which of them a payload carries."""
_MOST_KEYS = 200
"""Metadata columns up to which a plan for all of them pays."""
_BEFORE = ("balance", "currency", "email")
_AFTER = ("name", "phone")
"""The fields on both sides of ``external_reference`` and ``metadata`` in the canonical order."""


class Certain(NamedTuple):
    """What is certain of a batch."""

    rows: pl.DataFrame
    """``reference`` and canonical ``payload`` of each row; null where it is not certainly valid."""
    given: pl.Series
    """For each row a bit for each of ``CARRIED`` that its payload carries; UInt8."""


def certain_payloads(cells: pl.DataFrame, columns: ColumnMap) -> Certain:
    """The rows that are certainly valid, and their payloads.

    Args:
        cells: one String column per header column, in header order, named by ``str(index)``.
        columns: what each of them is.
    """
    if len(columns.metadata_keys) > _MOST_KEYS:
        absent = pl.Series([None] * cells.height, dtype=pl.String)
        rows = pl.DataFrame([absent.alias(REFERENCE), absent.alias(PAYLOAD)])
        return Certain(rows, pl.repeat(0, cells.height, dtype=pl.UInt8, eager=True))
    found, payload, names = _made(cells, columns)
    rows = found.select(pl.col("external_reference").alias(REFERENCE), payload)
    return Certain(rows, _given(found, names))


def references_again(cells: pl.DataFrame, columns: ColumnMap) -> pl.Series:
    """The references of rows that are known to be certainly valid."""
    return cells.select(_trimmed(columns.reference).alias(REFERENCE)).to_series()


def carried_by(given: pl.Series) -> dict[str, int]:
    """``payload.carried_fields`` of rows, of which ``given`` has the bits of ``Certain``."""
    # One question for all fields: each costs more than its answer.
    asked = [
        (pl.lit(given) & (1 << bit) > 0).sum().alias(field) for bit, field in enumerate(CARRIED)
    ]
    return {field: int(n) for field, n in pl.select(asked).row(0, named=True).items()}


def payloads_again(cells: pl.DataFrame, columns: ColumnMap) -> pl.Series:
    """The payloads alone, of rows that are known to be certainly valid."""
    found, payload, _ = _made(cells, columns)
    return found.select(payload).to_series()


def _made(cells: pl.DataFrame, columns: ColumnMap) -> tuple[pl.DataFrame, pl.Expr, list[str]]:
    """(trimmed cells by field, their payload, the keys of metadata)."""
    where = {field: index for index, field in columns.texts}
    if columns.balance is not None:
        where["balance"] = columns.balance
    keys = sorted((key, index) for index, key in columns.metadata_keys)
    trimmed = cells.lazy().select(
        *(_trimmed(index).alias(field) for field, index in where.items()),
        *(_trimmed(index).alias(_value(key)) for key, index in keys),
        # An object in the metadata column needs a JSON parser.
        *([] if columns.metadata is None else [_trimmed(columns.metadata).alias("metadata")]),
    )
    names = [key for key, _ in keys]
    valid = functools.reduce(operator.and_, _rules(where, names, columns))
    found = trimmed.collect()
    return found, pl.when(valid).then(_payload(found, where, names)).alias(PAYLOAD), names


def _given(found: pl.DataFrame, keys: list[str]) -> pl.Series:
    """Which of ``CARRIED`` each row carries, without looking at each text once more."""
    bits = []
    for bit, field in enumerate(CARRIED):
        inside = keys if field == METADATA else [key for key in keys if _reads_as(field, key)]
        names = [field] * (field in found.columns) + [_value(key) for key in inside]
        filled = [pl.col(name).is_not_null() for name in names]
        if filled:
            bits.append(functools.reduce(operator.or_, filled).cast(pl.UInt8) * (1 << bit))
    given = functools.reduce(operator.or_, bits, pl.lit(0, pl.UInt8))
    return found.select(pl.repeat(0, pl.len(), dtype=pl.UInt8) | given).to_series()


def _reads_as(field: str, key: str) -> bool:
    return f'"{field}":' in f"{encode_basestring(key)}:"


def _trimmed(index: int) -> pl.Expr:
    """The cell as ``text.trim`` leaves it; null where nothing is left."""
    text = pl.col(str(index)).str.strip_chars(TRIMMED)
    return pl.when(text != "").then(text)


def _value(key: str) -> str:
    return f"metadata.{key}"


def _rules(where: Iterable[str], keys: list[str], columns: ColumnMap) -> Iterable[pl.Expr]:
    """One expression per rule; an absent field passes where it may be absent."""
    reference = pl.col("external_reference")
    yield reference.str.contains(rules.REFERENCE_PATTERN).fill_null(value=False)
    # The pattern allows ASCII only: bytes are characters.
    yield reference.str.len_bytes().fill_null(0) <= rules.MAX_REFERENCE
    for field in where:
        if field in _OPTIONAL:
            yield pl.col(field).is_null() | _OPTIONAL[field](pl.col(field))
    if "balance" in where:
        given = pl.col("currency").is_not_null() if "currency" in where else pl.lit(value=False)
        yield pl.col("balance").is_null() | given
    for key in keys:
        value = pl.col(_value(key))
        fits = value.str.len_chars() <= rules.MAX_METADATA_VALUE
        yield value.is_null() | (fits & _plain(value))
    if len(keys) > rules.MAX_METADATA_KEYS:
        filled = pl.sum_horizontal(pl.col(_value(key)).is_not_null() for key in keys)
        yield filled <= rules.MAX_METADATA_KEYS
    if columns.metadata is not None:
        yield pl.col("metadata").is_null()


def _plain(text: pl.Expr) -> pl.Expr:
    return ~text.str.contains(_ESCAPED)


def _is_name(text: pl.Expr) -> pl.Expr:
    return (text.str.len_chars() <= rules.MAX_NAME) & _plain(text)


def is_email(text: pl.Expr) -> pl.Expr:
    """Whether each text is an address that the API takes."""
    # The pattern allows ASCII only: bytes are characters.
    return (
        text.str.contains(rules.EMAIL_PATTERN)
        & (text.str.len_bytes() <= rules.MAX_EMAIL)
        & (text.str.find("@", literal=True) <= rules.MAX_EMAIL_LOCAL)
    )


_OPTIONAL: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "name": _is_name,
    "email": is_email,
    "phone": lambda text: text.str.contains(rules.PHONE_PATTERN),
    "currency": lambda text: text.is_in(sorted(ACTIVE)),
    "balance": lambda text: text.str.contains(_BALANCE),
}


def _payload(rows: pl.DataFrame, where: Iterable[str], keys: list[str]) -> pl.Expr:
    """The text of ``payload.canonical``: what is null leaves nothing behind."""
    parts = [pl.lit("{")]
    for field in _BEFORE:
        if field in where and field == "balance":
            amount = pl.col(field).cast(pl.Int64, strict=False).cast(pl.String)
            parts += _piece(rows[field], '"balance":', amount, ",")
        elif field in where:
            parts += _piece(rows[field], f'"{field}":"', pl.col(field), '",')
    reference = "external_reference"
    parts += _piece(rows[reference], f'"{reference}":"', pl.col(reference), '"')
    if keys:
        parts += _metadata(rows, keys)
    for field in _AFTER:
        if field in where:
            parts += _piece(rows[field], f',"{field}":"', pl.col(field), '"')
    return pl.concat_str(*parts, pl.lit("}"), ignore_nulls=True)


def _piece(cells: pl.Series, before: str, value: pl.Expr, after: str) -> list[pl.Expr]:
    """A value between two texts, which are not there without it."""
    piece = [pl.lit(before), value, pl.lit(after)]
    # Joined on its own only where something may be missing: that costs as much again.
    return [pl.concat_str(*piece)] if cells.null_count() else piece


def _metadata(rows: pl.DataFrame, keys: list[str]) -> list[pl.Expr]:
    pairs = [
        piece
        for key in keys
        for piece in _piece(
            rows[_value(key)], f',{encode_basestring(key)}:"', pl.col(_value(key)), '"'
        )
    ]
    inside = pl.concat_str(*pairs, ignore_nulls=True).str.strip_prefix(",")
    whole = [pl.lit(',"metadata":{'), inside, pl.lit("}")]
    if not any(rows[_value(key)].null_count() == 0 for key in keys):
        filled = pl.any_horizontal(pl.col(_value(key)).is_not_null() for key in keys)
        return [pl.when(filled).then(pl.concat_str(*whole))]
    return whole
