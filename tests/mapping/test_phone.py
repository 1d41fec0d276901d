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


@pytest.mark.parametrize(
    ("region", "cell", "part"),
    [
        ("DE", "030 123456 Fax", "letters"),
        ("ZA", "Tel: 082 123 4567", "letters"),
        ("ZA", "021 460 1234 (w)", "letters"),
        ("US", "1-800-FLOWERS", "letters"),
        ("ZA", "082123456O", "letters"),
        ("ZA", "8.21235E+08", "shortened"),
        ("ZA", "2,78212E+10", "shortened"),
        ("DE", "030 123456 x12", "extension"),
        ("ZA", "0821234567x5", "extension"),
        ("ZA", "082 123 4567 ext. 5", "extension"),
        ("ZA", "082 123 4567 #5", "extension"),
        ("ZA", "+27821234567;ext=5", "extension"),
        ("DE", "030 123456 / 57", "extension, or two"),
        ("DE", "030 123456/57", "extension, or two"),
        ("DE", "030 123456 - 57", "extension, or two"),
        ("DE", "030 123456 (57)", "extension, or two"),
        ("DE", "+49 30 123456 / 57", "extension, or two"),
        ("DE", "030123456.57", "extension, or two"),
        ("ZA", "021 460 1234 / 5", "extension, or two"),
        ("DE", "030/123456/57", "extension, or two"),
        ("DE", "030.123456.57", "extension, or two"),
        ("DE", "030/1234/57", "extension, or two"),
        ("DE", "030-123456-0-12", "extension, or two"),
        ("AT", "01/58858/12", "extension, or two"),
        ("IT", "02.1234567.8", "extension, or two"),
        ("IT", "02/12345678-9", "extension, or two"),
        ("ID", "021-1234567-8", "extension, or two"),
        ("FI", "09 123456 7", "extension, or two"),
        ("AU", "(02) 9123 4567 / 68", "extension, or two"),
        ("FR", "01.23.45.67.89 - 06.12.34.56.78", "extension, or two"),
        ("JP", "03-1234-5678 \u5185\u7dda12", "letters"),
        ("TR", "0212 123 45 67 (3 hat)", "letters"),
        ("US", "202-555-0123,,4#", "more than one"),
        ("US", "1-800-GOFEDEX", "letters"),
        ("ZA", '="0821234567', "not written as one number"),
        ("ZA", "082 123 4567 / 083 765 4321", "two numbers"),
        ("ZA", "082 123 4567, 083 765 4321", "more than one"),
        ("ZA", "082 123 4567 or 083 765 4321", "more than one"),
        ("ZA", "082 123 4567\n083 765 4321", "more than one"),
        ("DE", "030 1234 030 5678", "more than one"),
        ("DE", "0301234-0305678", "more than one"),
        ("ZA", "+27821234567+27837654321", "more than one"),
        ("DE", "4915112345678", "without its 0, or an international"),
        ("DE", "4915112345678.0", "without its 0, or an international"),
        ("DE", "447911123456", "without its 0, or an international"),
        ("DE", "27821234567", "write its +"),
        ("ZA", "4915112345678", "write its +"),
        ("ZA", "0821234567.00", "extension, or two"),
        ("DE", "0170 1234567.0", "ends in .0"),
        ("DE", "0170.1234567.0", "ends in .0"),
        ("DE", "030 123456.0", "ends in .0"),
        ("ZA", "082 123 4567.00", "ends in .0"),
        ("ZA", "-821234567", "not written as one number"),
        ("ZA", "082 123 4567 /", "not written as one number"),
        ("ZA", "(021 460 1234", "not written as one number"),
        ("ZA", "082 123 4567*", "not written as one number"),
        ("ZA", "\u202e7654321280", "not written as one number"),
        ("ZA", "1" * 100_000, "not written as one number"),
        ("ZA", "n/a", "no phone number"),
    ],
)
def test_a_cell_that_says_more_or_other_than_a_number_is_an_error(
    region: str, cell: str, part: str
) -> None:
    """No word is dialled, nothing is glued to a number, and no digits are read in two ways."""
    found = to_e164(pl.Series([cell]), region)
    assert found.values.to_list() == [None]
    assert part in found.errors[0].message


@pytest.mark.parametrize(
    ("region", "cell", "number"),
    [
        ("DE", "030/123456", "+4930123456"),
        ("DE", "030 / 123456", "+4930123456"),
        ("DE", "+49 (0)30 / 12 34 56", "+4930123456"),
        ("DE", "030 123456-57", "+493012345657"),
        ("FR", "06/12/34/56/78", "+33612345678"),
        ("FR", "+49 30 123456-57", "+493012345657"),
        ("DE", "030/123456-0", "+49301234560"),
        ("DE", "+49.30.123456", "+4930123456"),
        ("CH", "044/668/18/00", "+41446681800"),
        ("BE", "02/523.45.67", "+3225234567"),
        ("ZA", '="0821234567"', "+27821234567"),
        ("RU", "8 (912) 345-67-89", "+79123456789"),
        ("AR", "011 15-2345-6789", "+5491123456789"),
        ("BR", "011 98765-4321", "+5511987654321"),
        ("US", "011 44 20 7946 0018", "+442079460018"),
        ("JP", "\uff10\uff190\uff0d1234\uff0d5678", "+819012345678"),
        ("ZA", "082.123.4567", "+27821234567"),
        ("ZA", "(0)82 123 4567", "+27821234567"),
        ("ZA", "(+27) 82 123-4567", "+27821234567"),
        ("ZA", "+27 082 123 4567", "+27821234567"),
        ("ZA", "0027 82 123 4567", "+27821234567"),
        ("IT", "+39 (0)6 12345678", "+390612345678"),
        ("ZA", "'082 123 4567", "+27821234567"),
        ("ZA", "tel:+27821234567", "+27821234567"),
        ("ZA", "082\u00a0123\u202f4567", "+27821234567"),
        ("ZA", "082\u2013123\u20114567", "+27821234567"),
        ("ZA", "\u202a+27 82 123 4567\u202c", "+27821234567"),
        ("ZA", "\uff0b\uff12\uff17821234567", "+27821234567"),
        ("ZA", "\u0660\u0668\u0662\u0661\u0662\u0663\u0664\u0665\u0666\u0667", "+27821234567"),
        ("ZA", "821234567", "+27821234567"),
        ("ZA", "821234567.0", "+27821234567"),
        ("ZA", "27821234567.0", "+27821234567"),
        ("DE", "1701234567.0", "+491701234567"),
        ("DE", "15112345678", "+4915112345678"),
        ("US", "2025550123", "+12025550123"),
    ],
)
def test_the_ways_in_which_people_write_one_number(region: str, cell: str, number: str) -> None:
    """Signs, blanks and digits of any script, a lost zero, a decimal point of a program."""
    found = to_e164(pl.Series([cell]), region)
    assert (found.values.to_list(), found.errors) == ([number], [])


def test_empty_cells_are_no_numbers() -> None:
    """Nothing becomes nothing."""
    found = to_e164(pl.Series(["", None], dtype=pl.String), "ZA")
    assert found.values.to_list() == [None, None]
    assert found.errors == []
