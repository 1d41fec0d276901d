"""Phone numbers in the form of their country become international ones."""

from __future__ import annotations

import phonenumbers
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.phone import INVALID, to_e164


@given(
    st.lists(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), min_size=1, max_size=6),
    st.sampled_from(
        [phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL]
    ),
)
def test_a_number_survives_every_way_of_writing_it(regions: list[str], form: int) -> None:
    """The example number of any country, written nationally or not, is the same number."""
    examples = [phonenumbers.example_number(region) for region in regions]
    numbers = [one for one in examples if one is not None]
    assert len(numbers) == len(regions)
    cells = [phonenumbers.format_number(one, form) for one in numbers]
    expected = [
        phonenumbers.format_number(one, phonenumbers.PhoneNumberFormat.E164) for one in numbers
    ]
    found = to_e164(pl.Series("phone", cells), pl.Series(regions))
    assert found.values.to_list() == expected
    again = to_e164(found.values, "ZA")
    assert again.values.to_list() == expected
    assert (again.errors, again.changed) == ([], 0)


@pytest.mark.parametrize(
    ("cell", "region", "part"),
    [
        ("123", "ZA", "too few or too many digits for ZA"),
        ("082 123 4567", "", "set region"),
        ("082 123 4567", "UK", "no ISO 3166 code"),
        ("082 123 4567 ext 5", "ZA", "extension"),
        ("+999 123 4567", "ZA", "country code"),
        ("+27 00 000 0000", "ZA", "numbering plan of ZA"),
        ("call Ada", "ZA", "no phone number"),
    ],
)
def test_what_is_no_number_is_an_error_with_its_fix(cell: str, region: str, part: str) -> None:
    """The row is told what to do, and the number itself is in no message."""
    found = to_e164(pl.Series([cell, "+27821234567"]), region)
    [error] = found.errors
    assert (error.index, error.code) == (0, INVALID)
    assert part in error.message
    assert cell not in error.message
    assert found.values.to_list() == [None, "+27821234567"]


def test_empty_cells_are_no_numbers() -> None:
    """Nothing becomes nothing."""
    found = to_e164(pl.Series(["", None], dtype=pl.String), "ZA")
    assert found.values.to_list() == [None, None]
    assert found.errors == []
