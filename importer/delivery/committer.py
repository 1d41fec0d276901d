"""Group commit: rows ask for durable transitions one by one, the ledger gets them in batches.

While one batch is being written the next one gathers. What somebody waits for is written at once;
what nobody waits for (the id of a row that is settled) may gather for ``LINGER`` first, so that a
busy pool shares one fsync among many rows.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import anyio.lowlevel

from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from importer.delivery.protocol.states import Sent
from importer.delivery.row_source import AT_A_TIME
from importer.errors import BugFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from importer.clock import Clock
    from importer.delivery.protocol.states import (
        Attempt,
        State,
        Transition,
        UpdateState,
        UpdateTransition,
    )
    from importer.ledger.interface import LedgerWriter

    _Asked = tuple[int, Callable[..., None], object]
    """How many transitions were asked for together, what is called with the list of their results,
    and None. Of one that was submitted 0, and whose it is, which is called with it first."""

T = TypeVar("T")

LINGER = 0.02
"""Seconds that a settled row may wait for others to share its commit."""
ENOUGH = 256
"""Settled rows that are written without waiting for more."""
MOST_SUBMITTED = 512
"""Submitted transitions that are not durable yet, beyond which ``submit`` waits."""


class Offload(Protocol):
    """Runs a blocking call without blocking the loop: a thread, or inline in a simulation."""

    async def __call__(self, call: Callable[[], T], /) -> T:
        """The call's result; its exceptions pass through."""
        ...


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
        self._transitions: list[Transition | UpdateTransition] = []
        self._queue: list[_Asked] = []
        """Who asked for them, in their order."""
        self._attempts: list[Attempt] = []
        self._work = anyio.Event()
        self._hurry = anyio.Event()
        self._closing = False
        self.room = MOST_SUBMITTED
        """How many transitions ``submit`` takes before ``has_room`` waits."""
        self._made_room = anyio.Event()
        """Set when submitted transitions became durable."""

    async def commit(self, transitions: Sequence[Transition]) -> list[State | None]:
        """Make the transitions durable; None where applied, else the state found instead."""
        for one in transitions:
            if one.new.generation < one.expected.generation:
                raise _goes_back()
        if self._write_ahead:
            return await self._written(transitions)
        # An ablation: what is to be sent is not waited for.
        durable = [i for i, one in enumerate(transitions) if not isinstance(one.new, Sent)]
        results: list[State | None] = [None] * len(transitions)
        if len(durable) < len(transitions):
            others = [one for one in transitions if isinstance(one.new, Sent)]
            self._ask(others, lambda _: None)
        found = await self._written([transitions[index] for index in durable])
        for index, state in zip(durable, found, strict=True):
            results[index] = state
        return results

    async def commit_updates(
        self, transitions: Sequence[UpdateTransition]
    ) -> list[UpdateState | None]:
        """The same for updates, which share the group commits."""
        return await self._written(transitions)

    async def _written(self, transitions: Sequence[Transition | UpdateTransition]) -> list[Any]:
        """Ask for them, and wait for their results."""
        if not transitions:
            return []
        results: list[Any] = []
        done = anyio.Event()

        def then(found: list[Any]) -> None:
            results.extend(found)
            done.set()

        self._ask(transitions, then)
        self._hurry.set()
        await done.wait()
        return results

    async def has_room(self) -> None:
        """Wait while too many submitted transitions are under way."""
        while self.room <= 0:
            await self._made_room.wait()

    def submit(
        self, transition: Transition, then: Callable[[T, State | None], None], whose: T
    ) -> None:
        """Make the transition durable soon; ``then`` hears whose, and what ``commit`` returns.

        Whoever submits awaits ``has_room`` before.
        """
        if transition.new.generation < transition.expected.generation:
            raise _goes_back()
        self.room -= 1
        queue = self._queue
        if not queue:  # else it is set already
            self._work.set()
        self._transitions.append(transition)
        queue.append((0, then, whose))
        if len(queue) >= ENOUGH:
            self._hurry.set()

    def _ask(
        self,
        transitions: Sequence[Transition | UpdateTransition],
        then: Callable[[list[Any]], None],
    ) -> None:
        self._transitions += transitions
        self._queue.append((len(transitions), then, None))
        self._work.set()

    def note(self, attempt: Attempt) -> None:
        """Add to the row's history with the next group commit."""
        self._attempts.append(attempt)

    def hurry(self) -> None:
        """Write what was asked for without waiting for more: nothing else is to come."""
        self._hurry.set()

    def close(self) -> None:
        """Let ``run`` end once everything that was asked for is durable."""
        self._closing = True
        self._hurry.set()
        self._work.set()

    async def run(self) -> None:
        """Write batches until closed.

        Raises:
            LedgerFailed: a batch could not be written; none of it is in the ledger.
            BugFound: the ledger answered something else than was asked.
        """
        while True:
            await self._work.wait()
            if not self._hurry.is_set():
                with anyio.move_on_after(LINGER):
                    await self._hurry.wait()
            self._work = anyio.Event()
            self._hurry = anyio.Event()
            await self._write()
            if self._closing and not self._queue:
                await self._write()
                return

    async def _write(self) -> None:
        batch, self._queue = self._queue, []
        transitions, self._transitions = self._transitions, []
        attempts, self._attempts = self._attempts, []
        if not batch and not attempts:
            return
        now = self._clock.now()
        results = await self._offload(
            lambda: self._ledger.apply(transitions, attempts, run_id=self._run_id, now=now)
        )
        if len(results) != len(transitions):
            what = f"{len(transitions)} changes of the ledger have {len(results)} results"
            raise BugFound(what, safe="everything that was sent is in the ledger")
        found = iter(results)
        for first in range(0, len(batch), AT_A_TIME):
            part = batch[first : first + AT_A_TIME]
            for count, then, whose in part:
                if count:
                    then(list(islice(found, count)))
                else:
                    self.room += 1
                    then(whose, next(found))
            if len(part) == AT_A_TIME:
                await anyio.lowlevel.checkpoint()
        self._made_room.set()
        self._made_room = anyio.Event()


def _goes_back() -> BugFound:
    return BugFound("a generation goes back", safe="nothing was sent for it")
