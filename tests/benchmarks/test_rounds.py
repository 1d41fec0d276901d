"""Alternating runs, ratios and row counts: the arithmetic under every figure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.profile import heaviest
from benchmarks.rounds import alternate, calibrate, ratio, spread


@given(st.integers(1, 6), st.integers(1, 7))
def test_everyone_runs_once_a_round_and_each_round_begins_with_another(
    contenders: int, rounds: int
) -> None:
    """No contender is always first, and each has one sample a round."""
    order: list[int] = []
    runs = {str(n): (lambda n=n: order.append(n)) for n in range(contenders)}
    samples = alternate(runs, rounds)
    assert {len(found) for found in samples.values()} == {rounds}
    by_round = [order[i : i + contenders] for i in range(0, len(order), contenders)]
    assert all(sorted(one) == list(range(contenders)) for one in by_round)
    assert [one[0] for one in by_round] == [n % contenders for n in range(rounds)]


def test_a_ratio_is_taken_within_rounds() -> None:
    """A round in which the whole machine was slow does not change the ratio."""
    assert ratio([2, 20, 2], [1, 10, 1]) == 2
    assert spread([3, 1, 2]) == [2, 1, 3]


@given(
    st.floats(0, 3),
    st.floats(1e-5, 0.05),
    st.floats(0.5, 10),
    st.integers(1, 300),
)
def test_a_run_is_as_long_as_was_asked_for(
    start_up: float, each: float, seconds: float, fewest: int
) -> None:
    """Unless the fewest or the most rows are reached, a run lasts 50 to 170 % of the time."""
    most = 1_000_000
    rows = calibrate(seconds, lambda n: start_up + n * each, start=fewest, most=most)
    assert fewest <= rows + 10 ** (len(str(rows)) - 1)
    assert rows <= most
    took = start_up + rows * each
    if fewest * 2 < rows < most and start_up < seconds / 4:
        assert 0.5 * seconds <= took <= 1.7 * seconds


def test_a_profile_names_the_heaviest_functions() -> None:
    """Samples count for the last frame as its own, and for each frame above it once."""
    text = heaviest("main;work;parse 30\nmain;work;work;send 60\nmain 10\n")
    lines = text.splitlines()
    assert lines[0] == "100 samples"
    assert lines[2:] == [
        "60.0%  60.0%  send",
        "30.0%  30.0%  parse",
        "10.0% 100.0%  main",
    ]
