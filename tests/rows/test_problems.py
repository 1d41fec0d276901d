"""Problems: all of a row, in words that help, without personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.rows import problems as explain
from importer.rows.codes import CODES
from importer.rows.customer import Customer
from importer.rows.header_fields import map_columns
from importer.rows.problems import problems_of
from importer.source.records import Layout

if TYPE_CHECKING:
    from importer.rows.row import Problem


def problems(**fields: object) -> list[Problem]:
    """The problems of a payload with a good reference and these fields."""
    return problems_of({"external_reference": "A1", **fields})


def only(**fields: object) -> Problem:
    """The one problem of such a payload."""
    (problem,) = problems(**fields)
    return problem


def test_a_valid_payload_has_none() -> None:
    """Nothing is reported where nothing is wrong."""
    assert problems(name="Jane Example", currency="ZAR", balance=1, metadata={"a": "b"}) == []


def test_every_code_has_its_sentence() -> None:
    """The list for the documentation is made of sentences."""
    assert all(code.replace("_", "").isalnum() for code in CODES)
    assert all(text[0].isupper() or text[0] == "e" for text in CODES.values())
    assert all(text.endswith(".") for text in CODES.values())


def test_all_problems_of_a_row_are_reported() -> None:
    """Every field and every rule, in the order of the API's fields."""
    found = problems_of(
        {
            "external_reference": "a b" * 100,
            "name": "n" * 256,
            "email": ".x" * 200 + "@example",
            "phone": "0820000001",
            "currency": "R",
            "balance": 12.5,
            "metadata": {"k" * 41: 1, **{str(n): "v" * 501 for n in range(10)}},
            "extra": "x",
        }
    )
    assert [one.code for one in found] == [
        "reference_charset",
        "reference_too_long",
        "name_too_long",
        "email_syntax",
        "email_too_long",
        "email_too_long",
        "phone_not_e164",
        "currency_unknown",
        "balance_not_integer",
        "metadata_too_many_keys",
        "metadata_key_too_long",
        "metadata_value_not_text",
        *["metadata_value_too_long"] * 10,
        "field_unknown",
    ]
    assert {one.code for one in found} <= set(CODES)


def test_missing_reference() -> None:
    """Absent and empty are the same to a person."""
    assert [one.code for one in problems_of({})] == ["reference_missing"]
    assert only(external_reference="").code == "reference_missing"


def test_reference_names_characters_and_positions() -> None:
    """Each wrong character with its place, at most five of them."""
    problem = only(external_reference="INV 2024/1\u00a0")
    assert problem.code == "reference_charset"
    assert '"INV 2024/1\\xa0"' in problem.message
    assert 'a space at position 4, "/" at position 9, U+00A0 NO-BREAK SPACE at' in problem.hint
    assert "and 35 more" in only(external_reference="." * 40).hint


@pytest.mark.parametrize(
    ("phone", "hint"),
    [
        ("0820000001", "country code in place of the 0"),
        ("082 000 0001", "country code in place of the 0"),
        ("0027820000001", "in place of 00"),
        ("27820000001", "put + and the country code"),
        ("+27 82 000 0001", "leave out spaces"),
        ("+27(82)000-0001", "leave out spaces"),
        ("+1234567890123456", "16 digits are too many"),
        ("+1", "too short"),
        ("2.782E+10", "spreadsheet"),
        ("+2782000000\u0661", "digits 0 to 9"),
        ("\u202a+27820000001\u202c", "invisible character U+202A LEFT-TO-RIGHT EMBEDDING"),
        ("n/a", "write it in E.164, for example +27820000001"),
    ],
)
def test_phone_hints(phone: str, hint: str) -> None:
    """Each common mistake has its own advice, without the number."""
    problem = only(phone=phone)
    assert problem.code == "phone_not_e164"
    assert hint in problem.hint
    assert phone not in problem.message


@pytest.mark.parametrize(
    ("email", "hint"),
    [
        ("jane", "exactly one @"),
        ("jane@a.com, joe@b.com", "one address only"),
        ("Jane <jane@example.com>", "angle brackets"),
        ("ja ne@example.com", "a space at position 3"),
        ("jané@example.com", "the letter at position 4"),
        ("jane@exa_mple.com", '"_" at position 9'),
        (".jane@example.com", "before the @ is empty, or has a dot"),
        ("jane@example", "has no dot"),
        ("jane@example.com.", "after the @ is empty, or has a dot"),
        ("jane@-example.com", "hyphen"),
        ("jane@" + "b" * 64 + ".com", "63"),
        ('"jane"@example.com', "quotes"),
        ("jane@[192.0.2.1]", "literal"),
    ],
)
def test_email_hints(email: str, hint: str) -> None:
    """Each common mistake has its own advice, without the address."""
    problem = only(email=email)
    assert problem.code == "email_syntax"
    assert hint in problem.hint
    assert email not in problem.text()


def test_long_emails() -> None:
    """The local part and the whole have limits of their own."""
    assert "65 characters before the @" in only(email="a" * 65 + "@example.com").message
    long = "a@" + ".".join(["b" * 63] * 4)
    assert "257 characters, 254 are allowed" in only(email=long).message


def test_currency_and_balance() -> None:
    """The code is shown, and a balance alone names the missing column."""
    assert only(currency="uk").text() == (
        'currency: is not an active ISO 4217 code: "uk" (did you mean GBP?)'
    )
    missing = only(balance=5)
    assert (missing.column, missing.code) == ("currency", "currency_missing")
    assert "fill in" in missing.hint
    columns = map_columns(Layout("a.csv", ("external_reference", "balance")), strict=True)
    (missing,) = problems_of({"external_reference": "A1", "balance": 5}, columns)
    assert "add a column currency" in missing.hint


def test_missing_currency_is_reported_beside_other_problems() -> None:
    """The model checks it last; the user hears it at once."""
    assert [one.code for one in problems(balance=5, phone="1")] == [
        "phone_not_e164",
        "currency_missing",
    ]


def test_a_field_name_that_is_no_unicode_hides_nothing() -> None:
    """The other problems of the payload are reported beside it."""
    assert [one.code for one in problems(**{"\ud800": "x", "phone": "1"})] == [
        "not_unicode",
        "phone_not_e164",
    ]


def test_reported_columns_get_no_follow_up() -> None:
    """A cell that could not be read counts as given."""
    reported = frozenset({"external_reference", "currency"})
    assert problems_of({"balance": 5}, reported=reported) == []
    (problem,) = problems_of({"external_reference": "A1"}, reported=frozenset({"balance"}))
    assert problem.code == "currency_missing"


def test_metadata_problems_name_their_column() -> None:
    """A key's own column, or the metadata column and the key."""
    layout = Layout("a.csv", ("external_reference", "metadata", "metadata.tier"))
    columns = map_columns(layout, strict=True)
    metadata = {"tier": "v" * 501, "source": "w" * 501}
    payload = {"external_reference": "A1", "metadata": metadata}
    own, shared = problems_of(payload, columns)
    assert own.column == "metadata.tier"
    assert own.message == "has 501 characters, 500 are allowed: v***"
    assert shared.column == "metadata"
    assert shared.message.startswith('the value of "source" has 501 characters')


@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}])
def test_metadata_values_that_are_no_text(value: object) -> None:
    """The kind is named, never the value."""
    problem = only(metadata={"k": value})
    assert problem.code == "metadata_value_not_text"
    assert problem.hint


@pytest.mark.parametrize("value", [None, 1, True, [], {}])
@pytest.mark.parametrize("field", ["external_reference", "name", "email", "phone", "currency"])
def test_wrong_types(field: str, value: object) -> None:
    """A JSON value of another type is named by its kind."""
    assert only(**{field: value}).code == "wrong_type"


@pytest.mark.parametrize("field", ["external_reference", "name", "email", "phone", "currency"])
def test_lone_surrogates(field: str) -> None:
    """Half a character is a problem of its own, in values, keys and field names."""
    assert only(**{field: "a\ud800"}).code == "not_unicode"
    assert only(metadata={"a\ud800": "b"}).code == "not_unicode"
    assert only(metadata={"a": "b\ud800"}).code == "not_unicode"
    assert only(**{"\ud800": "x"}).code == "not_unicode"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
SURROGATES = st.text(alphabet=st.characters(), max_size=6) | st.just("\ud800")
FIELDS = (*explain.TEXT_FIELDS, "balance", "metadata", "other", "\udfff")


@given(st.dictionaries(st.sampled_from(FIELDS), JSON | SURROGATES, max_size=5))
def test_every_refusal_is_explained(payload: dict[str, Any]) -> None:
    """Problems are found exactly where the model refuses, and each has a documented code."""
    found = problems_of(payload)
    try:
        Customer.model_validate(payload)
    except ValueError:
        assert found
    else:
        assert found == []
    assert all(one.code in CODES and one.message for one in found)
    # What is reported can be written to any file and terminal.
    assert all(one.text().encode() and one.text().isprintable() for one in found)


PERSONAL = st.text(alphabet="pqrxyzéÄ @.0123456789\n", min_size=6, max_size=30)


@given(PERSONAL, st.sampled_from(["name", "email", "phone"]))
def test_no_problem_shows_personal_data(value: str, field: str) -> None:
    """Neither the value nor any six characters of it in a row."""
    value = value * 50 if field == "name" else value
    pieces = {value[at : at + 6].casefold() for at in range(len(value) - 5)}
    for problem in problems(**{field: value}, metadata={"k": value * 100, "n": [value]}):
        text = problem.text().replace(explain.PHONE_EXAMPLE, "").casefold()
        assert not any(piece in text for piece in pieces)
