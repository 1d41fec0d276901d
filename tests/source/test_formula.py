"""Cells that a spreadsheet would run are made harmless, and come back as they were."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.source.csv.formula import escape_formula, unescape_formula, unescape_frame

TEXTS = st.text(alphabet="'=+-@\t\r\n 1a٣é", max_size=8) | st.text(max_size=20)


@pytest.mark.parametrize("cell", ["=1+1", "+27820000001", "-a", "@x", "\tx", "\rx", "-", "''=x"])
def test_a_dangerous_cell_gets_one_apostrophe(cell: str) -> None:
    """Whatever may start a formula gets exactly one apostrophe in front."""
    assert escape_formula(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "x=1", "'x", "-2000", "-" + "9" * 15, "00123", " =1"])
def test_a_harmless_cell_stays(cell: str) -> None:
    """Text, and a balance in credit, stay as they are."""
    assert escape_formula(cell) == cell


@pytest.mark.parametrize("cell", ["-" + "9" * 16, "-1.5", "-٣", "-1\n"])
def test_only_plain_negative_integers_are_spared(cell: str) -> None:
    """A minus sign in front of anything else may still start a formula."""
    assert escape_formula(cell) == "'" + cell


@given(TEXTS)
def test_escaping_can_be_taken_back(cell: str) -> None:
    """Unescaping an escaped cell gives the cell back, whatever it held."""
    assert unescape_formula(escape_formula(cell)) == cell


@given(TEXTS)
def test_an_escaped_cell_starts_no_formula(cell: str) -> None:
    """After escaping only plain negative integers start with a dangerous character."""
    escaped = escape_formula(cell)
    assert not escaped.startswith(("=", "+", "@", "\t", "\r"))
    assert not escaped.startswith("-") or escaped[1:].isascii()


@given(st.lists(TEXTS, min_size=1, max_size=10))
def test_a_frame_is_unescaped_as_its_cells(cells: list[str]) -> None:
    """The vectorised form says the same as the plain one."""
    frame = unescape_frame(pl.DataFrame({"a": cells}, schema={"a": pl.String}))
    assert frame["a"].to_list() == [unescape_formula(cell) for cell in cells]
