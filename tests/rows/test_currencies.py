"""ISO 4217: the active codes, their minor units, and what a wrong code meant."""

from __future__ import annotations

import pytest

from importer.rows.currencies import (
    ACTIVE,
    SIGNS,
    code_of_country,
    currency_hint,
    is_known,
    meant,
    minor_units,
    sure_code,
)


def test_the_list_has_its_178_codes() -> None:
    """Three capital letters each, none lost or doubled."""
    assert len(ACTIVE) == 178
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in ACTIVE)


@pytest.mark.parametrize(
    "code", ["ZAR", "XCG", "ZWG", "XAD", "VED", "SLE", "XAU", "XDR", "CHE", "UYW", "XTS", "XXX"]
)
def test_active(code: str) -> None:
    """New codes, funds, metals, XTS and XXX are active."""
    assert code in ACTIVE


@pytest.mark.parametrize(
    "code", ["ANG", "BGN", "HRK", "SLL", "CUC", "ZWL", "ZWD", "VEF", "MRO", "STD", "DEM", "zar"]
)
def test_withdrawn(code: str) -> None:
    """Withdrawn codes and lower case are not."""
    assert code not in ACTIVE


@pytest.mark.parametrize(
    ("code", "digits"),
    [
        ("ZAR", 2),
        ("JPY", 0),
        ("UGX", 0),
        ("KWD", 3),
        ("CLF", 4),
        ("XAD", 2),
        ("XAU", None),
        ("BGN", None),
    ],
)
def test_minor_units(code: str, digits: int | None) -> None:
    """The exponent of list one; None where there is none."""
    assert minor_units(code) == digits


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("zar", "ZAR"),
        ("UK", "GBP"),
        ("RMB", "CNY"),
        ("R", "ZAR"),
        ("Rand", "ZAR"),
        ("EURO", "EUR"),
        ("€", "EUR"),
        ("US$", "USD"),
        ("USD$", "USD"),
        ("$", "USD"),
        ("Z.A.R", "ZAR"),
        ("BGN", "EUR"),
        ("ANG", "XCG"),
        ("ZRA", "ZAR"),
        ("ZARS", ""),
        ("GB", "GBP"),
        ("ISO", ""),
        ("ZAB", ""),
        ("CA", "CAD"),
        ("Q", ""),
        ("a long story", ""),
        ("710", ""),
    ],
)
def test_meant(text: str, code: str) -> None:
    """What people write is understood, but never replaced; far texts get no guess."""
    assert meant(text) == code


def test_hints() -> None:
    """Each kind of mistake gets its own advice."""
    assert currency_hint("zar") == "write it in capitals: ZAR"
    assert currency_hint("UK") == "did you mean GBP?"
    assert "withdrawn" in currency_hint("HRK")
    assert "three capital letters" in currency_hint("?")


def test_every_sign_stands_for_active_codes_and_is_understood() -> None:
    """What amounts may carry, what a wrong code meant and what init takes are one table."""
    for sign, codes in SIGNS.items():
        assert codes
        assert set(codes) <= ACTIVE
        assert len(set(codes)) == len(codes)
        if is_known(sign):
            assert meant(sign) in {*codes, sign}
        assert sure_code(sign) in {"", codes[0]}


@pytest.mark.parametrize(
    ("sign", "code"),
    [
        ("€", "EUR"),
        ("£", "GBP"),
        ("₦", "NGN"),
        ("$", ""),
        ("R", ""),
        ("kr", ""),
        ("¥", ""),
        ("P", ""),
    ],
)
def test_a_sign_that_means_several_is_not_sure(sign: str, code: str) -> None:
    """Only a sign of one currency says which one a file is in."""
    assert sure_code(sign) == code


def test_a_country_suggests_its_currency() -> None:
    """For a question, and never taken unasked; most countries have none here."""
    assert code_of_country("ZA") == "ZAR"
    assert code_of_country("XX") == ""
