"""Everything one sandbox is made of, built from its settings; the calls work on this.

The sandbox's clock: real time plus an offset that tests and rehearsals move forward.

A token bucket. Pure: the time is passed in.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from importer.sandbox.faults import FaultPlan, parse_faults
from importer.sandbox.store import Journal, SqliteJournal, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.sandbox.config import SandboxConfig
    from importer.sandbox.faults import Fault


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


DEFECTS_KEPT = 20


@dataclass(slots=True)
class Statistics:
    """What happened since the start or the last reset."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(method, status or ``reset``) -> answers."""
    replays: int = 0
    edits: int = 0
    """Customers that somebody changed by hand."""
    faults: Counter[str] = field(default_factory=Counter)
    """Fault kind -> how often it took effect."""
    defects: list[str] = field(default_factory=list)
    """Errors of the sandbox itself: type and place, never a value."""


class Core:
    """The state of one sandbox.

    Raises:
        UsageError: the data file cannot be used.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        journal = Journal() if config.data is None else SqliteJournal(config.data)
        self.clock = Clock(journal.offset())
        self.store = Store(
            journal,
            seed=config.seed,
            key_lifetime=config.key_lifetime_seconds,
            now=self.clock.now(),
        )
        self._start_over()

    def _start_over(self) -> None:
        self.statistics = Statistics()
        self.buckets: dict[str, TokenBucket] = {}
        self.jitter = Random(f"jitter/{self.config.seed}")  # noqa: S311 - reproducible, not secret
        self.sequence = 0
        self.set_faults(self.config.faults)

    def set_faults(self, spec: str) -> None:
        """Replace the fault spec and start its draws afresh.

        Raises:
            UsageError: the spec is wrong; the old one stays.
        """
        self._plan = FaultPlan(parse_faults(spec), self.config.seed)
        self.fault_spec = spec

    def draw_fault(self, method: str, reference: str | None) -> Fault | None:
        """Decide what goes wrong with this request."""
        return self._plan.decide(method, reference)

    def next_instance(self) -> str:
        """Return the ``instance`` of the next problem: one URI reference per answer."""
        self.sequence += 1
        return f"/problems/{self.sequence}"

    def take_token(self, account: str) -> float:
        """Return 0.0 if the account may go on, else the seconds until it may."""
        rate = self.config.rate
        if rate is None:
            return 0.0
        now = self.clock.now()
        bucket = self.buckets.get(account)
        if bucket is None:
            bucket = self.buckets[account] = TokenBucket(rate, self.config.bucket_size, now)
        return bucket.take(now)

    def delay(self, fault_ms: float) -> float:
        """Return how long this answer takes on purpose, in seconds."""
        config = self.config
        jitter = config.jitter_ms * self.jitter.random() if config.jitter_ms else 0.0
        return (config.latency_ms + jitter + fault_ms) / 1000

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.clock.offset += seconds
        self.store.set_offset(self.clock.offset)

    def reset(self) -> None:
        """Back to an empty sandbox with the settings it was started with."""
        self.store.reset()
        self.clock.offset = 0.0
        self._start_over()
