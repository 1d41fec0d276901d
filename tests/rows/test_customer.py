"""The customer model: the rules of the API page one by one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from importer.rows.customer import Customer

FULL: dict[str, Any] = {
    "external_reference": "UCR1234567890",
    "name": "Jane Example",
    "email": "jane@example.com",
    "phone": "+27820000001",
    "currency": "ZAR",
    "balance": 2000,
    "metadata": {"customer_type": "premium"},
}
LABEL = "b" * 63


def accepts(**fields: object) -> bool:
    """Whether a customer with a good reference and these fields is valid."""
    try:
        Customer.model_validate({"external_reference": "A1", **fields})
    except ValidationError:
        return False
    return True


def test_the_full_customer_of_the_page_is_valid() -> None:
    """Every field at once."""
    assert Customer.model_validate(FULL).model_dump(exclude_unset=True) == FULL


def test_only_the_reference_is_required() -> None:
    """All other fields may be absent, and are then unset."""
    customer = Customer.model_validate({"external_reference": "A1"})
    assert customer.model_fields_set == {"external_reference"}


@pytest.mark.parametrize("field", [*FULL])
def test_null_is_no_value(field: str) -> None:
    """An explicit null is refused for every field."""
    assert not accepts(**{"currency": "ZAR", field: None})


@pytest.mark.parametrize("field", [*FULL])
@pytest.mark.parametrize("value", [True, [], 1.5, b"A1", {"a": 1}])
def test_other_types_are_refused(field: str, value: object) -> None:
    """Nothing is converted: a bool is no integer, bytes are no text."""
    assert not accepts(**{"currency": "ZAR", field: value})


@pytest.mark.parametrize(
    "payload", [None, [], "x", 1, {}, {**FULL, "extra": "x"}, {**FULL, "": ""}]
)
def test_other_bodies_and_unknown_fields_are_refused(payload: object) -> None:
    """The body is an object with a reference and no field beyond the page's."""
    with pytest.raises(ValidationError):
        Customer.model_validate(payload)


@pytest.mark.parametrize("reference", ["a", "Z", "0", "_", "-", "INV-2024-001", "a" * 255])
def test_good_references(reference: str) -> None:
    """^[a-zA-Z0-9_-]+$, at most 255 characters."""
    assert accepts(external_reference=reference)


@pytest.mark.parametrize(
    "reference",
    ["", " ", "a b", "a/b", "a.b", "a\n", "\na", "é", "\u0661", "a" * 256, "a\x00", "\ud800"],
)
def test_bad_references(reference: str) -> None:
    """Any other character, also a trailing newline, and 256 characters are refused."""
    assert not accepts(external_reference=reference)


def test_name_counts_characters() -> None:
    """255 code points fit, whatever they weigh in octets; there is no minimum."""
    assert accepts(name="")
    assert accepts(name="\U0001f600" * 255)
    assert accepts(name="line\nbreak\x00")
    assert not accepts(name="x" * 256)
    assert not accepts(name="half \ud83d")


@pytest.mark.parametrize(
    "email",
    [
        "jane@example.com",
        "a@b.c",
        "first.last+tag@sub.example.co.za",
        "!#$%&'*+-/=?^_`{|}~@example.com",
        "1@2.3",
        "a@xn--bcher-kva.example",
        "a" * 64 + "@example.com",
        f"a@{LABEL}.{LABEL}.{LABEL}.{'b' * 60}",
    ],
)
def test_good_emails(email: str) -> None:
    """RFC 5321 Mailbox with a Dot-string and at least two labels, to 254 octets."""
    assert len(email) <= 254
    assert accepts(email=email)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "jane",
        "@example.com",
        "jane@",
        "jane@example",
        "jane@@example.com",
        "ja ne@example.com",
        ".jane@example.com",
        "jane.@example.com",
        "ja..ne@example.com",
        "jane@.example.com",
        "jane@example..com",
        "jane@example.com.",
        "jane@-example.com",
        "jane@example-.com",
        "jane@exa_mple.com",
        "jane@example.com\n",
        "jané@example.com",
        "jane@exämple.com",
        '"jane"@example.com',
        "jane@[192.0.2.1]",
        "Jane <jane@example.com>",
        "a" * 65 + "@example.com",
        "a@" + "b" * 64 + ".com",
        f"a@{LABEL}.{LABEL}.{LABEL}.{'b' * 61}",
    ],
)
def test_bad_emails(email: str) -> None:
    """Quoted strings, literals, one label, wrong dots and hyphens, and lengths are refused."""
    assert not accepts(email=email)


@pytest.mark.parametrize(
    ("phone", "good"),
    [
        ("+27820000001", True),
        ("+12", True),
        ("+123456789012345", True),
        ("+1", False),
        ("+1234567890123456", False),
        ("+0123456", False),
        ("27820000001", False),
        ("+27 820000001", False),
        ("+27820000001\n", False),
        ("+2782000000\u0661", False),
        ("", False),
    ],
)
def test_phones(phone: str, *, good: bool) -> None:
    r"""^\+[1-9]\d{1,14}$ with the digits 0 to 9 only."""
    assert accepts(phone=phone) is good


@pytest.mark.parametrize(
    ("currency", "good"),
    [
        ("ZAR", True),
        ("XXX", True),
        ("XAU", True),
        ("zar", False),
        ("ZAR ", False),
        ("BGN", False),
        ("", False),
    ],
)
def test_currencies(currency: str, *, good: bool) -> None:
    """An active ISO 4217 code in capitals."""
    assert accepts(currency=currency) is good


@pytest.mark.parametrize("balance", [0, -1, 12.0, -0.0, 1e300, 10**30, -(10**4000)])
def test_good_balances(balance: float) -> None:
    """Any integer, of any size; 12.0 is one, as in JSON Schema."""
    assert accepts(currency="ZAR", balance=balance)


@pytest.mark.parametrize("balance", [12.5, "12", True, False, float("nan"), float("inf")])
def test_bad_balances(balance: object) -> None:
    """A fraction, a text, a bool and what is no number are refused."""
    assert not accepts(currency="ZAR", balance=balance)


def test_whole_float_becomes_the_integer() -> None:
    """12.0 is stored as 12."""
    balance = Customer.model_validate({**FULL, "balance": 12.0}).balance
    assert type(balance) is int
    assert balance == 12


def test_balance_needs_currency() -> None:
    """A balance alone is refused, a currency alone is fine."""
    assert not accepts(balance=0)
    assert accepts(currency="ZAR")


def test_metadata_limits() -> None:
    """10 keys of 40 characters with texts of 500; empty ones are fine."""
    assert accepts(metadata={})
    assert accepts(metadata={"": ""})
    assert accepts(metadata={f"{n}".rjust(40, "k"): "\u00e9" * 500 for n in range(10)})
    assert not accepts(metadata={str(n): "" for n in range(11)})
    assert not accepts(metadata={"k" * 41: ""})
    assert not accepts(metadata={"k": "v" * 501})


@pytest.mark.parametrize("value", [None, 1, 1.0, True, [], {}, "\udc00"])
def test_metadata_values_are_text(value: object) -> None:
    """Nothing but Unicode text."""
    assert not accepts(metadata={"k": value})


def test_errors_do_not_hold_the_input() -> None:
    """The text of a validation error shows no value."""
    with pytest.raises(ValidationError) as caught:
        Customer.model_validate({"external_reference": "A1", "phone": "0820000001"})
    assert "0820000001" not in str(caught.value)


def test_json_schema_shows_the_rules() -> None:
    """The model's own JSON Schema states every rule that JSON Schema can state."""
    schema = Customer.model_json_schema()
    fields = schema["properties"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["external_reference"]
    assert schema["dependentRequired"] == {"balance": ["currency"]}
    assert fields["external_reference"]["pattern"] == "^[a-zA-Z0-9_-]+$"
    assert fields["external_reference"]["maxLength"] == 255
    assert fields["name"] == {"type": "string", "maxLength": 255, "title": "Name"}
    assert fields["email"]["format"] == "email"
    assert fields["email"]["maxLength"] == 254
    assert fields["phone"]["pattern"] == r"^\+[1-9][0-9]{1,14}$"
    assert len(fields["currency"]["enum"]) == 178
    assert fields["balance"]["type"] == "integer"
    assert fields["metadata"]["maxProperties"] == 10
    assert fields["metadata"]["propertyNames"]["maxLength"] == 40
    assert fields["metadata"]["additionalProperties"] == {"type": "string", "maxLength": 500}
    assert not any("default" in field or "anyOf" in field for field in fields.values())
