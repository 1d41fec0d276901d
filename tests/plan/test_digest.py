"""One digest stands for every staged record and its decision."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.outcomes import Outcome
from importer.plan.frames import position
from importer.plan.plan_digest import digest_of
from importer.plan.staging import Staging
from importer.rows.payload import fingerprint
from importer.rows.row import Problem, Row

if TYPE_CHECKING:
    from collections.abc import Sequence


def valid(line: int, reference: str, payload: str = "{}", source: int = 0) -> Row:
    """A row that passed validation."""
    return Row(source, line, reference, payload, fingerprint(payload), (), (reference,))


def invalid(line: int, reference: str, code: str = "name_too_long") -> Row:
    """A row that did not."""
    return Row(0, line, reference, None, None, (Problem("name", code, "wrong"),), ("x",))


def digest(*batches: Sequence[Row]) -> str:
    """The digest of rows that are staged batch by batch."""
    staging = Staging()
    for batch in batches:
        staging.add(batch)
    try:
        return digest_of(staging)
    finally:
        staging.close()


ROWS = [valid(2, "A"), invalid(3, "B"), valid(4, "C", '{"a":1}'), valid(2, "D", source=1)]


@given(st.lists(st.integers(0, 3), max_size=3))
def test_the_digest_does_not_depend_on_the_batches(cuts: list[int]) -> None:
    """The same records have the same digest, however they were read."""
    edges = [0, *sorted(cuts), len(ROWS)]
    assert digest(*(ROWS[a:b] for a, b in itertools.pairwise(edges))) == digest(ROWS)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:3],
        [valid(5, "A"), *ROWS[1:]],
        [valid(2, "Z"), *ROWS[1:]],
        [valid(2, "A", '{"b":1}'), *ROWS[1:]],
        [ROWS[0], invalid(3, "B", "phone_not_e164"), *ROWS[2:]],
        [ROWS[0], invalid(3, "Z"), *ROWS[2:]],
        [ROWS[0], valid(3, "B"), *ROWS[2:]],
        [*ROWS[:3], valid(2, "D", source=2)],
    ],
    ids=["missing", "line", "reference", "payload", "error", "invalid", "valid now", "source"],
)
def test_every_difference_moves_the_digest(rows: list[Row]) -> None:
    """A record that is missing, elsewhere, other or judged otherwise gives another digest."""
    assert digest(rows) != digest(ROWS)


def test_no_reference_can_look_like_another_record() -> None:
    """References of invalid rows may hold anything, also what parts one line from the next."""
    two = [invalid(2, "A"), invalid(3, "B")]
    one = [invalid(2, "A\t\tinvalid\tname_too_long\n0\t3\t1\tB")]
    assert digest(two) != digest(one)


def test_every_decision_moves_the_digest() -> None:
    """A row that is settled without a request is another plan."""
    digests = set()
    for outcome in (None, Outcome.UNCHANGED, Outcome.CHANGED, Outcome.REJECTED):
        staging = Staging()
        staging.add(ROWS)
        if outcome is not None:
            staging.settle([(position(0, 2), outcome, "bcus_1", "", "")])
        digests.add(digest_of(staging))
        staging.close()
    assert len(digests) == 4
