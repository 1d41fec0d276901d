"""A hash of every field: enough to name what has changed, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.delivery.http.answer_reading import COMPARED
from importer.delivery.protocol.states import Done, Origin, Transition
from importer.ledger.field_hashes import (
    FIELDS,
    SHORT_WIDTH,
    WIDTH,
    FieldHasher,
    fields_that_differ,
    hashes_of,
    packed,
    short_fields_that_differ,
    short_hashes_of,
    unpacked,
)
from importer.ledger.opening import open_ledger
from importer.rows.payload import canonical
from tests.ledger.samples import ACCOUNT, PRINT_A, PRINT_B, SENT, Place, done, raw, sent

if TYPE_CHECKING:
    from pathlib import Path

    from importer.delivery.protocol.states import Hashes

SALT = b"s" * 32
ROW: dict[str, Any] = {
    "external_reference": "A",
    "name": "Ada Example",
    "email": "ada@example.com",
    "phone": "+27820000001",
    "currency": "ZAR",
    "balance": 5,
    "metadata": {"plan": "gold"},
}
VALUES = {
    "name": st.sampled_from(["Ada", "Bram", "Ωmega\n"]),
    "email": st.sampled_from(["a@example.com", "b@example.com"]),
    "phone": st.sampled_from(["+27820000001", "+27820000002"]),
    "currency": st.sampled_from(["ZAR", "EUR"]),
    "balance": st.integers(-3, 3),
    "metadata": st.dictionaries(st.sampled_from("ab"), st.sampled_from(["x", "y"])),
}
ROWS = st.fixed_dictionaries({"external_reference": st.just("A")}, optional=VALUES)


def noted(row: dict[str, Any]) -> Hashes:
    """What is kept of a row."""
    return hashes_of(row["external_reference"], row, SALT)


EQUAL_VALUES: tuple[Any, ...] = (
    1,
    True,
    1.0,
    "1",
    -0.0,
    0,
    False,
    None,
    "",
    [],
    [1],
    [True],
    {"a": 1},
    {"a": True},
)

SWAPPED: list[dict[str, Any]] = [{"a": True, "b": 1}, {"b": True, "a": 1}]
"""Equal, and of the same types in this order."""


@given(
    st.lists(
        st.fixed_dictionaries(
            {"external_reference": st.sampled_from("AB")},
            optional={
                "name": st.sampled_from(EQUAL_VALUES),
                "balance": st.sampled_from(EQUAL_VALUES),
                "metadata": st.sampled_from(
                    [
                        *(None, 5, {}, *SWAPPED),
                        *({"a": one} for one in EQUAL_VALUES),
                    ]
                ),
            },
        )
    )
)
@example([{"external_reference": "A", "metadata": one} for one in SWAPPED])
def test_what_is_remembered_of_a_payload_changes_no_hash(documents: list[dict[str, Any]]) -> None:
    """Values that are equal but not the same, as True and 1, keep their own hashes."""
    hasher = FieldHasher(SALT)
    for one in documents:
        assert hasher(one["external_reference"], one) == noted(one)


def test_the_names_are_those_that_differs_uses() -> None:
    """A changed field is called what a field that Moment holds otherwise is called."""
    assert FIELDS == COMPARED


@given(ROWS, ROWS)
@example({"external_reference": "A", "balance": 0}, {"external_reference": "A"})
def test_exactly_the_fields_that_changed_are_named(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Given, taken away or altered: each field that differs is named, and no other."""
    changed = tuple(name for name in FIELDS if (one.get(name), 0) != (other.get(name), 0))
    if not one.get("metadata") and not other.get("metadata"):
        changed = tuple(name for name in changed if name != "metadata")
    assert fields_that_differ(noted(one), noted(other)) == changed
    short = short_fields_that_differ(
        short_hashes_of(canonical(one), SALT), short_hashes_of(canonical(other), SALT)
    )
    assert set(changed) <= {*short}


def test_what_is_kept_never_changes_its_form() -> None:
    """Frozen: another form would make every field of every settled row look changed."""
    frozen = (
        "05beba637d232d6ea6048ee7a6d5a46bece7023999942f1d0d46e000000d6d65746164"
        "6174612e706c616efc799ccb7a64f8c2013ddfc90166d3680a032547bda2fc3f97ec"
    )
    assert packed(noted(ROW)).hex() == frozen
    assert short_hashes_of(canonical(ROW), SALT).hex() == "2fb56bfdcc9ee71edaf77396"
    assert short_hashes_of(canonical({"external_reference": "A"}), SALT) == bytes(
        SHORT_WIDTH * len(FIELDS)
    )


NOTHING_THERE = [None, ""]
ALIKE = [5, "5"]
ALL_OTHER = [5, 5.0, True, "true", "5.0", "", [5], {"a": 5}, "[5]", '{"a":5}', "x", "\ud800"]


def test_a_value_equals_itself_and_nothing_else() -> None:
    """A payload and Moment's answer are compared by these alone: 5 is no 5.0, true no text."""
    for field in ("name", "balance"):
        made = [noted({"external_reference": "A", field: value}) for value in ALL_OTHER]
        assert len(set(made)) == len(ALL_OTHER)
        one, other = (noted({"external_reference": "A", field: value}) for value in ALIKE)
        assert one == other
        for value in NOTHING_THERE:
            assert noted({"external_reference": "A", field: value}) == ()
    keys = [noted({"external_reference": "A", "metadata": {"k": value}}) for value in ALL_OTHER]
    assert len(set(keys)) == len(ALL_OTHER)


@given(st.dictionaries(st.text(max_size=50), st.text(max_size=3), max_size=5))
def test_hashes_survive_being_packed(metadata: dict[str, str]) -> None:
    """Whatever the keys of metadata are called."""
    made = noted({**ROW, "metadata": metadata})
    assert unpacked(packed(made)) == made
    with pytest.raises(ValueError, match="no field hashes"):
        unpacked(packed(made)[:-1])


def test_equal_values_of_two_customers_or_two_ledgers_look_different() -> None:
    """Nobody can see who shares a balance, or carry knowledge from one ledger to another."""
    others = [noted({**ROW, "external_reference": "B"}), hashes_of("A", ROW, b"t" * 32)]
    for other in others:
        assert fields_that_differ(noted(ROW), other) == FIELDS
    assert all(len(value) == WIDTH for _, value in noted(ROW))


def test_fields_are_noted_ahead_and_stay_as_the_row_settles(place: Place) -> None:
    """They come with the first sending and outlive the answer; without them none are known."""
    later = {name: canonical({**ROW, "external_reference": name, "balance": 6}) for name in "ABC"}
    with open_ledger(place(), ACCOUNT) as ledger:
        noting = replace(sent("A"), fields=ledger.hasher()("A", ROW))
        ledger.apply([noting, sent("B")], [], run_id="r", now=1.0)
        assert ledger.changed_fields(later) == {"A": ("balance",)}
        ledger.apply([done("A"), done("B")], [], run_id="r", now=2.0)
        assert ledger.changed_fields(later) == {"A": ("balance",)}
        assert ledger.changed_fields({"A": canonical(ROW)}) == {"A": ()}


def test_fields_follow_the_version_that_settled(place: Place) -> None:
    """Where another version turns out to be in Moment, its fields are kept, or none at all."""
    rows = {name: {**ROW, "external_reference": name, "balance": 6} for name in "AB"}
    with open_ledger(place(), ACCOUNT) as ledger:
        hashed = ledger.hasher()
        ahead = [replace(sent(name), fields=hashed(name, ROW)) for name in "AB"]
        ledger.apply(ahead, [], run_id="r", now=1.0)
        found = Done(0, PRINT_B, "bcus_1", Origin.FOUND)
        known = {"A": hashed("A", rows["A"]), "B": None}
        changes = [Transition(one, SENT, found, fields=known[one]) for one in "AB"]
        assert found.fingerprint != PRINT_A
        ledger.apply(changes, [], run_id="r", now=2.0)
        payloads = {name: canonical(row) for name, row in rows.items()}
        assert ledger.changed_fields(payloads) == {"A": ()}


def test_an_older_ledger_still_tells_what_has_changed(tmp_path: Path) -> None:
    """Its 16 bits a field are compared as they were made."""
    path = tmp_path / "ledger.db"
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
        [(salt,)] = raw(path).execute("SELECT value FROM salt").fetchall()
        short = short_hashes_of(canonical(ROW), salt)
        raw(path).execute("UPDATE customer SET fields = ?", (short,))
        later = {"A": canonical({**ROW, "name": "Bram"})}
        assert ledger.changed_fields(later) == {"A": ("name",)}
        ledger.apply([done("A")], [], run_id="r", now=2.0)
        assert ledger.changed_fields(later) == {"A": ("name",)}
