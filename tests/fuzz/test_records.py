"""Hostile cells and payloads: problems, never exceptions, and never a personal value."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.bulk import ROWS, judge_many
from tests.fuzz.records import CELLS, COLUMNS, PAYLOAD, PERSONAL, judge, judge_payload, leaks

MARKER = "Zq7Secret9Xw"


@given(CELLS)
@settings(max_examples=300)
def test_any_record_is_valid_or_has_problems(cells: tuple[str, ...]) -> None:
    """Whatever stands in the cells."""
    judge(cells)


@given(PAYLOAD)
@settings(max_examples=200)
def test_any_payload_is_valid_or_has_problems(payload: dict[str, Any]) -> None:
    """Whatever stands in the body."""
    judge_payload(payload)


@given(
    CELLS,
    st.sampled_from([*PERSONAL, "metadata", "metadata.kind"]),
    st.sampled_from(["{}", "x{}", "{}@example.com", "a@{}", "+27{}", '{{"a": "{}", "b": 1}}']),
)
@settings(max_examples=300)
def test_no_problem_tells_a_personal_value(cells: tuple[str, ...], column: str, form: str) -> None:
    """Name, e-mail, phone and metadata values are masked, however they are wrong."""
    at = COLUMNS.index(column)
    secret = form.format(MARKER)
    row = judge((*cells[:at], secret, *cells[at + 1 :]))
    assert not leaks(row, MARKER)


def test_whole_columns_and_single_rows_are_judged_alike() -> None:
    """Of 2,000 nearly right records, whatever their neighbours are."""
    assert judge_many(0) == ROWS
