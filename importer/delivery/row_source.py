"""Where the pool takes its rows from: an iterator, or a stream that others fill meanwhile."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from importer.delivery.protocol.flight import Planned


class Rows(Protocol):
    """What a pool takes rows from."""

    @property
    def ready(self) -> bool:
        """``take`` would not wait."""
        ...

    @property
    def ended(self) -> bool:
        """No row will come any more; only ever known after a ``take``, or a ``close``."""
        ...

    async def take(self, most: int) -> list[Planned]:
        """The next rows, waiting for the first of them; none where none will come."""
        ...

    def close(self) -> None:
        """Nothing more is wanted."""
        ...


AT_A_TIME = 16
"""Rows that are made, taken up or told of their commit without a break: answers that come meanwhile
are kept waiting no longer."""


class Iterated:
    """The rows of an iterator, which never waits."""

    def __init__(self, rows: Iterator[Planned]) -> None:
        self._rows = rows
        self.ready = True
        self.ended = False

    async def take(self, most: int) -> list[Planned]:
        """As ``Rows.take``; fewer than were asked for are the last ones."""
        taken: list[Planned] = []
        while len(taken) < most:
            if taken:
                await anyio.lowlevel.checkpoint()
            before = len(taken)
            taken += islice(self._rows, min(AT_A_TIME, most - before))
            if len(taken) == before or self.ended:
                break
        # Not before: until they are taken up, rows that were made are still to come.
        self.ended = self.ended or len(taken) < most
        return taken

    def close(self) -> None:
        """What was not taken stays in the iterator; what is just being taken is the last."""
        self.ended = True


class Stream:
    """Rows that come in batches, until it is closed. For one event loop, and one taker."""

    def __init__(self) -> None:
        self._rows: deque[Planned] = deque()
        self._closed = False
        self._changed = anyio.Event()
        self.on_put: Callable[[], None] = lambda: None
        """Called when rows have come."""

    @property
    def ready(self) -> bool:
        """Rows are there, or none will come."""
        return self._closed or bool(self._rows)

    @property
    def ended(self) -> bool:
        """It is closed, and empty."""
        return self._closed and not self._rows

    def put(self, rows: Iterable[Planned]) -> None:
        """Add rows; what is put after ``finish`` or ``close`` is dropped."""
        if not self._closed:
            self._rows.extend(rows)
        self._tell()
        self.on_put()

    async def take(self, most: int) -> list[Planned]:
        """As ``Rows.take``."""
        while not self.ready:
            await self._changed.wait()
        return [self._rows.popleft() for _ in range(min(most, len(self._rows)))]

    def finish(self) -> None:
        """No row will be put any more; those that are there are still to be taken."""
        self._closed = True
        self._tell()
        self.on_put()

    def close(self) -> None:
        """Nothing more is wanted: rows that were not taken are dropped."""
        self._rows.clear()
        self.finish()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


APART = 16
"""Every so manieth row of a batch comes first, then those behind them, and so on."""


class Spread:
    """The same rows, those that stand together apart.

    Files are sorted, so rows with one trouble (a firewall that dislikes a street) stand in blocks;
    one after the other they would look like the run's. A first row that is asked for alone comes
    alone, and ``prepare`` makes those behind it while it is under way.
    """

    def __init__(self, rows: Rows, batch: int) -> None:
        self._rows = rows
        self._batch = batch
        self._taken: list[Planned] = []
        self._begun = self._closed = False
        self._taking = anyio.Lock()

    @property
    def ready(self) -> bool:
        """As ``Rows.ready``."""
        return bool(self._taken) or self._rows.ready

    @property
    def ended(self) -> bool:
        """As ``Rows.ended``."""
        return not self._taken and self._rows.ended

    async def take(self, most: int) -> list[Planned]:
        """As ``Rows.take``."""
        if not self._begun and most == 1:
            self._begun = True
            return await self._rows.take(1)
        await self.prepare(most)
        taken, self._taken = self._taken[:most], self._taken[most:]
        return taken

    async def prepare(self, most: int = 1) -> None:
        """Have rows at hand, if any are to come."""
        self._begun = True
        async with self._taking:
            if not self._taken:
                rows = await self._rows.take(max(most, self._batch))
                if not self._closed:  # while they were made
                    for first in range(APART):
                        self._taken += rows[first::APART]

    def close(self) -> None:
        """As ``Rows.close``; what was taken up here is dropped, and nothing of it was sent."""
        self._closed = True
        self._taken = []
        self._rows.close()
