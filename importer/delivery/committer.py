"""Group commit: rows ask for durable transitions one by one, the ledger gets them in batches.

While one batch is being written the next one gathers, so a lone row is written at once and a busy
pool shares one fsync among many rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio

from importer.delivery.safeguards import ALL_ON, Safeguards
from importer.delivery.states import Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from importer.clock import Clock
    from importer.delivery.states import Attempt, State, Transition

T = TypeVar("T")


class LedgerWriter(Protocol):
    """The part of the ledger that delivery writes to (importer.ledger.Ledger)."""

    def apply(
        self,
        transitions: Sequence[Transition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
    ) -> list[State | None]:
        """Apply in one durable transaction; None where applied, else the state found instead."""
        ...


class Offload(Protocol):
    """Runs a blocking call without blocking the loop: a thread, or inline in a simulation."""

    async def __call__(self, call: Callable[[], T], /) -> T:
        """The call's result; its exceptions pass through."""
        ...


class _Waiting:
    __slots__ = ("done", "result", "transition")

    def __init__(self, transition: Transition) -> None:
        self.transition = transition
        self.done = anyio.Event()
        self.result: State | None = None


class Committer:
    """Batches the transitions of all rows in flight into group commits.

    ``run`` must be running in a task group while ``commit`` is awaited. A ledger failure ends
    ``run`` with that error, and with it the task group: nothing is sent without a ledger.
    """

    def __init__(
        self,
        ledger: LedgerWriter,
        *,
        run_id: str,
        clock: Clock,
        offload: Offload,
        safeguards: Safeguards = ALL_ON,
    ) -> None:
        self._ledger = ledger
        self._run_id = run_id
        self._clock = clock
        self._offload = offload
        self._write_ahead = safeguards.write_ahead
        self._queue: list[_Waiting] = []
        self._attempts: list[Attempt] = []
        self._work = anyio.Event()
        self._closing = False

    async def commit(self, transitions: Sequence[Transition]) -> list[State | None]:
        """Make the transitions durable; None where applied, else the state found instead."""
        waiting = [_Waiting(transition) for transition in transitions]
        self._queue += waiting
        self._work.set()
        for one in waiting:
            if self._write_ahead or not isinstance(one.transition.new, Sent):
                await one.done.wait()
        return [one.result for one in waiting]

    def note(self, attempt: Attempt) -> None:
        """Add to the row's history with the next group commit."""
        self._attempts.append(attempt)

    def close(self) -> None:
        """Let ``run`` end once everything that was asked for is durable."""
        self._closing = True
        self._work.set()

    async def run(self) -> None:
        """Write batches until closed.

        Raises:
            LedgerFailed: a batch could not be written; none of it is in the ledger.
        """
        while True:
            await self._work.wait()
            self._work = anyio.Event()
            await self._write()
            if self._closing and not self._queue:
                await self._write()
                return

    async def _write(self) -> None:
        batch, self._queue = self._queue, []
        attempts, self._attempts = self._attempts, []
        if not batch and not attempts:
            return
        transitions = [one.transition for one in batch]
        now = self._clock.now()
        results = await self._offload(
            lambda: self._ledger.apply(transitions, attempts, run_id=self._run_id, now=now)
        )
        for one, result in zip(batch, results, strict=True):
            one.result = result
            one.done.set()
