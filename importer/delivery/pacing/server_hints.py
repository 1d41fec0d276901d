"""``Retry-After`` in both its forms (RFC 9110 section 10.2.3).

Rate limit response headers, all dialects, as one tolerant pure function.

Read are the current IETF draft (draft-ietf-httpapi-ratelimit-headers-10: ``RateLimit`` and
``RateLimit-Policy``, lists of structured fields, RFC 9651), its older forms (``RateLimit-Limit``,
``-Remaining``, ``-Reset``, the dictionary ``limit=, remaining=, reset=``), ``X-RateLimit-*`` and
``X-Rate-Limit-*``.
What makes no sense is None, never an exception: a header is advice, not data.
"""

from __future__ import annotations

import math
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from importer.values import pattern, value

if TYPE_CHECKING:
    from collections.abc import Mapping


LONGEST_VALUE = 4096
"""Characters; a longer header value is not read at all."""
EPOCH = 1e9
"""A reset at or above this is a time since 1970 (2001 or later), below it a delay (31 years)."""
MILLISECONDS = 1e11
"""An epoch at or above this is in milliseconds, as some services send it."""

_ITEM = pattern(r'((?:"(?:[^"\\]|\\.)*"|[^",])*)')
_PARAMETER = pattern(r';\s*([a-z*][a-z0-9_.*-]*)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"]*)', re.IGNORECASE)
_NUMBER = pattern(r"[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)


@value
class RateLimitHint:
    """What a server says of its limit; None is "not said"."""

    remaining: int | None = None
    """Requests left in the current window."""
    reset: float | None = None
    """Seconds from the answer until the window starts anew."""
    limit: int | None = None
    """Requests allowed in one window."""
    window: float | None = None
    """Seconds of one window."""


@value
class _Item:
    bare: str
    parameters: dict[str, str]


def parse(headers: Mapping[str, str], now: float | None = None) -> RateLimitHint | None:
    """The hint in these response headers, or None where there is none.

    Args:
        headers: header names, in any case, with their values.
        now: seconds since the epoch, for an absolute reset; without it the ``Date`` header is
            asked, which also leaves a wrong local clock out of the matter.
    """
    values = {name.lower(): value for name, value in headers.items() if _is_read(name, value)}
    if not any(map(speaks_of_rate, values)):
        return None
    hint = _structured(values) or _separate(values, now)
    return hint if hint != RateLimitHint() else None


def speaks_of_rate(name: str) -> bool:
    """Whether a header of this name is one of the dialects'."""
    return "ratelimit" in name.lower().replace("-", "")


def _is_read(name: str, value: str) -> bool:
    return len(value) <= LONGEST_VALUE and (speaks_of_rate(name) or name.lower() == "date")


# The current draft ------------------------------------------------------------------------------


def _structured(values: dict[str, str]) -> RateLimitHint | None:
    """``RateLimit: "default";r=50;t=30`` with ``RateLimit-Policy: "default";q=100;w=60``.

    Of several policies the one that bites first counts: the fewest remaining, then the longest
    reset; without any state the lowest rate.
    """
    policies = {
        item.bare: item.parameters
        for item in _items(values.get("ratelimit-policy", ""))
        if item.parameters.get("qu", "requests") == "requests"
    }
    states = [
        (remaining, -(_seconds(item.parameters.get("t")) or 0.0), item)
        for item in _items(values.get("ratelimit", ""))
        if (remaining := _count(item.parameters.get("r"))) is not None
        and (item.bare in policies or not policies)
    ]
    if states:
        remaining, _, item = min(states, key=lambda state: state[:2])
        limit, window = _policy(policies.get(item.bare, {}))
        return RateLimitHint(remaining, _seconds(item.parameters.get("t")), limit, window)
    paces = [
        (limit / window, limit, window)
        for limit, window in map(_policy, policies.values())
        if limit is not None and window is not None
    ]
    if paces and "ratelimit" not in values and "ratelimit-remaining" not in values:
        _, limit, window = min(paces)
        return RateLimitHint(None, None, limit, window)
    return None


def _policy(parameters: Mapping[str, str]) -> tuple[int | None, float | None]:
    window = _seconds(parameters.get("w"))
    return _count(parameters.get("q")), window or None


def _items(value: str) -> list[_Item]:
    items = []
    for text in _ITEM.findall(value):
        bare, _, rest = text.strip().partition(";")
        if bare:
            found = _PARAMETER.findall(";" + rest)
            parameters = {name.lower(): raw.strip().strip('"') for name, raw in found}
            items.append(_Item(bare.strip().strip('"'), parameters))
    return items


# Its older forms --------------------------------------------------------------------------------


def _separate(values: dict[str, str], now: float | None) -> RateLimitHint:
    """One header a number, or the dictionary of the drafts in between."""
    fields = {}
    for item in _items(values.get("ratelimit", "")):
        name, _, number = item.bare.partition("=")
        fields[name.strip().lower()] = number
    for prefix in ("ratelimit-", "x-ratelimit-", "x-rate-limit-"):
        for name in ("limit", "remaining", "reset"):
            if f"{prefix}{name}" in values:
                fields.setdefault(name, values[f"{prefix}{name}"])
    # "100, 100;w=60": the limit in force, then the policies; the window of that limit is in them.
    limits = _items(fields.get("limit", "")) + _items(values.get("ratelimit-policy", ""))
    limit = _count(limits[0].bare) if limits else None
    windows = [_seconds(item.parameters.get("w")) for item in limits if _count(item.bare) == limit]
    window = next((window for window in windows if window), None) if limit is not None else None
    reset = _delay(_seconds(fields.get("reset")), values.get("date"), now)
    return RateLimitHint(_count(fields.get("remaining")), reset, limit, window)


def _delay(reset: float | None, date: str | None, now: float | None) -> float | None:
    """Seconds from now, where ``reset`` may be a delay or a time since the epoch."""
    if reset is None or reset < EPOCH:
        return reset
    moment = reset / 1000 if reset >= MILLISECONDS else reset
    if now is None:
        now = epoch(date)
    return None if now is None else max(0.0, moment - now)


def epoch(date: str | None) -> float | None:
    """Seconds since 1970 of an HTTP date (RFC 9110 section 5.6.7); None where it is none."""
    try:
        moment = parsedate_to_datetime(date or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None


def _count(text: str | None) -> int | None:
    number = _seconds(text)
    return None if number is None else int(number)


def _seconds(text: str | None) -> float | None:
    if text is None or not _NUMBER.fullmatch(text.strip()):
        return None
    return float(text)


MAX_DIGITS = 9
"""Longer delay-seconds (over 31 years) are no delay that anyone meant."""


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait from ``now`` (seconds since the epoch), or None where nothing usable stands.

    ``delay-seconds`` is taken as it is, with decimals where somebody sends them; an ``HTTP-date``
    in the past is 0. Dates have a resolution of a second, so a date is rounded up: a wait is never
    shortened.
    """
    if value is None:
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return float(text) if len(text.partition(".")[0]) <= MAX_DIGITS else None
    moment = epoch(text)
    return None if moment is None else max(0.0, float(math.ceil(moment - now)))
