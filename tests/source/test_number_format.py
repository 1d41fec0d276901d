"""A number format makes a key of a number, or says how an amount is shown."""

from __future__ import annotations

import pytest

from importer.source.excel.number_format import InapplicableError, built_in, parsed

PHONE = r"[<=9999999]###\-####;\(###\)\ ###\-####"
ACCOUNTING = r'_(* #,##0_);_(* \(#,##0\);_(* "-"??_);_(@_)'


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ('"CUST-"0000', 42, "CUST-0042"),
        ('"CUST-"0000', 123456, "CUST-123456"),
        ('"CUST-"0000', -42, "-CUST-0042"),
        ('"CUST-"0', 42, "CUST-42"),
        ('"CUST-"General', 42, "CUST-42"),
        ('"CUST-"????', 42, "CUST-42"),
        ('"CUST-"#,##0', 1234, "CUST-1,234"),
        (r"\C\U0000", 42, "CU0042"),
        ("Z0000", 42, "Z0042"),
        ('0000"-A"', 42, "0042-A"),
        ('"A"000"B"00', 12345, "A123B45"),
        ("000-00-0000", 123456789, "123-45-6789"),
        ("(000) 000-0000", 821234567, "(082) 123-4567"),
        ("00 00 00 00 00", 123456789, "01 23 45 67 89"),
        (PHONE, 8215551234, "(821) 555-1234"),
        (PHONE, 5551234, "555-1234"),
        ("0#########", 821234567, "0821234567"),
        ('"+"0', 27821234567, "+27821234567"),
        ('"#"0', 42, "#42"),
        ('"R"0000', 42, "R0042"),
        ("[$CUST]0000", 42, "CUST0042"),
        ("[Red]0000", 42, "0042"),
        ("* 0000", 42, "0042"),
        ("00000_)", 42, "00042"),
        ('0000;"N"0000', -42, "N0042"),
        ('0 "kr"', 3, "3 kr"),
        ('"K"#', 0, "K"),
        ('0.00" Cr"', 951.89, "951.89 CR"),
        ('#,##0.00 "Dr."', 1951.5, "1951.5 DR"),
        ('""0.00" Cr"', 5, "5 CR"),
        ('0.00"Dr";0.00"Cr"', -5, "5 CR"),
        (r'"R "0.00\ \C\R', 0.3, "0.3 CR"),
        ('"CREDIT" General', 12, "12 CR"),
    ],
)
def test_a_key_is_what_is_shown(code: str, value: float, shown: str) -> None:
    """Zeros, prefixes, suffixes and separators of a whole number, the side of an amount."""
    assert parsed(code).number(float(value)) == shown


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("General", 42),
        ("Standard", 42),
        ("", 42),
        ("@", 42),
        ("0", 42),
        ("#,##0", 1234),
        ("#,##0.00", 951.89),
        ("0.00", 2),
        ('0.00" days"', 2),
        ('"R" #,##0.00', 951.89),
        ('"R "#,##0', 951),
        ("R#,##0", 951),
        ("[$R-1C09] #,##0", 951),
        ("[$R-1C09]0", 951),
        ("[$€-407] #,##0.00", 951.89),
        ("#,##0 [$kr-414]", 3000),
        ('#,##0 "kr"', 3000),
        ('"$"0', 42),
        ("$0", 42),
        ("0%", 0.5),
        ("0.00E+00", 1234567890123),
        ("# ?/?", 0.5),
        ("#,##0,", 4200),
        ("0_);(0)", -5),
        ("+0;-0;0", 5),
        (ACCOUNTING, 1234),
        (ACCOUNTING, 0),
        ('0;0;"Nil"', 0),
        ("0000;;", 0),
        ("0000", 42.7),
        ("0.00;0.00", -5),
        ('"-"0.00', -5),
        ('"-"0.00', 0),
        ('"Creditor" 0.00', 5),
    ],
)
def test_an_amount_is_the_stored_number(code: str, value: float) -> None:
    """Currency, thousands, decimals, percent, exponents, fractions and signs change nothing."""
    assert parsed(code).number(float(value)) is None


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ('"CUST-"0,', 4200),
        ('"CUST-"0%', 0.42),
        ('"CUST-"0E+0', 42),
        ('"CUST-"*00000', 42),
        ('"CUST-"0000', 42.7),
        ("0####", 42),
        ('"-"0.00', 5),
        ("(0.00);0.00", 5),
        ('0.00"Cr"', -5),
    ],
)
def test_what_cannot_be_told_is_refused(code: str, value: float) -> None:
    """A key whose digits are not those that are stored, or that programs show differently."""
    with pytest.raises(InapplicableError):
        parsed(code).number(float(value))


@pytest.mark.parametrize(
    ("code", "currency"),
    [
        ("[$€-407] #,##0.00", "€"),
        ("[$R-1C09] #,##0.00", "R"),
        ('"USD" 0.00', "USD"),
        ('0.00 "€"', "€"),
        ("$#,##0", "$"),
        ('0.00" Cr"', ""),
        ('0.00" days"', ""),
        ('"CUST-"0000', ""),
        ("0.00%", ""),
        ("General", ""),
    ],
)
def test_the_currency_that_is_shown(code: str, currency: str) -> None:
    """A sign or a code beside an amount, and nothing else."""
    assert parsed(code).currency == currency


@pytest.mark.parametrize(
    ("code", "elapsed"),
    [
        ("d/m/yyyy", False),
        ("[$-409]mmm d, yyyy;@", False),
        ("[$-F800]dddd\\,\\ mmmm\\ dd", False),
        ("hh:mm AM/PM", False),
        ("[h]:mm", True),
        ("[mm]:ss.0", True),
    ],
)
def test_dates(code: str, elapsed: bool) -> None:  # noqa: FBT001 - from a table
    """Letters of a date outside quotes and brackets make one."""
    assert (parsed(code).date, parsed(code).elapsed) == (True, elapsed)


@pytest.mark.parametrize(
    "code", ["General", '0" days"', "[Red]0", r"0\d", "[$-409]0", '"Mrs"0', "Standard"]
)
def test_letters_that_make_no_date(code: str) -> None:
    """Quoted and escaped letters, colours and languages are none."""
    assert not parsed(code).date


def test_formats_without_a_code() -> None:
    """14 is a date, 46 a time beyond a day, 9 a percentage."""
    assert built_in(14).date
    assert built_in(46).elapsed
    assert built_in(9).number(0.5) is None


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("@", "0042"),
        ('"CUST-"@', "CUST-0042"),
        ('0;0;0;"T-"@', "T-0042"),
        (';;;@" "', "0042"),
        ("_(@_)", "0042"),
        ("0000", "0042"),
    ],
)
def test_a_text_is_shown_with_what_its_format_writes(code: str, text: str) -> None:
    """The fourth part of a format, or one with @, is that of texts."""
    assert parsed(code).text("0042") == text
