"""The pure parts: token bucket, keys, settings."""

from __future__ import annotations

from typing import Any

import pytest

from importer.errors import UsageError
from importer.sandbox.billing import Refusal, authenticate
from importer.sandbox.config import SandboxConfig
from importer.sandbox.core import TokenBucket


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    """A full bucket empties, says how long to wait, and fills up again to its burst only."""
    bucket = TokenBucket(rate=2, burst=3, now=100.0)
    assert [bucket.take(100.0) for _ in range(3)] == [0.0] * 3
    assert bucket.take(100.0) == 0.5
    assert bucket.take(100.25) == 0.25
    assert bucket.take(100.5) == 0.0
    assert [bucket.take(1000.0) > 0 for _ in range(4)] == [False, False, False, True]


def test_a_clock_that_steps_back_gains_nothing() -> None:
    """An earlier time neither adds tokens nor takes any away."""
    bucket = TokenBucket(rate=1, burst=1, now=100.0)
    assert bucket.take(100.0) == 0.0
    assert bucket.take(50.0) == 1.0
    assert bucket.take(51.0) == 0.0


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, 401),
        (b"", 401),
        (b"Basic abc", 401),
        (b"Bearer ", 401),
        (b"Bearer nonsense", 400),
        (b"Bearer sk_", 400),
        (b"Bearer sk_test_", 400),
        (b"Bearer sk_test_a b", 400),
        (b"Bearer pk_test_abc", 403),
        (b"Bearer pk_abc", 403),
        (b"Bearer sk_test_expired_1", 403),
        (b"Bearer sk_test_abc", "test/default"),
        (b"bearer sk_live_abc", "live/default"),
        (b"Bearer sk_abc", "live/default"),
    ],
)
def test_each_kind_of_key(header: bytes | None, expected: int | str) -> None:
    """Missing is 401, malformed 400, public or expired 403; secret keys name an account."""
    found = authenticate(header, None)
    assert (found.status if isinstance(found, Refusal) else found) == expected


def test_listed_keys_name_merchants() -> None:
    """They are merchants of their own; every other key is not valid."""
    keys = {"sk_test_a": "acme", "sk_b": "acme", "sk_test_c": "other"}
    config = SandboxConfig(keys=keys)
    assert authenticate(b"Bearer sk_test_a", config.keys) == "test/acme"
    assert authenticate(b"Bearer sk_b", config.keys) == "live/acme"
    assert authenticate(b"Bearer sk_test_c", config.keys) == "test/other"
    stranger = authenticate(b"Bearer sk_test_d", config.keys)
    assert isinstance(stranger, Refusal)
    assert stranger.status == 400
    assert "sk_test_a" not in repr(config)


@pytest.mark.parametrize(
    "options",
    [
        {"latency_ms": -1},
        {"jitter_ms": float("nan")},
        {"rate": 0},
        {"rate": 1, "burst": 0},
        {"burst": 5},
        {"duplicate_status": 418},
        {"key_reuse": "maybe"},
        {"retry_after": "soon"},
        {"faults": "nope"},
    ],
)
def test_a_bad_setting_is_refused(options: dict[str, Any]) -> None:
    """A value out of range is a usage error before anything listens."""
    with pytest.raises(UsageError):
        SandboxConfig(**options)
