"""A few bits of every field: enough to name what has changed, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import example, given
from hypothesis import strategies as st

from importer.delivery.http.answer_reading import COMPARED
from importer.delivery.protocol.states import Done, Origin, Transition
from importer.ledger import Ledger
from importer.ledger.field_hashes import FIELDS, WIDTH, fields_of, fields_that_differ
from importer.rows.fingerprint import canonical
from tests.ledger.samples import ACCOUNT, PRINT_A, PRINT_B, SENT, done, sent

if TYPE_CHECKING:
    from pathlib import Path

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


def noted(row: dict[str, Any]) -> bytes:
    """What is kept of a row."""
    return fields_of(canonical(row), SALT)


def test_the_names_are_those_that_differs_uses() -> None:
    """A changed field is called what a field that Moment holds otherwise is called."""
    assert FIELDS == COMPARED


@given(ROWS, ROWS)
@example({"external_reference": "A", "balance": 0}, {"external_reference": "A"})
def test_exactly_the_fields_that_changed_are_named(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Given, taken away or altered: each field that differs is named, and no other."""
    changed = tuple(name for name in FIELDS if one.get(name) != other.get(name))
    assert fields_that_differ(noted(one), noted(other)) == changed


def test_what_is_kept_never_changes_its_form() -> None:
    """Frozen: another form would make every field of every settled row look changed."""
    assert noted(ROW).hex() == "2fb56bfdcc9ee71edaf77396"
    assert noted({"external_reference": "A"}) == bytes(WIDTH * len(FIELDS))


def test_equal_values_of_two_customers_or_two_ledgers_look_different() -> None:
    """Nobody can see who shares a balance, or carry knowledge from one ledger to another."""
    others = [noted({**ROW, "external_reference": "B"}), fields_of(canonical(ROW), b"t" * 32)]
    for other in others:
        assert fields_that_differ(noted(ROW), other) == FIELDS


def test_fields_are_noted_ahead_and_stay_as_the_row_settles(tmp_path: Path) -> None:
    """They come with the first sending and outlive the answer; without a payload none are known."""
    payload = canonical(ROW)
    with Ledger.open(tmp_path / "ledger.db", ACCOUNT) as ledger:
        noting = replace(sent("A"), fields=ledger.fields_of(payload))
        ledger.apply([noting, sent("B")], [], run_id="r", now=1.0)
        assert ledger.fields(["A", "B", "C"]) == {"A": ledger.fields_of(payload)}
        ledger.apply([done("A"), done("B")], [], run_id="r", now=2.0)
        assert ledger.fields(["A", "B", "C"]) == {"A": ledger.fields_of(payload)}


def test_fields_follow_the_version_that_settled(tmp_path: Path) -> None:
    """Where another version turns out to be in Moment, its fields are kept, or none at all."""
    later = canonical({**ROW, "balance": 6})
    with Ledger.open(tmp_path / "ledger.db", ACCOUNT) as ledger:
        first = ledger.fields_of(canonical(ROW))
        ahead = [replace(sent(name), fields=first) for name in ("A", "B")]
        ledger.apply(ahead, [], run_id="r", now=1.0)
        found = Done(0, PRINT_B, "bcus_1", Origin.FOUND)
        known = {"A": ledger.fields_of(later), "B": None}
        changes = [Transition(one, SENT, found, fields=known[one]) for one in ("A", "B")]
        assert found.fingerprint != PRINT_A
        ledger.apply(changes, [], run_id="r", now=2.0)
        assert ledger.fields(["A", "B"]) == {"A": ledger.fields_of(later)}
