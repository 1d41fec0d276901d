"""What is found certain about phone numbers is what the library says of each."""

from __future__ import annotations

import phonenumbers
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.mapping import phone
from importer.mapping.phone import certain, to_e164

E164 = phonenumbers.PhoneNumberFormat.E164
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
SIGNS = st.text(alphabet="0123456789 ()./-+", max_size=18)


def by_library(cell: str, region: str) -> str | None:
    """What the library alone makes of a number."""
    number, _ = phone._reader()(cell, region)
    return number


def ways_of(region: str) -> list[str]:
    """The example numbers of a region, each written in four ways, and some that are broken."""
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    written = []
    for kind in kinds:
        number = phonenumbers.example_number_for_type(region, kind)
        if number is not None:
            written += [phonenumbers.format_number(number, form) for form in range(3)]
            written.append(phonenumbers.national_significant_number(number))
    broken = [f"{one[:-1]}" for one in written] + [f"{one}1" for one in written]
    doubled = [f"0{one}" for one in written] + [one.replace("+", "+0", 1) for one in written]
    return [*written, *broken, *doubled]


@pytest.mark.parametrize("region", REGIONS)
def test_every_plan_agrees_with_the_library(region: str) -> None:
    """For every country: what is certain is the library's own answer, and broken numbers never."""
    cells = ways_of(region)
    for cell, found in zip(cells, certain(pl.Series(cells, dtype=pl.String), region), strict=True):
        assert found in {None, by_library(cell, region)}, cell


@given(st.sampled_from(["ZA", "DE", "NL", "FR", "NG", "KE", "IN", "HU", "ES", "BR", "IT"]), SIGNS)
@example("ZA", "27821234567")
@example("ZA", "0027821234567")
@example("ES", "34612345678")
@example("DE", "049 30 901820")
@example("DE", "4915112345678")
@example("DE", "030/123456")
@example("DE", "0301234 0305678")
@example("DE", "030123456.57")
@example("ZA", "0821234567-0837654321")
@example("DE", "030/123456/57")
@example("DE", "030.1234.57")
@example("FR", "06/12/34/56/78")
def test_whatever_is_written_the_library_agrees(region: str, cell: str) -> None:
    """No arrangement of digits and signs is certain and something else to the library."""
    (found,) = certain(pl.Series([cell]), region)
    assert found in {None, by_library(cell, region)}


@given(
    st.sampled_from(["ZA", "DE", "HU", "ES"]),
    st.sampled_from(["", "0", "+27", "+49", "06", "+36", "+34", "00", "27"]),
    st.from_regex(r"[0-9]{6,11}", fullmatch=True),
)
def test_numbers_of_the_right_length_agree_too(region: str, prefix: str, digits: str) -> None:
    """Where a number is nearly right, both say the same."""
    cell = prefix + digits
    (found,) = certain(pl.Series([cell]), region)
    assert found in {None, by_library(cell, region)}


def test_the_usual_numbers_need_no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million of them are read as a column; only what is odd goes to the library one by one."""
    monkeypatch.setattr(phone, "_reader", lambda: pytest.fail("the library was asked"))
    cells = ["082 123 4567", "(021) 460-1234", "+27 82 123 4567", "27821234567", "821234567.0", ""]
    assert to_e164(pl.Series(cells), "za").values.to_list() == [
        "+27821234567",
        "+27214601234",
        "+27821234567",
        "+27821234567",
        "+27821234567",
        None,
    ]
