"""The pool: who goes next, what waits, and when a run ends early."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

from importer.delivery.committer import Committer
from importer.delivery.pacing.outage import HealthSettings
from importer.delivery.pool import Pool, PoolSettings
from importer.delivery.protocol import answers as a
from importer.delivery.protocol.creating import Policy
from importer.delivery.protocol.flight import Planned, Settled
from importer.delivery.protocol.states import NEW, Done, Origin
from importer.delivery.stopping import one_cause
from importer.errors import LedgerFailed, RunStopped
from importer.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from importer.delivery.protocol.states import Attempt, State, Transition
    from importer.delivery.protocol.update_states import UpdateState, UpdateTransition


class Api:
    """Answers every POST by a rule, a tenth of a virtual second later."""

    def __init__(self, rule: Callable[[str, int], a.Answer]) -> None:
        self.rule = rule
        self.posts: Counter[str] = Counter()
        self.busy = 0
        self.most_busy = 0

    async def create(self, reference: str, key: str, payload: str) -> a.Answer:
        """POST."""
        del key, payload
        self.posts[reference] += 1
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        await trio.sleep(0.1)
        self.busy -= 1
        return self.rule(reference, self.posts[reference])

    async def look_up(self, reference: str, payload: str) -> a.LookUpAnswer:
        """GET: nobody is there."""
        del reference, payload
        await trio.sleep(0.1)
        return a.Absent()


class Ledger:
    """Takes every transition; fails when told to."""

    def __init__(self, *, fail_after: int | None = None) -> None:
        self.commits = 0
        self.fail_after = fail_after

    def apply(
        self,
        transitions: Sequence[Transition | UpdateTransition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
    ) -> list[State | UpdateState | None]:
        """Apply all."""
        del attempts, run_id, now
        self.commits += 1
        if self.fail_after is not None and self.commits > self.fail_after:
            raise LedgerFailed("disk full")
        return [None] * len(transitions)


class Clock:
    """Virtual time of day."""

    def now(self) -> float:
        """Seconds since the epoch, as far as trio's clock goes."""
        return 1_000_000 + trio.current_time()


async def offload(call):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """A commit takes 10 virtual milliseconds."""
    await trio.sleep(0.01)
    return call()


def created(reference: str, attempt: int) -> a.Answer:
    """Every row is created at once."""
    del attempt
    return a.Created(f"bcus_{reference}")


def deliver(
    api: Api,
    rows: int,
    *,
    ledger: Ledger | None = None,
    settings: PoolSettings | None = None,
    health: HealthSettings | None = None,
    stop_after: float | None = None,
    into: list[Settled] | None = None,
) -> list[Settled]:
    """Deliver so many rows in virtual time; what was settled, in order."""
    settled: list[Settled] = into if into is not None else []

    async def main() -> None:
        committer = Committer(ledger or Ledger(), run_id="r", clock=Clock(), offload=offload)
        pool = Pool(
            api,
            committer,
            clock=Clock(),
            draw=lambda: 0.5,
            policy=Policy(),
            on_settled=settled.append,
            settings=settings,
            health=health,
        )
        planned = (Planned(n, f"R{n}", b"f", "{}", NEW) for n in range(rows))
        async with trio.open_nursery() as nursery:
            if stop_after is not None:
                nursery.start_soon(stop_later, pool, stop_after)
            await pool.deliver(planned)
            nursery.cancel_scope.cancel()

    async def stop_later(pool: Pool, seconds: float) -> None:
        await trio.sleep(seconds)
        pool.stop()

    try:
        trio.run(main, clock=MockClock(autojump_threshold=0))
    except BaseExceptionGroup as group:
        raise one_cause(group) from None
    return settled


@pytest.mark.parametrize(("rows", "workers", "batch"), [(0, 4, 8), (1, 32, 256), (100, 32, 4)])
def test_every_row_is_settled_once(rows: int, workers: int, batch: int) -> None:
    """Any number of rows, workers and batch sizes comes to an end with each row settled once."""
    settled = deliver(Api(created), rows, settings=PoolSettings(workers=workers, batch=batch))
    assert sorted(one.planned.position for one in settled) == list(range(rows))
    assert {one.settle.outcome for one in settled} <= {Outcome.CREATED}


def test_the_first_row_goes_alone_and_then_the_pool_opens() -> None:
    """One request at a time until the canary is answered, all workers after it."""
    order: list[int] = []
    api = Api(created)

    def rule(reference: str, attempt: int) -> a.Answer:
        order.append(api.most_busy)
        return created(reference, attempt)

    api.rule = rule
    deliver(api, 50, settings=PoolSettings(workers=8))
    assert order[0] == 1
    assert api.most_busy == 8


def test_a_refused_key_stops_after_the_canary() -> None:
    """401 on the first row: one request left, no row is settled as failed."""
    api = Api(lambda _ref, _n: a.RunWrong("unauthorised", 401))
    with pytest.raises(RunStopped) as caught:
        deliver(api, 50)
    assert caught.value.reason == "unauthorised"
    assert api.posts.total() == 1


def test_a_canary_without_a_sensible_answer_stops_the_run() -> None:
    """A first row that stays unanswered stops the run before the second row is sent."""
    api = Api(lambda _ref, _n: a.Unknown("read_timeout"))
    with pytest.raises(RunStopped) as caught:
        deliver(api, 50)
    assert caught.value.reason == "canary_failed"
    assert set(api.posts) == {"R0"}


def test_a_waiting_row_never_holds_a_worker() -> None:
    """One row that needs five attempts does not keep a single worker from the other rows."""

    def rule(reference: str, attempt: int) -> a.Answer:
        if reference == "R1" and attempt < 5:
            return a.ServerFault(503, "x", retry_after=60)
        return created(reference, attempt)

    settled = deliver(Api(rule), 20, settings=PoolSettings(workers=1))
    assert settled[-1].planned.reference == "R1"
    assert settled[-1].attempts == 5


def test_a_stop_takes_no_new_rows_and_finishes_those_in_flight() -> None:
    """After stop, answers under way are still settled; the others are reported unsettled."""
    api = Api(created)
    settled = deliver(api, 1000, settings=PoolSettings(workers=4), stop_after=1.05)
    done = [one for one in settled if one.settle.outcome is Outcome.CREATED]
    assert len(done) == api.posts.total() < 1000
    assert all(one.settle.error_code == "run_stopped" for one in settled if one not in done)


def test_a_throttled_row_does_not_use_up_its_attempts() -> None:
    """Twenty 429s in a row are no failure of the row."""

    def rule(reference: str, attempt: int) -> a.Answer:
        return a.Throttled(1.0) if attempt <= 20 else created(reference, attempt)

    settled = deliver(Api(rule), 3)
    assert {one.settle.outcome for one in settled} == {Outcome.CREATED}


def test_an_outage_pauses_the_whole_run_and_is_ridden_out() -> None:
    """When nothing answers for minutes and then all is well, every row is settled."""

    def rule(reference: str, attempt: int) -> a.Answer:
        if reference != "R0" and trio.current_time() < 300:
            return a.NotSent("connect_error")
        return created(reference, attempt)

    api = Api(rule)
    settled = deliver(api, 200)
    assert {one.settle.outcome for one in settled} == {Outcome.CREATED}
    assert api.posts.total() < 200 * 4


def test_a_short_break_costs_little_time_and_few_requests() -> None:
    """Everything in flight fails at once; one request after another asks until Moment is back."""
    went_on_at: list[float] = []

    def rule(reference: str, attempt: int) -> a.Answer:
        if reference != "R0" and trio.current_time() < 3:
            return a.NotSent("connect_error")
        went_on_at.append(trio.current_time())
        return created(reference, attempt)

    api = Api(rule)
    settled = deliver(api, 200)
    assert {one.settle.outcome for one in settled} == {Outcome.CREATED}
    assert api.posts.total() < 200 + 2 * 32
    assert went_on_at[1] < 8


def test_an_endless_outage_stops_the_run() -> None:
    """Without one sensible answer for the whole of its patience the run stops."""

    def rule(reference: str, attempt: int) -> a.Answer:
        return created(reference, attempt) if reference == "R0" else a.Unknown("read_timeout")

    with pytest.raises(RunStopped) as caught:
        deliver(Api(rule), 2000)
    assert caught.value.reason == "unreachable"


def test_the_retry_budget_bounds_what_a_broken_api_is_asked() -> None:
    """Every second answer is a fault: the run stops once its retries are spent."""
    count = iter(range(10**9))

    def rule(reference: str, attempt: int) -> a.Answer:
        if reference != "R0" and next(count) % 5:
            return a.ServerFault(500, "x")
        return created(reference, attempt)

    with pytest.raises(RunStopped) as caught:
        deliver(Api(rule), 5000, health=HealthSettings(budget=100, earned=0.1))
    assert caught.value.reason == "retry_budget_spent"


def test_nothing_is_sent_when_the_ledger_cannot_be_written() -> None:
    """A ledger that fails at the write-ahead ends the run before any request."""
    api = Api(created)
    with pytest.raises(LedgerFailed):
        deliver(api, 50, ledger=Ledger(fail_after=0))
    assert api.posts.total() == 0


def test_a_stop_that_one_row_meets_lets_the_others_finish() -> None:
    """A wait that is too long stops the run; answers under way are still settled."""

    def rule(reference: str, attempt: int) -> a.Answer:
        if reference == "R5":
            raise RunStopped("told to wait", reason="told_to_wait")
        return created(reference, attempt)

    api = Api(rule)
    settled: list[Settled] = []
    with pytest.raises(RunStopped) as caught:
        deliver(api, 100, settings=PoolSettings(workers=8), into=settled)
    assert caught.value.reason == "told_to_wait"
    done = [one for one in settled if one.settle.outcome is Outcome.CREATED]
    assert len(done) == api.posts.total() - 1


def test_many_rows_share_a_commit() -> None:
    """Rows in flight are committed in groups, not one by one."""
    ledger = Ledger()
    deliver(Api(created), 1000, ledger=ledger, settings=PoolSettings(workers=32))
    assert ledger.commits < 200


def test_a_first_row_that_another_importer_settled_is_no_canary() -> None:
    """A row that costs no request proves nothing: the next row goes alone instead."""

    class Contended(Ledger):
        def apply(
            self,
            transitions: Sequence[Transition | UpdateTransition],
            attempts: Sequence[Attempt],
            *,
            run_id: str,
            now: float,
        ) -> list[State | UpdateState | None]:
            del attempts, run_id, now
            done = Done(0, b"f", "bcus_1", Origin.CREATED)
            return [done if one.reference == "R0" else None for one in transitions]

    api = Api(lambda _ref, _n: a.RunWrong("forbidden", 403))
    with pytest.raises(RunStopped):
        deliver(api, 50, ledger=Contended())
    assert api.posts.total() == 1
