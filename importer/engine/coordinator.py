"""Gives batches of rows to workers, hears their answers, and keeps what is global: the run.

How a batch gets to a worker is the carrier's business. It may lose a worker at any time, dead or
only cut off, and with it the answer to a batch that was delivered in part or whole: then another
worker gets that batch. Each row's outcome is told exactly once.
"""

from __future__ import annotations

from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import anyio

from importer.delivery.pool import OTHERS
from importer.delivery.stopping import one_cause, stop_error
from importer.engine.row_batch import RowBatch, Standing, carried
from importer.errors import BugFound, ImporterError, LedgerFailed, RunStopped
from importer.outcomes import Outcome
from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskGroup

    from importer.delivery.protocol.events import Settle
    from importer.delivery.protocol.flight import Planned, Settled
    from importer.engine.row_batch import Answer, OwnDoing, Stop

OUTSTANDING = 3
"""Batches that a worker has at once: one ends, one is under way, one is on its way."""
MOST_DEATHS = 3
"""Workers that may die while they have one and the same batch."""
FIRST_ROWS = OTHERS + 1
"""Rows of a batch that is sent alone, before anything has shown that the run is right."""
ROWS = (50, 2000)
"""Rows of any other batch, least and most."""
TAKES = 4.0
"""Seconds that a batch should take: a death costs so much."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the workers."""
GRACE = 30.0
"""Seconds that workers may take to answer after a stop (a pool's own grace is shorter)."""
IN_LEDGER = "everything that was sent is in the ledger"


class WorkerLost(Exception):
    """The worker is gone, or cut off; what it did with its batch only the ledger knows."""


class Carrier(Protocol):
    """Reaches workers. Every method may raise RunStopped: none can be reached any more."""

    def connected(self) -> AbstractAsyncContextManager[object]:
        """Connected, while the context lasts."""
        ...

    async def workers(self) -> Mapping[str, bool]:
        """Those that are there, by name; whether each takes further batches."""
        ...

    async def greet(self, worker: str) -> Stop | None:
        """Make a worker ready for this run; why it cannot take part, if it cannot.

        Raises:
            WorkerLost: it is gone.
        """
        ...

    async def carry(self, worker: str, batch: RowBatch) -> Answer:
        """Have a worker deliver a batch.

        Raises:
            WorkerLost: it is gone, and with it the answer.
        """
        ...

    async def standings(self) -> Mapping[str, Standing]:
        """How the delivery stands in each worker that says so."""
        ...

    async def stop(self) -> None:
        """Let all workers take no new rows, and answer what they have."""
        ...

    async def finish(self) -> Mapping[str, tuple[Standing, Stop | None]]:
        """Let all workers end this delivery; how it stands, and what speaks against it."""
        ...


@record
class _Batch:
    """A batch that has no answer yet."""

    sent: RowBatch
    planned: dict[int, Planned]
    deaths: int = 0


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker, as long as it is there."""

    name: str
    rows: int
    """Of its next batch."""
    takes: bool = True
    ready: bool = False
    """It has been greeted, and can take part."""
    requests: int = 0
    """That it had sent by its last answer."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Coordinator:
    """An engine (``seam.Engine``) that delivers in workers."""

    def __init__(
        self,
        carrier: Carrier,
        *,
        on_settled: Callable[[Settled], None],
        monotonic: Callable[[], float],
        patience: float,
        warn: Callable[[str], None] = lambda _: None,
        own: OwnDoing,
        sizes: tuple[int, int] = ROWS,
    ) -> None:
        """Make one.

        Args:
            carrier: reaches the workers.
            on_settled: hears each row's outcome.
            monotonic: the clock, seconds.
            patience: seconds without any worker after which the run stops.
            warn: hears of a worker that cannot take part.
            own: asked for rows that one worker left unsettled, while another had them.
            sizes: rows of a batch, least and most.
        """
        self._carrier = carrier
        self._on_settled = on_settled
        self._monotonic = monotonic
        self._patience = patience
        self._warn = warn
        self._own = own
        self._sizes = sizes
        self._rows: Iterator[Planned] = iter(())
        self._exhausted = False
        self._numbers = 0
        self._returned: deque[_Batch] = deque()
        """Batches whose worker was lost."""
        self._out: dict[int, _Batch] = {}
        self._workers: dict[str, _Worker] = {}
        self._standings: dict[str, Standing] = {}
        self._open = False
        """A row was answered sensibly: batches need not go alone any more."""
        self._asked = 0
        """Rows of answers that cost requests."""
        self._doubtful: list[Settled] = []
        """Left unsettled by one worker, after another had them."""
        self._seen_at = 0.0
        """When a ready worker was last there."""
        self._stop = anyio.Event()
        self._done = anyio.Event()
        self._changed = anyio.Event()
        self._stopped_by: ImporterError | None = None
        self._lost = False
        """The carrier reaches nobody any more."""

    # The engine -----------------------------------------------------------------------------------

    async def deliver(self, rows: Iterator[Planned]) -> None:
        """As ``Engine.deliver``; what has no outcome then, only the ledger knows."""
        self._rows = rows
        self._seen_at = self._monotonic()
        try:
            async with self._carrier.connected(), anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, tasks)
                tasks.start_soon(self._heed_stop)
                await self._done.wait()
                await self._finish()
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise one_cause(group) from None
        self._tell_doubtful()
        if self._stopped_by is not None:
            raise self._stopped_by

    def stop(self) -> None:
        """As ``Engine.stop``."""
        self._stop.set()
        self._tell()

    @property
    def requests(self) -> tuple[int, int, int]:
        """As ``Engine.requests``; of a worker that died, what it had told."""
        every = [one.requests for one in self._standings.values()]
        return (
            sum(one[0] for one in every),
            sum(one[1] for one in every),
            sum(one[2] for one in every),
        )

    @property
    def answers(self) -> Mapping[tuple[str, int], int]:
        """As ``Engine.answers``; of a worker that died, what it had told."""
        counts: Counter[tuple[str, int]] = Counter()
        for standing in self._standings.values():
            for method, status, number in standing.answers:
                counts[method, status] += number
        return counts

    @property
    def clock_ahead(self) -> float | None:
        """As ``Engine.clock_ahead``, of the worker whose clock is furthest off."""
        every = (one.clock_ahead for one in self._standings.values())
        return max((one for one in every if one is not None), key=abs, default=None)

    @property
    def in_flight(self) -> int:
        """As ``Engine.in_flight``."""
        return sum(one.in_flight for one in self._present())

    @property
    def waiting(self) -> int:
        """As ``Engine.waiting``."""
        return sum(one.waiting for one in self._present())

    @property
    def holding(self) -> str:
        """As ``Engine.holding``: of one worker, or how many are held."""
        if not any(one.ready for one in self._workers.values()):
            return "waiting for a worker"
        reasons = [one.holding for one in self._present() if one.holding]
        if len(reasons) < 2:  # noqa: PLR2004 - one speaks for itself
            return reasons[0] if reasons else ""
        return f"{len(reasons)} workers: {reasons[0]}"

    def _present(self) -> list[Standing]:
        return [one for name, one in self._standings.items() if name in self._workers]

    # Workers --------------------------------------------------------------------------------------

    async def _watch(self, tasks: TaskGroup) -> None:
        """Know the workers: give work to those that come, take it back from those that go."""
        while True:
            try:
                present = await self._carrier.workers()
                for name, standing in (await self._carrier.standings()).items():
                    self._note(name, standing)
            except RunStopped as lost:
                self._lose(lost)
                return
            for name in self._workers.keys() - present.keys():
                self._forget(self._workers[name])
            for name, takes in present.items():
                if name in self._workers:
                    self._workers[name].takes = takes
                elif takes:
                    self._workers[name] = worker = _Worker(name, 4 * self._sizes[0])
                    tasks.start_soon(self._employ, worker)
            if any(one.ready for one in self._workers.values()):
                self._seen_at = self._monotonic()
            elif self._monotonic() - self._seen_at > self._patience:
                self._halt(_no_worker(self._patience))
            self._tell()
            await anyio.sleep(LOOK_EVERY)

    async def _employ(self, worker: _Worker) -> None:
        """Greet a worker, and keep it in work for as long as it is there."""
        with worker.scope:
            try:
                unfit = await self._carrier.greet(worker.name)
            except WorkerLost:
                return
            if unfit is not None:
                self._dismiss(unfit)
                return
            worker.ready = True
            self._seen_at = self._monotonic()
            async with anyio.create_task_group() as lanes:
                for _ in range(OUTSTANDING):
                    lanes.start_soon(self._lane, worker)

    def _dismiss(self, unfit: Stop) -> None:
        """A worker that cannot take part stops the run before it began, and is left later."""
        if self._open:
            self._warn(unfit.message)
        else:
            self._halt(unfit.error())

    async def _lane(self, worker: _Worker) -> None:
        """Carry batch after batch to a worker."""
        while not self._done.is_set():
            batch = None
            try:
                batch = self._next(worker) if worker.takes else None
            except RunStopped as failed:  # the ledger, which the next rows are read from
                self._halt(failed)
            if batch is None:
                self._end_if_done()
                await self._changed.wait()
                continue
            began = self._monotonic()
            answer: Answer | None = None
            try:
                answer = await self._carrier.carry(worker.name, batch.sent)
            except WorkerLost:
                self._forget(worker)
                return
            except RunStopped as lost:
                self._lose(lost)
                return
            finally:
                # Also where the worker was found to be gone, which cancels this.
                self._heard(worker, batch, answer)
            least, most = self._sizes
            if len(batch.planned) >= least:
                took = max(self._monotonic() - began, 0.01)
                rows = int(len(batch.planned) * min(2.0, max(0.5, TAKES / took)))
                worker.rows = min(most, max(least, rows))

    def _note(self, name: str, standing: Standing) -> None:
        """How a worker stands, unless that was said before what is known."""
        held = self._standings.get(name)
        if held is None or sum(held.requests) <= sum(standing.requests):
            self._standings[name] = standing

    def _forget(self, worker: _Worker) -> None:
        """It is gone: what it has goes elsewhere. Should it come back, it is greeted again."""
        if self._workers.get(worker.name) is worker:
            del self._workers[worker.name]
        worker.scope.cancel()

    # Batches --------------------------------------------------------------------------------------

    def _next(self, worker: _Worker) -> _Batch | None:
        """The next batch, if there is one that may go."""
        if self._stop.is_set() or self._must_wait():
            return None
        if self._returned:
            batch = self._returned.popleft()
        else:
            rows = worker.rows if self._open else FIRST_ROWS
            planned = [] if self._exhausted else list(islice(self._rows, rows))
            self._exhausted = len(planned) < rows
            if not planned:
                return None
            self._numbers += 1
            sent = RowBatch(self._numbers, tuple(map(carried, planned)))
            batch = _Batch(sent, {one.position: one for one in planned})
        self._out[batch.sent.number] = batch
        return batch

    def _must_wait(self) -> bool:
        """Until a row was answered sensibly, batches go alone."""
        return bool(self._out) and not self._open

    def _heard(self, worker: _Worker, batch: _Batch, answer: Answer | None) -> None:
        """A batch is answered, or its worker is lost."""
        del self._out[batch.sent.number]
        if answer is not None:
            self._answered(worker, batch, answer)
        elif not self._stop.is_set():
            batch.deaths += 1
            self._returned.append(batch)
            if batch.deaths >= MOST_DEATHS:
                self._halt(_deadly())
        self._end_if_done()
        self._tell()

    def _answered(self, worker: _Worker, batch: _Batch, answer: Answer) -> None:
        told = {one.position: one for one in answer.told}
        if len(told) != len(answer.told) or not told.keys() <= batch.planned.keys():
            raise BugFound("a batch's answer is not of its rows", safe=IN_LEDGER)
        if answer.stop is None and len(told) < len(batch.planned) and not self._stop.is_set():
            raise BugFound("a batch's answer leaves rows out", safe=IN_LEDGER)
        self._note(worker.name, answer.standing)
        requests = sum(answer.standing.requests)
        asked, worker.requests = requests > worker.requests, requests
        for position, one in told.items():
            settled = one.of(batch.planned[position])
            unsettled = one.settle.outcome is Outcome.UNSETTLED
            self._asked += asked
            self._open = self._open or (asked and not unsettled)
            if batch.deaths and unsettled:
                self._doubtful.append(settled)
            else:
                self._on_settled(settled)
        self._open = self._open or self._asked >= FIRST_ROWS
        if answer.stop is not None:
            self._halt(answer.stop.error())

    # The end --------------------------------------------------------------------------------------

    def _end_if_done(self) -> None:
        if not self._out and (self._stop.is_set() or (self._exhausted and not self._returned)):
            self._done.set()

    async def _finish(self) -> None:
        """Let the workers end; what only the end of a delivery can say may speak against it."""
        if self._lost:
            return
        with anyio.move_on_after(GRACE):
            try:
                ended = await self._carrier.finish()
            except RunStopped as lost:
                self._stopped_by = self._stopped_by or lost
                return
            for name, (standing, stop) in ended.items():
                self._note(name, standing)
                if stop is not None:
                    self._stopped_by = self._stopped_by or stop.error()

    def _tell_doubtful(self) -> None:
        """Tell rows that one worker left, as the ledger has them now that all have ended."""
        left, self._doubtful = self._doubtful, []
        known: Mapping[str, Settle] = {}
        with suppress(LedgerFailed):
            known = self._own.known([carried(one.planned) for one in left]).settles if left else {}
        for one in left:
            settle = known.get(one.planned.reference, one.settle)
            self._on_settled(one._replace(settle=settle))

    def _halt(self, error: ImporterError) -> None:
        self._stopped_by = self._stopped_by or error
        self.stop()
        self._end_if_done()

    async def _heed_stop(self) -> None:
        """After a stop, batches that are out may be answered for a while."""
        await self._stop.wait()
        self._end_if_done()
        with anyio.move_on_after(GRACE):
            try:
                await self._carrier.stop()
            except RunStopped as lost:
                self._lose(lost)
            await self._done.wait()
        self._done.set()

    def _lose(self, lost: RunStopped) -> None:
        """Nobody can be reached any more; only the ledger knows what workers still do."""
        self._lost = True
        self._halt(lost)
        self._done.set()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _no_worker(seconds: float) -> RunStopped:
    return stop_error(
        "no_workers", message=f"no worker has joined the scheduler for {seconds:.0f} s"
    )


def _deadly() -> RunStopped:
    return stop_error(
        "workers_die",
        message=f"{MOST_DEATHS} workers died while they delivered the same batch",
    )
