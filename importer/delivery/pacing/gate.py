"""The gate before the wire: every request enters when its turn has come, and leaves with a sample.

Turns are first come, first served: who stands first waits for a place in flight, for the end of a
wait that the server asked for, and for its time at the allowed rate; the others stand behind. Each
request that ends lets as many pass as there is room for. Nothing polls and no background task
runs. With nobody in line and room to send, ``enter`` takes its turn without awaiting anything;
that starves nobody, because the way past the line is closed as soon as someone stands in it, and
what follows (the request) awaits anyway.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from importer.delivery.pacing.pace import (
    Kind,
    PaceSettings,
    Sample,
    adapt,
    answered,
    expecting,
    explain,
    send_rate,
    start,
)
from importer.delivery.pacing.rate_limit import limit
from importer.ledger.rate_bucket import Ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.delivery.pacing.pace import Pace
    from importer.delivery.pacing.server_hints import RateLimitHint
    from importer.delivery.pacing.shared_rate import SharedRate
    from importer.ledger.rate_bucket import Grant


SLACK = 0.05
"""Seconds by which a late turn may be made up for; a late timer must not cost throughput."""


class _Place:
    """Where one request stands in line."""

    __slots__ = ("called", "finishing", "looks_at", "sent_at")

    def __init__(self, *, finishing: bool) -> None:
        self.called = anyio.Event()
        self.finishing = finishing
        self.looks_at = math.inf
        """When it looks again by itself; infinite while it waits to be called."""
        self.sent_at: float | None = None
        """Once it may pass."""


class GateClosed(Exception):
    """Nobody is let in any more."""


class Gate:
    """Paces the requests of one run; for one event loop (asyncio or trio), not for threads."""

    def __init__(
        self,
        settings: PaceSettings,
        *,
        now: Callable[[], float] = anyio.current_time,
        shared: SharedRate | None = None,
    ) -> None:
        """Nobody has entered yet.

        ``shared`` is where the ceiling of the settings belongs to several workers together.
        """
        self._settings = settings
        self._now = now
        self._shared = shared
        self.in_flight = 0
        """Requests that have entered and not left."""
        self._line: deque[_Place] = deque()
        self._due = -math.inf
        """When the next one may go, for what the server asked and for the rate."""
        self._change(start(settings if shared is None else replace(settings, rate_ceiling=None)))
        self._closed = False
        self._begun = False
        """The other workers have been heard."""

    def _change(self, pace: Pace) -> None:
        self._pace = pace
        self._has_rate = pace.has_rate
        self._due = max(self._due, pace.hold_until)

    @property
    def pace(self) -> Pace:
        """The current limits, for logs and tests."""
        return self._pace

    @property
    def reason(self) -> str:
        """Why the run is not faster, in plain words; empty when nothing holds it."""
        now = self._now()
        others = self._shared.reason(now) if self._shared is not None else ""
        return others or explain(self._pace, now)

    def close(self) -> None:
        """Let nobody in any more but those who finish what they began; who stands in line hears."""
        self._closed = True
        for place in self._line:
            place.called.set()

    def enter_now(self) -> float | None:
        """Take the turn of one request without waiting; its send time, None where it must wait.

        ``close`` is the caller's to heed.
        """
        now = self._now()
        return None if self._line or self._delay(now) > 0 else self._take(now)

    async def enter(self, *, finishing: bool = False) -> float:
        """Wait for the turn of one request; returns its send time (monotonic seconds).

        Every ``enter`` that returned is followed by exactly one ``leave`` or ``abandon``. A
        cancelled wait has taken nothing.

        Raises:
            GateClosed: the gate was closed, and this request is not ``finishing``.
        """
        if self._closed and not finishing:
            raise GateClosed
        if (sent_at := self.enter_now()) is not None:
            return sent_at
        place = _Place(finishing=finishing)
        self._line.append(place)
        try:
            while place.sent_at is None:
                await self._stand(place)
        except BaseException:
            if place.sent_at is not None:
                self.abandon()
            else:
                self._line.remove(place)
                self._admit()
            raise
        return place.sent_at

    async def _stand(self, place: _Place) -> None:
        """Wait for one's turn, or for a change; who stands first also watches the time."""
        if self._closed and not place.finishing:
            raise GateClosed
        delay = math.inf
        if self._line[0] is place:
            now = self._now()
            delay = self._delay(now)
            if delay <= 0:
                self._admit()
                return
            place.looks_at = now + delay
        place.called = anyio.Event()
        if delay == math.inf:
            await place.called.wait()
        else:
            with anyio.move_on_after(delay):
                await place.called.wait()

    def leave(
        self,
        sample_kind: str,
        sent_at: float,
        *,
        retry_after: float | None = None,
        hint: RateLimitHint | None = None,
    ) -> None:
        """``hear`` how a request ended, and give its place back."""
        self.hear(sample_kind, sent_at, retry_after=retry_after, hint=hint)
        self.abandon()

    def passed(self, sent_at: float) -> None:
        """``leave`` of a request that went well, and whose answer says nothing of a rate."""
        now = self._now()
        latency = now - sent_at
        latency = latency if latency > 0 else 0.0
        self._pace = answered(self._pace, now, latency, self.in_flight)
        self.abandon()

    def hear(
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
            now, max(0.0, now - sent_at), self.in_flight, Kind(sample_kind), retry_after, hint
        )
        held_until = self._pace.hold_until
        self._change(adapt(self._pace, sample))
        if self._shared is not None and self._pace.hold_until > held_until:
            self._shared.tell()

    def abandon(self) -> None:
        """Give the place back without a sample, for a request that was cancelled."""
        self.in_flight -= 1
        if self._line:
            self._admit()

    def ask(self) -> Ask:
        """What the other workers are told of this one."""
        now, pace = self._now(), self._pace
        rates = [self._settings.rate_ceiling, pace.cap if now < pace.cap_until else None]
        return Ask(
            slots=max(0, min(len(self._line), pace.limit - self.in_flight)),
            rate=min((rate for rate in rates if rate is not None), default=None),
            blocked_for=max(0.0, pace.hold_until - now),
            found=limit(pace.rate),
        )

    def told(self, grant: Grant) -> None:
        """Let pass whose turn has come; at first also hear what the other workers have found."""
        if grant.found is not None and not self._begun:
            # Later it would cut a worker that has not been refused to the share of one that was.
            self._change(expecting(self._pace, grant.found / grant.workers, self._now()))
        self._begun = True
        self._admit()

    def _admit(self) -> None:
        """Let everyone pass whose turn has come, and tell who is first then since when."""
        now, delay = self._now(), 0.0
        while self._line:
            delay = self._delay(now)
            if delay > 0:
                break
            place = self._line.popleft()
            place.sent_at = self._take(now)
            place.called.set()
        # A time that comes a little later than now thought is soon enough.
        if self._line and now + delay < self._line[0].looks_at - SLACK:
            self._line[0].called.set()

    def _delay(self, now: float) -> float:
        """Seconds until the next request may go, as far as known now; infinite without a place."""
        if self.in_flight + 1 > self._pace.flight.limit:  # as ``pace.limit``, which costs a call
            return math.inf
        delay = self._due - now
        return delay if self._shared is None else max(delay, self._shared.delay(now))

    def _take(self, now: float) -> float:
        self.in_flight += 1
        if self._shared is not None:
            more = bool(self._line) and self.in_flight < self._pace.limit
            self._shared.take(now, more=more)
        if self._has_rate and (rate := send_rate(self._pace, now)) is not None:
            self._due = max(self._due, now - SLACK) + 1 / rate
        return now
