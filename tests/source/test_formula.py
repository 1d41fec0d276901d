"""Cells that a spreadsheet would run are made harmless, and come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.source.fed_back import (
    escape_cell,
    escape_formula,
    unescape_cell,
    unescape_formula,
)

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


@given(TEXTS)
def test_what_a_spreadsheet_would_rewrite_comes_back(cell: str) -> None:
    """Unescaping a cell of an errors file gives it back, whatever it held."""
    assert unescape_cell(escape_cell(cell)) == cell


@pytest.mark.parametrize(
    "cell",
    [
        "0042",
        "+27820000001",
        "123456789012",
        "1E5",
        "12e3",
        "1-2",
        "2026-01-31",
        "31/01/2026",
        "MAR-1",
        "MAR1",
        "1 Mar 2026",
        "10:30",
        "951,80",
        "1.234,50",
        "'0042",
        " 0042 ",
        "=1+1",
        "(5)",
        "5-",
        "50%",
        ".5",
        "5.",
        "5 1/2",
        "$5",
        "R100",
        "5 €",
        "10 AM",
        "1 234",
        "12 345,60",
    ],
)
def test_a_cell_that_a_spreadsheet_would_rewrite_gets_an_apostrophe(cell: str) -> None:
    """Zeros in front, long numbers, powers of ten, dates and decimal commas stay what they are."""
    assert escape_cell(cell) == "'" + cell


@pytest.mark.parametrize(
    "cell", ["", "0", "42", "-2000", "951.80", "-9.50", "Mary 1", "C-42", "12 Main Road", "E5"]
)
def test_a_cell_that_a_spreadsheet_leaves_alone_stays(cell: str) -> None:
    """Names, short numbers and plain decimals need no apostrophe."""
    assert escape_cell(cell) == cell
