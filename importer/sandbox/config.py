"""The settings of the sandbox; each thing that Moment does not document is one of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, isfinite
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.sandbox.faults import parse_faults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY_REUSE = ("replay", "422")
DUPLICATE_STATUSES = (409, 422, 400)
RETRY_AFTER = ("seconds", "http-date", "none")
PATCH_METADATA = ("merge", "replace")
DEFAULT_MERCHANT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """How this sandbox behaves. Immutable; checked when built.

    Raises:
        UsageError: a value is out of range, with its name and what is allowed.
    """

    seed: int = 0
    """Seeds ids, fault decisions and jitter."""
    data: Path | None = None
    """SQLite file that keeps customers, keys and creation events; None keeps them in memory."""
    latency_ms: float = 0.0
    """Delay of every API answer, in milliseconds."""
    jitter_ms: float = 0.0
    """Up to this many milliseconds more, drawn uniformly."""
    rate: float | None = None
    """Requests per second and account before 429; None is no limit."""
    burst: int | None = None
    """Size of the token bucket; None is one second's worth, at least 1."""
    faults: str = ""
    """Fault spec, see ``faults.parse_faults``."""
    keys: Mapping[str, str] | None = field(default=None, repr=False)
    """API key -> merchant; None accepts every well-shaped secret key as one merchant."""
    key_reuse: str = "replay"
    """What an idempotency key used with another body gets: ``replay`` or ``422``."""
    duplicate_status: int = 409
    """Status for a reference that exists: 409, 422 or 400."""
    store_429: bool = False
    """Whether a 429 is stored under the idempotency key."""
    store_validation_failures: bool = True
    """Whether a 400 of a bad body is stored under the idempotency key."""
    retry_after: str = "seconds"
    """Form of ``Retry-After`` on a 429: ``seconds``, ``http-date`` or ``none``."""
    ratelimit_headers: bool = False
    """Whether a 429 carries ``RateLimit`` and ``RateLimit-Policy``."""
    patch_metadata: str = "merge"
    """What a PATCH does with the metadata that it does not name: ``merge`` keeps it, ``replace``
    does not."""
    etags: bool = False
    """Whether answers carry an ``ETag``, and a PATCH with another ``If-Match`` gets 412."""
    lookup_lag_ms: float = 0.0
    """GET answers 404 for this many milliseconds after a create (a stale replica)."""
    key_lifetime_seconds: float = 24 * 3600.0
    """How long a stored answer is replayed."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense, before anything listens."""
        for name in ("latency_ms", "jitter_ms", "lookup_lag_ms", "key_lifetime_seconds"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise UsageError(f"{name} is {value}; it must be a number of at least 0")
        if self.rate is not None and not (isfinite(self.rate) and self.rate > 0):
            raise UsageError(f"rate is {self.rate}; it must be above 0 requests per second")
        if self.burst is not None and self.burst < 1:
            raise UsageError(f"burst is {self.burst}; it must be at least 1")
        if self.burst is not None and self.rate is None:
            raise UsageError("burst is set without rate", hint="set a rate as well")
        _one_of("key_reuse", self.key_reuse, KEY_REUSE)
        _one_of("duplicate_status", self.duplicate_status, DUPLICATE_STATUSES)
        _one_of("retry_after", self.retry_after, RETRY_AFTER)
        _one_of("patch_metadata", self.patch_metadata, PATCH_METADATA)
        parse_faults(self.faults)

    @property
    def bucket_size(self) -> int:
        """Tokens that an idle account has saved up."""
        return self.burst or max(1, ceil(self.rate or 1))


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(map(str, allowed))
        raise UsageError(f"{name} is {value}; it must be one of {choices}")
