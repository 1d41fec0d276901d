"""Exponential backoff with full jitter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.pool import BASE, CAP, full_jitter

DRAWS = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10_000), DRAWS)
def test_a_delay_lies_between_nothing_and_its_ceiling(failures: int, draw: float) -> None:
    """Never negative, never above the cap, also after very many failures."""
    ceiling = min(CAP, BASE * 2 ** max(0, min(failures, 100) - 1))
    assert 0 <= full_jitter(failures, draw) <= ceiling


@given(st.integers(1, 40), DRAWS)
def test_a_further_failure_never_shortens_the_delay(failures: int, draw: float) -> None:
    """For the same draw the delay grows until the cap."""
    assert full_jitter(failures + 1, draw) >= full_jitter(failures, draw)


@pytest.mark.parametrize(("failures", "longest"), [(1, 0.5), (2, 1), (3, 2), (7, 32), (8, 60)])
def test_the_ceiling_doubles_from_half_a_second_to_a_minute(failures: int, longest: float) -> None:
    """The draw spreads the delay evenly over the whole range."""
    assert full_jitter(failures, 0.0) == 0
    assert full_jitter(failures, 0.5) == longest / 2
    assert full_jitter(failures, 1.0) == longest
