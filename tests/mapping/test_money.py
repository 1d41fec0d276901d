"""Amounts as text become minor units, exactly."""

from __future__ import annotations

import re
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.money import money_text as money
from importer.mapping.money.money_text import BEHIND, PAIRS
from importer.rows.currencies import ACTIVE, minor_units

FORMATS = money.FORMATS
COUNTED = sorted(code for code in ACTIVE if minor_units(code) is not None)
STYLES = ("{sign}{number}", "{number}{sign}", "{code} {sign}{number}", "{sign}{number} {code}")


def converted(
    cells: list[str | None], currency: str = "ZAR", fmt: str = "1234.56", positive: str = "debit"
) -> list[str | None]:
    """The values of a column in one currency."""
    return money.to_minor(
        pl.Series("amount", cells, dtype=pl.String),
        pl.Series([currency] * len(cells), dtype=pl.String),
        FORMATS[fmt],
        positive,
    ).values.to_list()


def codes(cells: list[str], currency: str = "ZAR", fmt: str = "1234.56") -> list[str]:
    """What is wrong with each cell of a column, "" where nothing is."""
    found = money.to_minor(
        pl.Series("amount", cells), pl.Series([currency] * len(cells)), FORMATS[fmt], "debit"
    )
    named = {error.index: error.code for error in found.errors}
    return [named.get(index, "") for index in range(len(cells))]


def written(minor: int, exponent: int, fmt: money.NumberFormat, *, grouped: bool) -> str:
    """An amount without sign, the way a program of that country writes it."""
    whole, fraction = divmod(abs(minor), 10**exponent)
    digits = str(whole)
    if grouped and fmt.group:
        head, last = (digits[:-3], digits[-3:]) if len(digits) > 3 else ("", digits)
        size = 2 if fmt.indian else 3
        sets: list[str] = []
        while head:
            sets.insert(0, head[-size:])
            head = head[:-size]
        digits = fmt.group.join([*sets, last])
    return digits + (f"{fmt.decimal}{fraction:0{exponent}d}" if exponent else "")


@given(
    st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=8),
    st.sampled_from(COUNTED),
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(STYLES),
    st.booleans(),
)
def test_what_is_written_is_read(
    amounts: list[int],
    currency: str,
    fmt: str,
    style: str,
    grouped: bool,  # noqa: FBT001 - given by hypothesis
) -> None:
    """Any amount in any currency, format and style comes back as the same minor units."""
    exponent = minor_units(currency) or 0
    cells = [
        style.format(
            sign="-" if one < 0 else "",
            number=written(one, exponent, FORMATS[fmt], grouped=grouped),
            code=currency,
        )
        for one in amounts
    ]
    assert converted(list(cells), currency, fmt) == [str(one) for one in amounts]
    assert converted(list(cells), currency, fmt, "credit") == [str(-one) for one in amounts]


@pytest.mark.parametrize(
    ("cell", "minor"),
    [
        ("(12.00)", "-1200"),
        ("( R 12.00 )", "-1200"),
        ("12.00-", "-1200"),
        ("\u221212.00", "-1200"),
        ("12.00 CR", "-1200"),
        ("12.00 dr", "1200"),
        ("R12", "1200"),
        ("+12.5", "1250"),
        ("\u00a012.00\u202f", "1200"),
        (".5", "50"),
        ("-", "0"),
        ("R -", "0"),
        ("-.--", "0"),
        ("R -,-", "0"),
        (" \u2014 ", "0"),
        ("\u2013 ZAR", "0"),
        ("5.-", "500"),
        ("R 5.--", "500"),
        ("-5.\u2014", "-500"),
        ("(5.-)", "-500"),
        ("5.- ZAR", "500"),
        ("500/-", "50000"),
        ("R500/=", "50000"),
        ("500/- CR", "-50000"),
        ("500:-", "50000"),
        ("R (12.00)", "-1200"),
        (" R -   ", "0"),
        ("12.00 Dr.", "1200"),
        ("12.00 (Cr)", "-1200"),
        ("12.00 H", "-1200"),
        ("12.00S", "1200"),
        ("12.00 ZAR D", "1200"),
        ("12.00 C", "-1200"),
        ("12.00 Haben", "-1200"),
        ("12.00 credit", "-1200"),
        ("5.- H", "-500"),
        ("5-", "-500"),
        ("0.00-", "0"),
        ("000.10", "10"),
        ("", None),
        (None, None),
    ],
)
def test_the_ways_in_which_people_write_an_amount(cell: str | None, minor: str | None) -> None:
    """Parentheses, minus on either side, CR and DR, currencies and odd spaces are understood."""
    assert converted([cell]) == [minor]


@pytest.mark.parametrize(
    "cell",
    [
        "abc",
        "--",
        "CR -",
        "- 5 -",
        "5.-.",
        "5-5",
        "500/50",
        "500/- 3",
        "R",
        "1 2 3",
        "(-5)",
        "-5-",
        "5 CR-",
        "(5",
        "5)",
        "1,23",
        "12.",
        "1.2.3",
        "EUR ZAR 5",
        "-12.00 H",
        "(12.00) Cr",
        "12.00 c",
        "H 12.00",
        "12.00 HH",
        "R ((12.00))",
        "12:50",
    ],
)
def test_what_is_no_amount_is_an_error(cell: str) -> None:
    """Two marks of sign, half a parenthesis or a stray separator is never read somehow."""
    assert codes([cell, "12.00"], fmt="1,234.56") == ["amount_unreadable", ""]


def test_an_amount_says_no_more_than_its_currency_can() -> None:
    """More decimals than the currency has, another currency and none at all are errors."""
    assert codes(["1.234", "1.23"]) == ["amount_decimals", ""]
    assert codes(["1.5", "15"], "JPY") == ["amount_decimals", ""]
    assert codes(["1.234"], "KWD") == [""]
    assert codes(["EUR 1", "\u20ac1", "ZAR 1", "R1"]) == [
        "amount_other_currency", "amount_other_currency", "", "",
    ]  # fmt: skip
    for without in ("", "XAU"):
        assert codes(["1"], without) == ["amount_without_currency"]
    assert codes(["1"], "UK") == [""]
    assert converted(["1"], "UK") == [None]


@pytest.mark.parametrize(
    ("cell", "currency", "minor"),
    [
        ("$12", "USD", "1200"),
        ("$12", "NAD", "1200"),
        ("12.5 kr.", "SEK", "1250"),
        ("Rs.500", "INR", "50000"),
        ("5 z\u0142", "PLN", "500"),
        ("GH\u20b55", "GHS", "500"),
        ("K12", "ZMW", "1200"),
        ("Rand 12", "ZAR", "1200"),
        ("(R12)", "ZAR", "-1200"),
    ],
)
def test_a_sign_that_may_stand_for_the_currency_is_read(
    cell: str, currency: str, minor: str
) -> None:
    """Signs, local abbreviations and words, each for the currencies that use it."""
    assert converted([cell], currency) == [minor]


def test_every_sign_that_is_known_is_read() -> None:
    """Each for each of its currencies, before the amount and, where it may be, behind."""
    pairs = [pair.rsplit(":", 1) for pair in PAIRS if minor_units(pair[-3:]) is not None]
    cells = [(f"{sign} 12", code) for sign, code in pairs]
    cells += [(f"12 {sign}", code) for sign, code in pairs if sign in BEHIND]
    found = money.to_minor(
        pl.Series([cell for cell, _ in cells]),
        pl.Series([code for _, code in cells]),
        FORMATS["1234.56"],
        "debit",
    )
    assert found.errors == []
    wanted = [str(12 * 10 ** (minor_units(code) or 0)) for _, code in cells]
    assert found.values.to_list() == wanted


@given(st.text(st.characters(categories=["L", "Sc"]), min_size=1, max_size=5), st.booleans())
def test_no_other_word_is_skipped(
    word: str,
    behind: bool,  # noqa: FBT001 - given by hypothesis
) -> None:
    """Whatever stands beside a number and cannot mean the currency makes the cell an error."""
    [value] = converted([f"12{word}" if behind else f"{word}12"])
    sign = word
    if behind:
        sign = re.sub(f"(?:{money.OWES}|{money.HAS})$", "", sign)
    sign = sign.upper()
    assert value is None or not sign or f"{sign}:ZAR" in PAIRS


@pytest.mark.parametrize(
    ("cell", "currency"),
    [("$12", "ZAR"), ("R12", "USD"), ("A$5", "USD"), ("\u00a35", "EUR"), ("HRK 100", "EUR")],
)
def test_a_sign_of_another_currency_is_an_error(cell: str, currency: str) -> None:
    """Twelve dollars are not twelve rand, and a withdrawn code is not what replaced it."""
    assert codes([cell], currency) == ["amount_other_currency"]


@pytest.mark.parametrize(
    "cell", ["12k", "12 K", "1.5m", "3 bn", "2 mil", "50\u00a2", "5 pcs", "R.50", "CR 12"]
)
def test_a_word_that_is_no_currency_is_never_skipped(cell: str) -> None:
    """Magnitudes, cents and pieces would change the amount; ``R.50`` could be 50 or half."""
    assert codes([cell]) == ["amount_unreadable"]
    assert codes([cell], "ZMW") == ["amount_unreadable"]


def test_zeros_behind_the_decimals_of_a_currency_lose_nothing() -> None:
    """Databases print four decimals; exactly three may be a group of digits, and are refused."""
    assert converted(["12.5000", "-12.0000", "0.0000"]) == ["1250", "-1200", "0"]
    assert converted(["1500.00", "0.00"], "JPY") == ["1500", "0"]
    assert converted(["1.5000"], "KWD") == ["1500"]
    assert codes(["12.500", "12.5001"]) == ["amount_decimals"] * 2
    assert codes(["1.000"], "JPY") == ["amount_decimals"]


def test_cr_and_dr_outrank_the_sign_of_the_column() -> None:
    """They say whose money it is; only bare amounts ask what positive means."""
    assert converted(["5", "5 CR", "5 DR"], positive="credit") == ["-500", "-500", "500"]
    assert converted(["5", "5 CR", "5 DR"], positive="debit") == ["500", "-500", "500"]


def test_messages_never_hold_the_amount() -> None:
    """An error says what is wrong, not how much somebody owes."""
    found = money.to_minor(
        pl.Series(["98765.432", "98765,x", "EUR 98765"]),
        pl.Series(["ZAR"] * 3),
        FORMATS["1234.56"],
        "debit",
    )
    assert len(found.errors) == 3
    assert not any("98765" in error.message for error in found.errors)


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["1,234.50", "12"], "1,234.56"),
        (["12,50", "1.234,00"], "1.234,56"),
        (["R 1 234,50", "12"], "1 234,56"),
        (["1'234.50", "1\u2019234"], "1'234.56"),
        (["1,23,456.00", "12.5"], "1,23,456.00"),
        (["12,50"], "1234,56"),
        (["12", "-13"], "1234.56"),
        (["1,234", "12.5"], "1,234.56"),
        (["1,234", "n/a", "12.50"], "1,234.56"),
    ],
)
def test_the_whole_column_tells_its_format(cells: list[str], name: str) -> None:
    """One format that reads all numbers is taken, whatever the parts the column comes in."""
    assert str(money.detect([pl.Series(cells)])) == name
    assert str(money.detect(pl.Series([cell]) for cell in cells)) == name


@pytest.mark.parametrize("cells", [["1,234", "5,678"], ["1.234"], ["1,234", "12"]])
def test_a_column_that_reads_in_two_ways_is_refused(cells: list[str]) -> None:
    """Both readings are shown, so that a person can say which one is meant."""
    with pytest.raises(money.Ambiguous, match=r"in two ways: .*is 1\.?234 if .* and 1\.?234 if"):
        money.detect([pl.Series(cells)])


@pytest.mark.parametrize(
    "cells", [["1.5", "1,5"], ["1.5", "2.5", "1,5", "2,5"], [*["12"] * 1000, "1.5", "1,5"]]
)
def test_a_column_that_mixes_formats_is_refused(cells: list[str]) -> None:
    """Nobody can tell which half is the mistake; the message names a number with its line."""
    lines = range(2, 2 + len(cells))
    with pytest.raises(money.Ambiguous, match=r"\(line \d+.*no format reads them all"):
        money.detect([(pl.Series(cells), lines)])


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        ([*["1,234.50"] * 1000, "1,23"], "1,234.56"),
        ([*[f"{one}.50" for one in range(1000)], "1,23"], "1234.56"),
        (["1.50", "2.50", "1,5"], "1234.56"),
        ([*["12,50"] * 60, "1.5", "2.5", "3.5"], "1234,56"),
        ([*["1'234.50"] * 20, "1,234,567"], "1'234.56"),
    ],
)
def test_a_slip_costs_itself(cells: list[str], name: str) -> None:
    """One amount in the wrong format, or a few of many, does not stop the others."""
    assert str(money.detect([pl.Series(cells)])) == name


def test_a_slip_decides_nothing() -> None:
    """Where only slips speak for one of two readings, both are shown with their lines."""
    cells = [*["1,234"] * 50, "12.5", "1,23"]
    with pytest.raises(money.Ambiguous, match=r'"1,234" \(line 2\) is'):
        money.detect([(pl.Series(cells), range(2, 54))])


@given(st.lists(st.from_regex(r"[0-9]{1,4}([., '][0-9]{1,3}){0,2}", fullmatch=True), max_size=6))
def test_a_detected_format_is_the_only_reading(cells: list[str]) -> None:
    """No other format that reads the whole column reads one of its numbers differently."""
    try:
        chosen = money.detect([pl.Series(cells, dtype=pl.String)])
    except money.Ambiguous:
        return
    numbers = pl.Series("number", cells, dtype=pl.String).to_frame()
    ours = numbers.select(chosen.plain(pl.col("number"))).to_series().to_list()
    for other in FORMATS.values():
        theirs = numbers.select(other.plain(pl.col("number"))).to_series().to_list()
        reads_as_much = all(
            their is not None for our, their in zip(ours, theirs, strict=True) if our is not None
        )
        if reads_as_much:
            for our, their in zip(ours, theirs, strict=True):
                assert our is None or Decimal(our) == Decimal(their or "")


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["0.000", "1250.500", "20.000", ""], "1234.560"),
        (["1,250.500", "3.250", "7"], "1,234.560"),
        (["1.250,500", "20,000"], "1.234,560"),
        (["1250.500", "20.00"], "1234.56"),
        (["1250.500", "1.5000"], "1234.56"),
        (["2,345,678", "1,000"], "1,234.56"),
        (["1,250.50", "1,000"], "1,234.56"),
        (["1250.50", "20.5"], "1234.56"),
        (["12", "7"], "1234.56"),
    ],
)
@pytest.mark.parametrize("step", [1, 10])
def test_three_decimals_are_decimals_where_all_amounts_have_them(
    cells: list[str], name: str, step: int
) -> None:
    """One amount with others, or a group of digits at the end, and three may be a thousand."""
    parts = [pl.Series(cells[at : at + step]) for at in range(0, len(cells), step)]
    assert str(money.detect(parts)) == name


def test_three_decimals_that_are_decimals_lose_nothing() -> None:
    """The third is a zero, or too many."""
    assert converted(["1250.500", "0.000", "-3.120", "7"], fmt="1234.560") == [
        "125050", "0", "-312", "700",
    ]  # fmt: skip
    assert codes(["1250.505"], fmt="1234.560") == ["amount_decimals"]


def test_a_zero_with_an_exponent_is_zero() -> None:
    """Java writes a zero of nine decimals so; any other exponent has lost digits."""
    assert converted(["0E-9", "0E-18", "0.0E+2", "0,00e-9"]) == ["0"] * 4
    assert codes(["1E-9", "1.5E+3", "0E", "0Ex"]) == ["amount_unreadable"] * 4
