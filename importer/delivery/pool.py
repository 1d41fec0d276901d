"""The worker pool: drives planned rows through the protocol, many at a time.

What happens to a row is decided by ``creating.step``; when a request may go, by the valve. The pool
decides who goes next: rows that were never tried stand before rows that come back from a wait, so
that rows in trouble of their own neither stop nor slow the others. A row that waits sleeps in a
task of its own and holds no place.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio
import anyio.lowlevel

from importer.delivery.history import AnyAnswer, attempt_of, attempt_of_update
from importer.delivery.pacing.outage import FEWEST
from importer.delivery.pacing.valve import GateClosed, ToldToWait, Trail, Valve
from importer.delivery.protocol import answers as a
from importer.delivery.protocol import creating as protocol
from importer.delivery.protocol import events as e
from importer.delivery.protocol import events as u
from importer.delivery.protocol import updating
from importer.delivery.protocol.flight import Planned, Settled, begun
from importer.delivery.protocol.keys import idempotency_key
from importer.delivery.protocol.states import Done, New, Rejected, Sent, State, Transition
from importer.delivery.protocol.updating import UpdateFlight, UpdatePhase, UpdatePolicy
from importer.delivery.row_source import AT_A_TIME, Iterated, Spread, Stream
from importer.delivery.stopping import (
    Refusals,
    first_rows_failed,
    one_cause,
    stop_error,
)
from importer.errors import BugFound, RunStopped
from importer.outcomes import Outcome
from importer.plan.update_words import told
from importer.values import new, record, value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Self

    from anyio.abc import TaskGroup

    from importer.clock import Clock
    from importer.delivery.committer import Committer
    from importer.delivery.pacing.server_hints import RateLimitHint
    from importer.delivery.protocol.states import Attempt, UpdateState, UpdateTransition

AnswerT = TypeVar("AnswerT", bound=AnyAnswer)
CameT = TypeVar("CameT", e.Answered, e.LookedUp)

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


BATCH = 256
"""Rows that are written ahead in one commit,"""
BATCH_PER_WORKER = 4
"""or as many for each worker, if that is more."""
FIRST_BATCH = 32
"""Of the first batch, which the first requests wait for; the next ones double."""
OTHERS = 5
"""Rows that are tried beside the first before a run is said to be wrong as a whole."""
LEFT = 19
"""Rows that an earlier run left, of which none is taken: one less than an outage's."""
TOLD_ROWS = 3
"""Rows in succession that must be told to wait for too long before the run stops for it."""
BACK_SHARE = 4
"""Of the workers, one in so many may drive rows that come back, while there are untried ones."""
MOST_ASIDE = 10_000
"""Waiting rows; beyond them a row whose trouble is its own is left before its attempts are spent,
so that memory is bounded and no number of such rows keeps an untried one from its turn."""
IN_LEDGER = "everything that was sent is in the ledger"
MOST_HUNG = 120.0
"""Seconds that requests of a row may hang in all before it is left, if its trouble is its own."""
READ_AT_ONCE = 4
"""Answers that are read without a break."""
_ANY, _NONE = 1 << 30, -1
# Made once: a union, or a member of an enum by its class, costs as much as a function each time.
_UNSENT = (New, Rejected)
_ENDS = (Done, Rejected)
_TAKEN = (a.Created, u.Patched)
_UNSETTLED = Outcome.UNSETTLED


class Api(Protocol):
    """The part of the API client that the pool calls (client.MomentClient)."""

    async def create(
        self, reference: str, key: str, payload: str
    ) -> tuple[a.Answer | a.Unread, RateLimitHint | None]:
        """POST one customer."""
        ...

    async def look_up(
        self, reference: str, payload: str
    ) -> tuple[a.LookUpAnswer, RateLimitHint | None]:
        """GET one customer by its reference."""
        ...

    async def read(
        self, customer_id: str, reference: str
    ) -> tuple[u.ReadAnswer, RateLimitHint | None]:
        """GET one customer by its id."""
        ...

    async def patch(
        self, patch: u.Patch, payload: str, reference: str
    ) -> tuple[u.PatchAnswer, RateLimitHint | None]:
        """PATCH fields of one customer to the row's values."""
        ...


@value
class PoolSettings:
    """Sizes in rows, times in seconds."""

    workers: int = 32
    batch: int = BATCH
    """Rows whose ``Sent`` is written ahead in one group commit."""
    grace: float = 20.0
    """How long requests in flight may finish after a stop was asked for."""

    @classmethod
    def of(cls, workers: int) -> Self:
        """Sizes that fit: while one batch is written, the other half must last."""
        return cls(workers=workers, batch=max(BATCH, BATCH_PER_WORKER * workers))


@record
class _Ride:
    """One row, where it stands, and the event that it goes on with once the time is known."""

    planned: Planned
    flight: protocol.Flight
    trail: Trail
    comes: Callable[[float], e.Event] = e.Begin
    key: str = ""
    returned: bool = False
    """It comes back from a wait, or from a lost compare-and-set."""
    settled: bool = False
    """It has its outcome."""
    judged: bool = False
    """It has been counted among the rows that Moment took or refused."""
    answer: int = 0
    """The number of the last answer to its POST or PATCH, of all in this run."""
    sent_at: float = 0.0
    """When its last request left, monotonic seconds."""
    update: UpdateFlight | None = None
    """Where the row's customer is settled and is to be kept in step."""
    after_update: u.UpdateEvent | None = None
    """What an update goes on with that was written ahead."""

    @property
    def note(self) -> tuple[int, str, str]:
        """Status, code and message of the latest trouble."""
        return self.flight.note if self.update is None else self.update.note

    def take_note(self, code: str, message: str) -> None:
        """Let this be the latest trouble."""
        note = (self.note[0], code, message)
        if self.update is None:
            self.flight = self.flight._replace(note=note)
        else:
            self.update = self.update._replace(note=note)


class _Turns:
    """Who is driven next. Workers wait here; one is called for each row that comes."""

    def __init__(self, back_share: int) -> None:
        self.untried: deque[_Ride] = deque()
        self.back: deque[_Ride] = deque()
        self.low = anyio.Event()
        """Set by the first worker that finds ``few`` untried rows or less."""
        self.few = _NONE
        self._back_share = back_share
        self._driving_back = 0
        self._idle: deque[anyio.Event] = deque()
        self.closed = False

    def put(self, rides: list[_Ride]) -> None:
        """Rows that were never tried."""
        self.untried.extend(rides)
        self.call(len(rides))

    def put_back(self, ride: _Ride) -> None:
        """A row that comes back."""
        ride.returned = True
        self.back.append(ride)
        self.call(1)

    def call(self, count: int = 1) -> None:
        """Let so many of those who wait look again."""
        for _ in range(min(count, len(self._idle))):
            self._idle.popleft().set()

    def pick(self, *, untried_first: bool = False) -> _Ride | None:
        """The next row, if there is one."""
        if self.untried and (
            untried_first or not self.back or self._driving_back >= self._back_share
        ):
            return self.untried.popleft()
        if self.back:
            self._driving_back += 1
            return self.back.popleft()
        return None

    def driven_back(self) -> None:
        """A row that had come back when it was picked is done with, or waits again."""
        self._driving_back -= 1

    async def wait(self) -> None:
        """Wait until something comes."""
        called = anyio.Event()
        self._idle.append(called)
        await called.wait()

    def take(self) -> _Ride | None:
        """The next row of a worker, if there is one."""
        untried = self.untried
        ride = untried.popleft() if untried and not self.back else self.pick()
        if len(untried) <= self.few:
            self.few = _NONE
            self.low.set()
        return ride

    async def get_low(self, few: int) -> None:
        """Wait until there are ``few`` untried rows or less, or nothing is left to do."""
        self.few, self.low = few, anyio.Event()
        await self.low.wait()

    def close(self) -> None:
        """There is nothing left to do, or the run stops."""
        self.closed = True
        self.low.set()
        self.call(len(self._idle))


class Pool:
    """Delivers rows; ``on_settled`` hears of each row at most once, of all unless the run stops."""

    def __init__(
        self,
        api: Api,
        committer: Committer,
        valve: Valve,
        *,
        clock: Clock,
        draw: Callable[[], float],
        policy: protocol.Policy,
        on_settled: Callable[[Settled], None],
        settings: PoolSettings | None = None,
        updates: UpdatePolicy | None = None,
        monotonic: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._api = api
        self._updates = updates or UpdatePolicy()
        self._committer = committer
        self._valve = valve
        self._clock = clock
        self._draw = draw
        self._policy = policy
        self._on_settled = on_settled
        self._settings = settings or PoolSettings()
        self._monotonic = monotonic
        self._rows = Spread(Iterated(iter(())), self._settings.batch)
        self._hungry = False
        """The next row is waited for."""
        self._turns = _Turns(max(1, self._settings.workers // BACK_SHARE))
        self._tasks: TaskGroup
        self._alive = 0
        """Rows that were taken up and have not ended."""
        self._own = 0
        """Those of them whose trouble is their own."""
        self._own_seen = False
        self._aside = 0
        """Those of them that wait, or are back and wait for a worker."""
        self._open = False
        """A row was answered sensibly, or none is to be sent alone."""
        self._unsettled: list[e.Settle] = []
        """How the rows ended that were sent alone."""
        self._told: set[int] = set()
        """Rows in succession that were told to wait for too long."""
        self._was_told = False
        self._unread: deque[tuple[_Ride, a.Unread]] = deque()
        """Rows whose answers let others go first, in the order in which they came."""
        self._came = anyio.Event()
        """There is one, or none will come any more."""
        self._any_settled = False
        """A request of this run has settled a row."""
        self._answers = 0
        self._refusals = Refusals()
        self._refused_updates = Refusals()
        """Apart: what Moment says to a POST tells nothing of what it takes of a PATCH."""
        self._progress_at = 0.0
        """When a row was last settled, monotonic seconds."""
        self._stop = anyio.Event()
        self._stopped_by: RunStopped | None = None
        self._confirms = False
        """After the stop, refusals that are half proven are proven."""

    @property
    def waiting(self) -> int:
        """Rows that wait for their next request."""
        return self._aside

    def stop(self) -> None:
        """Take no new rows; ``deliver`` returns when what is in flight has finished."""
        self._stop.set()
        self._rows.close()
        self._close()
        self._valve.close()

    def _close(self) -> None:
        """Nobody is driven any more."""
        self._turns.close()
        self._came.set()

    def _halt(self, error: RunStopped) -> None:
        self._stopped_by = self._stopped_by or error
        self.stop()

    async def deliver(self, rows: Iterator[Planned] | Stream) -> None:
        """Deliver every row of the iterator or stream, or those taken before ``stop``.

        Raises:
            RunStopped: a stop rule fired or the ledger failed. Rows keep their state.
            BugFound: an invariant does not hold: one outcome a row, nothing sent before it is
                written ahead, generations only grow.
        """
        if isinstance(rows, Stream):
            rows.on_put = self._turns.call
        source = rows if isinstance(rows, Stream) else Iterated(rows)
        self._rows = Spread(source, self._settings.batch)
        self._progress_at = self._monotonic()
        self._valve.start()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._committer.run)
                await self._deliver()
                self._committer.close()
        except BaseExceptionGroup as group:
            raise one_cause(group) from None
        for ride in [*self._turns.back, *self._turns.untried]:
            self._leave(ride)
        if self._alive and not self._stop.is_set():
            raise BugFound(f"{self._alive} rows have no outcome", safe=IN_LEDGER)
        if self._was_told and not (self._any_settled or self._stop.is_set()):
            self._stopped_by = stop_error("told_to_wait")
        if (reason := self._valve.turned_away) and not self._stop.is_set():
            # Too few rows were left to be sure in time; none is left to ask again with.
            self._stopped_by = stop_error(reason)
        if self._stopped_by is not None:
            raise self._stopped_by

    async def _deliver(self) -> None:
        async with anyio.create_task_group() as crew:
            crew.start_soon(self._watch, crew.cancel_scope)
            async with anyio.create_task_group() as self._tasks:
                if self._policy.safeguards.canary:
                    await self._canary()
                self._open = True
                self._tasks.start_soon(self._feed)
                self._tasks.start_soon(self._read_answers)
                for _ in range(self._settings.workers):
                    self._tasks.start_soon(self._work)
            crew.cancel_scope.cancel()

    async def _watch(self, scope: anyio.CancelScope) -> None:
        """Stop a run that settles nothing; end what a stop leaves in flight after the grace."""
        while not self._stop.is_set():
            if self._hungry and not self._alive:
                self._progress_at = self._monotonic()
            left = self._progress_at + self._valve.patience - self._monotonic()
            if left <= 0:
                self._halt(stop_error(self._valve.trouble or "no_progress"))
                break
            with anyio.move_on_after(left):
                await self._stop.wait()
        await anyio.sleep(self._settings.grace)
        scope.cancel()

    # Who goes next -------------------------------------------------------------------------------

    async def _canary(self) -> None:
        """Send the first row alone; the pool opens when a row was answered sensibly.

        A row may be in trouble that is its own. While it waits, or once it is left, others are
        tried, one request at a time and untried rows first. Only if all of them fail for one
        reason, the run is wrong. A row that another importer settled meanwhile costs no request
        and proves nothing, and nor does one that an earlier run left.
        """
        asked = left = 0
        while not (self._open or self._stop.is_set()):
            ride = self._turns.pick(untried_first=True)
            if ride is not None:
                before = ride.trail.asked
                await (self._drive_back(ride) if ride.returned else self._drive(ride))
                if ride.trail.asked and not before:
                    asked, left = asked + (not ride.trail.left), left + ride.trail.left
            elif asked <= OTHERS and left < LEFT and self._may_take():
                self._turns.put(await self._take_up(1))
                self._tasks.start_soon(self._rows.prepare)
            elif self._alive:
                await self._turns.wait()
            else:
                break
        if self._open or self._stop.is_set() or not self._unsettled:
            return
        codes = {one.error_code for one in self._unsettled}
        unheard = not self._valve.heard and (asked or self._valve.trouble == "unreachable")
        if unheard or ((asked > OTHERS or left == LEFT) and len(codes) == 1):
            self._halt(first_rows_failed(self._unsettled[-1], self._valve.trouble))

    def _may_take(self) -> bool:
        # Rows that are not there are not waited for while one is about that may prove the run.
        return not self._rows.ended and (self._rows.ready or not self._alive)

    async def _feed(self) -> None:
        """Keep untried rows at hand, written ahead in batches."""
        turns = self._turns
        few = self._settings.batch // 2
        count = FIRST_BATCH
        while not (self._rows.ended or self._stop.is_set()):
            if len(turns.untried) <= few and self._aside - self._own < MOST_ASIDE:
                turns.put(await self._take_up(min(count, self._settings.batch)))
                count *= 2
            else:
                await turns.get_low(few)
        self._end_if_done()

    async def _take_up(self, count: int) -> list[_Ride]:
        """Take rows and write their ``Sent`` ahead in one group commit."""
        rows = await self._next_rows(count)
        self._alive += len(rows)
        rides: list[_Ride] = []
        written: list[_Ride] = []
        ahead: list[Transition] = []
        for first in range(0, len(rows), AT_A_TIME):
            part = rows[first : first + AT_A_TIME]
            begin = e.Begin(self._clock.now())
            for planned in part:
                ride = _ride_of(planned)
                rides.append(ride)
                if type(planned.state) not in _UNSENT:
                    continue
                ride.flight, command = protocol.step(ride.flight, begin, self._policy)
                if isinstance(command, e.Commit):
                    ride.comes = e.Committed
                    written.append(ride)
                    ahead.append(command.transition)
                elif isinstance(command, e.Settle):
                    self._settle(ride, command)
            if len(part) == AT_A_TIME:
                await anyio.lowlevel.checkpoint()
        lost = await self._committer.commit(ahead)
        for ride, actual in zip(written, lost, strict=True):
            if actual is not None:
                ride.comes = partial(e.Lost, actual)
        await self._write_updates_ahead([ride for ride in rides if ride.update is not None])
        return [ride for ride in rides if not ride.settled]

    async def _next_rows(self, count: int) -> list[Planned]:
        """Take rows; nobody is blamed for the time in which there are none."""
        self._hungry = not self._rows.ready
        rows = await self._rows.take(count)
        if self._hungry and not self._alive:
            self._progress_at = self._monotonic()
        self._hungry = False
        return rows

    async def _write_updates_ahead(self, rides: list[_Ride]) -> None:
        """The same for updates that need not ask Moment before they write."""
        if not self._updates.safeguards.write_ahead:
            return  # an ablation: each PATCH leaves as its row is driven
        ahead: list[tuple[_Ride, UpdateTransition]] = []
        for ride in rides:
            flight = ride.update
            if flight is None or self._asks_first(flight):
                continue
            ride.update, command = updating.step(flight, e.Begin(self._clock.now()), self._updates)
            if isinstance(command, u.CommitUpdate):
                ahead.append((ride, command.transition))
            elif isinstance(command, u.SettleUpdate):
                self._settle_update(ride, command)
            else:
                raise protocol.ProtocolError("an update asked Moment although it need not")
        lost = await self._committer.commit_updates([transition for _, transition in ahead])
        for (ride, _), actual in zip(ahead, lost, strict=True):
            ride.after_update = _after_update(actual)

    def _asks_first(self, flight: UpdateFlight) -> bool:
        return updating.foresee(flight.state, flight.version, flight.wanted, self._updates).reads

    async def _work(self) -> None:
        turns = self._turns
        while not turns.closed:
            ride = turns.take()
            if ride is None:
                await turns.wait()
            elif ride.returned:
                await self._drive_back(ride)
            else:
                await self._drive(ride)

    async def _drive_back(self, ride: _Ride) -> None:
        """Drive a row that came back and was picked."""
        self._aside -= 1
        await self._drive(ride)
        self._turns.driven_back()

    async def _read_answers(self) -> None:
        """Read what came, a few answers at a time: requests that can leave do so in between."""
        while self._unread or not self._turns.closed:
            for _ in range(min(READ_AT_ONCE, len(self._unread))):
                ride, unread = self._unread.popleft()
                answer = unread.read()
                self._learn(ride, answer, has_passed=True)
                event = self._kept(ride, e.Answered(answer, self._clock.now()))
                if isinstance(answer, a.Created):
                    await self._drive(ride, event, finishing=True)
                else:
                    self._tasks.start_soon(partial(self._drive, ride, event, finishing=True))
            if self._unread:
                await anyio.lowlevel.checkpoint()
            else:
                self._came = anyio.Event()
                if not self._turns.closed:
                    await self._came.wait()

    # One row -------------------------------------------------------------------------------------

    async def _drive(
        self, ride: _Ride, event: e.Event | None = None, *, finishing: bool = False
    ) -> None:
        """Step the row until it settles, waits, or stops the run.

        Args:
            ride: the row.
            event: what it goes on with, where that is not what it ``comes`` with.
            finishing: a stop does not keep it from its requests.
        """
        try:
            if ride.update is not None:
                await self._update_steps(ride, ride.update, finishing=finishing)
                return
            event = event or ride.comes(self._clock.now())
            while event is not None:
                ride.flight, command = protocol.step(ride.flight, event, self._policy)
                if isinstance(command, e.Send):
                    event, finishing = await self._send(ride, command, finishing=finishing), True
                elif isinstance(command, e.Commit):
                    event = await self._commit(ride, command.transition)
                elif isinstance(command, e.LookUp):
                    event, finishing = await self._look_up(ride, finishing=finishing), True
                else:
                    self._pause_or_end(ride, command)
                    event = None
        except GateClosed:
            self._leave(ride)
        except ToldToWait as told:
            self._halt(stop_error("told_to_wait", detail=f"{told.seconds:.0f} s"))
            self._leave(ride)
        except RunStopped as stopped:
            # The others may still hear their answers: an answer that is lost costs a look-up.
            self._halt(stopped)
            self._leave(ride)

    async def _send(self, ride: _Ride, command: e.Send, *, finishing: bool) -> e.Answered | None:
        """One POST of a row; None where its answer is read later."""
        planned, valve = ride.planned, self._valve
        _check_written_ahead(ride.flight.state, command.generation)
        ride.key = key = idempotency_key(planned.reference, command.generation)
        sent_at = valve.enter_now(ride.trail)
        if sent_at is None:
            sent_at = await valve.enter(ride.trail, finishing=finishing)
        ride.sent_at = sent_at
        try:
            created, hint = await self._api.create(planned.reference, key, planned.payload)
        except BaseException:
            valve.abandon()
            raise
        self._answers += 1
        ride.answer = self._answers
        if isinstance(created, a.Unread):
            if self._may_wait():
                valve.passed(ride.sent_at)
                self._refusals.looks_taken(ride.answer)
                if not self._unread:  # else it is set already
                    self._came.set()
                self._unread.append((ride, created))
                return None
            created = created.read()
        self._learn(ride, created, hint)
        return self._kept(ride, e.Answered(created, self._clock.now()))

    async def _look_up(self, ride: _Ride, *, finishing: bool) -> e.LookedUp:
        """One GET of a row that is to be created."""
        look_up = partial(self._api.look_up, ride.planned.reference, ride.planned.payload)
        found = await self._exchange(ride, look_up, finishing=finishing)
        return self._kept(ride, e.LookedUp(found, self._clock.now()))

    async def _commit(self, ride: _Ride, transition: Transition) -> e.Event | None:
        """Have a change written; None where it ends an answered row: ``_durable`` hears of it."""
        wanted = transition.new
        is_end = type(wanted) in _ENDS and (self._open or ride.trail.asked)
        if is_end:
            self._open = True  # It was answered sensibly: the others need not wait for the disk.
        if not isinstance(wanted, Done):
            self._judge_refusal(ride)
        elif not ride.judged:
            ride.judged = True
            self._refusals.taken(ride.answer)
        committer = self._committer
        if not is_end:
            [actual] = await committer.commit([transition])
            now = self._clock.now()
            return e.Committed(now) if actual is None else e.Lost(actual, now)
        if not committer.room:
            await committer.has_room()
        committer.submit(transition, self._durable, ride)
        is_last = not (self._unread or self._turns.untried or self._valve.in_flight)
        if is_last and self._rows.ended:
            committer.hurry()
        return None

    def _pause_or_end(self, ride: _Ride, command: e.Wait | e.Settle | e.Halt) -> None:
        match command:
            case e.Wait():
                self._judge_refusal(ride, command)
                self._set_aside(ride, command)
            case e.Settle():
                self._settle(ride, command)
            case e.Halt():
                self._halt_for(ride, command)

    def _halt_for(self, ride: _Ride, halt: e.Halt) -> None:
        """Stop the run by what a row was told, and leave the row."""
        said = halt.detail or f"HTTP {halt.http_status}" * bool(halt.http_status)
        self._halt(stop_error(halt.reason, detail=said))
        self._leave(ride)

    def _kept(self, ride: _Ride, event: CameT) -> CameT:
        """The same, after what is unusual in it was noted."""
        if attempt := attempt_of(ride.flight, event):
            self._note(ride, attempt)
        return event

    def _note(self, ride: _Ride, attempt: Attempt) -> None:
        """Keep an exchange that has just ended in the row's history."""
        took = max(0.0, round(self._monotonic() - ride.sent_at, 3))
        self._committer.note(replace(attempt, seconds=took))

    async def _exchange(
        self,
        ride: _Ride,
        call: Callable[[], Awaitable[tuple[AnswerT, RateLimitHint | None]]],
        *,
        finishing: bool,
    ) -> AnswerT:
        """One request that is no POST, and what everybody learns from its answer."""
        ride.sent_at = await self._valve.enter(ride.trail, finishing=finishing)
        try:
            answer, hint = await call()
        except BaseException:
            self._valve.abandon()
            raise
        self._learn(ride, answer, hint)
        return answer

    def _may_wait(self) -> bool:
        """Whether an answer that looks well is read after the next request has left.

        Not while anything is in trouble: then what the body says counts for the next one. Nor
        where the ledger is behind: who reads would wait for it.
        """
        unread = len(self._unread)
        return (
            self._open
            and unread < self._committer.room
            and unread < self._settings.workers
            and not (self._valve.health.troubled or self._turns.closed)
        )

    def _learn(
        self,
        ride: _Ride,
        answer: AnyAnswer,
        hint: RateLimitHint | None = None,
        *,
        has_passed: bool = False,
    ) -> None:
        """What everybody learns from an answer."""
        trail, valve = ride.trail, self._valve
        if self._told and isinstance(answer, _TAKEN):
            self._told.clear()  # others are taken, though their rows are not settled yet
        was_own = trail.own
        # Where rows in trouble of their own are about, few rows in trouble prove nothing.
        rows = self._alive if self._open and not self._own_seen else _ANY
        few = self._alive < FEWEST
        if valve.leave(
            trail, ride.sent_at, answer, hint, rows=rows, few=few, has_passed=has_passed
        ):
            self._halt(stop_error(valve.trouble or "unreachable"))
        if trail.own:
            self._own += not was_own
            self._own_seen = True

    # One customer that is kept in step -----------------------------------------------------------

    async def _update_steps(self, ride: _Ride, flight: UpdateFlight, *, finishing: bool) -> None:
        """As ``_steps``, by the protocol of updates."""
        planned, api = ride.planned, self._api
        now = self._clock.now()
        event: u.UpdateEvent
        if ride.after_update is not None:
            event, ride.after_update = ride.after_update, None
        else:
            event = e.Woken(now) if flight.phase is UpdatePhase.WAITING else e.Begin(now)
        while True:
            ride.update, command = updating.step(flight, event, self._updates)
            flight = ride.update
            match command:
                case u.CommitUpdate(transition):
                    self._judge_refused_update(ride, flight)
                    [actual] = await self._committer.commit_updates([transition])
                    event = _after_update(actual)
                case u.Read(customer_id):
                    call = partial(api.read, customer_id, planned.reference)
                    shown = await self._exchange(ride, call, finishing=finishing)
                    self._note_update(ride, "read", shown)
                    event, finishing = u.ReadBack(shown), True
                case u.Patch():
                    write = partial(api.patch, command, planned.payload, planned.reference)
                    patched = await self._exchange(ride, write, finishing=finishing)
                    self._answers += 1
                    ride.answer = self._answers
                    self._note_update(ride, "patch", patched)
                    event, finishing = u.PatchAnswered(patched), True
                case u.Seek():
                    seek = partial(api.look_up, planned.reference, planned.payload)
                    found = await self._exchange(ride, seek, finishing=finishing)
                    self._note_update(ride, "look_up", found)
                    event, finishing = u.SoughtAgain(found), True
                case e.Wait():
                    self._set_aside(ride, command)
                    return
                case u.SettleUpdate():
                    self._settle_update(ride, command)
                    return
                case e.Halt():
                    self._halt_for(ride, command)
                    return

    def _note_update(self, ride: _Ride, what: str, answer: AnyAnswer) -> None:
        reference, now = ride.planned.reference, self._clock.now()
        if attempt := attempt_of_update(reference, what, answer, now):
            self._note(ride, attempt)

    def _settle_update(self, ride: _Ride, settled: u.SettleUpdate) -> None:
        code, text = told(settled, ride.planned.payload)
        settle = replace(settled.settle, error_code=code, message=text)
        self._settle(ride, settle, settled.updated)

    def _durable(self, ride: _Ride, actual: State | None) -> None:
        """Go on with a row whose answer is in the ledger, or lost to what is there instead."""
        if actual is None:
            event = e.Committed(self._clock.now())
            ride.flight, command = protocol.step(ride.flight, event, self._policy)
            if not isinstance(command, e.Settle):
                raise protocol.ProtocolError("a final state did not settle its row")
            self._settle(ride, command)
        else:
            ride.comes = partial(e.Lost, actual)
            self._come_back(ride)

    # What waits ----------------------------------------------------------------------------------

    def _set_aside(self, ride: _Ride, wait: e.Wait) -> None:
        """Let the row sleep, if it may."""
        if wait.floor > self._valve.patience:
            self._told_to_wait(ride, wait)
        elif self._is_spent(ride):
            self._leave(ride)
        else:
            delay = wait.floor
            if ride.trail.throttled:
                delay = max(delay, full_jitter(ride.trail.throttled, self._draw()))
            if wait.cause in {e.WaitCause.FAULT, e.WaitCause.CONFLICT} or wait.failures:
                delay = max(delay, full_jitter(wait.failures, self._draw()))
            self._aside += 1
            self._tasks.start_soon(self._sleep, ride, wait, delay)

    def _is_spent(self, ride: _Ride) -> bool:
        """Whether the run goes on without a row whose trouble is its own."""
        trail = ride.trail
        is_own = trail.own or self._alive < FEWEST
        return (
            (trail.own and self._aside >= MOST_ASIDE)
            or trail.throttled >= self._policy.max_failures
            or (is_own and trail.hung > MOST_HUNG)
        )

    async def _sleep(self, ride: _Ride, wait: e.Wait, delay: float) -> None:
        until = self._monotonic() + delay
        with anyio.move_on_after(delay):
            await self._stop.wait()
        self._aside -= 1
        ride.comes = e.Woken
        if not self._stop.is_set():
            self._come_back(ride)
        elif self._confirms and ride.update is None and wait.cause is e.WaitCause.CONFIRM:
            await anyio.sleep(max(0.0, until - self._monotonic()))
            await self._drive(ride, finishing=True)
        else:
            self._leave(ride)

    def _come_back(self, ride: _Ride) -> None:
        self._aside += 1
        self._turns.put_back(ride)

    def _told_to_wait(self, ride: _Ride, wait: e.Wait) -> None:
        """The row cannot be waited for. One such row is left; if others hear the same, the run."""
        self._was_told = True
        self._told.add(ride.planned.position)
        alone = not self._open and wait.cause is e.WaitCause.THROTTLED
        if alone or len(self._told) >= TOLD_ROWS:
            self._halt(stop_error("told_to_wait", detail=f"{wait.floor:.0f} s"))
        ride.take_note("asked_to_wait", f"asked to wait {wait.floor:.0f} s")
        self._leave(ride)

    # How rows end --------------------------------------------------------------------------------

    def _judge_refusal(self, ride: _Ride, wait: e.Wait | None = None) -> None:
        """Count a row that Moment refuses; stop where it refuses nearly all with the same words.

        Rows count when they are answered, whenever their commit is durable: else a slow disk would
        make a row of refusals out of every other one.
        """
        refusal = ride.flight.refusal
        if ride.judged or refusal is None or refusal.says_exists:
            return
        half_proven = wait is not None and wait.cause is e.WaitCause.CONFIRM
        if half_proven or isinstance(ride.flight.pending, Rejected):
            self._refused(ride, self._refusals)

    def _judge_refused_update(self, ride: _Ride, flight: UpdateFlight) -> None:
        """The same of a customer that is to be kept in step."""
        if flight.outcome is Outcome.REJECTED and not ride.judged:
            self._refused(ride, self._refused_updates)

    def _refused(self, ride: _Ride, refusals: Refusals) -> None:
        ride.judged = True
        words = refusals.refused(ride.planned.reference, ride.note, ride.answer)
        if words and not self._stop.is_set():
            self._confirms = ride.update is None
            self._halt(stop_error("refused_alike", detail=words))

    def _settle(self, ride: _Ride, settle: e.Settle, updated: tuple[str, ...] = ()) -> None:
        if ride.settled:
            raise BugFound("a row has two outcomes", safe=IN_LEDGER)
        ride.settled = True
        asked, update = ride.trail.asked, ride.update
        sends = ride.flight.sends if update is None else update.patches
        if settle.outcome is not _UNSETTLED:
            self._progress_at = self._monotonic()
            if self._told:
                self._told.clear()
            if asked:
                self._open = self._any_settled = True
                if not ride.judged and settle.outcome is not Outcome.REJECTED:
                    self._count_taken(ride)
        elif asked and not self._open:
            self._unsettled.append(settle)
        if ride.trail.own:
            self._own -= 1
        self._alive = alive = self._alive - 1
        if not alive:
            self._end_if_done()
        self._on_settled(new(Settled, (ride.planned, settle, ride.key, sends, updated)))

    def _count_taken(self, ride: _Ride) -> None:
        """Count a row whose customer is as it should be, though no answer of ours was judged."""
        if ride.update is None:
            self._refusals.taken(ride.answer)
        elif ride.update.patches:
            self._refused_updates.taken(ride.answer)

    def _leave(self, ride: _Ride) -> None:
        """Report a row that the run leaves unsettled, with its latest trouble."""
        http_status, error_code, message = ride.note
        customer_id = "" if ride.update is None else ride.update.state.customer_id
        left = e.Settle(
            Outcome.UNSETTLED, customer_id, http_status, error_code or "run_stopped", message
        )
        self._settle(ride, left)

    def _end_if_done(self) -> None:
        if self._open and self._rows.ended and not self._alive:
            self._close()


def _after_update(actual: UpdateState | None) -> u.UpdateEvent:
    return e.Committed(0.0) if actual is None else u.UpdateLost(actual)


def _ride_of(planned: Planned) -> _Ride:
    flight = begun(planned)
    if planned.update is None:
        # What was sent in an earlier run is left: that run could not settle it.
        return _Ride(planned, flight, Trail(planned.position, type(planned.state) is Sent))
    fields = planned.fields or ()
    update = UpdateFlight(planned.reference, planned.fingerprint, fields, planned.update)
    return _Ride(planned, flight, Trail(planned.position), update=update)


def _check_written_ahead(held: State, generation: int) -> None:
    """What is about to leave must be what the ledger holds; a wrong key makes a second customer."""
    if not isinstance(held, Sent) or held.generation != generation:
        raise BugFound("a request is not written ahead", safe="it was not sent")
