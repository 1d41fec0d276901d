"""The wall clock, passed in so that a simulation can own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch; may jump, as wall clocks do."""

    def now(self) -> float:
        """The time of day."""
        ...


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        """``time.time()``."""
        return time.time()
