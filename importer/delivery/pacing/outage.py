"""Is Moment answering at all? A pure fold over the run's exchanges: pause, go on, or give up.

A row's own backoff is for a row's own trouble. When nothing answers, taking further rows would
only use up their attempts, so the whole run pauses and probes; and a retry budget bounds what
a half-broken API is asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Counts of exchanges, and seconds."""

    outage_after: int = 20
    """Faults in a row, of any rows, that count as an outage."""
    pause: float = 1.0
    """First pause of an outage; doubles with every further fault."""
    longest_pause: float = 30.0
    patience: float = 900.0
    """Longest time without one sensible answer before the run stops."""
    budget: float = 1000.0
    """Retries that a run may spend on top of what it earns."""
    earned: float = 0.5
    """Retries earned by each sensible answer."""


class Health(NamedTuple):
    """What is known after the exchanges so far. Times are monotonic seconds."""

    faults: int = 0
    """In a row."""
    well_at: float | None = None
    """When Moment last answered sensibly, or the run began."""
    paused_until: float = 0.0
    asking_until: float = 0.0
    """After a pause one request asks for all; the others wait for its answer, but no longer."""
    budget: float = 1000.0


def start(settings: HealthSettings, now: float) -> Health:
    """The state at the beginning of a run."""
    return Health(well_at=now, budget=settings.budget)


def answered(health: Health, settings: HealthSettings, now: float) -> Health:
    """Moment answered sensibly (anything but a fault)."""
    budget = min(settings.budget, health.budget + settings.earned)
    return Health(faults=0, well_at=now, budget=budget)


def faulted(health: Health, settings: HealthSettings, now: float) -> Health:
    """A request failed: no connection, no answer, or a fresh 5xx.

    What fails during a pause was sent before it, and is no news: else one short break with 32
    requests in flight would cost the longest pause at once.
    """
    if now < health.paused_until:
        return health
    faults = health.faults + 1
    over = faults - settings.outage_after
    paused_until = health.paused_until
    budget = health.budget
    if over >= 0:
        pause = min(settings.longest_pause, settings.pause * 2 ** min(over, 16))
        paused_until = max(paused_until, now + pause)
    else:
        budget -= 1
    return health._replace(
        faults=faults, paused_until=paused_until, asking_until=0.0, budget=budget
    )


def asking(health: Health, settings: HealthSettings, now: float) -> Health:
    """A request is about to go; in an outage the others wait for what becomes of it."""
    if health.faults < settings.outage_after:
        return health
    return health._replace(asking_until=now + settings.longest_pause)


def verdict(health: Health, settings: HealthSettings, now: float) -> str:
    """Empty to go on, or the reason to stop: ``unreachable`` or ``retry_budget_spent``."""
    if health.well_at is not None and now - health.well_at > settings.patience:
        return "unreachable" if health.faults else ""
    if health.budget < 0:
        return "retry_budget_spent"
    return ""
