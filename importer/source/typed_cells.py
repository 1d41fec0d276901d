"""Typed Parquet columns become text without loss, or a fault of the row. Pure.

| type | text |
| --- | --- |
| String, Categorical, Enum | as it is; a fault beyond the length of a CSV cell |
| integers | decimal |
| floats | decimal where integral and at most 2**53 (exact), else a fault |
| Decimal | decimal where integral; else as it is, in ``balance`` a fault |
| Boolean | ``true`` / ``false`` in ``metadata.*``, else a fault |
| Date, Datetime, Time, Duration | ISO 8601; a fault in the API's own fields |
| Struct, Map | a JSON object in ``metadata``, else a fault |
| Binary, List, Array, anything else | a fault |

Where a cell has a fault, its text is the best there is, for the errors file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from importer.source.limits import MAX_FIELD
from importer.source.naming import column_name
from importer.source.records import CellFault

if TYPE_CHECKING:
    from collections.abc import Iterable


API_FIELDS = frozenset(
    {"external_reference", "name", "email", "phone", "currency", "balance", "metadata"}
)
EXACT_FLOAT = 2**53
"""Above it a float no longer tells neighbouring integers apart."""


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of String, null where the value is null, and the faults of its cells."""

    cells: pl.Series
    faults: tuple[CellFault, ...] = ()


def text_column(column: str, series: pl.Series) -> TextColumn:
    """Convert one column.

    Args:
        column: its name, which decides what types make sense in it (trimmed for that).
        series: the values.
    """
    kind, field = series.dtype, column.strip()
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return _texts(column, series.cast(pl.String))
    if kind.is_integer() or kind == pl.Null:
        return TextColumn(series.cast(pl.String))
    if kind.is_float():
        return _floats(column, series)
    if kind.is_decimal():
        return _decimals(column, series, only_integers=field == "balance")
    if kind.is_nested() and field == "metadata":
        return _objects(column, series)
    text, fits = _plain(series, field)
    return TextColumn(text) if fits else _all_faulty(column, series, text)


def _texts(column: str, text: pl.Series) -> TextColumn:
    # Parquet writes a long text once and points to it from every row; Python would hold each.
    if not (text.str.len_bytes() > MAX_FIELD).any():
        return TextColumn(text)
    message = (
        f"column {column_name(column)} has more than {MAX_FIELD:,} characters, and only so many"
        " are kept here; shorten it"
    )
    long = text.str.len_chars() > MAX_FIELD
    return TextColumn(text.str.head(MAX_FIELD), _faults(column, long, "field_too_long", message))


def _plain(series: pl.Series, field: str) -> tuple[pl.Series, bool]:
    """The text of a type that has one way to write it, and whether it fits the field."""
    if series.dtype == pl.Boolean:
        return series.cast(pl.String), field.startswith("metadata.")
    if series.dtype.is_temporal():
        return series.dt.to_string("iso:strict"), field not in API_FIELDS
    return _nothing(series), False


def _objects(column: str, series: pl.Series) -> TextColumn:
    if isinstance(series.dtype, pl.Struct):
        return _structs(column, series)
    if _is_map(series.dtype):
        return _maps(column, series)
    return _all_faulty(column, series, _nothing(series))


def _nothing(series: pl.Series) -> pl.Series:
    return pl.Series(series.name, [None] * len(series), dtype=pl.String)


def _floats(column: str, series: pl.Series) -> TextColumn:
    wide = series.cast(pl.Float64)
    exact = wide.is_finite() & (wide == wide.floor()) & (wide.abs() <= EXACT_FLOAT)
    whole = wide.zip_with(exact, pl.Series([None], dtype=pl.Float64)).cast(pl.Int64)
    text = whole.cast(pl.String).zip_with(exact, series.cast(pl.String))
    return TextColumn(text, _not_integer(column, series, ~exact))


def _decimals(column: str, series: pl.Series, *, only_integers: bool) -> TextColumn:
    plain = series.cast(pl.String)
    text = plain.str.replace(r"\.0+$", "")
    if not only_integers:
        return TextColumn(text)
    return TextColumn(text, _not_integer(column, series, text.str.contains(".", literal=True)))


def _not_integer(column: str, series: pl.Series, wrong: pl.Series) -> tuple[CellFault, ...]:
    message = (
        f"column {column_name(column)} holds a number of type {series.dtype} that is no exact"
        " whole number; export it as an integer or as text"
    )
    return _faults(column, wrong & series.is_not_null(), "not_integer", message)


def _all_faulty(column: str, series: pl.Series, text: pl.Series) -> TextColumn:
    message = (
        f"column {column_name(column)} has the type {_short(series.dtype)}, which makes no sense"
        " there; export it as text"
    )
    return TextColumn(text, _faults(column, series.is_not_null(), "wrong_type", message))


def _faults(column: str, wrong: pl.Series, code: str, message: str) -> tuple[CellFault, ...]:
    return tuple(CellFault(index, column, code, message) for index in wrong.arg_true())


def _structs(column: str, series: pl.Series) -> TextColumn:
    """One JSON object per row; null fields are left out, an object of nothing is null."""
    names: list[str] = []
    texts: list[list[str | None]] = []
    faults: dict[int, CellFault] = {}
    for value in series.struct.unnest().get_columns():
        text = text_column(f"metadata.{value.name}", value)
        names.append(value.name)
        texts.append(text.cells.to_list())
        for one in text.faults:
            faults.setdefault(one.index, CellFault(one.index, column, one.code, one.message))
    rows = zip(*texts, strict=True) if texts else ((),) * len(series)
    objects = [_json(zip(names, row, strict=True)) for row in rows]
    cells = pl.Series(column, objects, dtype=pl.String)
    return TextColumn(cells, tuple(faults[index] for index in sorted(faults)))


def _maps(column: str, series: pl.Series) -> TextColumn:
    """As ``_structs``, from a list of keys and values; a key twice is a fault."""
    # An empty list explodes to a null of its own, so those rows are left out before.
    filled = pl.DataFrame({"row": pl.int_range(len(series), eager=True), "entry": series}).filter(
        pl.col("entry").list.len() > 0
    )
    entries = filled.explode("entry")
    keys = text_column("metadata.key", entries["entry"].struct.field("key"))
    values = text_column("metadata.value", entries["entry"].struct.field("value"))
    found: dict[int, list[tuple[str, str | None]]] = {}
    faults = [
        CellFault(row, column, fault.code, fault.message)
        for fault in (*keys.faults, *values.faults)
        for row in (entries["row"][fault.index],)
    ]
    for row, key, value in zip(entries["row"], keys.cells, values.cells, strict=True):
        if key is not None:
            found.setdefault(row, []).append((key, value))
    message = f"column {column_name(column)} gives a key twice; keep one of the two values"
    faults += [
        CellFault(row, column, "metadata_key_twice", message)
        for row, pairs in found.items()
        if len(dict(pairs)) < len(pairs)
    ]
    first = {fault.index: fault for fault in reversed(faults)}
    cells = [_json(found.get(row, [])) for row in range(len(series))]
    return TextColumn(
        pl.Series(column, cells, dtype=pl.String), tuple(first[index] for index in sorted(first))
    )


def _json(pairs: Iterable[tuple[str, str | None]]) -> str | None:
    given = {key: value for key, value in pairs if value is not None}
    return json.dumps(given, ensure_ascii=False) if given else None


def _is_map(kind: pl.DataType) -> bool:
    inner = kind.inner if isinstance(kind, pl.List) else None
    return isinstance(inner, pl.Struct) and {one.name for one in inner.fields} == {"key", "value"}


def _short(kind: pl.DataType) -> str:
    return str(kind.base_type())
