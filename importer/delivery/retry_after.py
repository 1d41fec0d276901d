"""``Retry-After`` in both its forms (RFC 9110 section 10.2.3)."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_DIGITS = 9
"""Longer delay-seconds (over 31 years) are no delay that anyone meant."""


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait from ``now`` (seconds since the epoch), or None where nothing usable stands.

    ``delay-seconds`` is taken as it is; an ``HTTP-date`` in the past is 0. Dates have a
    resolution of a second, so a date is rounded up: a wait is never shortened.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= MAX_DIGITS else None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, float(math.ceil(moment.timestamp() - now)))
