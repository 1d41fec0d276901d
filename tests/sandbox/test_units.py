"""The pure parts: token bucket, keys, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import UsageError
from importer.sandbox import SandboxConfig
from importer.sandbox.billing import Refusal, authenticate
from importer.sandbox.core import TokenBucket

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_keys_file_names_merchants(tmp_path: Path) -> None:
    """Listed keys are merchants of their own; every other key is not valid."""
    path = tmp_path / "keys"
    path.write_text("# ours\nsk_test_a acme\nsk_b acme  # live\n\nsk_test_c other\n")
    config = SandboxConfig.from_options(keys=path)
    assert authenticate(b"Bearer sk_test_a", config.keys) == "test/acme"
    assert authenticate(b"Bearer sk_b", config.keys) == "live/acme"
    assert authenticate(b"Bearer sk_test_c", config.keys) == "test/other"
    stranger = authenticate(b"Bearer sk_test_d", config.keys)
    assert isinstance(stranger, Refusal)
    assert stranger.status == 400
    assert "sk_test_a" not in repr(config)


def test_a_bad_keys_file_names_its_line_not_its_key(tmp_path: Path) -> None:
    """The error says where, and never repeats a secret."""
    path = tmp_path / "keys"
    path.write_text("sk_test_a acme\nsk_test_b\n")
    with pytest.raises(UsageError, match="line 2") as caught:
        SandboxConfig.from_options(keys=path)
    assert "sk_test_b" not in str(caught.value)
    path.write_text("sk_test_a acme\nsk_test_a other\n")
    with pytest.raises(UsageError, match="twice"):
        SandboxConfig.from_options(keys=path)
    with pytest.raises(UsageError, match="cannot be read"):
        SandboxConfig.from_options(keys=tmp_path / "none")


@pytest.mark.parametrize(
    "options",
    [
        {"latency": -1},
        {"jitter": float("nan")},
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
        SandboxConfig.from_options(**options)
