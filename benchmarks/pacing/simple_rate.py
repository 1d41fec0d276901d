"""A limiter in few lines, to hold the product's against: cut on a 429, come back as CUBIC does.

The same interface as ``importer.delivery.pacing.rate_limit``. The rate is free until the first 429;
then it is cut to a share of what passed, and grows along the cubic curve of the AWS SDKs' adaptive
retry mode: fast back to where it was cut, slowly around it, then faster again.
"""

from __future__ import annotations

from typing import NamedTuple

BETA = 0.7
"""Share that a cut leaves."""
SCALE = 0.4
"""Steepness of the curve; requests/s per cubed second, as in the AWS SDKs."""
FLOOR = 0.2
"""Requests a second."""


class Rate(NamedTuple):
    """What is known. Times are monotonic seconds, rates requests a second."""

    base: float | None = None
    top: float = 0.0
    """The rate at which the last 429 came."""
    cut_at: float = 0.0
    since: float = 0.0
    counted_from: float | None = None
    counted: int = 0
    throughput: float = 0.0
    certain: int = 0
    tolerated: float = 0.0
    """None: it takes every 429 for a limit."""


def allowed(rate: Rate, now: float) -> float | None:
    """Requests a second that may be sent at ``now``; None where no limit is known."""
    if rate.base is None:
        return None
    back = (rate.top * (1 - BETA) / SCALE) ** (1 / 3)
    grown: float = SCALE * (max(0.0, now - rate.since) - back) ** 3 + rate.top
    return max(FLOOR, min(grown, 2 * max(rate.throughput, FLOOR)))


def passed(rate: Rate, at: float, sent: float) -> Rate:
    """Fold in one request that the limiter let through."""
    start = sent if rate.counted_from is None else rate.counted_from
    count, throughput = rate.counted + 1, rate.throughput
    if at - start >= 0.5 and count >= 3:
        throughput, start, count = count / (at - start), at, 0
    return rate._replace(counted_from=start, counted=count, throughput=throughput)


def refused(rate: Rate, at: float, sent: float, wait: float) -> Rate:
    """Fold in one 429; only the first of those that were sent before a cut counts."""
    if rate.base is not None and sent < rate.cut_at:
        return rate
    elapsed = max(0.01, at - (sent if rate.counted_from is None else rate.counted_from))
    throughput = rate.throughput
    seen = max(throughput, rate.counted / elapsed)
    top = max(1.0, min(seen, allowed(rate, sent) or seen))
    return rate._replace(
        base=top * BETA, top=top, cut_at=at, since=at + wait, throughput=max(throughput, seen)
    )
