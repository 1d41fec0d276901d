"""Equal references: who is kept, who collapses, who conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.outcomes import OnDuplicate, Outcome
from importer.rows.duplicates import Member, resolve

if TYPE_CHECKING:
    from random import Random

POLICIES = list(OnDuplicate)


def group(*prints: bytes | None) -> list[Member]:
    """Members on lines 2, 3, ... of a.csv with these fingerprints."""
    return [Member(at, "a.csv", at + 2, one) for at, one in enumerate(prints)]


def outcomes(members: list[Member], policy: OnDuplicate) -> list[Outcome | None]:
    """Just the outcomes."""
    return [one.outcome for one in resolve(members, policy)]


@pytest.mark.parametrize("policy", POLICIES)
def test_identical_rows_collapse_onto_the_first(policy: OnDuplicate) -> None:
    """Whatever the policy, the first line is kept and named."""
    kept, *others = resolve(group(b"x", b"x", b"x"), policy)
    assert kept.outcome is None
    assert [one.outcome for one in others] == [Outcome.DUPLICATE] * 2
    assert {one.error for one in others} == {"the same row as line 2"}
    assert {one.error_code for one in others} == {"duplicate_row"}


def test_different_rows_are_all_invalid_and_name_every_line() -> None:
    """Also those that equal each other."""
    resolved = resolve(group(b"x", b"y", b"x"), OnDuplicate.ERROR)
    assert {(one.outcome, one.error_code) for one in resolved} == {
        (Outcome.INVALID, "duplicate_conflict")
    }
    assert all("lines 2, 3 and 4 " in one.error for one in resolved)


@pytest.mark.parametrize(("policy", "winner"), [(OnDuplicate.FIRST, 0), (OnDuplicate.LAST, 2)])
def test_the_policy_says_which_row_wins(policy: OnDuplicate, winner: int) -> None:
    """One goes on; the others are duplicates that name it."""
    resolved = resolve(group(b"x", b"y", b"z"), policy)
    assert [one.position for one in resolved if one.outcome is None] == [winner]
    losers = [one for one in resolved if one.outcome is not None]
    assert {one.outcome for one in losers} == {Outcome.DUPLICATE}
    assert {one.error_code for one in losers} == {"duplicate_superseded"}
    assert all(one.error.startswith(f"line {winner + 2} ") for one in losers)


def test_a_loser_that_equals_the_winner_is_a_plain_duplicate() -> None:
    """Its data are in Moment."""
    codes = [one.error_code for one in resolve(group(b"x", b"y", b"y"), OnDuplicate.LAST)]
    assert codes == ["duplicate_superseded", "duplicate_row", ""]


@pytest.mark.parametrize("policy", POLICIES)
def test_invalid_members_take_no_part(policy: OnDuplicate) -> None:
    """They neither win, nor conflict, nor are they named."""
    assert outcomes(group(None, b"x", None), policy) == [None, None, None]
    resolved = resolve(group(None, b"x", b"x", None), policy)
    assert [one.outcome for one in resolved] == [None, None, Outcome.DUPLICATE, None]
    assert resolved[2].error == "the same row as line 3"


def test_several_sources_are_named() -> None:
    """A line number alone would not say which file."""
    members = [Member(0, "a.csv", 2, b"x"), Member(9, "b.csv", 7, b"x")]
    assert resolve(members, OnDuplicate.ERROR)[1].error == "the same row as a.csv line 2"
    members[1] = Member(9, "b.csv", 7, b"y")
    assert "differ: a.csv line 2 and b.csv line 7 " in resolve(members, OnDuplicate.ERROR)[0].error


def test_endless_lists_of_lines_are_cut() -> None:
    """Twenty lines are named, the others counted."""
    resolved = resolve(group(*(bytes([n]) for n in range(50))), OnDuplicate.ERROR)
    assert "20, 21 and 30 more " in resolved[0].error
    assert "22" not in resolved[0].error


@given(
    st.lists(st.sampled_from([None, b"x", b"y"]), max_size=8),
    st.sampled_from(POLICIES),
    st.randoms(),
)
def test_decisions_do_not_depend_on_the_order_they_are_asked_in(
    prints: list[bytes | None], policy: OnDuplicate, random: Random
) -> None:
    """Positions decide; at most one valid row goes on, and exactly one unless there is conflict."""
    members = group(*prints)
    mixed = list(members)
    random.shuffle(mixed)
    resolved = resolve(members, policy)
    assert resolve(mixed, policy) == resolved
    kept = [
        one
        for one, member in zip(resolved, members, strict=True)
        if one.outcome is None and member.fingerprint is not None
    ]
    conflict = policy is OnDuplicate.ERROR and {b"x", b"y"} <= set(prints)
    assert len(kept) == (1 if any(prints) and not conflict else 0)
