"""The gate before the wire: every request enters when its turn has come, and leaves with a sample.

Turns are first come, first served: one task at a time stands at the gate and waits for a place in
flight, for the end of a wait that the server asked for, and for its time at the allowed rate; the
others queue behind it. Nothing polls and no background task runs. With nobody queueing and room
to send, ``enter`` takes its turn without awaiting anything; that starves nobody, because the way
past the queue is closed as soon as someone queues, and what follows (the request) awaits anyway.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

from importer.delivery.pacing import Kind, PaceSettings, Sample, adapt, explain, send_rate, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.delivery.pacing import Pace
    from importer.delivery.ratelimit_headers import RateLimitHint

SLACK = 0.05
"""Seconds by which a late turn may be made up for; a late timer must not cost throughput."""


class HoldTooLong(Exception):
    """The server asks to wait for longer than the run has patience for."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"asked to wait {seconds:.0f} s")
        self.seconds = seconds


class Gate:
    """Paces the requests of one run; for one event loop (asyncio or trio), not for threads."""

    def __init__(
        self, settings: PaceSettings, *, now: Callable[[], float] = anyio.current_time
    ) -> None:
        self._settings = settings
        self._now = now
        self._pace = start(settings)
        self._in_flight = 0
        self._queue = anyio.Lock(fast_acquire=True)
        self._queueing = 0
        self._changed: anyio.Event | None = None
        self._waits_for = 0.0
        self._due = -math.inf

    @property
    def in_flight(self) -> int:
        """Requests that have entered and not left."""
        return self._in_flight

    @property
    def pace(self) -> Pace:
        """The current limits, for logs and tests."""
        return self._pace

    @property
    def reason(self) -> str:
        """Why the run is not faster, in plain words; empty when nothing holds it."""
        return explain(self._pace, self._now())

    async def enter(self) -> float:
        """Wait for the turn of one request; returns its send time (monotonic seconds).

        Every ``enter`` that returned is followed by exactly one ``leave`` or ``abandon``. A
        cancelled wait has taken nothing.

        Raises:
            HoldTooLong: the server asks to wait for longer than ``settings.patience``.
        """
        if not self._queueing:
            now = self._now()
            if self._delay(now) <= 0:
                return self._take(now)
        self._queueing += 1
        try:
            async with self._queue:
                while (delay := self._delay(now := self._now())) > 0:
                    self._changed, self._waits_for = anyio.Event(), delay
                    with anyio.move_on_after(delay):
                        await self._changed.wait()
                # Nothing awaits between here and the return, so a cancellation cannot lose it.
                return self._take(now)
        finally:
            self._queueing -= 1

    def leave(
        self,
        sample_kind: str,
        sent_at: float,
        *,
        retry_after: float | None = None,
        hint: RateLimitHint | None = None,
    ) -> None:
        """Report how a request that entered at ``sent_at`` ended.

        Args:
            sample_kind: ``ok``, ``throttled``, ``fault`` or ``lost``, see ``pacing.Kind``.
            sent_at: what ``enter`` returned.
            retry_after: seconds that the answer asked to wait.
            hint: what its RateLimit headers said.

        Raises:
            ValueError: ``sample_kind`` is none of the four.
        """
        now = self._now()
        sample = Sample(
            now, max(0.0, now - sent_at), self._in_flight, Kind(sample_kind), retry_after, hint
        )
        self._pace = adapt(self._pace, sample, self._settings)
        self.abandon()

    def abandon(self) -> None:
        """Give the place back without a sample, for a request that was cancelled."""
        self._in_flight -= 1
        # Who stands at the gate for a short time only looks again soon enough by itself.
        if self._changed is not None and self._waits_for > SLACK:
            self._changed.set()

    def _delay(self, now: float) -> float:
        """Seconds until the next request may go, as far as known now; infinite without a place."""
        hold = self._pace.hold_until - now
        if hold > self._settings.patience:
            raise HoldTooLong(hold)
        if self._in_flight >= self._pace.limit:
            return math.inf
        return max(hold, self._due - now)

    def _take(self, now: float) -> float:
        self._in_flight += 1
        self._changed = None
        rate = send_rate(self._pace, now)
        if rate is not None:
            self._due = max(self._due, now - SLACK, self._pace.hold_until) + 1 / rate
        return now
