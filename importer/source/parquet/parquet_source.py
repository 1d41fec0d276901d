"""One Parquet source: slices in, batches of text out.

The file is read in a process of its own first, because a damaged one can end a process. A footer
that lies makes polars panic, with a stack trace on standard error, or ask for so much memory that
the process is aborted, which no ``except`` can catch. What survives the probe is then read in the
same way in this process.

Typed columns become text without loss, with the kind of each cell:

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
| Binary | TEXT | as it is, where it is UTF-8, as Impala and Hive write texts; else ERROR |
| Decimal of more than 38 digits, anything else | ERROR | none |

Whole columns at once: no cell of a clean column is looked at by Python.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from importer.errors import SourceError, printable
from importer.source.raw import Stamp, changed
from importer.source.records import CellFault, Kind, Layout, RecordBatch, Unnamed, header_of
from importer.source.source_options import BLOCK_BYTES, MAX_FIELD, PARQUET_ROWS, column_name
from importer.source.text.encodings import UTF8

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_WHOLE_BITS = {"Float16": 11, "Float32": 24}
"""Bits of a whole number that a float keeps (IEEE 754); 53 else."""
_BITS_OF_CENTS = 7
"""So many of them an amount needs for its cents: steps of a 128th."""


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
    if kind == pl.Binary:
        return _bytes(column, series)
    if isinstance(kind, pl.BaseExtension):
        # A name for a type that it is stored as: ``arrow.json`` is a text.
        return text_column(column, series.ext.storage())
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
    if text.str.contains("\0", literal=True).any():
        message = f"column {column_name(column)} holds a NUL character; remove it"
        nul = text.str.contains("\0", literal=True)
        return _faulty(column, text.str.head(MAX_FIELD), nul, message, code="nul_byte")
    # Parquet writes a long text once and points to it from every row; Python would hold each.
    if not (text.str.len_bytes() > MAX_FIELD).any():
        return TextColumn(text)
    message = (
        f"column {column_name(column)} has more than {MAX_FIELD:,} characters, and only so many"
        " are kept here; shorten it"
    )
    long = text.str.len_chars() > MAX_FIELD
    return _faulty(column, text.str.head(MAX_FIELD), long, message, code="field_too_long")


def _bytes(column: str, series: pl.Series) -> TextColumn:
    """Texts that nobody called so; a UUID is stored as 16 bytes, which are none."""
    try:
        return _texts(column, series.cast(pl.String))
    except pl.exceptions.ComputeError:
        cells = [None if one is None else _decoded(one) for one in series]
    text = _texts(column, pl.Series(series.name, cells, dtype=pl.String))
    no_text = series.is_not_null() & pl.Series(cells, dtype=pl.String).is_null()
    what = "bytes that are no text in UTF-8"
    if (series.bin.size() == _UUID_BYTES).all():
        what = "16 bytes each, as of a UUID, and no text"
    message = f"column {column_name(column)} holds {what}; export it as text (CAST ... AS VARCHAR)"
    found = _faulty(column, text.cells, no_text, message)
    if not text.faults:
        return found
    faults = sorted((*found.faults, *text.faults), key=lambda one: one.index)
    wrong = pl.int_range(len(series), eager=True).is_in([one.index for one in faults])
    return TextColumn(text.cells, wrong.cast(pl.UInt8) * Kind.ERROR.value, tuple(faults))


_UUID_BYTES = 16


def _decoded(cell: bytes) -> str | None:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return None


def _nothing(series: pl.Series) -> pl.Series:
    return pl.Series(series.name, [None] * len(series), dtype=pl.String)


def _floats(column: str, series: pl.Series) -> TextColumn:
    text = series.cast(pl.String).str.strip_suffix(".0").str.replace("^-0$", "0")
    if text.str.contains("e", literal=True).any():
        # Only the very large and the very small; there are few of them in any file.
        plain = [_plain(one) if one is not None and "e" in one else one for one in text]
        text = pl.Series(text.name, plain, dtype=pl.String)
    wide = series.cast(pl.Float64)
    bits = _WHOLE_BITS.get(str(series.dtype), 53)
    if str(series.dtype) in _WHOLE_BITS and text.str.contains(".", literal=True).any():
        bits -= _BITS_OF_CENTS
    most = 2.0**bits
    finite = wide.is_finite().fill_null(value=True)
    exact = (finite & (wide.abs() <= most)).fill_null(value=True)
    if exact.all():
        return TextColumn(text, Kind.FLOAT)
    place = f"column {column_name(column)}"
    lost = (
        f"{place} holds a number beyond {most:,.0f}, where its type {series.dtype} loses digits;"
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


_REFUSED = 3
"""Exit code of a probe that ended with a SourceError, which is on its standard output."""


def probe(name: str, path: Path) -> None:
    """Read the whole file at ``path`` elsewhere; messages call it ``name``.

    Raises:
        SourceError: what the reading raised, or that it ended the process.
    """
    if not sys.executable:
        return  # an embedded interpreter; nothing to start a process with
    # -P: a module of the folder that we happen to stand in must not be taken for one of ours.
    command = [sys.executable, "-P", "-m", __name__, str(path)]
    modules = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(  # noqa: S603 - our own program
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": modules, "RUST_BACKTRACE": "0"},
    )
    if done.returncode == 0:
        return
    if done.returncode == _REFUSED:
        message, hint = json.loads(done.stdout)
        raise SourceError(f"{name}{message}", hint=hint)
    raise SourceError(
        f"{name}: the Parquet file is damaged or cut off: what it says about itself is not true",
        hint="export or copy the file again; nothing of it was imported",
    )


def main(name: str) -> int:
    """What the probe process does; its exit code."""
    try:
        for _ in ParquetSource(name, 0, proven=True).batches():
            pass
    except SourceError as error:
        # Its place is shown as the user named it.
        print(json.dumps([error.message.removeprefix(printable(name)), error.hint]))  # noqa: T201
        return _REFUSED
    return 0


_TWICE = re.compile("column with name '(.*)' has more than one occurrence")
_FOREIGN_TYPE = re.compile(
    r"could not import from `(\w+)` type|precision must be"
    r"|[Nn]ot (?:yet )?(?:supported|implemented)"
)
_MOST_DIGITS = 38


def _is_too_wide(kind: pl.DataType) -> bool:
    """Whether it is a decimal of 256 bits: polars knows it in a schema, and reads none."""
    return isinstance(kind, pl.Decimal) and (kind.precision or 0) > _MOST_DIGITS


def _unreadable(column: str, height: int) -> TextColumn:
    message = (
        f"column {column_name(column)} is a decimal of more than {_MOST_DIGITS} digits, which"
        " cannot be read; export it as one of fewer digits or as text"
    )
    cells = pl.Series(column, [None] * height, dtype=pl.String)
    return _faulty(column, cells, pl.repeat(value=True, n=height, eager=True), message)


# A panic within polars is no Exception, and would end the program with its own words.
_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


class ParquetSource:
    """A Parquet file whose schema has been read. Its line numbers are row numbers from 1.

    It is read in slices: polars' ``collect_batches`` reads ahead without a bound and is declared
    unstable, a slice holds its rows only.
    """

    def __init__(
        self, name: str, index: int, path: Path | None = None, *, proven: bool = False
    ) -> None:
        """Read the schema and the number of rows; everything, elsewhere, unless it is ``proven``.

        ``path`` is where the file is, if not where its name says.

        Raises:
            SourceError: the file is damaged or cut off, or its column names cannot be used.
        """
        self._name = name
        self._path = (path or Path(name)).absolute()
        self._index = index
        self._stamp = self._status()
        if not proven:
            probe(name, self._path)
        try:
            schema = self._scan().collect_schema()
            self._names = schema.names()
            self._too_wide = [name for name, kind in schema.items() if _is_too_wide(kind)]
            self._rows = self._scan().select(pl.len()).collect().item()
        except _BROKEN as error:
            raise self._damaged(error) from None
        self._header = header_of(name, self._names)
        self.layout = Layout(name, self._header.columns)
        self._unnamed = Unnamed(name, self._header)

    @property
    def encoding(self) -> str:
        """Always UTF-8: it is part of the format."""
        return UTF8

    @property
    def warnings(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def unnamed(self) -> Sequence[str]:
        """The columns without a name that hold something; complete at the end."""
        return self._unnamed.found

    @property
    def doubts(self) -> Sequence[str]:
        """What may be damaged: nothing that the format would not refuse."""
        return ()

    def batches(self) -> Iterator[RecordBatch]:
        """All rows in order.

        Raises:
            SourceError: the file is damaged, or changed meanwhile.
        """
        for start in range(0, self._rows, PARQUET_ROWS):
            typed = self._slice(start)
            # Repeated values are small in the file and in polars, but not as Python's texts.
            size = max(BLOCK_BYTES, int(typed.estimated_size()))
            step = max(1, typed.height * BLOCK_BYTES // size)
            for at in range(0, typed.height, step):
                batch = self._batch(typed.slice(at, step), start + at + 1)
                self._unnamed.look(batch.frame, batch.lines)
                yield batch
        self._check_unchanged()

    def close(self) -> None:
        """Nothing stays open between slices."""

    def _slice(self, start: int) -> pl.DataFrame:
        expected = min(PARQUET_ROWS, self._rows - start)
        try:
            typed = self._scan().drop(self._too_wide).slice(start, expected).collect()
        except _BROKEN as error:
            self._check_unchanged()
            raise self._damaged(error) from None
        if typed.height != expected:
            self._check_unchanged()
            raise self._damaged(None)
        return typed

    def _batch(self, typed: pl.DataFrame, first: int) -> RecordBatch:
        columns: list[pl.Series] = []
        kinds: dict[int, Kind | pl.Series] = {}
        faults: list[CellFault] = []
        series = dict(zip(typed.columns, typed.get_columns(), strict=True))
        for at, (own, name) in enumerate(zip(self._names, self.layout.columns, strict=True)):
            try:
                text = (
                    text_column(name, series[own])
                    if own in series
                    else _unreadable(name, typed.height)
                )
            except _BROKEN as error:
                raise self._damaged(error) from None
            columns.append(text.cells.alias(self._header.keys[at]))
            faults += text.faults
            if text.kind is not Kind.TEXT:
                kinds[at] = text.kind
        lines = range(first, first + typed.height)
        frame = pl.DataFrame(columns)
        return RecordBatch(self._index, frame, lines, faults=tuple(faults), kinds=kinds)

    def _scan(self) -> pl.LazyFrame:
        # Hive partitions and wildcards in the path would change what is read.
        return pl.scan_parquet(self._path, glob=False, hive_partitioning=False, low_memory=True)

    def _status(self) -> Stamp | None:
        try:
            return Stamp.of(self._path.stat())
        except OSError:
            return None

    def _check_unchanged(self) -> None:
        if self._status() != self._stamp:
            raise changed(self._name)

    def _damaged(self, error: BaseException | None) -> SourceError:
        # The first line of what polars says; the rest is advice for programmers.
        reason = str(error).strip().partition("\n")[0] if error is not None else "rows are missing"
        if (twice := _TWICE.search(reason)) is not None:
            return SourceError(
                f"{self._name}: two columns are called {column_name(twice[1])}",
                hint="export it again with a name of its own for each column",
            )
        if (foreign := _FOREIGN_TYPE.search(reason)) is not None:
            return SourceError(
                f"{self._name}: a column has a type that cannot be read: {foreign[1] or reason}",
                hint="export it again without that column, or with it as text (CAST ... AS"
                " VARCHAR)",
            )
        return SourceError(
            f"{self._name}: the Parquet file is damaged or cut off: {reason}",
            hint="export or copy the file again; nothing of it was imported",
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
