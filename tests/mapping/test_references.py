"""Any text becomes a reference that Moment takes, and no two become one."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.converted import TOO_LONG, escape, escaped_one
from importer.rows.api_limits import REFERENCE_PATTERN

ESCAPED = re.compile(r"_((?:[0-9a-f]{2})+)_")
TEXTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=8)


def unescape(reference: str) -> str:
    """The text that ``escape`` was given; ValueError where it never wrote this."""
    text = ESCAPED.sub(lambda match: bytes.fromhex(match.group(1)).decode(), reference)
    if escaped_one(text) != reference:
        raise ValueError("this is no escaped reference")
    return text


@given(TEXTS)
def test_every_reference_can_be_undone(texts: list[str]) -> None:
    """So two texts never share a reference, and each reference is one that Moment allows."""
    values = escape(pl.Series(texts, dtype=pl.String)).values.to_list()
    assert [unescape(value) for value in values] == texts
    assert len(set(values)) == len(set(texts))
    assert all(re.fullmatch(REFERENCE_PATTERN, value) for value in values)


def test_what_moment_takes_stays_as_it_is() -> None:
    """But for ``_``, which marks what was escaped."""
    found = escape(pl.Series(["A-1", "a_b", "A/7", "", None]))
    assert found.values.to_list() == ["A-1", "a_5f_b", "A_2f_7", "", None]
    assert found.changed == 2


def test_a_reference_that_grows_too_long_is_an_error() -> None:
    """It is never cut: two long ones could become one."""
    found = escape(pl.Series(["/" * 64, "/" * 63]))
    assert [(one.index, one.code) for one in found.errors] == [(0, TOO_LONG)]
    assert found.values.to_list()[0] is None


@pytest.mark.parametrize("reference", ["a_b", "_2F_", "a__b", "_41_"])
def test_what_was_never_escaped_is_refused(reference: str) -> None:
    """Undoing does not guess."""
    with pytest.raises(ValueError, match="no escaped reference"):
        unescape(reference)
