"""Exponential backoff with full jitter, as pure functions of a drawn number."""

from __future__ import annotations

BASE = 0.5
"""Seconds; the ceiling of the first delay."""
CAP = 60.0
"""Seconds; no backoff is longer, only a server's ``Retry-After`` may be."""


def full_jitter(failures: int, draw: float, *, base: float = BASE, cap: float = CAP) -> float:
    """Seconds to wait after ``failures`` failed requests (1 or more), for ``draw`` in [0, 1).

    ``draw * min(cap, base * 2**(failures - 1))``: full jitter spreads a herd of retries best
    (Exponential Backoff and Jitter, AWS Architecture Blog).
    """
    exponent = min(max(failures, 1) - 1, 32)
    return draw * min(cap, base * 2.0**exponent)
