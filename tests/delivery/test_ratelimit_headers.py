"""Rate limit headers: every dialect is understood, and nonsense is ignored."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.pacing.server_hints import RateLimitHint, parse

NAMES = st.sampled_from(
    [
        "RateLimit",
        "RateLimit-Policy",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "x-ratelimit-reset",
        "X-Rate-Limit-Remaining",
        "Date",
    ]
)
PIECES = st.sampled_from(
    [
        '"',
        ";",
        ",",
        "=",
        "r",
        "q",
        "w",
        "t",
        "limit",
        "remaining",
        "0",
        "7",
        "9" * 20,
        "-",
        ".",
        "\\",
    ]
)
VALUES = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map("".join))


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        (
            {"RateLimit": '"default";r=50;t=30', "RateLimit-Policy": '"default";q=100;w=60'},
            RateLimitHint(50, 30.0, 100, 60.0),
        ),
        ({"RateLimit": '"default";r=50'}, RateLimitHint(remaining=50)),
        ({"RateLimit-Policy": '"default";q=100;w=60'}, RateLimitHint(limit=100, window=60.0)),
        (
            {"RateLimit": '"day";r=900;t=80000, "burst";r=0;t=2'},
            RateLimitHint(remaining=0, reset=2.0),
        ),
        (
            {
                "RateLimit": '"hour";r=7;t=60, "bytes";r=0;t=5',
                "RateLimit-Policy": '"hour";q=1000;w=3600, "bytes";q=9;w=5;qu="content-bytes"',
            },
            RateLimitHint(7, 60.0, 1000, 3600.0),
        ),
        (
            {"RateLimit-Policy": '"hour";q=3600;w=3600, "burst";q=100;w=1, "slow";q=10;w=60'},
            RateLimitHint(limit=10, window=60.0),
        ),
        ({"RateLimit": "limit=100, remaining=9, reset=5"}, RateLimitHint(9, 5.0, 100)),
        (
            {
                "X-Rate-Limit-Limit": "600",
                "X-Rate-Limit-Remaining": "0",
                "X-Rate-Limit-Reset": "7",
            },
            RateLimitHint(0, 7.0, 600),
        ),
        (
            {
                "RateLimit-Limit": "100, 100;w=10",
                "RateLimit-Remaining": "3",
                "RateLimit-Reset": "4",
            },
            RateLimitHint(3, 4.0, 100, 10.0),
        ),
        (
            {"RateLimit-Limit": "10", "RateLimit-Policy": "10;w=1, 1000;w=3600"},
            RateLimitHint(limit=10, window=1.0),
        ),
        (
            {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "12"},
            RateLimitHint(0, 12.0, 60),
        ),
        (
            {"X-RateLimit-Reset": "1767225630", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"},
            RateLimitHint(reset=30.0),
        ),
        ({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1767225630"}, RateLimitHint(1)),
        ({"Content-Type": "application/json"}, None),
        ({"RateLimit": "soon"}, None),
        ({"X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "NaN"}, None),
        ({"X-RateLimit-Remaining": "٣"}, None),
    ],
)
def test_every_dialect_is_understood(headers: dict[str, str], hint: RateLimitHint | None) -> None:
    """Current draft, older drafts and X- headers give the same hint; nonsense gives none."""
    assert parse(headers) == hint
    assert parse(httpx.Headers([(k.encode(), v.encode()) for k, v in headers.items()])) == hint


@pytest.mark.parametrize("reset", ["1767225630", "1767225630000"])
def test_an_absolute_reset_is_told_from_a_delay(reset: str) -> None:
    """A reset since the epoch, in seconds or milliseconds, becomes seconds from now."""
    assert parse({"X-RateLimit-Reset": reset}, now=1767225600.0) == RateLimitHint(reset=30.0)
    assert parse({"X-RateLimit-Reset": reset}, now=1767229999.0) == RateLimitHint(reset=0.0)


@given(st.dictionaries(NAMES, VALUES))
def test_no_header_value_raises(headers: dict[str, str]) -> None:
    """Whatever the values, the answer is a hint of sane numbers or None."""
    hint = parse(headers)
    if hint is not None:
        for number in (hint.remaining, hint.reset, hint.limit, hint.window):
            assert number is None or 0 <= number < 1e16


def test_a_huge_header_is_not_read() -> None:
    """A value of megabytes costs nothing and says nothing."""
    assert parse({"RateLimit": '"a";r=1,' * 1_000_000}) is None


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_well_formed_hint_is_read_back(remaining: int, reset: int, q: int, w: int) -> None:
    """What a server of the current draft says arrives unchanged, spaces or not."""
    headers = {
        "ratelimit": f'"p" ; r={remaining};  t={reset}',
        "ratelimit-policy": f'"p";q={q};w={w}',
    }
    assert parse(headers) == RateLimitHint(remaining, float(reset), q, float(w))
