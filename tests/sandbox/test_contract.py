"""The contract document, and validation of bodies by it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from importer.sandbox.contract import compile_ecma, field_errors, load_contract

FULL: dict[str, Any] = {
    "external_reference": "CUST-1_a",
    "name": "Fictional Person",
    "email": "person@example.com",
    "phone": "+27820000001",
    "currency": "ZAR",
    "balance": -1200,
    "metadata": {"k" * 40: "v" * 500, "": ""},
}


def rules(body: object) -> set[tuple[str, str]]:
    """The (pointer, keyword) pairs that a body breaks."""
    return {(error.pointer, error.rule) for error in field_errors("CreateCustomer", body)}


def references(node: object) -> list[str]:
    """Every $ref below a node."""
    if isinstance(node, list):
        return [found for child in node for found in references(child)]
    if isinstance(node, dict):
        here = [node["$ref"]] if "$ref" in node else []
        return here + [found for child in node.values() for found in references(child)]
    return []


def test_every_schema_is_a_valid_json_schema() -> None:
    """Each schema of the document passes the 2020-12 meta-schema."""
    document = load_contract()
    assert document["openapi"] == "3.1.0"
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for parameter in document["components"]["parameters"].values():
        Draft202012Validator.check_schema(parameter["schema"])


def test_every_reference_resolves() -> None:
    """No $ref of the document points nowhere."""
    document = load_contract()
    found = references(document)
    assert found
    for reference in found:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_every_operation_names_its_answers() -> None:
    """POST, GET and PATCH document a success and the refusals of a missing and a bad key."""
    paths = load_contract()["paths"]
    operations = {
        "201": paths["/billing/customers"]["post"],
        "200": paths["/billing/customers/{customer}"]["get"],
    }
    for success, operation in operations.items():
        assert {success, "400", "401", "403", "429", "500", "503"} <= set(operation["responses"])
    patch = paths["/billing/customers/{customer}"]["patch"]["responses"]
    assert {"200", "400", "401", "403", "404", "422"} <= set(patch)


def test_the_currencies_are_the_active_ones() -> None:
    """New codes are in, withdrawn ones are out, funds and metals and test codes are in."""
    schema = load_contract()["components"]["schemas"]["CreateCustomer"]
    codes = schema["properties"]["currency"]["enum"]
    assert all(re.fullmatch("[A-Z]{3}", code) for code in codes)
    assert codes == sorted(set(codes))
    assert {"XCG", "ZWG", "XAD", "VED", "SLE", "XXX", "XTS", "XAU", "CHE", "UYW"} <= set(codes)
    assert not {"ANG", "BGN", "HRK", "SLL", "CUC", "ZWL", "DEM", "VEF"} & set(codes)


def test_a_full_body_is_valid() -> None:
    """All fields at their limits pass."""
    assert rules(FULL) == set()
    assert rules({"external_reference": "a" * 255}) == set()
    assert rules({"external_reference": "a", "name": ""}) == set()


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"external_reference": "CUST-1\n"}, ("/external_reference", "pattern")),
        ({"external_reference": ""}, ("/external_reference", "pattern")),
        ({"external_reference": "a" * 256}, ("/external_reference", "maxLength")),
        ({"external_reference": "caf\u00e9"}, ("/external_reference", "pattern")),
        ({"external_reference": 12}, ("/external_reference", "type")),
        ({"phone": "+27820000001\n"}, ("/phone", "pattern")),
        ({"phone": "+2782000000\u0663"}, ("/phone", "pattern")),
        ({"phone": "+0820000001"}, ("/phone", "pattern")),
        ({"phone": "+1"}, ("/phone", "pattern")),
        ({"phone": "+1234567890123456"}, ("/phone", "pattern")),
        ({"name": "n" * 256}, ("/name", "maxLength")),
        ({"name": "\ud800"}, ("/name", "type")),
        ({"name": None}, ("/name", "type")),
        ({"currency": "zar"}, ("/currency", "enum")),
        ({"currency": "BGN"}, ("/currency", "enum")),
        ({"currency": True}, ("/currency", "enum")),
        ({"balance": True}, ("/balance", "type")),
        ({"balance": 12.5}, ("/balance", "type")),
        ({"balance": "12"}, ("/balance", "type")),
        ({"balance": float("inf")}, ("/balance", "type")),
        ({"metadata": {"k" * 41: ""}}, ("/metadata", "maxLength")),
        ({"metadata": {"k": "v" * 501}}, ("/metadata/k", "maxLength")),
        ({"metadata": {"k/~": 1}}, ("/metadata/k~1~0", "type")),
        ({"metadata": {"\udfff": ""}}, ("/metadata", "type")),
        ({"metadata": {str(n): "" for n in range(11)}}, ("/metadata", "maxProperties")),
        ({"payment_rules": {}}, ("", "additionalProperties")),
    ],
)
def test_each_rule_is_enforced(change: dict[str, Any], broken: tuple[str, str]) -> None:
    """A body that breaks one rule is refused for that rule, with ECMA-262 patterns."""
    assert broken in rules({**FULL, **change})


def test_a_whole_float_is_an_integer_and_lengths_are_characters() -> None:
    """12.0 is an integer in JSON Schema; 255 astral characters are 255 long."""
    assert rules({**FULL, "balance": 12.0, "name": "\U0001f600" * 255}) == set()


def test_missing_fields_and_dependents_are_named() -> None:
    """A missing reference, a balance without currency and a body of another type are found."""
    assert rules({"balance": 1}) == {("", "required"), ("", "dependentRequired")}
    assert rules([]) == {("", "type")}


def test_no_error_repeats_a_value() -> None:
    """Errors tell the rule; what was sent may be personal data."""
    secret = "Very-Secret!"
    body = dict.fromkeys(("external_reference", "phone", "email", "currency"), secret)
    errors = field_errors("CreateCustomer", {**body, "balance": secret, "metadata": secret})
    assert len(errors) == 6
    assert not any(secret in error.detail for error in errors)


@pytest.mark.parametrize("pattern", [r"\s", r"\p{L}", "(?i)a", "\\"])
def test_a_pattern_that_cannot_be_translated_is_refused(pattern: str) -> None:
    """Constructs whose meaning differs from Python's raise instead of being guessed."""
    with pytest.raises(ValueError, match="unsupported"):
        compile_ecma(pattern)


def test_a_dollar_in_a_class_stays_a_dollar() -> None:
    """Only an anchor becomes the very end."""
    assert compile_ecma("^[$]$").search("$")
    assert not compile_ecma("^[$]$").search("$\n")
