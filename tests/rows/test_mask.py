"""Masks: what they keep, and that they never let a value through."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from importer.rows.text import mask_email, mask_phone, mask_text, redact


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("jane@example.com", "j***@e***.com"),
        ("jo@example.com", "***@e***.com"),
        ("jane@example", "j***@***"),
        ("jane@[192.0.2.1]", "j***@***"),
        ("jane example", "j***"),
        ("@@", "***@***"),
        ("", "***"),
    ],
)
def test_mask_email(value: str, masked: str) -> None:
    """First letters and the top-level domain at most."""
    assert mask_email(value) == masked


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("+27820000001", "+27***01"),
        ("+12025550101", "+1***01"),
        ("+26772000011", "+267***11"),
        ("0820000001", "***01"),
        ("+27 82 000 0001", "***01"),
        ("+2782", "***"),
        ("Jane Example", "***"),
        ("", "***"),
    ],
)
def test_mask_phone(value: str, masked: str) -> None:
    """Country code and the last two digits of an international number, less of others."""
    assert mask_phone(value) == masked


@pytest.mark.parametrize(
    ("value", "masked"),
    [("Jane", "J***"), ("Jo", "***"), ("", "***"), ("\nJane", "***"), ("J**", "***")],
)
def test_mask_text(value: str, masked: str) -> None:
    """The first letter of what is long enough."""
    assert mask_text(value) == masked


LETTERS = st.text(alphabet="abcXYZ019éß@.+-_ \n", min_size=1, max_size=40)


@given(LETTERS)
def test_no_mask_lets_a_value_through(value: str) -> None:
    """The value is in no mask of it, in no case, nor any four characters of it in a row."""
    assume(value.strip())
    for mask in (mask_email, mask_phone, mask_text):
        masked = mask(value)
        assert value.strip().casefold() not in masked.casefold()
        pieces = {value[at : at + 4] for at in range(len(value) - 3)} - {value[-4:]}
        assert not any(piece in masked for piece in pieces if "." not in piece)


@given(st.from_regex(r"[a-z]{1,20}@[a-z]{1,20}\.[a-z]{2,5}", fullmatch=True), st.integers(1, 9))
def test_masks_do_not_tell_the_length(email: str, more: int) -> None:
    """A longer local part of three letters or more has the same mask."""
    long = "x" * 3 + email
    assert mask_email(long) == mask_email("x" * more + long)


def test_redact_replaces_every_occurrence_in_any_case() -> None:
    """All of them, and nothing else."""
    text = "Jane: JANE is not jane@example.com, Janet neither"
    assert (
        redact(text, ["jane"])
        == "[masked]: [masked] is not [masked]@example.com, [masked]t neither"
    )


def test_redact_takes_the_longest_and_merges_overlaps() -> None:
    """No end of a value is left where values overlap or hold each other."""
    assert redact("<Jane Example>", ["Jane", "Jane Example"]) == "<[masked]>"
    assert redact("<abcdef>", ["abcd", "cdef"]) == "<[masked]>"
    assert redact("<aaaaaaa>", ["aaa"]) == "<[masked]>"
    assert redact("<abcabc>", ["abc"]) == "<[masked]>"


def test_redact_finds_a_phone_number_without_its_plus() -> None:
    """Servers often drop the sign."""
    assert redact("number 27820000001 bad", ["+27820000001"]) == "number [masked] bad"


def test_redact_leaves_short_values_and_other_texts() -> None:
    """Fewer than three characters would hide the message; patterns are taken literally."""
    assert redact("no Jo here", ["Jo", "", "h.r"]) == "no Jo here"
    assert redact("a.b*c", [".b*"]) == "a[masked]c"


@given(
    st.lists(st.text(alphabet="pqr1 .+", min_size=3, max_size=5), min_size=1, max_size=4),
    st.text(alphabet="pPqQrR1 .+", max_size=60),
)
def test_redacted_text_holds_no_value(values: list[str], text: str) -> None:
    """Whatever overlaps whatever, no value of three characters or more is left."""
    redacted = redact(text, values)
    assert not any(re.search(re.escape(value), redacted, re.IGNORECASE) for value in values)


@given(st.text(alphabet="xyz", max_size=30))
def test_redact_changes_nothing_else(text: str) -> None:
    """A text without the value stays as it is."""
    assert redact(text, ["pqr"]) == text
