"""One rate over all workers, as one of them sees it: slots leased ahead from the ledger's database.

The gate asks here before each request, and is answered at once: from slots that are at hand. They
are leased in the background, a fraction of a second ahead, so that no request waits for the
database and the event loop never does. Where the database is away, nothing is leased and so nothing
is sent.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio

from importer.delivery.pacing.pace import spoken
from importer.errors import RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.delivery.committer import Offload
    from importer.ledger.rate_bucket import Ask, Grant, RateLedger

LATE = 0.25
"""Seconds after its time in which a slot may still be used; then it is lost. So in any second the
workers together may send what this much time allows above the rate, and no more."""
LOW = 0.15
"""Seconds before the last slot at hand from which on more are leased."""
POLL = 0.25
"""Seconds after which a worker that needs nothing asks how the others fare."""
SILENT = 1.0
"""Seconds without an answer of the database that a person is told about."""
HEARSAY = 2.0
"""Seconds for which "nobody set a rate" is believed."""


class Paced(Protocol):
    """The gate, as this module sees it."""

    def ask(self) -> Ask:
        """How it stands; ``slots`` is how many requests could go at once, were there slots."""
        ...

    def told(self, grant: Grant) -> None:
        """Something came: who stands in line looks again."""
        ...


class SharedRate:
    """The slots at hand of one worker; for one event loop, not for threads."""

    def __init__(
        self, ledger: RateLedger, *, offload: Offload, now: Callable[[], float] = anyio.current_time
    ) -> None:
        self._ledger = ledger
        self._offload = offload
        self._now = now
        self._slots: deque[float] = deque()
        """When each may be used, monotonic seconds, ascending."""
        self._used = 0
        """Since the last lease was asked for."""
        self._scarce_since = math.inf
        """Since when each slot that was used left somebody standing who could have gone as well."""
        self._blocked_until = -math.inf
        self._free_until = -math.inf
        """Until then no slot is needed."""
        self._heard_at = -math.inf
        self._last: Grant | None = None
        self._woken = anyio.Event()
        self.failed: RunStopped | None = None
        """Why no slots are leased any more."""

    def delay(self, now: float) -> float:
        """Seconds until the next request may go; infinite where the gate will be told."""
        if now < self._blocked_until:
            return self._blocked_until - now
        if now < self._free_until:
            return 0.0
        while self._slots and self._slots[0] < now - LATE:
            self._slots.popleft()
        if self._slots:
            return max(0.0, self._slots[0] - now)
        self._woken.set()
        return math.inf

    def take(self, now: float, *, more: bool) -> None:
        """Use the slot that ``delay`` spoke of; it is used up even if no request leaves.

        ``more``: somebody else could go as well, had he a slot.
        """
        self._used += 1
        self._scarce_since = min(self._scarce_since, now) if more else math.inf
        if now >= self._free_until:
            self._slots.popleft()
            if not self._slots or self._slots[-1] < now + LOW:
                self._woken.set()

    def tell(self) -> None:
        """Let the others know at once how the gate stands: the server asked to wait."""
        self._woken.set()

    def reason(self, now: float) -> str:
        """Why this worker sends no faster, in plain words; empty when it is not for the others."""
        if now < self._blocked_until:
            return f"waiting {math.ceil(self._blocked_until - now)} s: Moment sent Retry-After"
        if self._last is None or now - self._heard_at > SILENT:
            return "waiting for the ledger's database, which keeps the rate of all workers"
        if self._last.rate is None or now - self._scarce_since < SILENT:
            return ""
        among = f", shared by {self._last.workers} workers" if self._last.workers > 1 else ""
        return f"at the ceiling of {spoken(self._last.rate)} requests/s (--rate){among}"

    async def run(self, gate: Paced, stop: Callable[[], None]) -> None:
        """Lease ahead until cancelled, or until the database has been away for too long.

        Then ``stop`` is called and ``failed`` says why: requests in flight may still finish.
        """
        while True:
            self._woken = anyio.Event()
            ask = gate.ask()
            if self._has_enough():
                ask = ask._replace(slots=0)
            else:
                # A little more than was used, or who asked for too few once never gets more.
                ask = ask._replace(
                    slots=ask.slots + self._used + self._used // 4 + bool(self._used)
                )
                self._used = 0
            try:
                grant = await self._offload(partial(self._ledger.lease, ask))
            except RunStopped as error:
                self.failed = error
                stop()
                return
            self._take_in(grant)
            gate.told(grant)
            with anyio.move_on_after(POLL):
                await self._woken.wait()

    def _has_enough(self) -> bool:
        return bool(self._slots) and self._slots[-1] >= self._now() + LOW

    def _take_in(self, grant: Grant) -> None:
        # Counted from now, when the answer is here: later than the database meant, never earlier.
        now = self._heard_at = self._now()
        self._last = grant
        self._blocked_until = now + grant.blocked_for if grant.blocked_for > 0 else -math.inf
        if grant.rate is None:
            self._slots.clear()
            self._free_until = now + HEARSAY
            return
        self._free_until = -math.inf
        while self._slots and self._slots[0] < self._blocked_until:
            self._slots.popleft()
        start, gap = now + grant.start_in, 1 / grant.rate
        if self._slots:
            start = max(start, self._slots[-1])  # an answer that was slower than this one
        self._slots.extend(start + gap * number for number in range(grant.slots))
