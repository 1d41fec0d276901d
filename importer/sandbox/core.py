"""Everything one sandbox is made of, built from its settings; the calls work on this."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from importer.sandbox.clock import Clock
from importer.sandbox.faults import FaultPlan, parse_faults
from importer.sandbox.journal import Journal, SqliteJournal
from importer.sandbox.ratelimit import TokenBucket
from importer.sandbox.store import Store

if TYPE_CHECKING:
    from importer.sandbox.config import SandboxConfig
    from importer.sandbox.faults import Fault

DEFECTS_KEPT = 20


@dataclass(slots=True)
class Statistics:
    """What happened since the start or the last reset."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(method, status or ``reset``) -> answers."""
    replays: int = 0
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
