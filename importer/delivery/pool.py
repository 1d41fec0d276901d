"""The worker pool: drives planned rows through the protocol, many at a time.

Workers pull from one plain iterator. A row that has to wait is parked, so it never holds a worker.
What the pool decides is only who goes next; what happens to a row is decided by protocol.step.

Exponential backoff with full jitter, as pure functions of a drawn number.

Rows that wait for their next request, so that a waiting row never holds a worker.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import anyio

from importer.delivery.history import attempt_of, is_fault
from importer.delivery.pacing import outage as h
from importer.delivery.protocol import creating as protocol
from importer.delivery.protocol import events as e
from importer.delivery.protocol.flight import Planned, Settled
from importer.delivery.protocol.keys import idempotency_key
from importer.delivery.protocol.states import Done, New, Rejected, State
from importer.delivery.stopping import one_cause, stop_error
from importer.errors import RunStopped
from importer.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from importer.clock import Clock
    from importer.delivery.committer import Committer
    from importer.delivery.protocol import answers as a


BASE = 0.5
"""Seconds; the ceiling of the first delay."""
CAP = 60.0
"""Seconds; no backoff is longer, only a server's ``Retry-After`` may be."""


def full_jitter(failures: int, draw: float, *, base: float = BASE, cap: float = CAP) -> float:
    """Seconds to wait after ``failures`` failed requests (1 or more), for ``draw`` in [0, 1).

    ``draw * min(cap, base * 2**(failures - 1))``: full jitter spreads a herd of retries best
    (Exponential Backoff and Jitter, AWS Architecture Blog).
    """
    exponent = min(max(failures, 1) - 1, 32)
    return draw * min(cap, base * 2.0**exponent)


T = TypeVar("T")


class Parking(Generic[T]):
    """A heap of (due time, row). Times are monotonic seconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._heap)

    def park(self, row: T, due: float) -> None:
        """Keep the row until ``due``."""
        heapq.heappush(self._heap, (due, next(self._order), row))

    def take(self, now: float) -> T | None:
        """The row that has been due longest, if any is due."""
        if self._heap and self._heap[0][0] <= now:
            return heapq.heappop(self._heap)[2]
        return None

    def next_due(self) -> float | None:
        """When the next row is due."""
        return self._heap[0][0] if self._heap else None

    def empty(self) -> list[T]:
        """Give every row back, for the end of a run that was stopped."""
        rows = [row for _, _, row in sorted(self._heap, key=lambda entry: entry[:2])]
        self._heap.clear()
        return rows


BATCH = 256
"""Rows that are written ahead in one commit,"""
BATCH_PER_WORKER = 4
"""or as many for each worker, if that is more."""
LOOK_EVERY = 1.0
"""Seconds after which a worker that an outage holds looks whether it is over."""


class Api(Protocol):
    """The part of the API client that the pool calls (client.MomentClient)."""

    async def create(self, reference: str, key: str, payload: str) -> a.Answer:
        """POST one customer."""
        ...

    async def look_up(self, reference: str, payload: str) -> a.LookUpAnswer:
        """GET one customer by its reference."""
        ...


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Sizes in rows, times in seconds."""

    workers: int = 32
    batch: int = BATCH
    """Rows whose ``Sent`` is written ahead in one group commit."""
    parked: int = 256
    """Parked rows beyond which no new row is taken."""
    undurable: int = 512
    """Answered rows whose state is not durable yet, beyond which no request is sent."""
    grace: float = 20.0
    """How long requests in flight may finish after a stop was asked for."""

    @classmethod
    def of(cls, workers: int) -> Self:
        """Sizes that fit: while one batch is written, the other half must last."""
        batch = max(BATCH, BATCH_PER_WORKER * workers)
        return cls(workers=workers, batch=batch, undurable=2 * batch)


@dataclass(slots=True)
class _Ride:
    """One row, where it stands, and the event that it goes on with once the time is known."""

    planned: Planned
    flight: protocol.Flight
    resume: Callable[[float], e.Event] = e.Begin
    key: str = ""


class Pool:
    """Delivers rows; ``on_settled`` hears of each row at most once, of all unless the run stops."""

    def __init__(
        self,
        api: Api,
        committer: Committer,
        *,
        clock: Clock,
        draw: Callable[[], float],
        policy: protocol.Policy,
        on_settled: Callable[[Settled], None],
        settings: PoolSettings | None = None,
        health: h.HealthSettings | None = None,
        monotonic: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._api = api
        self._committer = committer
        self._clock = clock
        self._draw = draw
        self._policy = policy
        self._on_settled = on_settled
        self._settings = settings or PoolSettings()
        self._health_settings = health or h.HealthSettings()
        self._monotonic = monotonic
        self._health = h.Health()
        self._rows: Iterator[Planned] = iter(())
        self._exhausted = False
        self._asked = False
        """Moment has been asked something, whatever came of it."""
        self._ready: deque[_Ride] = deque()
        self._parking: Parking[_Ride] = Parking()
        self._refilling: anyio.Event | None = None
        self._open = False
        """The canary is back, or none was sent."""
        self._undurable = 0
        """Answered rows whose state is being made durable; no worker waits for that."""
        self._landed: anyio.Event | None = None
        """Set when some of those are durable, if somebody waits for that."""
        self._stop = anyio.Event()
        self._stopped_by: RunStopped | None = None

    @property
    def parked(self) -> int:
        """Rows that wait for their next request."""
        return len(self._parking)

    def pausing(self) -> float:
        """Seconds that an outage still holds the whole run, 0 if none does."""
        return max(0.0, self._health.paused_until - self._monotonic())

    def stop(self) -> None:
        """Take no new rows; ``deliver`` returns when what is in flight has finished."""
        self._stop.set()

    async def deliver(self, rows: Iterator[Planned]) -> None:
        """Deliver every row of the iterator, or those taken before ``stop``.

        Raises:
            RunStopped: a stop rule fired or the ledger failed. Rows keep their state.
        """
        self._rows = rows
        self._health = h.start(self._health_settings, self._monotonic())
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._committer.run)
                await self._deliver()
                self._committer.close()
        except BaseExceptionGroup as group:
            raise one_cause(group) from None
        for ride in [*self._parking.empty(), *self._ready]:
            self._leave(ride)
        if self._stopped_by is not None:
            raise self._stopped_by

    async def _deliver(self) -> None:
        async with anyio.create_task_group() as crew:
            crew.start_soon(self._end_grace, crew.cancel_scope)
            if self._policy.safeguards.canary:
                await self._canary()
            self._open = True
            async with anyio.create_task_group() as workers:
                for _ in range(self._settings.workers):
                    workers.start_soon(self._work)
            crew.cancel_scope.cancel()

    async def _end_grace(self, scope: anyio.CancelScope) -> None:
        await self._stop.wait()
        await anyio.sleep(self._settings.grace)
        scope.cancel()

    # Who goes next -------------------------------------------------------------------------------

    async def _canary(self) -> None:
        """Send the first row alone, to the end; the pool opens when it was answered sensibly.

        A row that another importer settled meanwhile costs no request and proves nothing: then
        the next row is the first.
        """
        settled: list[e.Settle] = []
        while not (self._asked or self._exhausted or self._stop.is_set()):
            await self._refill(1)
            while (ride := await self._next(take_new=False)) is not None:
                settled += await self._drive(ride)
        if settled and settled[-1].outcome is Outcome.UNSETTLED:
            self._halt(stop_error("canary_failed", detail=settled[-1].error_code))

    async def _work(self) -> None:
        while (ride := await self._next(take_new=True)) is not None:
            await self._drive(ride)

    async def _next(self, *, take_new: bool) -> _Ride | None:
        """The next row to drive, when its time has come; None when there is nothing left to do."""
        while not self._stop.is_set():
            now = self._monotonic()
            held = max(self._health.paused_until, self._health.asking_until) - now
            if held > 0:
                await self._sleep(min(held, LOOK_EVERY))
                continue
            if (ride := self._parking.take(now)) is not None:
                return self._asking(ride, now)
            if self._undurable >= self._settings.undurable:
                await self._landing()
            elif take_new and self._wants_rows():
                await self._refill(self._settings.batch)
            elif self._ready:
                return self._asking(self._ready.popleft(), now)
            elif self._refilling is not None:
                await self._refilling.wait()
            elif self._undurable:
                # One that another importer changed meanwhile comes back.
                await self._landing()
            elif (due := self._parking.next_due()) is not None:
                await self._sleep(due - now)
            else:
                return None
        return None

    def _asking(self, ride: _Ride, now: float) -> _Ride:
        self._health = h.asking(self._health, self._health_settings, now)
        return ride

    def _wants_rows(self) -> bool:
        return (
            not self._exhausted
            and self._refilling is None
            and len(self._ready) <= self._settings.batch // 2
            and len(self._parking) < self._settings.parked
        )

    async def _landing(self) -> None:
        if self._landed is None:
            self._landed = anyio.Event()
        await self._landed.wait()

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(max(0.0, seconds)):
            await self._stop.wait()

    async def _refill(self, count: int) -> None:
        """Take rows from the iterator and write their ``Sent`` ahead in one group commit.

        One worker does this at a time; those that run dry meanwhile wait for it.
        """
        self._refilling = anyio.Event()
        try:
            rides = [self._ride(planned) for planned in islice(self._rows, count)]
            self._exhausted = len(rides) < count
            await self._write_ahead(rides)
            self._ready.extend(r for r in rides if r.flight.phase is not protocol.Phase.OVER)
        finally:
            self._refilling.set()
            self._refilling = None

    async def _write_ahead(self, rides: list[_Ride]) -> None:
        ahead: list[tuple[_Ride, e.Commit]] = []
        for ride in rides:
            if isinstance(ride.planned.state, New | Rejected):
                begin = e.Begin(self._clock.now())
                ride.flight, command = protocol.step(ride.flight, begin, self._policy)
                if isinstance(command, e.Commit):
                    ahead.append((ride, command))
                elif isinstance(command, e.Settle):
                    self._settle(ride, command)
        lost = await self._committer.commit([command.transition for _, command in ahead])
        for (ride, _), actual in zip(ahead, lost, strict=True):
            ride.resume = _after_commit(actual)

    def _ride(self, planned: Planned) -> _Ride:
        flight = protocol.Flight(planned.reference, planned.fingerprint, planned.state)
        return _Ride(planned, flight)

    # One row -------------------------------------------------------------------------------------

    async def _drive(self, ride: _Ride) -> list[e.Settle]:
        """Step the row until it settles (its ``Settle`` is returned), waits, or stops the run."""
        try:
            return await self._steps(ride)
        except RunStopped as stopped:
            # The others may still hear their answers: an answer that is lost costs a look-up.
            self._halt(stopped)
            self._leave(ride)
            return []

    async def _steps(self, ride: _Ride) -> list[e.Settle]:
        planned = ride.planned
        event = ride.resume(self._clock.now())
        while True:
            ride.flight, command = protocol.step(ride.flight, event, self._policy)
            match command:
                case e.Commit(transition) if self._open and isinstance(
                    transition.new, Done | Rejected
                ):
                    self._undurable += 1
                    self._committer.submit(transition, partial(self._durable, ride))
                    return []
                case e.Commit(transition):
                    [actual] = await self._committer.commit([transition])
                    event = _after_commit(actual)(self._clock.now())
                case e.Send(generation):
                    ride.key = idempotency_key(planned.reference, generation)
                    answer = await self._api.create(planned.reference, ride.key, planned.payload)
                    event = e.Answered(answer, self._clock.now())
                    self._learn(ride, event)
                case e.LookUp():
                    found = await self._api.look_up(planned.reference, planned.payload)
                    event = e.LookedUp(found, self._clock.now())
                    self._learn(ride, event)
                case e.Wait():
                    self._park(ride, command)
                    return []
                case e.Settle():
                    self._settle(ride, command)
                    return [command]
                case e.Halt(reason, http_status, detail):
                    said = detail or f"HTTP {http_status}" * bool(http_status)
                    self._halt(stop_error(reason, detail=said))
                    self._leave(ride)
                    return []

    def _durable(self, ride: _Ride, actual: State | None) -> None:
        """Go on with a row whose answer is in the ledger, or lost to what is there instead."""
        self._undurable -= 1
        if actual is None:
            event = e.Committed(self._clock.now())
            ride.flight, command = protocol.step(ride.flight, event, self._policy)
            if not isinstance(command, e.Settle):
                raise protocol.ProtocolError("a final state did not settle its row")
            self._settle(ride, command)
        else:
            ride.resume = partial(e.Lost, actual)
            self._ready.append(ride)
        if self._landed is not None:
            self._landed.set()
            self._landed = None

    def _park(self, ride: _Ride, wait: e.Wait) -> None:
        ride.resume = e.Woken
        delay = wait.floor
        if wait.cause in {e.WaitCause.FAULT, e.WaitCause.CONFLICT} or wait.failures:
            delay = max(delay, full_jitter(wait.failures, self._draw()))
        self._parking.park(ride, self._monotonic() + delay)

    def _settle(self, ride: _Ride, settle: e.Settle) -> None:
        self._on_settled(Settled(ride.planned, settle, ride.key, ride.flight.sends))

    def _leave(self, ride: _Ride) -> None:
        """Report a row that the end of the run leaves unsettled, with its latest trouble."""
        http_status, error_code, message = ride.flight.note
        left = e.Settle(Outcome.UNSETTLED, "", http_status, error_code or "run_stopped", message)
        self._settle(ride, left)

    def _halt(self, error: RunStopped) -> None:
        self._stopped_by = self._stopped_by or error
        self._stop.set()

    def _learn(self, ride: _Ride, event: e.Answered | e.LookedUp) -> None:
        """Feed one exchange to the run's health and the row's history."""
        self._asked = True
        now = self._monotonic()
        fold = h.faulted if is_fault(event.answer) else h.answered
        self._health = fold(self._health, self._health_settings, now)
        if reason := h.verdict(self._health, self._health_settings, now):
            self._halt(stop_error(reason))
        if attempt := attempt_of(ride.flight, event):
            self._committer.note(attempt)


def _after_commit(actual: State | None) -> Callable[[float], e.Event]:
    return e.Committed if actual is None else partial(e.Lost, actual)
