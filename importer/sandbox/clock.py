"""The sandbox's clock: real time plus an offset that tests and rehearsals move forward."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Seconds since the epoch, as this sandbox sees them."""

    def __init__(self, offset: float = 0.0, source: Callable[[], float] = time.time) -> None:
        self.offset = offset
        self._source = source

    def now(self) -> float:
        """Return the adjusted time in seconds since the epoch."""
        return self._source() + self.offset

    def wall(self) -> float:
        """Return the real time: what an HTTP-date must be relative to."""
        return self._source()
