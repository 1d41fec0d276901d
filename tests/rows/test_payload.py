"""Cells to payloads: trimming, absence, balances, metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.rows.balance import balance_problem, read_balance
from importer.rows.header_fields import map_columns
from importer.rows.mistakes import Mistake
from importer.rows.payload import build_payload
from importer.rows.text import INVISIBLE_SPACES, TRIMMED, shown, trim
from importer.source.records import Layout

if TYPE_CHECKING:
    from importer.rows.row import Problem


def built(**cells: str) -> tuple[dict[str, Any], list[Problem]]:
    """Build the payload of one record; ``__`` in a keyword stands for the dot of a column."""
    record = {"external_reference": "A1"} | {k.replace("__", "."): v for k, v in cells.items()}
    columns = map_columns(Layout("a.csv", tuple(record)), strict=True)
    return build_payload(tuple(record.values()), columns)


def codes(problems: list[Problem]) -> list[tuple[str, str]]:
    """(column, code) of each problem."""
    return [(one.column, one.code) for one in problems]


def test_trimmed_is_what_python_calls_space_and_three_more() -> None:
    """The constant lists exactly these characters, so that other trimmers can use it."""
    spaces = {chr(code) for code in range(0x110000) if chr(code).isspace()}
    assert set(TRIMMED) == spaces | set(INVISIBLE_SPACES)


@given(st.text(alphabet=st.sampled_from(TRIMMED + "aé\u200d")))
def test_trim_takes_whitespace_at_the_ends_only(text: str) -> None:
    """The result starts and ends with something else, and is a slice of the text."""
    assert trim(text) == text.strip(TRIMMED)


def test_whitespace_around_cells_is_trimmed_and_inside_kept() -> None:
    """No-break spaces, a byte order mark and line breaks at the ends go; the inside stays."""
    payload, problems = built(name="\u00a0 Jane \n Example\ufeff", phone="\t+27820000001 ")
    assert problems == []
    assert payload == {
        "external_reference": "A1",
        "name": "Jane \n Example",
        "phone": "+27820000001",
    }


def test_empty_cells_are_absent_fields() -> None:
    """Also cells of whitespace only, in every column."""
    payload, problems = built(name="", email=" ", balance="\u200b", metadata="", metadata__a=" ")
    assert (payload, problems) == ({"external_reference": "A1"}, [])


def test_texts_are_not_interpreted() -> None:
    """Leading zeros, exponents, NA and null are what they are."""
    payload, _ = built(external_reference="00123", name="1e5", metadata__a="null", email="NA")
    assert payload == {
        "external_reference": "00123",
        "name": "1e5",
        "metadata": {"a": "null"},
        "email": "NA",
    }


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("2000", 2000),
        ("-5", -5),
        ("+5", 5),
        ("-0", 0),
        ("007", 7),
        ("9" * 4000, 10**4000 - 1),
        ("-" + "0" * 9000 + "12", -12),
    ],
)
def test_good_balances(text: str, amount: int) -> None:
    """An optional sign and ASCII digits, of any practical length."""
    assert read_balance(text) == amount
    assert built(balance=f" {text} ", currency="ZAR")[0]["balance"] == amount


@given(st.integers())
def test_every_integer_reads_back(amount: int) -> None:
    """What Python writes for an integer is read as that integer."""
    assert read_balance(str(amount)) == amount


@pytest.mark.parametrize(
    ("text", "currency", "hint"),
    [
        ("12.50", "ZAR", "12.50 ZAR would be 1250"),
        ("12,5", "ZAR", "12,5 ZAR would be 1250"),
        ("-0.05", "ZAR", "-0.05 ZAR would be -5"),
        ("+1.00", "ZAR", "would be 100"),
        ("0.00", "ZAR", "would be 0"),
        ("12.0", "JPY", "12.0 JPY would be 12"),
        ("12.5", "JPY", "JPY has no decimals"),
        ("12.505", "ZAR", "thousands separators"),
        ("12.5055", "ZAR", "ZAR has 2 decimals"),
        ("12.505", "KWD", "12.505 KWD would be 12505"),
        ("12.50", "", "12.50 ZAR would be 1250"),
        ("1" * 40 + ".5", "ZAR", "smallest unit of ZAR"),
        ("1,234", "ZAR", "thousands separators"),
        ("1 234 567", "ZAR", "thousands separators"),
        ("1,234.50", "ZAR", "thousands separators"),
        ("R12", "ZAR", "digits only"),
        ("1e3", "ZAR", "spreadsheet"),
        ("1.2E+10", "ZAR", "spreadsheet"),
        ("(500)", "ZAR", "-500"),
        ("\u2212500", "ZAR", "plain hyphen"),
        ("500-", "ZAR", "plain hyphen"),
        ("\u0661\u0662", "ZAR", "0 to 9"),
        ("abc", "ZAR", "1250 for 12.50 ZAR"),
        ("--5", "ZAR", "digits only"),
        ("1_000", "ZAR", "digits only"),
        ("0x10", "ZAR", "digits only"),
    ],
)
def test_bad_balances_get_a_fitting_hint(text: str, currency: str, hint: str) -> None:
    """Everything else is an error that shows the text and says what to write."""
    payload, problems = built(balance=text, currency=currency)
    assert "balance" not in payload
    assert codes(problems) == [("balance", "balance_not_integer")]
    assert shown(text) in problems[0].message
    assert hint in problems[0].hint


def test_endless_digits_are_a_problem_not_a_crash() -> None:
    """A number beyond Python's conversion limit is reported with its length, and cut."""
    payload, problems = built(balance="-" + "9" * 5000, currency="ZAR")
    assert "balance" not in payload
    assert codes(problems) == [("balance", "balance_too_long")]
    assert "5000 digits" in problems[0].message
    assert len(problems[0].text()) < 250


@given(st.text(min_size=1))
def test_any_text_is_a_balance_or_has_a_problem(text: str) -> None:
    """No text breaks the reader or the hints."""
    trimmed = trim(text)
    if trimmed and read_balance(trimmed) is None:
        code, message, hint, mistake = balance_problem(trimmed, "ZAR")
        assert code == "balance_not_integer"
        assert message
        assert hint
        assert mistake in list(Mistake)


def test_metadata_object_and_key_columns_are_merged() -> None:
    """One row may use both forms, with different keys."""
    payload, problems = built(metadata='{"a": " x ", "b": ""}', metadata__c=" y ")
    assert problems == []
    assert payload["metadata"] == {"a": " x ", "b": "", "c": "y"}


def test_empty_metadata_object_is_sent_as_it_is() -> None:
    """An object without keys is a value, not an absence."""
    assert built(metadata="{}")[0]["metadata"] == {}


def test_key_in_both_forms_is_a_problem_of_the_key_column() -> None:
    """No row can say which value counts."""
    _, problems = built(metadata='{"tier": "a"}', metadata__tier="a")
    assert codes(problems) == [("metadata.tier", "metadata_key_twice")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a": "x", "a": "y"}', "metadata_key_twice"),
        ("[]", "metadata_not_object"),
        ('"text"', "metadata_not_object"),
        ("1", "metadata_not_object"),
        ("null", "metadata_not_object"),
        ("true", "metadata_not_object"),
        ("{'a': 'x'}", "metadata_not_object"),
        ('{""a"": ""x""}', "metadata_not_object"),
        ('{"a": "x"', "metadata_not_object"),
        ('{"a": "x"} {}', "metadata_not_object"),
        ("a=x", "metadata_not_object"),
        ("[" * 100_000, "metadata_not_object"),
        ("9" * 5000, "metadata_not_object"),
    ],
)
def test_bad_metadata_objects(text: str, code: str) -> None:
    """What is no JSON object, or says a key twice, is a problem of the column."""
    payload, problems = built(metadata=text)
    assert "metadata" not in payload
    assert codes(problems) == [("metadata", code)]
    assert problems[0].hint


@given(st.text(min_size=1))
def test_any_metadata_text_is_read_or_has_a_problem(text: str) -> None:
    """No text breaks the reader; the message never quotes it."""
    payload, problems = built(metadata="{" + text)
    assert ("metadata" in payload) != bool(problems)


def test_numbers_in_metadata_are_left_for_the_model() -> None:
    """A value that is no text is not converted; huge numbers and NaN are read without a crash."""
    payload, problems = built(metadata='{"a": 1, "b": ' + "9" * 5000 + ', "c": NaN, "d": null}')
    assert problems == []
    assert set(payload["metadata"]) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("text", "as_shown"),
    [
        ("a", '"a"'),
        ('a"b', '"a\\"b"'),
        ("\x1b[0m\n", '"\\x1b[0m\\n"'),
        ("x" * 41, '"' + "x" * 40 + '…"'),
    ],
)
def test_shown(text: str, as_shown: str) -> None:
    """Quoted, cut, and what cannot be printed escaped."""
    assert shown(text) == as_shown
