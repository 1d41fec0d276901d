"""A token bucket. Pure: the time is passed in."""

from __future__ import annotations


class TokenBucket:
    """Holds up to ``burst`` tokens and gains ``rate`` of them a second; starts full."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> float:
        """Take one token; returns 0.0, or the seconds until there is one (nothing is taken)."""
        # A clock that stepped back gains nothing and loses nothing.
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate
