"""Plain text transforms change what they name and nothing else."""

from __future__ import annotations

import unicodedata

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.converted import lowercase_domain, nfc

TEXTS = st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=10), max_size=6)


@given(TEXTS)
def test_nfc_is_what_unicode_says(texts: list[str | None]) -> None:
    """Every cell is in form C, and the changed ones are counted."""
    found = nfc(pl.Series(texts, dtype=pl.String))
    expected = [None if one is None else unicodedata.normalize("NFC", one) for one in texts]
    assert found.values.to_list() == expected
    assert found.changed == sum(a != b for a, b in zip(texts, expected, strict=True))


def test_only_the_domain_is_lowered() -> None:
    """The local part may tell upper from lower case; what is no address is left to its rules."""
    cells = ["Ada.B@Example.COM", "ada@example.com", "a@B@C", "NONE", "", None]
    found = lowercase_domain(pl.Series(cells))
    assert found.values.to_list() == ["Ada.B@example.com", *cells[1:]]
    assert found.changed == 1
