"""Cells and payloads that attack validation, and the properties that hold for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import strategies as st

from importer.rows.header_fields import map_columns
from importer.rows.problems import problems_of
from importer.source.records import Layout, RecordBatch
from tests.rows.one_by_one import rows_of

if TYPE_CHECKING:
    from importer.rows.row import Row

COLUMNS = (
    "external_reference", "name", "email", "phone", "currency", "balance", "metadata",
    "metadata.kind", "unknown",
)  # fmt: skip
PERSONAL = ("name", "email", "phone")
_NASTY = st.sampled_from(
    [
        "", " ", "\0", "\u202e", "\ufeff", "\x1b[2J", "=1+1", "-", "+", "'", '"', "9" * 5000,
        "-" + "9" * 4301, "1e999", "\uff11\uff12", "0x10", "1_000", "12.50", "(500)", "ZAR", "R",
        "+27820000001", "0820000001", "a@b", "a@b.co", "a@b.co\n", "@" * 300, "a" * 300, "é" * 300,
        "[" * 100_000, '{"a":' * 3000, '{"a": 1}', '{"a": "b", "a": "c"}', '{"\\ud800": "x"}',
        '{"a": "\\udfff"}', '{"a": NaN}', "{}", "[]", "null", '{"' + "k" * 50 + '": "v"}', "R-1",
        '{"a": ' + "9" * 5000 + "}", '{"kind": "x"}', "<img src=x>", "${jndi:x}", "\u0661",
    ]
)  # fmt: skip
CELL = (
    st.text(st.characters(codec="utf-8"), max_size=30)
    | _NASTY
    | st.tuples(_NASTY, _NASTY).map("".join)
)
CELLS = st.tuples(*[CELL] * len(COLUMNS))
"""One record: any text, in any column, hostile ones among them."""

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | _NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
PAYLOAD = st.dictionaries(st.sampled_from(COLUMNS[:7]) | st.text(max_size=5), JSON, max_size=7)
"""A body that no reader of ours would make."""

_MAP = map_columns(Layout("records.csv", COLUMNS), strict=False)


def judge(cells: tuple[str, ...]) -> Row:
    """One record through the one entrance; it is valid or has problems, and nothing is raised."""
    series = [pl.Series(name, [cell]) for name, cell in zip(COLUMNS, cells, strict=True)]
    (row,) = rows_of(RecordBatch(0, pl.DataFrame(series), [2]), _MAP)
    assert (row.payload is None) == bool(row.problems)
    assert (row.fingerprint is None) == bool(row.problems)
    assert row.cells == cells
    for problem in row.problems:
        assert problem.code
        assert problem.message
        assert problem.text().isprintable()
        assert len(problem.text()) < 2_000
    return row


def leaks(row: Row, marker: str) -> bool:
    """Whether a problem tells a personal value."""
    return any(marker in problem.text() for problem in row.problems)


def judge_payload(payload: dict[str, Any]) -> None:
    """Any JSON object is valid or has problems."""
    for problem in problems_of(payload):
        assert problem.code
        assert problem.text()
