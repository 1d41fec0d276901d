"""Parked rows come back in the order of their times."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.pool import Parking


def test_a_row_comes_back_when_it_is_due_and_not_before() -> None:
    """The due time itself is due."""
    parking: Parking[str] = Parking()
    parking.park("row", 5.0)
    assert parking.take(4.9) is None
    assert parking.next_due() == 5.0
    assert parking.take(5.0) == "row"
    assert parking.take(5.0) is None
    assert parking.next_due() is None


def test_rows_due_together_keep_their_order() -> None:
    """Rows themselves are never compared."""
    parking: Parking[object] = Parking()
    rows = [object() for _ in range(5)]
    for row in rows:
        parking.park(row, 1.0)
    assert [parking.take(1.0) for _ in rows] == rows


@given(st.lists(st.floats(0, 100)), st.floats(0, 100))
def test_no_row_is_lost_or_comes_early(dues: list[float], now: float) -> None:
    """What is due comes sorted, the rest is given back at the end."""
    parking: Parking[int] = Parking()
    for row, due in enumerate(dues):
        parking.park(row, due)
    assert len(parking) == len(dues)
    taken = []
    while (row_back := parking.take(now)) is not None:
        taken.append(row_back)
    assert [dues[row] for row in taken] == sorted(due for due in dues if due <= now)
    left = parking.empty()
    assert [dues[row] for row in left] == sorted(due for due in dues if due > now)
    assert sorted(taken + left) == list(range(len(dues)))
    assert len(parking) == 0
