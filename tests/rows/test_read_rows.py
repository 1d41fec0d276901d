"""Batches to rows: order, malformed records, faults, original cells."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from importer.rows import judged
from importer.rows.header_fields import ColumnMap, map_columns
from importer.rows.judged import judge_batch, parts_of
from importer.rows.problems import problems_of
from importer.rows.row import Row
from importer.source.records import CellFault, Layout, Malformed, RecordBatch
from tests.rows.one_by_one import rows_of

if TYPE_CHECKING:
    import pytest


def mapped(*names: str) -> ColumnMap:
    """Map a header."""
    return map_columns(Layout("a.csv", names), strict=False)


def read(
    names: tuple[str, ...],
    *records: tuple[str | None, ...],
    lines: list[int] | None = None,
    malformed: tuple[Malformed, ...] = (),
    faults: tuple[CellFault, ...] = (),
) -> list[Row]:
    """The rows of one batch of source 3."""
    frame = pl.DataFrame(list(records), schema=dict.fromkeys(names, pl.String), orient="row")
    where = lines or list(range(2, len(records) + 2))
    return list(rows_of(RecordBatch(3, frame, where, malformed, faults), mapped(*names)))


def codes(row: Row) -> list[tuple[str, str]]:
    """(column, code) of each problem."""
    return [(one.column, one.code) for one in row.problems]


def test_a_clean_record_becomes_a_payload_with_its_fingerprint() -> None:
    """Canonical JSON of the trimmed cells, its SHA-256, and the cells as they were."""
    names = ("external_reference", "name", "colour", "balance", "currency", "metadata.a")
    (row,) = read(names, (" A1", "Jane Example ", "red", "0012", "ZAR", None))
    expected = '{"balance":12,"currency":"ZAR","external_reference":"A1","name":"Jane Example"}'
    assert row == Row(
        source=3,
        line=2,
        reference="A1",
        payload=expected,
        fingerprint=hashlib.sha256(expected.encode()).digest(),
        cells=(" A1", "Jane Example ", "red", "0012", "ZAR", ""),
    )


def test_a_bad_record_keeps_its_cells_and_lists_problems_in_header_order() -> None:
    """No payload, every problem, columns as the header orders them."""
    names = ("phone", "balance", "metadata", "external_reference", "email")
    (row,) = read(names, ("082", "12.50", "{", " a b ", "x"))
    assert row.payload is None
    assert row.fingerprint is None
    assert row.reference == "a b"
    assert row.cells == ("082", "12.50", "{", " a b ", "x")
    assert codes(row) == [
        ("phone", "phone_not_e164"),
        ("balance", "balance_not_integer"),
        ("metadata", "metadata_not_object"),
        ("external_reference", "reference_charset"),
        ("email", "email_syntax"),
        ("currency", "currency_missing"),
    ]


def test_unreadable_metadata_does_not_hide_its_key_columns() -> None:
    """The object and the key columns have problems of their own."""
    names = ("external_reference", "metadata", "metadata.a")
    (row,) = read(names, ("A1", "{", "v" * 501))
    assert codes(row) == [
        ("metadata", "metadata_not_object"),
        ("metadata.a", "metadata_value_too_long"),
    ]


def test_a_record_never_costs_its_neighbours() -> None:
    """Rows around a bad one are as they would be alone, with their own lines."""
    rows = read(("external_reference",), ("A1",), (None,), ("A3",), lines=[2, 5, 9])
    assert [(row.line, bool(row.problems)) for row in rows] == [(2, False), (5, True), (9, False)]
    assert codes(rows[1]) == [("external_reference", "reference_missing")]


def test_malformed_records_are_merged_by_line() -> None:
    """Before, among and after the framed ones, whatever their order in the batch."""
    malformed = tuple(
        Malformed(line, "stray_quote", "a stray quote", cells=(f" M{line} ",), extra=("more",))
        for line in (12, 2, 6, 7)
    )
    rows = read(
        ("external_reference", "name"),
        ("A3", None),
        ("A5", None),
        ("A9", None),
        lines=[3, 5, 9],
        malformed=malformed,
    )
    assert [row.line for row in rows] == [2, 3, 5, 6, 7, 9, 12]
    assert [row.payload is None for row in rows] == [True, False, False, True, True, False, True]
    assert codes(rows[0]) == [("", "stray_quote")]
    assert rows[0].problems[0].message == "a stray quote"
    assert (rows[0].source, rows[0].reference) == (3, "M2")
    assert rows[0].cells == (" M2 ",)
    assert rows[0].extra == ("more",)


def test_a_batch_of_malformed_records_only() -> None:
    """No framed record is needed; a record without cells has no reference."""
    names = ("name", "external_reference")
    rows = read(names, malformed=(Malformed(2, "nul_byte", "x"), Malformed(3, "nul_byte", "x")))
    assert [(row.line, row.reference, row.cells) for row in rows] == [
        (2, "", ()),
        (3, "", ()),
    ]


def test_a_reference_that_is_no_unicode_can_still_be_written() -> None:
    """Bytes that were no UTF-8 may come as lone surrogates."""
    (row,) = read(
        ("external_reference",), malformed=(Malformed(2, "not_utf8", "x", cells=("A\udcff",)),)
    )
    assert row.reference == "A?"


def test_faults_are_problems_without_follow_up() -> None:
    """A faulty reference is not missing too; a faulty currency is given; the rest is judged."""
    names = ("external_reference", "phone", "currency", "balance")
    faults = (
        CellFault(0, "currency", "cell_type", "a list is no text"),
        CellFault(0, "external_reference", "cell_type", "a timestamp is no reference"),
        CellFault(1, "balance", "cell_fraction", "12.5 is no integer"),
    )
    rows = read(
        names,
        ("2026-01-01", "082", "[ZAR]", "5"),
        ("A2", None, None, None),
        ("A3", None, None, None),
        faults=faults,
    )
    assert codes(rows[0]) == [
        ("external_reference", "cell_type"),
        ("phone", "phone_not_e164"),
        ("currency", "cell_type"),
    ]
    assert codes(rows[1]) == [("currency", "currency_missing"), ("balance", "cell_fraction")]
    assert codes(rows[2]) == []


def test_a_fault_in_a_clean_record_still_costs_it() -> None:
    """What could not be read is not silently left out."""
    fault = CellFault(0, " name", "cell_type", "bytes are no text")
    (row,) = read(("external_reference", " name"), ("A1", None), faults=(fault,))
    assert codes(row) == [("name", "cell_type")]
    assert row.payload is None


def test_a_fault_in_a_column_that_is_not_sent_costs_nothing() -> None:
    """Unknown and ignored columns may hold anything."""
    names = ("external_reference", "created", "_line")
    faults = (CellFault(0, "created", "x", "x"), CellFault(0, "_line", "x", "x"))
    (row,) = read(names, ("A1", None, None), faults=faults)
    assert row.problems == ()
    assert row.payload == '{"external_reference":"A1"}'


def test_a_large_batch_is_judged_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together they hold every row once, in order; a batch with malformed records stays whole."""
    monkeypatch.setattr(judged, "PART", 2)
    frame = pl.DataFrame({"external_reference": ["A1", "A2", "", "A4", "A5"]})
    batch = RecordBatch(0, frame, range(2, 7))
    parts = [judge_batch(part, mapped(*frame.columns)) for part in parts_of(batch)]
    assert [part.valid["line"].to_list() for part in parts] == [[2, 3], [5], [6]]
    assert [[row.line for row in part.invalid] for part in parts] == [[], [4], []]
    odd = RecordBatch(0, frame, range(2, 7), malformed=(Malformed(7, "nul_byte", "x"),))
    assert list(parts_of(odd)) == [odd]


CELL = (
    st.none()
    | st.text(max_size=6)
    | st.sampled_from(
        [
            "A1",
            " a-b ",
            "ZAR",
            "12",
            "-1.5",
            "+27820000001",
            "a@b.co",
            '{"k":"v"}',
            '{"k":1}',
            "x" * 600,
        ]
    )
)
NAMES = ("external_reference", "email", "phone", "currency", "balance", "metadata", "metadata.k")


@given(st.lists(st.tuples(*[CELL] * len(NAMES)), max_size=5))
def test_every_row_has_a_valid_payload_or_problems(records: list[tuple[str | None, ...]]) -> None:
    """Never both, never neither; the cells come back as they went in."""
    rows = read(NAMES, *records)
    assert [row.cells for row in rows] == [tuple(cell or "" for cell in one) for one in records]
    for row in rows:
        assert (row.payload is None) == (row.fingerprint is None) == bool(row.problems)
        if row.payload is not None:
            assert problems_of(json.loads(row.payload)) == []
            assert json.loads(row.payload)["external_reference"] == row.reference
