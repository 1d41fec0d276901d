"""Does Moment answer at all? A pure fold over the run's exchanges: go on, pause and probe, or stop.

A row's own backoff is for a row's own trouble. What tells the two apart is **other rows**: trouble
of so many distinct rows in succession, without one sensible answer between, is the run's. Then
taking further rows would only use up their attempts, so the whole run pauses and probes, one
request at a time. A row that fails, sees others answered, and fails again has shown that its
trouble is its own: it says nothing about the run any more, however often it is asked.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from importer.values import quick, value

FEWEST = 3
"""Rows that can be an outage at all, where no more are left."""


class Said(StrEnum):
    """What one exchange says about Moment, whatever it says about the row."""

    SENSE = "sense"
    """An answer of the API, to the point."""
    THROTTLED = "throttled"
    """429: somebody is there, and nothing is said about the rest."""
    ABSENT = "absent"
    """404 to a look-up: it works, but what was in trouble is the POST before it."""
    FAULT = "fault"
    """No connection, no answer, or a fresh 5xx."""
    BLOCKED = "blocked"
    """Turned away, or answered by something that is not the API."""


@value
class HealthSettings:
    """Counts of rows, and seconds."""

    outage_after: int = 20
    """Distinct rows in trouble, in succession, that count as the run's trouble."""
    pause: float = 1.0
    """First pause of an outage; doubles with every further fault."""
    longest_pause: float = 30.0
    probes: int = 4
    """Rows that are turned away after such a pause before the run stops for it."""


@quick
class Health(NamedTuple):
    """What is known after the exchanges so far. Times are monotonic seconds."""

    troubled: frozenset[int] = frozenset()
    """Distinct rows in trouble since the last sensible answer; no more than make an outage."""
    blocked: bool = False
    """All of them were turned away; nothing failed."""
    probes: int = 0
    """Exchanges that the outage has cost since it was seen; 0 without one."""
    paused_until: float = 0.0
    asking_until: float = 0.0
    """After a pause one request asks for all; the others wait for its answer, but no longer."""

    @property
    def out(self) -> bool:
        """Whether the trouble is the run's."""
        return self.probes > 0


WELL = Health()
"""At the beginning of a run, and after each sensible answer: whatever was before is over."""


def no_news(health: Health) -> Health:
    """This proves neither trouble nor health; if it answers a probe, another may go."""
    return health._replace(asking_until=0.0)


def is_its_own(well_at: float, failed_at: float | None) -> bool:
    """Whether trouble of a row that was in trouble at ``failed_at`` before is the row's alone.

    ``well_at`` is when Moment last answered sensibly, or the run began.
    """
    return failed_at is not None and well_at > failed_at


def troubled(
    health: Health, settings: HealthSettings, now: float, row: int, *, blocked: bool, rows: int
) -> Health:
    """Fold in trouble that may be the run's.

    What fails during a pause was sent before it, and is no news: else one short break with 32
    requests in flight would cost the longest pause at once.

    Args:
        health: so far.
        settings: the numbers.
        now: monotonic seconds.
        row: which row it is.
        blocked: it was turned away; else it failed.
        rows: rows in progress whose trouble would count: where they are few, all of them are
            enough.
    """
    if now < health.paused_until:
        return health
    known = health.troubled
    if len(known) < settings.outage_after:
        known |= {row}
    health = health._replace(
        troubled=known,
        blocked=blocked and (health.blocked or not health.troubled),
        asking_until=0.0,
    )
    if not health.out and len(known) < min(settings.outage_after, max(FEWEST, rows)):
        return health
    pause = min(settings.longest_pause, settings.pause * 2 ** min(health.probes, 16))
    return health._replace(probes=health.probes + 1, paused_until=now + pause)


def asking(health: Health, settings: HealthSettings, now: float) -> Health:
    """A request is about to go; in an outage the others wait for what becomes of it."""
    return health._replace(asking_until=now + settings.longest_pause) if health.out else health


def held_until(health: Health) -> float:
    """When a request may go; in the past where nothing holds it."""
    return max(health.paused_until, health.asking_until)


def gives_up(health: Health, settings: HealthSettings) -> bool:
    """Whether distinct rows in succession were turned away until there is no doubt."""
    return health.blocked and health.probes > settings.probes
