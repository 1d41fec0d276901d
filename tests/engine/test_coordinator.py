"""The coordinator against workers that answer, die, lie or stay away, as a script says."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from importer.delivery.protocol.events import Settle
from importer.delivery.protocol.flight import Planned, Settled
from importer.delivery.protocol.states import NEW
from importer.delivery.stopping import stop_error
from importer.engine.coordinator import (
    FIRST_ROWS,
    MOST_DEATHS,
    OUTSTANDING,
    ROWS,
    Coordinator,
    WorkerLost,
)
from importer.engine.row_batch import Answer, Known, RowBatch, Standing, Stop, Told
from importer.errors import BugFound, ExitCode, ImporterError, LedgerFailed, RunStopped
from importer.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

CREATED = Settle(Outcome.CREATED, "bcus_1", 201)
UNSETTLED = Settle(Outcome.UNSETTLED, "", 500, "server_error")
UNAUTHORISED = Stop(
    "Moment does not accept the API key (401)", "", "unauthorised", ExitCode.STOPPED
)
OTHER = UNAUTHORISED._replace(reason="other")
WAITS = Stop.of(stop_error("told_to_wait"))


def planned(number: int) -> Planned:
    """A row that is to be created."""
    return Planned(number, f"R-{number}", b"version", "{}", NEW)


@dataclass
class Cluster:
    """A carrier whose workers do what a test says."""

    names: list[str]
    deliver: Callable[[Cluster, str, RowBatch], Answer] | None = None
    takes: float = 1.0
    """Seconds of a batch."""
    deaths: Counter[str] = field(default_factory=Counter)
    """How many batches still kill each worker; it comes back under its name and a star."""
    unfit: dict[str, Stop] = field(default_factory=dict)
    lost_at: float = 1e9
    """When the scheduler dies."""
    at_end: Stop | None = None
    carried: list[RowBatch] = field(default_factory=list)
    out: Counter[str] = field(default_factory=Counter)
    most_out: int = 0
    """Most batches that one worker had at once,"""
    most_alone: int = 0
    """and that all had before the first answer."""
    answered: int = 0
    told_to_stop: bool = False
    requests: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """As ``Carrier.connected``."""
        yield

    def _reach(self) -> None:
        if trio.current_time() >= self.lost_at:
            raise stop_error("scheduler_lost")

    async def workers(self) -> dict[str, bool]:
        """As ``Carrier.workers``."""
        self._reach()
        return dict.fromkeys(self.names, True)

    async def greet(self, worker: str) -> Stop | None:
        """As ``Carrier.greet``."""
        self._reach()
        return self.unfit.get(worker)

    async def carry(self, worker: str, batch: RowBatch) -> Answer:
        """As ``Carrier.carry``."""
        self._reach()
        self.carried.append(batch)
        self.out[worker] += 1
        self.most_out = max(self.most_out, self.out[worker])
        if not self.answered:
            self.most_alone = max(self.most_alone, self.out.total())
        try:
            await trio.sleep(self.takes)
            if self.deaths[worker]:
                self.deaths[worker] -= 1
                self.names.remove(worker)
                self.names.append(worker + "*")
                self.deaths[worker + "*"] = self.deaths.pop(worker)
                await trio.sleep_forever()
        finally:
            self.out[worker] -= 1
        self.answered += 1
        self.requests[worker] += len(batch.rows)
        return (self.deliver or whole)(self, worker, batch)

    async def standings(self) -> dict[str, Standing]:
        """As ``Carrier.standings``."""
        self._reach()
        return {name: self.standing(name) for name in self.requests}

    def standing(self, worker: str) -> Standing:
        """How a worker stands."""
        sent = self.requests[worker]
        return Standing((sent, 0, 0), self.out[worker], answers=(("post", 201, sent),))

    async def stop(self) -> None:
        """As ``Carrier.stop``."""
        self.told_to_stop = True

    async def finish(self) -> dict[str, tuple[Standing, Stop | None]]:
        """As ``Carrier.finish``."""
        return {name: (self.standing(name), self.at_end) for name in self.requests}


def whole(cluster: Cluster, worker: str, batch: RowBatch) -> Answer:
    """Every row was created."""
    told = tuple(Told(row.position, CREATED, "key", 1) for row in batch.rows)
    return Answer(batch.number, told, cluster.standing(worker))


def stopped(cluster: Cluster, worker: str, batch: RowBatch) -> Answer:
    """Moment refuses the key."""
    return Answer(batch.number, (), cluster.standing(worker), UNAUTHORISED)


class Ledger:
    """Knows what other executions did."""

    def __init__(self, settles: dict[str, Settle] | None = None) -> None:
        self.settles = settles or {}

    def known(self, rows: Any) -> Known:
        """As ``OwnDoing.known``."""
        return Known(settles={row.reference: self.settles[row.reference] for row in rows})


@dataclass
class Ended:
    """How a delivery ended."""

    told: list[Settled]
    error: ImporterError | None
    taken: int
    """Rows that were taken from the input."""
    warnings: list[str]
    requests: tuple[int, int, int]
    answers: Mapping[tuple[str, int], int]
    took: float

    @property
    def positions(self) -> list[int]:
        """Of the rows that were told, sorted."""
        return sorted(one.planned.position for one in self.told)


def deliver(
    cluster: Cluster,
    rows: int,
    *,
    stop_at: float = 1e9,
    ledger: Ledger | None = None,
    fails_at: int = -1,
) -> Ended:
    """Deliver so many rows in simulated time."""
    told: list[Settled] = []
    warnings: list[str] = []
    taken = 0

    def numbered() -> Iterator[Planned]:
        nonlocal taken
        for number in range(rows):
            if number == fails_at:
                raise LedgerFailed("the ledger cannot be read")
            taken += 1
            yield planned(number)

    engine: Coordinator

    async def main() -> ImporterError | None:
        nonlocal engine
        engine = Coordinator(
            cluster,
            on_settled=told.append,
            monotonic=trio.current_time,
            patience=60,
            warn=warnings.append,
            own=ledger or Ledger(),  # type: ignore[arg-type]
        )

        async def stop() -> None:
            await trio.sleep(stop_at)
            engine.stop()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop)
            try:
                await engine.deliver(numbered())
            except ImporterError as error:
                return error
            finally:
                nursery.cancel_scope.cancel()
        return None

    began = trio.testing.MockClock(autojump_threshold=0)
    error = trio.run(main, clock=began)
    counts = (engine.requests, engine.answers)
    return Ended(told, error, taken, warnings, *counts, began.current_time())


def test_each_row_is_told_once_by_workers_that_are_kept_in_work() -> None:
    """Three workers share the rows; requests are counted over all of them."""
    cluster = Cluster(["a", "b", "c"])

    ended = deliver(cluster, 20_000)

    assert ended.error is None
    assert ended.positions == list(range(20_000))
    assert ended.requests == (20_000, 0, 0)
    assert ended.answers == {("post", 201): 20_000}
    assert min(cluster.requests.values()) > 4000
    assert cluster.most_out == OUTSTANDING


def test_the_first_rows_go_alone() -> None:
    """Until a row was answered sensibly there is one small batch at a time."""
    cluster = Cluster(["a", "b", "c"])

    deliver(cluster, 5000)

    assert cluster.most_alone == 1
    assert len(cluster.carried[0].rows) == FIRST_ROWS


def test_the_input_is_not_taken_before_it_can_be_carried() -> None:
    """Where nothing is answered, a bounded number of rows has been taken."""
    cluster = Cluster(["a", "b"], takes=1e6)

    ended = deliver(cluster, 100_000, stop_at=100.0)

    assert ended.taken == FIRST_ROWS


@pytest.mark.parametrize("deaths", range(1, MOST_DEATHS))
def test_a_batch_of_a_dead_worker_goes_to_another(deaths: int) -> None:
    """A death costs its batches another journey, and no row is told twice."""
    cluster = Cluster(["a", "b"], deaths=Counter(b=deaths))

    ended = deliver(cluster, 5000)

    assert ended.error is None
    assert ended.positions == list(range(5000))
    numbers = Counter(batch.number for batch in cluster.carried)
    assert max(numbers.values()) > 1


def test_a_batch_that_kills_its_workers_stops_the_run() -> None:
    """After three deaths nobody else is given it."""
    cluster = Cluster(["a"], deaths=Counter(a=99))

    ended = deliver(cluster, 5000)

    assert isinstance(ended.error, RunStopped)
    assert ended.error.reason == "workers_die"
    assert len(cluster.carried) == MOST_DEATHS
    assert ended.told == []


def test_what_stops_one_worker_stops_all() -> None:
    """A 401 of one worker is the run's, in its own words; the answers on their way are heard."""

    def refuses_one(cluster: Cluster, worker: str, batch: RowBatch) -> Answer:
        return (stopped if batch.number == 4 else whole)(cluster, worker, batch)

    cluster = Cluster(["a", "b", "c"], deliver=refuses_one)

    ended = deliver(cluster, 50_000)

    assert isinstance(ended.error, RunStopped)
    assert (ended.error.reason, ended.error.exit_code) == ("unauthorised", ExitCode.STOPPED)
    assert cluster.told_to_stop
    assert len(cluster.carried) <= 1 + 2 * 3 * OUTSTANDING
    heard = sum(len(one.rows) for one in cluster.carried if one.number != 4)
    assert len(ended.told) == heard


def test_a_stop_hears_what_is_under_way() -> None:
    """After a signal there are no new batches, and those that are out are answered."""
    cluster = Cluster(["a", "b"], takes=2.0)

    ended = deliver(cluster, 50_000, stop_at=4.5)

    assert ended.error is None
    assert cluster.told_to_stop
    assert ended.positions == list(range(ended.taken))
    assert ended.taken < 50_000
    assert ended.took < 10


@pytest.mark.parametrize(
    ("cluster", "reason", "code"),
    [
        (Cluster(["a"], lost_at=3.5), "scheduler_lost", ExitCode.TEMPFAIL),
        (Cluster(["a"], lost_at=0.0), "scheduler_lost", ExitCode.TEMPFAIL),
        (Cluster([]), "no_workers", ExitCode.TEMPFAIL),
        (Cluster(["a", "b"], unfit={"b": OTHER}), "other", ExitCode.STOPPED),
        (Cluster(["a"], at_end=WAITS), "told_to_wait", ExitCode.TEMPFAIL),
    ],
    ids=["scheduler dies", "no scheduler", "no worker", "unfit worker", "told at the end"],
)
def test_a_delivery_that_cannot_go_on_says_why(
    cluster: Cluster, reason: str, code: ExitCode
) -> None:
    """It ends with the exit code that its reason has, which a worker's stop brings along."""
    ended = deliver(cluster, 20_000 if cluster.lost_at < 9 else 100)

    assert isinstance(ended.error, RunStopped)
    assert (ended.error.reason, ended.error.exit_code) == (reason, code)


def test_a_worker_that_joins_late_and_cannot_take_part_is_left() -> None:
    """A run that goes well is not stopped by it: somebody is told."""
    late = Stop("the worker late has no API key", "", "worker_failed", ExitCode.STOPPED)

    def joins(cluster: Cluster, worker: str, batch: RowBatch) -> Answer:
        if batch.number == 5:
            cluster.names.append("late")
        return whole(cluster, worker, batch)

    ended = deliver(Cluster(["a"], deliver=joins, unfit={"late": late}), 10_000)

    assert ended.error is None
    assert ended.warnings == ["the worker late has no API key"]
    assert len(ended.told) == 10_000


def test_a_worker_that_is_said_to_be_lost_is_greeted_again() -> None:
    """Cut off for a moment: its batch counts as lost, and it goes on."""
    calls = 0

    def lost_once(cluster: Cluster, worker: str, batch: RowBatch) -> Answer:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise WorkerLost
        return whole(cluster, worker, batch)

    ended = deliver(Cluster(["a"], deliver=lost_once), 3000)

    assert ended.error is None
    assert ended.positions == list(range(3000))


def test_rows_that_cannot_be_read_stop_the_run() -> None:
    """What is out is heard, and the workers are told to stop."""
    cluster = Cluster(["a", "b"])

    ended = deliver(cluster, 5000, fails_at=1000)

    assert isinstance(ended.error, LedgerFailed)
    assert cluster.told_to_stop
    heard = {row.position for batch in cluster.carried for row in batch.rows}
    assert ended.positions == sorted(heard)


def _twice(cluster: Cluster, worker: str, batch: RowBatch) -> Answer:
    answer = whole(cluster, worker, batch)
    return Answer(batch.number, (*answer.told, answer.told[0]), answer.standing)


def _short(cluster: Cluster, worker: str, batch: RowBatch) -> Answer:
    answer = whole(cluster, worker, batch)
    return Answer(batch.number, answer.told[1:], answer.standing)


def _foreign(cluster: Cluster, worker: str, batch: RowBatch) -> Answer:
    answer = whole(cluster, worker, batch)
    other = answer.told[0]._replace(position=99_999)
    return Answer(batch.number, (*answer.told[1:], other), answer.standing)


@pytest.mark.parametrize("wrong", [_twice, _short, _foreign])
def test_one_outcome_a_row_is_an_invariant(
    wrong: Callable[[Cluster, str, RowBatch], Answer],
) -> None:
    """An answer that tells a row twice, leaves one out or tells a foreign one is a bug."""
    ended = deliver(Cluster(["a"], deliver=wrong), 100)

    assert isinstance(ended.error, BugFound)
    assert ended.told == []


def test_what_one_worker_left_the_ledger_is_asked_about_at_the_end() -> None:
    """Where a batch was at two workers, one may have settled what the other left unsettled."""

    def leaves(cluster: Cluster, worker: str, batch: RowBatch) -> Answer:
        answer = whole(cluster, worker, batch)
        if worker == "a*":
            left = tuple(one._replace(settle=UNSETTLED) for one in answer.told)
            return Answer(batch.number, left, answer.standing)
        return answer

    settles = {f"R-{number}": CREATED for number in range(100)}
    cluster = Cluster(["a"], deliver=leaves, deaths=Counter(a=1))

    ended = deliver(cluster, 100, ledger=Ledger(settles))

    assert ended.error is None
    assert ended.positions == list(range(100))
    # The first batch alone had been at two workers.
    outcomes = [one.settle.outcome for one in sorted(ended.told, key=lambda one: one.planned)]
    assert outcomes[:FIRST_ROWS] == [Outcome.CREATED] * FIRST_ROWS
    assert set(outcomes[FIRST_ROWS:]) == {Outcome.UNSETTLED}


def test_batches_grow_to_what_takes_seconds() -> None:
    """Where workers are fast a batch is large, within its bound."""
    cluster = Cluster(["a"], takes=0.1)

    deliver(cluster, 30_000)

    assert max(len(batch.rows) for batch in cluster.carried) == ROWS[1]
