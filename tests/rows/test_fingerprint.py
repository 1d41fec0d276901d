"""The canonical form and the fingerprint, which may never drift."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.rows.payload import canonical, fingerprint

GOLDEN: dict[str, Any] = {
    "phone": "+27820000001",
    "name": 'Zoë "Z" \\ /\u2028\x7f\x01\n😀',
    "metadata": {"tier": "gold", "Ü": "é", "a": "", "_": "\t", "😀": "1", "\uff5e": "2"},
    "external_reference": "UCR-1",
    "currency": "ZAR",
    "balance": -123456789012345678901234567890,
    "email": "zoe@example.com",
}
GOLDEN_TEXT = (
    '{"balance":-123456789012345678901234567890,"currency":"ZAR","email":"zoe@example.com",'
    '"external_reference":"UCR-1","metadata":{"_":"\\t","a":"","tier":"gold","Ü":"é",'
    '"\uff5e":"2","😀":"1"},"name":"Zoë \\"Z\\" \\\\ /\u2028\x7f\\u0001\\n😀",'
    '"phone":"+27820000001"}'
)
GOLDEN_HEX = "4ec3222c05b90a6321462951b986fc45c4155f5853acb26e44be86785c5468f5"


def test_golden_text_and_fingerprint() -> None:
    """Frozen: a change here would make every row of every ledger look changed."""
    assert canonical(GOLDEN) == GOLDEN_TEXT
    assert fingerprint(GOLDEN_TEXT).hex() == GOLDEN_HEX


TEXTS = st.text(max_size=12)
PAYLOADS = st.dictionaries(
    TEXTS, st.one_of(TEXTS, st.integers(), st.dictionaries(TEXTS, TEXTS, max_size=3)), max_size=5
)


@given(PAYLOADS, st.randoms())
def test_key_order_does_not_matter(payload: dict[str, Any], random: Any) -> None:
    """At no level."""

    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        items = [(key, shuffled(one)) for key, one in value.items()]
        random.shuffle(items)
        return dict(items)

    assert canonical(shuffled(payload)) == canonical(payload)


@given(PAYLOADS)
def test_canonical_is_json_that_reads_back(payload: dict[str, Any]) -> None:
    """Reading it gives the payload again, so no two payloads share a text."""
    text = canonical(payload)
    assert json.loads(text) == payload
    assert text == json.dumps(payload, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@given(PAYLOADS, PAYLOADS)
def test_equal_texts_mean_equal_payloads(one: dict[str, Any], other: dict[str, Any]) -> None:
    """And different ones different payloads and fingerprints."""
    same = canonical(one) == canonical(other)
    assert same == (one == other)
    assert same == (fingerprint(canonical(one)) == fingerprint(canonical(other)))


@pytest.mark.parametrize("value", [1.0, True, None, [], ("a",), b"a"])
def test_values_without_a_canonical_form_are_refused(value: object) -> None:
    """Floats above all; at every level."""
    with pytest.raises(TypeError):
        canonical({"a": value})
    with pytest.raises(TypeError):
        canonical({"a": {"b": value}})


def test_keys_that_are_no_text_are_refused() -> None:
    """A number would read back as a text."""
    keys: Any = {1: "a"}
    with pytest.raises(TypeError):
        canonical(keys)
