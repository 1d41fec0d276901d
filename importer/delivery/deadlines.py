"""Ends exchanges that take too long, with one timer for all of them.

A timer of its own for each request costs as much as a third of the request.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    import asyncio

    from aiohttp.connector import Connection

LOOKS = 8
"""Looks within the time that an exchange may take: it ends at most an eighth of that late."""
RAREST = 1.0
"""Seconds between two looks, at most."""


class Deadlines:
    """Watches connections from when they are taken until they are given back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: dict[Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.seconds: float | None = None
        """How long an exchange may take; None is for ever."""

    def watch(self, connection: Connection) -> None:
        """End the exchange on this connection as a timeout, unless it is given back in time."""
        if self.seconds is None:
            return
        self._due[connection] = self._loop.time() + self.seconds
        connection.add_callback(partial(self._forget, connection))
        if self._timer is None:
            self._look_later(self.seconds)

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()

    def _forget(self, connection: Connection) -> None:
        self._due.pop(connection, None)

    def _look_later(self, seconds: float) -> None:
        self._timer = self._loop.call_later(min(RAREST, seconds / LOOKS), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for connection in [one for one, due in self._due.items() if due <= now]:
            del self._due[connection]
            if connection.protocol is not None:
                connection.protocol.set_exception(aiohttp.SocketTimeoutError("no answer in time"))
                connection.protocol.close()
        if self._due and self.seconds is not None:
            self._look_later(self.seconds)
