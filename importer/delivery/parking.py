"""Rows that wait for their next request, so that a waiting row never holds a worker."""

from __future__ import annotations

import heapq
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Parking(Generic[T]):
    """A heap of (due time, row). Times are monotonic seconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._heap)

    def park(self, row: T, due: float) -> None:
        """Keep the row until ``due``."""
        heapq.heappush(self._heap, (due, next(self._order), row))

    def take(self, now: float) -> T | None:
        """The row that has been due longest, if any is due."""
        if self._heap and self._heap[0][0] <= now:
            return heapq.heappop(self._heap)[2]
        return None

    def next_due(self) -> float | None:
        """When the next row is due."""
        return self._heap[0][0] if self._heap else None

    def empty(self) -> list[T]:
        """Give every row back, for the end of a run that was stopped."""
        rows = [row for _, _, row in sorted(self._heap, key=lambda entry: entry[:2])]
        self._heap.clear()
        return rows
