"""Repeated hashes are found whole, whatever the parts."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.plan import suspects as repeats
from importer.plan.suspects import hashes_of, repeated_hashes


@pytest.mark.slow
@pytest.mark.parametrize("part", [1, 3, 1000])
@given(pieces=st.lists(st.lists(st.integers(0, 30) | st.integers(0, 2**64 - 1))))
def test_every_repeated_hash_is_found_once(part: int, pieces: list[list[int]]) -> None:
    """Within a piece and across pieces, in one part and in many; nothing else is found."""
    counted = Counter(one for piece in pieces for one in piece)
    series = [pl.Series(piece, dtype=pl.UInt64) for piece in pieces]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "PART", part)
        found = repeated_hashes(lambda: series, sum(map(len, pieces))).to_list()
    assert sorted(found) == sorted(one for one, number in counted.items() if number > 1)


def test_equal_references_have_equal_hashes() -> None:
    """Whatever stands beside them."""
    one = hashes_of(pl.Series(["A1", "B2", "x" * 255]))
    two = hashes_of(pl.Series(["x" * 255, "C", "A1"]))
    assert (one[0], one[2]) == (two[2], two[0])
    assert one[0] != one[1]
