"""The customer model and the hand-written JSON Schema of the API page agree on every payload."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from importer.rows.currencies import ACTIVE
from importer.rows.customer import Customer
from importer.rows.problems import problems_of
from importer.sandbox.contract import field_errors, load_contract


def model_accepts(payload: object) -> bool:
    """Whether the importer's model takes the payload."""
    try:
        Customer.model_validate(payload)
    except ValidationError:
        return False
    return True


def contract_accepts(payload: object) -> bool:
    """Whether the JSON Schema takes the payload."""
    return not field_errors("CreateCustomer", payload)


def check(payload: object) -> None:
    """Both or neither, and what is refused has problems to report."""
    accepted = model_accepts(payload)
    event(f"accepted: {accepted}")
    assert contract_accepts(payload) is accepted, repr(payload)
    if isinstance(payload, dict):
        assert bool(problems_of(payload)) is not accepted


# Text of any kind: control characters, other scripts' digits, lone surrogates, newlines at the end.
ANY_TEXT = st.text(alphabet=st.characters(), max_size=12) | st.sampled_from(
    ["", "\n", "\ud800", "\udfff\ud800", "\u0661", "\x00", "null", "e\u0301"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([0, -0.0, 12.0, 12.5, 1e300, -1e22, 2**63, -(2**70), 10**30]),
    ANY_TEXT,
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)

# Near-valid values, each followed now and then by what loopholes let through.
TAIL = st.sampled_from(["", "", "", "", "", "\n", " ", "\u0661", "\ud800", ".", "-"])
LABELS = st.text(alphabet="ab0-_é", min_size=1, max_size=4) | st.sampled_from(
    ["b" * 62, "b" * 63, "b" * 64, "xn--a"]
)
LOCALS = st.text(alphabet="aZ0.!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=6) | st.sampled_from(
    ["a" * 63, "a" * 64, "a" * 65, '"a"', "é", "a b", "", "(a)", "a,b", "a\\b"]
)


def texts_near(limit: int) -> st.SearchStrategy[str]:
    """Texts of about ``limit`` characters, also such that take more than one octet each."""
    return st.builds(
        lambda one, length, tail: one * length + tail,
        st.sampled_from("aé\U0001f600"),
        st.integers(limit - 2, limit + 1),
        TAIL,
    )


REFERENCES = (
    st.just("A1")
    | st.builds(str.__add__, st.text(alphabet="aZ09_-", max_size=6) | texts_near(255), TAIL)
    | st.sampled_from(["A1", "a/b", "a b", "\uff21"])
)
EMAILS = st.builds(
    lambda local, labels, tail: f"{local}@{'.'.join(labels)}{tail}",
    LOCALS,
    st.lists(LABELS, min_size=1, max_size=5),
    TAIL,
)
PHONES = st.builds(
    lambda start, rest, tail: start + rest + tail,
    st.sampled_from(["+1", "+27", "+9", "+0", "", "00", "++1"]),
    st.text(alphabet="0123456789", min_size=0, max_size=16),
    TAIL,
)
CURRENCIES = st.sampled_from(sorted(ACTIVE)) | st.sampled_from(
    ["zar", "ZAR ", "BGN", "HRK", "ANG", "CUC", "SLL", "ZWL", "", "AAA", "ZA", "ZARR", "ZAR\n"]
)
BALANCES = st.integers() | st.sampled_from([0, 12.0, 12.5, -0.0, 1e300, True, "12", 10**40])
KEYS = st.text(alphabet="k_. é", max_size=4) | texts_near(40)
VALUES: st.SearchStrategy[Any] = (
    st.text(max_size=4) | texts_near(500) | st.sampled_from([None, 1, True, {}])
)
METADATA = st.dictionaries(KEYS, VALUES, max_size=3) | st.integers(8, 12).map(
    lambda n: {str(one): "v" for one in range(n)}
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.text(max_size=6) | texts_near(255),
    "email": EMAILS,
    "phone": PHONES,
    "currency": CURRENCIES,
    "balance": BALANCES,
    "metadata": METADATA,
}
NEAR_VALID = st.fixed_dictionaries({"external_reference": REFERENCES}, optional=FIELDS)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from([*FIELDS]) | ANY_TEXT, ANY_JSON, max_size=5)
    | st.dictionaries(st.sampled_from([*FIELDS]), ANY_JSON, max_size=2).map(
        lambda fields: {"external_reference": "A1", **fields}
    )
    | ANY_JSON
)
def test_both_agree_on_any_json(payload: object) -> None:
    """Whatever JSON can write is taken by both or by neither."""
    check(payload)


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(NEAR_VALID)
def test_both_agree_near_the_border(payload: dict[str, Any]) -> None:
    """Payloads that keep every rule or just miss one are taken by both or by neither."""
    check(payload)


@settings(max_examples=300)
@given(st.sampled_from(sorted(FIELDS)), st.data())
def test_both_agree_on_single_fields(field: str, data: st.DataObject) -> None:
    """One near-valid field in an otherwise valid payload, so that acceptance is frequent."""
    check({"external_reference": "A1", "currency": "ZAR", field: data.draw(FIELDS[field])})


def test_both_agree_on_every_character() -> None:
    """Each character of Unicode's first plane, in each place where a pattern looks at it."""
    for code in [*range(0x600), 0x661, 0x966, 0xFF11, 0xFF21, 0xD800, 0xDFFF, 0x2028, 0xFEFF]:
        one = chr(code)
        for field, value in (
            ("external_reference", f"a{one}"),
            ("email", f"a{one}a@b.co"),
            ("email", f"a@b{one}b.co"),
            ("phone", f"+1{one}"),
        ):
            check_plain({"external_reference": "A1", field: value})


def check_plain(payload: dict[str, Any]) -> None:
    """Both or neither, outside of hypothesis."""
    assert contract_accepts(payload) is model_accepts(payload), repr(payload)


def test_both_list_the_same_currencies() -> None:
    """The two lists were written by hand, each on its own."""
    schema = load_contract()["components"]["schemas"]["CreateCustomer"]
    assert set(schema["properties"]["currency"]["enum"]) == ACTIVE


def test_both_name_the_same_rules() -> None:
    """Where both JSON Schemas use a keyword for a field, they mean the same limit."""
    ours = Customer.model_json_schema()
    theirs = load_contract()["components"]["schemas"]["CreateCustomer"]
    assert ours["required"] == theirs["required"]
    assert ours["dependentRequired"] == theirs["dependentRequired"]
    assert ours["additionalProperties"] is theirs["additionalProperties"] is False
    assert set(ours["properties"]) == set(theirs["properties"])
    for field, limits in theirs["properties"].items():
        for keyword in ("type", "format", "maxProperties"):
            assert limits.get(keyword) == ours["properties"][field].get(keyword), field
    for field in ("external_reference", "name"):
        assert theirs["properties"][field]["maxLength"] == ours["properties"][field]["maxLength"]


def test_the_page_example_is_taken_by_both() -> None:
    """The response of the page without its server-side fields."""
    text = """{"external_reference": "UCR1234567890", "name": "John Doe",
      "email": "john.doe@example.com", "phone": "+27123456789", "currency": "ZAR",
      "balance": 2000,
      "metadata": {"customer_type": "premium", "registration_source": "website"}}"""
    payload = json.loads(text)
    assert model_accepts(payload)
    assert contract_accepts(payload)
