"""Typed Parquet columns become text without loss, with the kind of each cell. Pure.

| type | kind | text |
| --- | --- | --- |
| String, Categorical, Enum | TEXT | as it is; ERROR beyond the length of a CSV cell |
| integers, Decimal | NUMBER | decimal; without decimals that are all 0 |
| floats | FLOAT | the shortest decimal text that is this number and no other |
| floats beyond their whole numbers (2**53) | INEXACT | the same |
| floats that are no number | ERROR | ``NaN``, ``inf`` |
| Boolean | BOOLEAN | ``true`` / ``false`` |
| Date, Datetime, Time, Duration | DATE | ISO 8601 |
| Struct, Map | OBJECT | a JSON object of texts; ERROR where a value in it has no text |
| List, Array | LIST | none |
| Binary, anything else | ERROR | none |

Whole columns at once: no cell of a clean column is looked at by Python.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from importer.source.naming import column_name
from importer.source.records import CellFault, Kind
from importer.source.source_options import MAX_FIELD

if TYPE_CHECKING:
    from collections.abc import Sequence


_WHOLE_BITS = {"Float16": 11, "Float32": 24}
"""Bits of a whole number that a float keeps (IEEE 754); 53 else."""


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of String, null where the value is null, its kind, and why cells have no value."""

    cells: pl.Series
    kind: Kind | pl.Series = Kind.TEXT
    """One for all, or one for each row."""
    faults: tuple[CellFault, ...] = ()


def text_column(column: str, series: pl.Series) -> TextColumn:  # noqa: PLR0911 - one a type
    """Convert one column; its name is for messages."""
    kind = series.dtype
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return _texts(column, series.cast(pl.String))
    if kind == pl.Null:
        return TextColumn(series.cast(pl.String))
    if kind.is_integer():
        return TextColumn(series.cast(pl.String), Kind.NUMBER)
    if kind.is_decimal():
        # A column without decimals is all zeros there; 12.50 keeps its own.
        return TextColumn(series.cast(pl.String).str.replace(r"\.0+$", ""), Kind.NUMBER)
    if kind.is_float():
        return _floats(column, series)
    if kind == pl.Boolean:
        return TextColumn(series.cast(pl.String), Kind.BOOLEAN)
    if kind.is_temporal():
        return TextColumn(series.dt.to_string("iso:strict"), Kind.DATE)
    return _nested(column, series)


def _nested(column: str, series: pl.Series) -> TextColumn:
    kind = series.dtype
    if isinstance(kind, pl.Struct):
        return _structs(column, series)
    if isinstance(kind, pl.Map):
        return _maps(column, series)
    if kind.is_nested():
        inner = kind.inner if isinstance(kind, pl.List) else None
        if isinstance(inner, pl.Struct) and {one.name for one in inner.fields} == {"key", "value"}:
            # How maps are written by what does not know them.
            return _entries(column, series)
        kinds = series.is_not_null().cast(pl.UInt8) * Kind.LIST.value
        return TextColumn(_nothing(series), kinds)
    message = (
        f"column {column_name(column)} has the type {kind.base_type()}, which has no text;"
        " export it as text"
    )
    return _faulty(column, _nothing(series), series.is_not_null(), message)


def _texts(column: str, text: pl.Series) -> TextColumn:
    # Parquet writes a long text once and points to it from every row; Python would hold each.
    if not (text.str.len_bytes() > MAX_FIELD).any():
        return TextColumn(text)
    message = (
        f"column {column_name(column)} has more than {MAX_FIELD:,} characters, and only so many"
        " are kept here; shorten it"
    )
    long = text.str.len_chars() > MAX_FIELD
    return _faulty(column, text.str.head(MAX_FIELD), long, message, code="field_too_long")


def _nothing(series: pl.Series) -> pl.Series:
    return pl.Series(series.name, [None] * len(series), dtype=pl.String)


def _floats(column: str, series: pl.Series) -> TextColumn:
    text = series.cast(pl.String).str.strip_suffix(".0").str.replace("^-0$", "0")
    if text.str.contains("e", literal=True).any():
        # Only the very large and the very small; there are few of them in any file.
        plain = [_plain(one) if one is not None and "e" in one else one for one in text]
        text = pl.Series(text.name, plain, dtype=pl.String)
    wide = series.cast(pl.Float64)
    most = 2.0 ** _WHOLE_BITS.get(str(series.dtype), 53)
    finite = wide.is_finite().fill_null(value=True)
    exact = (finite & (wide.abs() <= most)).fill_null(value=True)
    if exact.all():
        return TextColumn(text, Kind.FLOAT)
    place = f"column {column_name(column)}"
    lost = (
        f"{place} holds a number beyond {most:,.0f}, where its type {series.dtype} has lost digits;"
        " export it as an integer or as text"
    )
    none = f"{place} holds {{}}, which is no number; leave the cell empty, or write a number"
    faults = [
        CellFault(index, column, "number_inexact", lost)
        if finite[index]
        else CellFault(index, column, "cell_error", none.format(text[index]))
        for index in (~exact).arg_true()
    ]
    kinds = pl.select(
        pl.when(exact)
        .then(pl.lit(Kind.FLOAT.value))
        .when(finite)
        .then(pl.lit(Kind.INEXACT.value))
        .otherwise(pl.lit(Kind.ERROR.value))
        .cast(pl.UInt8)
    ).to_series()
    return TextColumn(text, kinds, tuple(faults))


def _plain(number: str) -> str:
    """Without an exponent."""
    return format(Decimal(number), "f")


def _faulty(
    column: str, text: pl.Series, wrong: pl.Series, message: str, *, code: str = "wrong_type"
) -> TextColumn:
    wrong = wrong.fill_null(value=False)
    faults = tuple(CellFault(index, column, code, message) for index in wrong.arg_true())
    return TextColumn(text, wrong.cast(pl.UInt8) * Kind.ERROR.value, faults)


def _structs(column: str, series: pl.Series) -> TextColumn:
    """One JSON object per row; null fields are left out, an object of nothing is null."""
    faults: dict[int, CellFault] = {}
    pieces: list[pl.Series] = []
    for value in series.struct.unnest().get_columns():
        text, inner = _value(f"{column}.{value.name}", value)
        pieces.append(_pair(value.name, text))
        for one in inner:
            faults.setdefault(one.index, CellFault(one.index, column, one.code, one.message))
    return _objects(column, series, pieces, faults)


def _value(column: str, series: pl.Series) -> tuple[pl.Series, list[CellFault]]:
    """The text of a value within an object, and the faults that it is to its cell."""
    text = text_column(column, series)
    faults = list(text.faults)
    if series.dtype.is_nested():
        message = f"column {column_name(column)} is nested twice; give one text or number"
        faults += [
            CellFault(index, column, "wrong_type", message)
            for index in series.is_not_null().arg_true()
        ]
    return text.cells, faults


def _pair(name: str, value: pl.Series) -> pl.Series:
    """``"name": "value"`` as JSON writes it; null where there is no value."""
    frame = value.alias("v").to_frame()
    encoded = frame.select(pl.struct(pl.col("v")).struct.json_encode().str.slice(5)).to_series()
    key = json.dumps(name, ensure_ascii=False)
    return frame.select(
        pl.when(pl.col("v").is_not_null()).then(
            pl.concat_str(pl.lit(f"{key}: "), encoded.str.strip_suffix("}"))
        )
    ).to_series()


def _objects(
    column: str, series: pl.Series, pieces: Sequence[pl.Series], faults: dict[int, CellFault]
) -> TextColumn:
    if not pieces:
        return TextColumn(_nothing(series))
    frame = pl.DataFrame([one.alias(str(at)) for at, one in enumerate(pieces)])
    inside = pl.concat_str(pl.all(), separator=", ", ignore_nulls=True)
    cells = frame.select(
        pl.when(pl.any_horizontal(pl.all().is_not_null())).then(
            pl.concat_str(pl.lit("{"), inside, pl.lit("}"))
        )
    ).to_series()
    return _long_or(column, cells, faults)


def _long_or(column: str, cells: pl.Series, faults: dict[int, CellFault]) -> TextColumn:
    text = _texts(column, cells)
    for one in text.faults:
        faults.setdefault(one.index, one)
    if not faults:
        return TextColumn(text.cells, Kind.OBJECT)
    kinds = pl.int_range(len(cells), eager=True).is_in(list(faults)).cast(pl.UInt8)
    return TextColumn(
        text.cells,
        kinds * (Kind.ERROR.value - Kind.OBJECT.value) + Kind.OBJECT.value,
        tuple(faults[index] for index in sorted(faults)),
    )


def _maps(column: str, series: pl.Series) -> TextColumn:
    kind = series.dtype
    if not isinstance(kind, pl.Map):
        raise TypeError("this is no map")
    entry = pl.Struct({"key": kind.key, "value": kind.value})
    return _entries(column, series.cast(pl.List(entry)))


def _entries(column: str, series: pl.Series) -> TextColumn:
    """As ``_structs``, from a list of keys and values; a key twice is a fault."""
    # An empty list explodes to a null of its own, so those rows are left out before.
    filled = pl.DataFrame({"row": pl.int_range(len(series), eager=True), "entry": series}).filter(
        pl.col("entry").list.len() > 0
    )
    entries = filled.explode("entry")
    rows = entries["row"]
    keys, wrong_keys = _value(f"{column}.key", entries["entry"].struct.field("key"))
    values, wrong_values = _value(f"{column}.value", entries["entry"].struct.field("value"))
    faults: dict[int, CellFault] = {}
    for one in (*wrong_keys, *wrong_values):
        row = rows[one.index]
        faults.setdefault(row, CellFault(row, column, one.code, one.message))
    pairs = pl.DataFrame({"row": rows, "key": keys, "value": values}).drop_nulls("value")
    twice = pairs.filter(pl.struct("row", "key").is_duplicated())["row"].unique()
    message = f"column {column_name(column)} gives a key twice; keep one of the two values"
    for row in twice:
        faults.setdefault(row, CellFault(row, column, "metadata_key_twice", message))
    # As json_encode writes them; the key is a value of its own here.
    written = pairs.drop_nulls("key").select(
        "row",
        pl.concat_str(
            pl.struct(v="key").struct.json_encode().str.slice(5).str.strip_suffix("}"),
            pl.lit(": "),
            pl.struct(v="value").struct.json_encode().str.slice(5).str.strip_suffix("}"),
        ).alias("pair"),
    )
    objects = written.group_by("row", maintain_order=True).agg(pl.col("pair"))
    joined = objects.select(
        "row", pl.concat_str(pl.lit("{"), pl.col("pair").list.join(", "), pl.lit("}")).alias("text")
    )
    every = pl.DataFrame({"row": pl.int_range(len(series), eager=True)})
    cells = every.join(joined, on="row", how="left", maintain_order="left")["text"]
    return _long_or(column, cells, faults)
