"""The wall clock, passed in so that a simulation can own it; and when it is not to be trusted."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch; may jump, as wall clocks do."""

    def now(self) -> float:
        """The time of day."""
        ...


CLOCK_WRONG = "clock_wrong"
"""The code of a warning about the clock."""
_SLACK = 600.0
"""Seconds that clocks may be apart, and that may pass while one is asked, before it is told."""
_FIX = "set it right (importer doctor holds it against Moment's): what is open is told by its age"


def behind(now: float, last_run: float) -> str:
    """What is to be said where the last run began after ``now``; "" where it did not."""
    if last_run - now <= _SLACK:
        return ""
    return (
        f"by this machine's clock the last run begins in {span(last_run - now)}: the clock is"
        f" behind, or was ahead then; {_FIX}"
    )


def ahead(seconds: float | None, whose: str = "this machine's clock") -> str:
    """What is to be said where a clock is so far ahead of Moment's; "" for nothing."""
    if seconds is None or abs(seconds) <= _SLACK:
        return ""
    way = "ahead of" if seconds > 0 else "behind"
    return f"{whose} is {span(abs(seconds))} {way} Moment's, by the Date of its answers; {_FIX}"


def jumped(wall: float, steady: float) -> str:
    """What is to be said where a run took so long by the clock, and by a watch; "" for nothing."""
    if abs(wall - steady) <= _SLACK:
        return ""
    ahead = wall > steady
    way, slept = ("ahead", ", or the machine slept") if ahead else ("back", "")
    return (
        f"this machine's clock was set {way} by {span(abs(wall - steady))} while the run worked"
        f"{slept}; {_FIX}"
    )


def span(seconds: float) -> str:
    """``3 minutes``, ``1 day``."""
    seconds = max(0.0, seconds)
    for size, unit in ((86_400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number:,} {unit}{'s' * (number != 1)}"
    return f"{seconds:.0f} seconds"


class WallClock:
    """The machine's clock."""

    now = staticmethod(time.time)
