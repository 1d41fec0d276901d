"""Typed Parquet columns become text without loss, or a fault that names column and type."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.source import SourceOptions, open_source
from importer.source.typed_cells import text_column
from tests.source.reading import Content, content_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "customers.parquet"


def written(path: Path, frame: pl.DataFrame, **options: Any) -> Content:
    """Write a frame and read it back."""
    frame.write_parquet(path, **options)
    return content_of(str(path))


@pytest.mark.parametrize(
    ("column", "values", "texts", "code"),
    [
        ("name", pl.Series(["NA", "", None, "00123"]), ["NA", "", None, "00123"], None),
        ("name", pl.Series(["a", None], dtype=pl.Categorical), ["a", None], None),
        ("name", pl.Series(["a"], dtype=pl.Enum(["a"])), ["a"], None),
        ("name", pl.Series([None, None], dtype=pl.Null), [None, None], None),
        ("balance", pl.Series([-(2**63), 2**63 - 1, None]), [str(-(2**63)), str(2**63 - 1), None],
         None),
        ("balance", pl.Series([2**64 - 1], dtype=pl.UInt64), [str(2**64 - 1)], None),
        ("balance", pl.Series([12.0, -0.0, 2.0**53, None]), ["12", "0", str(2**53), None], None),
        ("balance", pl.Series([1.5], dtype=pl.Float32), ["1.5"], "not_integer"),
        ("balance", pl.Series([12.5]), ["12.5"], "not_integer"),
        ("balance", pl.Series([float("nan")]), ["NaN"], "not_integer"),
        ("balance", pl.Series([float("-inf")]), ["-inf"], "not_integer"),
        ("balance", pl.Series([2.0**54]), None, "not_integer"),
        ("balance", pl.Series([Decimal("12.00"), Decimal("-0.00")]), ["12", "0"], None),
        ("balance", pl.Series([Decimal("12.50")]), ["12.50"], "not_integer"),
        ("name", pl.Series([Decimal("12.50")]), ["12.50"], None),
        ("metadata.vip", pl.Series([True, False, None]), ["true", "false", None], None),
        ("name", pl.Series([True]), ["true"], "wrong_type"),
        ("external_reference", pl.Series([datetime(2024, 1, 2)]),  # noqa: DTZ001
         ["2024-01-02T00:00:00.000000"], "wrong_type"),
        (" email ", pl.Series([date(2024, 1, 2)]), ["2024-01-02"], "wrong_type"),
        ("metadata.since", pl.Series([date(2024, 1, 2), None]), ["2024-01-02", None], None),
        ("metadata.at", pl.Series([datetime(2024, 1, 2, tzinfo=UTC)]),
         ["2024-01-02T00:00:00.000000+00:00"], None),
        ("metadata.at", pl.Series([time(2, 3)]), ["02:03:00"], None),
        ("metadata.for", pl.Series([timedelta(days=1, seconds=5)]), ["P1DT5S"], None),
        ("name", pl.Series([b"x"]), [None], "wrong_type"),
        ("metadata.tags", pl.Series([["a", "b"]]), [None], "wrong_type"),
        ("metadata", pl.Series([["a", "b"]]), [None], "wrong_type"),
        ("name", pl.Series([{"a": "b"}]), [None], "wrong_type"),
    ],
)  # fmt: skip
def test_types(
    column: str, values: pl.Series, texts: list[str | None] | None, code: str | None
) -> None:
    """Each type has one text, or a fault in columns where it makes no sense."""
    text = text_column(column, values)
    assert text.cells.dtype == pl.String
    if texts is not None:
        assert text.cells.to_list() == texts
    assert {fault.code for fault in text.faults} == ({code} if code else set())
    for fault in text.faults:
        assert fault.column == column
        assert column.strip() in fault.message


@given(st.lists(st.floats() | st.none() | st.integers(-(2**53), 2**53).map(float), min_size=1))
def test_floats_are_exact_or_faults(values: list[float | None]) -> None:
    """A float without a fault reads as the same whole number."""
    text = text_column("balance", pl.Series(values, dtype=pl.Float64))
    faulty = {fault.index for fault in text.faults}
    for index, (value, cell) in enumerate(zip(values, text.cells, strict=True)):
        if value is None:
            assert cell is None
            assert index not in faulty
        elif index not in faulty:
            assert int(cell) == value
        else:
            assert not (value.is_integer() and abs(value) <= 2**53)


def test_a_fault_never_shows_the_value() -> None:
    """The value may be personal data."""
    (fault,) = text_column("balance", pl.Series([9876.5])).faults
    assert "9876" not in fault.message
    assert "Float64" in fault.message


def test_a_struct_is_metadata() -> None:
    """Fields become string values by the rules for columns; nulls are left out."""
    values = pl.Series(
        [{"tier": "gold", "n": 3, "vip": True}, {"tier": None, "n": None, "vip": None}, None,
         {"tier": 'é"', "n": None, "vip": False}]
    )  # fmt: skip
    text = text_column("metadata", values)
    assert text.faults == ()
    assert [json.loads(cell) if cell else None for cell in text.cells] == [
        {"tier": "gold", "n": "3", "vip": "true"}, None, None, {"tier": 'é"', "vip": "false"},
    ]  # fmt: skip


def test_a_struct_with_a_bad_value_is_a_fault_of_its_row() -> None:
    """The fault is the metadata column's, and the others rows are as they were."""
    text = text_column("metadata", pl.Series([{"x": 1.5}, {"x": 2.0}]))
    assert [(fault.index, fault.column, fault.code) for fault in text.faults] == [
        (0, "metadata", "not_integer")
    ]
    assert text.cells[1] == '{"x": "2"}'


def test_a_map_is_metadata() -> None:
    """Parquet's map type, and a key twice is a fault of its row."""
    kind = pl.List(pl.Struct({"key": pl.String, "value": pl.Int64}))
    rows: list[Any] = [
        [{"key": "a", "value": 1}, {"key": "b", "value": None}],
        [],
        None,
        [{"key": "a", "value": 1}, {"key": "a", "value": 2}],
        [{"key": "c", "value": 3}],
    ]
    text = text_column("metadata", pl.Series(rows, dtype=kind))
    assert text.cells.to_list() == ['{"a": "1"}', None, None, '{"a": "2"}', '{"c": "3"}']
    assert [(fault.index, fault.code) for fault in text.faults] == [(3, "metadata_key_twice")]


def test_rows_come_in_order_in_slices(path: Path) -> None:
    """Lines are row numbers, through row groups and batches."""
    frame = pl.DataFrame({"external_reference": [f"R-{i}" for i in range(120_000)]})
    content = written(path, frame, row_group_size=7_000)
    assert content.batches == 3
    assert content.rows == [(i + 1, (f"R-{i}",)) for i in range(120_000)]


def test_faults_know_their_row(path: Path) -> None:
    """A fault's index counts within its batch."""
    balances = [12.5 if i in (7, 60_000) else 1.0 for i in range(60_001)]
    content = written(path, pl.DataFrame({"external_reference": "R", "balance": balances}))
    assert [(line, fault.column) for line, fault in content.faults] == [
        (8, "balance"), (60_001, "balance"),
    ]  # fmt: skip


def test_a_file_without_rows_is_fine(path: Path) -> None:
    """It has its columns and no batch."""
    content = written(path, pl.DataFrame(schema={"external_reference": pl.String}))
    assert (content.layout.columns, content.batches) == (("external_reference",), 0)


def test_a_path_is_no_pattern(tmp_path: Path) -> None:
    """Brackets, stars and hive-like folders in a path mean themselves."""
    folder = tmp_path / "year=2024" / "a*[1]"
    folder.mkdir(parents=True)
    frame = pl.DataFrame({"external_reference": ["R-1"]})
    content = written(folder / "x?.parquet", frame)
    assert content.rows == [(1, ("R-1",))]


@pytest.mark.parametrize("keep", [4, 100, -1, -30])
def test_a_cut_file_is_an_error(path: Path, keep: int) -> None:
    """What was cut off is refused when it is opened."""
    pl.DataFrame({"external_reference": [f"R-{i}" for i in range(1000)]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match="damaged or cut off") as caught:
        content_of(str(path))
    assert "\n" not in caught.value.message


def test_a_damaged_page_is_an_error(path: Path) -> None:
    """Damage within the data is found before anything could be sent."""
    pl.DataFrame({"external_reference": [f"R-{i}" for i in range(1000)]}).write_parquet(path)
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(data)
    with pytest.raises(SourceError, match="damaged"):
        open_source(str(path), 0, SourceOptions())
