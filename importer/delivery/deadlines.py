"""Ends exchanges that take too long, with one timer for all of them.

A timer of its own for each request would cost as much as the rest of the exchange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

LOOKS = 8
"""Looks within the time that an exchange may take: it ends at most an eighth of that late."""
RAREST = 1.0
"""Seconds between two looks, at most."""


class Expiring(Protocol):
    """What can be watched."""

    def expire(self) -> None:
        """End as a timeout."""
        ...


class Deadlines:
    """Watches exchanges from their beginning to their end."""

    def __init__(self) -> None:
        self._due: dict[Expiring, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, one: Expiring, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        """End it as a timeout, unless it is forgotten in time."""
        self._due[one] = loop.time() + seconds
        if self._timer is None:
            self._look_later(seconds, loop)

    def forget(self, one: Expiring) -> None:
        """It has ended."""
        self._due.pop(one, None)

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()

    def _look_later(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(min(RAREST, seconds / LOOKS), self._look, seconds, loop)

    def _look(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for one in [one for one, due in self._due.items() if due <= now]:
            self.forget(one)
            one.expire()
        if self._due:
            self._look_later(seconds, loop)
