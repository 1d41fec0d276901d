"""One rate over all workers: the bucket that they share, as a pure function of its row and a time.

A worker leases **slots**: moments, a fraction of a second ahead, at each of which it may send one
request. The bucket keeps the next slot that nobody has; a lease moves it on by ``slots / rate``.
(That is a token bucket told in time instead of tokens: the "virtual scheduling" form of the generic
cell rate algorithm, ITU-T I.371 annex A.) So the slots of any stretch of ``t`` seconds are at most
``rate * t + 1``, whoever holds them, and a worker that dies takes with it no more than it holds.

``lease`` is all there is. ``postgres/rate_table.py`` says the same in SQL and is tested against it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUND = 0.25
"""Seconds of the whole rate that one lease of each worker covers together."""
ACTIVE = 3.0
"""Seconds after its last lease in which a worker counts as one that sends."""
REMEMBERED = 900.0
"""Seconds for which a limit that was found is believed when nobody sends."""
EMPTY = 0.5
"""Seconds until the first slot of a new bucket: what was leased from one that a crash of the
database took away is used up by then."""


class Worker(NamedTuple):
    """What the bucket knows of one worker, as of its last lease."""

    at: float
    """When that was."""
    rate: float | None = None
    """Most requests a second of all together that this worker was told; None is no limit."""
    found: float | None = None
    """Requests a second that the server lets this worker send, once a 429 has shown a limit."""


class Bucket(NamedTuple):
    """One row. Times are seconds since the epoch, on the database's clock."""

    next_at: float
    """The next slot that nobody has."""
    seen_at: float
    """When the row was last changed."""
    blocked_until: float
    """No slot lies before: the server said ``Retry-After``."""
    found: float | None = None
    """The server's limit for all workers together, as far as they have found it."""
    found_at: float = 0.0
    workers: Mapping[str, Worker] = {}
    """By name."""


class Ask(NamedTuple):
    """What a worker says with each lease."""

    slots: int = 0
    """So many it has use for; 0 only tells and hears."""
    rate: float | None = None
    """``--rate``, or less where the server's own headers say so; None is no limit."""
    blocked_for: float = 0.0
    """Seconds for which the server has told it to send nothing."""
    found: float | None = None
    """As in ``Worker``."""


class Grant(NamedTuple):
    """What it gets."""

    at: float
    """When, on the database's clock."""
    rate: float | None = None
    """The lowest rate that any active worker was told; None: nobody needs a slot."""
    slots: int = 0
    start_in: float = 0.0
    """Seconds from ``at`` to the first slot; the others follow at ``1 / rate``."""
    blocked_for: float = 0.0
    """Seconds from ``at`` for which nobody may send."""
    found: float | None = None
    """The server's limit for all together, where it is known."""
    workers: int = 1
    """Workers that are active, this one included."""


class RateLedger(Protocol):
    """Where the bucket of one API key is kept. One worker's; for one thread at a time."""

    def lease(self, ask: Ask) -> Grant:
        """Lease slots.

        Raises:
            LedgerFailed: the database did not answer in time; nothing may be sent.
        """
        ...


def new(now: float) -> Bucket:
    """A bucket that nobody has leased from."""
    return Bucket(now + EMPTY, now, now)


def lease(bucket: Bucket, name: str, ask: Ask, now: float) -> tuple[Bucket, Grant]:
    """The bucket after the lease of the worker ``name``, and what that worker gets.

    A clock that was set back is seen by ``seen_at`` and takes all times of the row back with it;
    one that was set forward lets a wait end early at worst. The lowest rate that an active worker
    was told is everybody's. A worker that asks for a slot always gets one, if in a while: so they
    take turns and nobody starves, however low the rate.
    """
    back = max(0.0, bucket.seen_at - now)
    workers = {
        other: known._replace(at=known.at - back)
        for other, known in bucket.workers.items()
        if known.at - back > now - ACTIVE and other != name
    }
    workers[name] = Worker(now, ask.rate, ask.found)
    rate = min((one.rate for one in workers.values() if one.rate is not None), default=None)
    found, found_at = bucket.found, bucket.found_at - back
    limits = [one.found for one in workers.values() if one.found is not None]
    if limits:
        found, found_at = sum(limits), now
    elif found_at <= now - REMEMBERED:
        found = None
    blocked_until = max(bucket.blocked_until - back, now + max(0.0, ask.blocked_for))
    start_at, count = max(bucket.next_at - back, blocked_until), 0
    next_at = start_at
    if rate is not None:
        count = min(ask.slots, max(1, math.floor(rate * ROUND / len(workers))))
        next_at = start_at + count / rate
    return (
        Bucket(next_at, now, blocked_until, found, found_at, workers),
        Grant(now, rate, count, start_at - now, blocked_until - now, found, len(workers)),
    )
