"""Alternating runs, medians, and ratios within a round: so that the machine's noise cancels."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")


def alternate(contenders: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run every contender once a round; each round begins with another one."""
    names = list(contenders)
    samples: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            samples[name].append(contenders[name]())
    return samples


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the ratios of values that were measured in one round."""
    return median(a / b for a, b in zip(over, under, strict=True))


def spread(values: Sequence[float]) -> list[float]:
    """Median, smallest, largest."""
    return [median(values), min(values), max(values)]


def calibrate(seconds: float, run: Callable[[int], float], *, start: int, most: int) -> int:
    """How many rows make a run last about so many seconds; two significant digits.

    ``run`` takes rows and returns the seconds that they took. What precedes the first row counts
    as its share of the time: a contender that starts slowly gets no more time than the others.
    """
    rows = start
    while (took := max(run(rows), 0.001)) < seconds * 0.6 and rows < most:
        rows = min(most, round(rows * min(8.0, max(2.0, seconds / took))))
    wanted = min(most, max(start, int(rows * seconds / took)))
    digits = int(10 ** max(0, len(str(wanted)) - 2))
    return wanted // digits * digits
