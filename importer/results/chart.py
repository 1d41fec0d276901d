"""Where the marks of a chart stand: SVG coordinates, axes and labels. Pure.

A plot is ``WIDTH`` by ``HEIGHT`` units and is stretched to its place on the page; labels are
placed in percent, so that text is never stretched.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 1000
HEIGHT = 100
_LEAST = 4.0
"""Units of the smallest mark: one row in a million is seen."""
_NICE = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_SECONDS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400),
)
"""Between two labels of an axis of time."""
_MOST_TICKS = 5
_MINUTE, _HOUR = 60, 3600


class Part(NamedTuple):
    """One mark along a bar."""

    name: str
    number: int
    x: float
    width: float


class Tick(NamedTuple):
    """A label on an axis of time."""

    percent: float
    label: str


def bar(counts: Sequence[tuple[str, int]], *, width: float = WIDTH) -> list[Part]:
    """Marks side by side, as wide as their counts; each wide enough to be seen."""
    shown = [(name, number) for name, number in counts if number > 0]
    total = sum(number for _, number in shown)
    widths = [max(_LEAST, width * number / total) for _, number in shown]
    # What the small ones got more, the large ones give in proportion.
    spare = sum(one - _LEAST for one in widths)
    over = sum(widths) - width
    scale = 1 - over / spare if spare > 0 else 1
    x = 0.0
    parts: list[Part] = []
    for (name, number), one in zip(shown, widths, strict=True):
        drawn = _LEAST + (one - _LEAST) * scale
        parts.append(Part(name, number, round(x, 2), round(drawn, 2)))
        x += drawn
    return parts


def ceiling(most: float) -> float:
    """The end of an axis from 0 that holds ``most``: a round number; 1 where there is nothing."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(one * power for one in _NICE if one * power >= most * 0.999)


def longest(most: float) -> float:
    """The end of an axis of durations from 0 that holds ``most``, seconds."""
    return next((float(one) for one in _SECONDS if one >= most), ceiling(most))


def steps(stretches: Sequence[tuple[float, float, float]], end: float, top: float) -> str:
    """A path of steps: (begin, length, value) each; ``end`` and ``top`` are the axes' ends."""
    parts: list[str] = []
    for begin, length, value in stretches:
        y = HEIGHT * (1 - min(1.0, value / top))
        left, right = WIDTH * begin / end, WIDTH * (begin + length) / end
        parts.append(f"{'L' if parts else 'M'}{left:.1f} {y:.1f}H{right:.1f}")
    return "".join(parts)


def area(path: str) -> str:
    """The area below a path of steps."""
    if not path:
        return ""
    first = path[1:].partition(" ")[0]
    return f"{path}V{HEIGHT}H{first}Z"


def strip(stretches: Sequence[tuple[float, float, str]], end: float) -> list[tuple[Part, float]]:
    """Marks on a line of time: (begin, length, name) each; neighbours of one name are one.

    Returns:
        Each mark with its length in seconds; ``number`` is its beginning in whole seconds.
    """
    joined: list[tuple[float, float, str]] = []
    for begin, length, name in stretches:
        if joined and joined[-1][2] == name and abs(sum(joined[-1][:2]) - begin) < length / 2:
            before = joined.pop()
            joined.append((before[0], begin + length - before[0], name))
        else:
            joined.append((begin, length, name))
    found = []
    for begin, length, name in joined:
        width = max(_LEAST, WIDTH * length / end)
        x = min(WIDTH * begin / end, WIDTH - width)
        found.append((Part(name, int(begin), round(x, 1), round(width, 1)), length))
    return found


def ticks(end: float) -> list[Tick]:
    """Labels for an axis of time that ends after so many seconds."""
    step = next((one for one in _SECONDS if end / one < _MOST_TICKS), end / (_MOST_TICKS - 1))
    places = [one * step for one in range(int(end / step) + 1)]
    return [Tick(round(100 * at / end, 2), _label(at, step)) for at in places]


def _label(seconds: float, step: float) -> str:
    if not seconds:
        return "0"
    if step < 1:
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE and step < _MINUTE:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / _MINUTE), _MINUTE)
    if seconds >= _HOUR:
        return f"{hours}:{minutes:02d} h"
    return f"{int(seconds // _MINUTE)}:{int(seconds % _MINUTE):02d} min"


def in_words(seconds: float) -> str:
    """A duration as people say it: ``0.8 s``, ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 10:  # noqa: PLR2004 - two digits say enough
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return _both(int(seconds), "min", "s")
    return _both(round(seconds / _MINUTE), "h", "min")


def _both(number: int, large: str, small: str) -> str:
    many, rest = divmod(number, _MINUTE)
    return f"{many:,} {large} {rest} {small}" if rest else f"{many:,} {large}"
