"""The pool: who goes next, what waits, and when a run ends early."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from importer.delivery.committer import Committer
from importer.delivery.pacing.pace import PaceSettings
from importer.delivery.pacing.valve import Trail, Valve
from importer.delivery.pool import Pool, PoolSettings, _check_written_ahead, _Ride
from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as u
from importer.delivery.protocol.creating import Policy
from importer.delivery.protocol.events import Settle
from importer.delivery.protocol.flight import Flight, Planned, Settled
from importer.delivery.protocol.states import NEW, Done, Origin, Sent, Synced, Transition
from importer.delivery.protocol.updating import Rule, UpdatePolicy
from importer.delivery.row_source import AT_A_TIME, Iterated, Spread
from importer.delivery.stopping import one_cause
from importer.errors import BugFound, ExitCode, LedgerFailed, RunStopped
from importer.outcomes import Outcome
from tests import virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from importer.delivery.protocol.states import Attempt, State, UpdateState, UpdateTransition


class Api:
    """Answers every POST by a rule, a tenth of a virtual second later; unread, as the client."""

    def __init__(self, rule: Callable[[str, int], a.Answer]) -> None:
        self.rule = rule
        self.look_up_rule: Callable[[str], a.LookUpAnswer] = lambda _: a.Absent()
        self.patch_rule: Callable[[str], u.PatchAnswer] = lambda _: u.Patched(NEW_BALANCE)
        self.posts: Counter[str] = Counter()
        self.gets: Counter[str] = Counter()
        self.patches: Counter[str] = Counter()
        self.busy = 0
        self.most_busy = 0

    async def create(
        self, reference: str, key: str, payload: str
    ) -> tuple[a.Answer | a.Unread, None]:
        """POST."""
        del key, payload
        self.posts[reference] += 1
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        await anyio.sleep(0.1)
        self.busy -= 1
        answer = self.rule(reference, self.posts[reference])
        if isinstance(answer, a.Created | a.Unbelievable):
            return a.Unread(lambda: self.read_body(reference, answer)), None
        return answer, None

    def read_body(self, reference: str, answer: a.Answer) -> a.Answer:
        """What the body of an answer to a POST says."""
        del reference
        return answer

    async def read(self, customer_id: str, reference: str) -> tuple[u.ReadAnswer, None]:
        """Nothing is kept in step here."""
        raise NotImplementedError

    async def patch(
        self, patch: u.Patch, payload: str, reference: str
    ) -> tuple[u.PatchAnswer, None]:
        """PATCH."""
        del patch, payload
        self.patches[reference] += 1
        await anyio.sleep(0.1)
        return self.patch_rule(reference), None

    async def look_up(self, reference: str, payload: str) -> tuple[a.LookUpAnswer, None]:
        """GET: nobody is there."""
        del payload
        self.gets[reference] += 1
        await anyio.sleep(0.1)
        return self.look_up_rule(reference), None


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
        """Seconds since the epoch, as far as the loop's clock goes."""
        return 1_000_000 + anyio.current_time()


async def offload(call):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """A commit takes 10 virtual milliseconds."""
    await anyio.sleep(0.01)
    return call()


def created(reference: str, attempt: int) -> a.Answer:
    """Every row is created at once."""
    del attempt
    return a.Created(f"bcus_{reference}")


NEW_BALANCE = (("balance", b"new"),)


def of_known(row: Planned) -> Planned:
    """The row of a customer that is settled, whose balance has changed."""
    done = Done(0, b"e", f"bcus_{row.position}", Origin.CREATED)
    synced = Synced(done.customer_id, 0, (("balance", b"old"),), b"e")
    return row._replace(state=done, fields=NEW_BALANCE, update=synced)


def deliver(
    api: Api,
    rows: int,
    *,
    ledger: Ledger | None = None,
    settings: PoolSettings | None = None,
    patience: float = 900.0,
    stop_after: float | None = None,
    into: list[Settled] | None = None,
    state: State = NEW,
    offload: Any = offload,
    ended: list[float] | None = None,
    known: Callable[[int], bool] = lambda _: False,
) -> list[Settled]:
    """Deliver so many rows in virtual time; what was settled, in order.

    ``known`` tells of a row's number whether its customer is settled, with another balance.
    """
    settled: list[Settled] = into if into is not None else []

    async def main() -> None:
        most = settings.workers if settings else 32
        valve = Valve(
            PaceSettings(max_in_flight=most, start_in_flight=most),
            patience=patience,
        )
        committer = Committer(ledger or Ledger(), run_id="r", clock=Clock(), offload=offload)
        pool = Pool(
            api,
            committer,
            valve,
            clock=Clock(),
            draw=lambda: 0.5,
            policy=Policy(),
            on_settled=settled.append,
            settings=settings,
            updates=UpdatePolicy((("balance", Rule.SOURCE),)),
        )
        new = (Planned(n, f"R{n}", b"f", "{}", state) for n in range(rows))
        planned = (of_known(row) if known(row.position) else row for row in new)
        async with anyio.create_task_group() as tasks:
            if stop_after is not None:
                tasks.start_soon(stop_later, pool, stop_after)
            await pool.deliver(planned)
            if ended is not None:
                ended.append(anyio.current_time())
            tasks.cancel_scope.cancel()

    async def stop_later(pool: Pool, seconds: float) -> None:
        await anyio.sleep(seconds)
        pool.stop()

    try:
        virtual_time.run(main)
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


class Told(Api):
    """Notes in which order requests leave and answers are read."""

    def __init__(self, rule: Callable[[str, int], a.Answer]) -> None:
        super().__init__(rule)
        self.order: list[str] = []

    async def create(
        self, reference: str, key: str, payload: str
    ) -> tuple[a.Answer | a.Unread, None]:
        """POST."""
        self.order.append("request")
        return await super().create(reference, key, payload)

    async def look_up(self, reference: str, payload: str) -> tuple[a.LookUpAnswer, None]:
        """GET."""
        self.order.append("request")
        return await super().look_up(reference, payload)

    def read_body(self, reference: str, answer: a.Answer) -> a.Answer:
        """Read."""
        del reference
        self.order.append("unbelievable" if isinstance(answer, a.Unbelievable) else "read")
        return answer


def test_the_next_request_leaves_before_an_answer_that_looks_well_is_read() -> None:
    """Only the first row's answer is read before anything else leaves."""
    api = Told(created)
    settled = deliver(api, 4, settings=PoolSettings(workers=1))
    alone, pairs = ["request", "read"], ["request", "read"]
    assert api.order == [*alone, "request", *pairs, *pairs, "read"]
    assert {one.settle.outcome for one in settled} == {Outcome.CREATED}


def test_nothing_leaves_unread_answers_behind_while_there_is_trouble() -> None:
    """Once a body was not to be believed, the next answer is read before anything leaves."""
    api = Told(lambda ref, _: a.Unbelievable(200, "no") if ref == "R32" else created(ref, 1))
    api.look_up_rule = lambda _: a.Found("bcus_1")
    settled = deliver(api, 100, settings=PoolSettings(workers=1))
    at = api.order.index("unbelievable")
    assert api.order[at - 1 : at + 3] == ["request", "unbelievable", "read", "request"]
    assert len(settled) == 100


def test_a_refused_key_stops_after_the_canary() -> None:
    """401 on the first row: one request left, no row is settled as failed."""
    api = Api(lambda _ref, _n: a.RunWrong("unauthorised", 401))
    with pytest.raises(RunStopped) as caught:
        deliver(api, 50)
    assert caught.value.reason == "unauthorised"
    assert api.posts.total() == 1


def test_a_canary_without_a_sensible_answer_stops_the_run() -> None:
    """Where nobody answers, the first row and five others are tried, one at a time, no more."""
    api = Api(lambda _ref, _n: a.Unknown("read_timeout"))
    with pytest.raises(RunStopped) as caught:
        deliver(api, 50)
    assert caught.value.reason == "canary_failed"
    assert len(api.posts) == 6
    assert "R0" in api.posts
    assert api.most_busy == 1


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
        if reference != "R0" and anyio.current_time() < 300:
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
        if reference != "R0" and anyio.current_time() < 3:
            return a.NotSent("connect_error")
        went_on_at.append(anyio.current_time())
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

    api = Api(lambda _ref, _n: a.RunWrong("unauthorised", 401))
    with pytest.raises(RunStopped):
        deliver(api, 50, ledger=Contended())
    assert api.posts.total() == 1


@pytest.mark.parametrize("checkpoints", range(4))
def test_a_source_that_is_closed_while_it_makes_rows_gives_none_of_them(checkpoints: int) -> None:
    """Rows that nobody took are as they were: none is written ahead once a stop was asked for."""
    made = (Planned(at, f"R{at}", b"f", "{}", NEW) for at in range(100))
    rows = Spread(Iterated(made), 2 * AT_A_TIME)

    async def main() -> list[Planned]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(rows.prepare)
            for _ in range(checkpoints):
                await anyio.lowlevel.checkpoint()
            rows.close()
        return await rows.take(1)

    assert anyio.run(main) == []
    assert rows.ended


# One row must never stop the others --------------------------------------------------------------

BLOCKED = a.Blocked(403, of_api=False)
CONFLICT = a.Conflicted()
FORBIDDEN = a.Blocked(403, of_api=True)
STORED = a.ServerFault(500, "stored", replayed=True)
FAULT = a.ServerFault(500, "http_500")
NEVER_SETTLE = {
    "409 and nothing there": CONFLICT,
    "a stored 500": STORED,
    "a lasting 500": FAULT,
    "a firewall": BLOCKED,
    "the API's own 403": FORBIDDEN,
    "the API's own 404": a.Blocked(404, of_api=True),
    "no answer": a.Unknown("read_timeout"),
    "no connection": a.NotSent("connect_error"),
    "not JSON": a.Unbelievable(200, "not_json"),
    "503 and an hour": a.ServerFault(503, "http_503", retry_after=3600.0),
}


def outcomes(settled: list[Settled]) -> Counter[str]:
    """Rows by outcome."""
    return Counter(one.settle.outcome.value for one in settled)


@pytest.mark.parametrize("answer", NEVER_SETTLE.values(), ids=NEVER_SETTLE)
def test_a_first_row_that_can_never_settle_stops_nobody(answer: a.Answer) -> None:
    """The row is left, whatever is wrong with it; every other row is created."""
    api = Api(lambda ref, n: answer if ref == "R0" else created(ref, n))
    assert outcomes(deliver(api, 100)) == {"created": 99, "unsettled": 1}


@pytest.mark.parametrize("answer", NEVER_SETTLE.values(), ids=NEVER_SETTLE)
def test_every_tenth_row_that_can_never_settle_stops_nobody(answer: a.Answer) -> None:
    """They spend their attempts and are left; all others are created, and first."""
    api = Api(lambda ref, n: answer if ref.endswith("7") else created(ref, n))
    settled = deliver(api, 600)
    assert outcomes(settled) == {"created": 540, "unsettled": 60}
    assert api.most_busy == 32


@pytest.mark.parametrize(
    ("answer", "reason", "most", "code"),
    [
        (FORBIDDEN, "forbidden", 6, ExitCode.STOPPED),
        (a.Blocked(404, of_api=True), "no_such_endpoint", 6, ExitCode.STOPPED),
        (BLOCKED, "something_else_answers", 18, ExitCode.STOPPED),
        (a.Unbelievable(200, "not_json"), "something_else_answers", 48, ExitCode.STOPPED),
        (CONFLICT, "canary_failed", 48, ExitCode.STOPPED),
        (FAULT, "canary_failed", 48, ExitCode.TEMPFAIL),
        (a.Unknown("read_timeout"), "canary_failed", 48, ExitCode.TEMPFAIL),
    ],
)
def test_where_the_first_six_fail_alike_the_run_is_wrong(
    answer: a.Answer, reason: str, most: int, code: ExitCode
) -> None:
    """Six rows are tried one at a time; then the run stops, and says what they met."""
    # What an outage says as well passes by itself; what an answer says needs a person.
    api = Api(lambda _ref, _n: answer)
    with pytest.raises(RunStopped) as caught:
        deliver(api, 400)
    assert (caught.value.reason, caught.value.exit_code) == (reason, code)
    assert len(api.posts) == 6
    assert api.posts.total() <= most
    assert api.most_busy == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(FORBIDDEN, "forbidden"), (BLOCKED, "something_else_answers"), (FAULT, "unreachable")],
)
def test_row_after_row_in_trouble_stops_the_run_after_a_few_requests(
    answer: a.Answer, reason: str
) -> None:
    """Once nothing is taken any more, the run probes a few times and stops; no row is charged."""
    asked = count(1)
    api = Api(lambda ref, n: created(ref, n) if next(asked) <= 100 else answer)
    settled: list[Settled] = []
    with pytest.raises(RunStopped) as caught:
        deliver(api, 1000, into=settled)
    assert caught.value.reason == reason
    assert outcomes(settled)["created"] == 100
    assert outcomes(settled)["rejected"] == 0
    assert api.posts.total() < 100 + 150


@pytest.mark.parametrize("answer", [BLOCKED, FORBIDDEN, FAULT], ids=repr)
def test_a_block_of_rows_in_trouble_is_not_the_run(answer: a.Answer) -> None:
    """Files are sorted: forty rows that stand together keep nobody behind them from their turn."""
    for first in (0, 100, 360):
        block = {f"R{n}" for n in range(first, first + 40)}
        api = Api(created)
        api.rule = partial(lambda bad, ref, n: answer if ref in bad else created(ref, n), block)
        assert outcomes(deliver(api, 400)) == {"created": 360, "unsettled": 40}


@pytest.mark.parametrize("answer", [BLOCKED, FORBIDDEN], ids=repr)
def test_rows_that_an_earlier_run_left_do_not_prove_that_the_run_is_wrong(answer: a.Answer) -> None:
    """All of them are tried; a row behind them that is taken now is created."""
    api = Api(lambda ref, n: created(ref, n) if ref == "R15" else answer)
    settled = deliver(api, 16, state=Sent(0, b"f", 1_000_000.0))
    assert outcomes(settled) == {"created": 1, "unsettled": 15}
    assert outcomes(deliver(Api(lambda *_: answer), 9, state=Sent(0, b"f", 1_000_000.0))) == {
        "unsettled": 9
    }


def test_a_row_whose_requests_hang_is_left_after_minutes() -> None:
    """A server that drips keeps no run for eight deadlines of one row."""

    class Drips(Api):
        async def create(
            self, reference: str, key: str, payload: str
        ) -> tuple[a.Answer | a.Unread, None]:
            if reference != "R7":
                return await super().create(reference, key, payload)
            await anyio.sleep(75)
            return a.Unknown("total_timeout"), None

    ended: list[float] = []
    api = Drips(created)
    assert outcomes(deliver(api, 50, ended=ended)) == {"created": 49, "unsettled": 1}
    assert ended[0] < 200


def test_a_slow_ledger_makes_no_row_of_refusals() -> None:
    """Rows count when they are answered: what is taken is counted before its commit is durable."""

    def rule(reference: str, attempt: int) -> a.Answer:
        if int(reference[1:]) % 4 == 0:
            return created(reference, attempt)
        return a.Refused(400, "no", "No")

    async def slowly(call):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        await anyio.sleep(5)
        return call()

    settled = deliver(Api(rule), 400, offload=slowly)
    assert outcomes(settled) == {"created": 100, "rejected": 300}


def test_a_page_of_a_gateway_that_passes_costs_nobody_anything() -> None:
    """Every row meets the page once; all are created, for nobody is rejected by a gateway."""
    page = a.Blocked(400, of_api=False)
    settled = deliver(Api(lambda ref, n: page if n == 1 else created(ref, n)), 300)
    assert outcomes(settled) == {"created": 300}


@pytest.mark.parametrize("status", [400, 402, 422])
def test_one_refusal_for_nearly_every_row_stops_the_run(status: int) -> None:
    """Fifty rows refused with the same words, whatever numbers are in them, are enough."""

    def rule(reference: str, attempt: int) -> a.Answer:
        if int(reference[1:]) < 5:
            return created(reference, attempt)
        return a.Refused(status, "not_enabled", f"Currency ZAR is not enabled for {reference}")

    api = Api(rule)
    settled: list[Settled] = []
    with pytest.raises(RunStopped) as caught:
        deliver(api, 2000, into=settled)
    assert caught.value.reason == "refused_alike"
    assert "Currency ZAR is not enabled for #" in caught.value.message
    assert outcomes(settled)["rejected"] >= 50
    assert len(api.posts) < 150


def test_refusals_of_nineteen_rows_in_twenty_stop_the_run() -> None:
    """One row in thirty that is taken does not hide it."""

    def rule(reference: str, attempt: int) -> a.Answer:
        taken = int(reference[1:]) % 30 == 0
        return created(reference, attempt) if taken else a.Refused(400, "x", "no such scheme")

    api = Api(rule)
    with pytest.raises(RunStopped) as caught:
        deliver(api, 2000)
    assert caught.value.reason == "refused_alike"
    assert len(api.posts) < 260


@pytest.mark.parametrize("new", [0, 2])
def test_one_refusal_for_nearly_every_update_stops_the_run(new: int) -> None:
    """Also where every other row is a new one that Moment takes: a PATCH is judged by PATCHes."""
    api = Api(created)
    api.patch_rule = lambda ref: a.Refused(400, "no_balance", f"No balances, {ref}")
    settled: list[Settled] = []
    with pytest.raises(RunStopped) as caught:
        deliver(api, 2000, into=settled, known=lambda n: not new or n % new > 0)
    assert caught.value.reason == "refused_alike"
    assert "HTTP 400, no_balance: No balances, #" in caught.value.message
    assert outcomes(settled)["rejected"] >= 50
    assert len(api.patches) < 150


def test_refusals_for_different_reasons_reject_their_rows_and_nothing_else() -> None:
    """Each row has its own trouble: the run goes on to the end, with POST and PATCH alike."""
    words = [chr(97 + n % 26) + chr(97 + n // 26 % 26) for n in range(600)]
    api = Api(lambda ref, _n: a.Refused(400, "x", f"bad {words[int(ref[1:])]}"))
    api.patch_rule = lambda ref: a.Refused(400, "x", f"bad {words[int(ref[1:])]}")
    assert outcomes(deliver(api, 600, known=lambda n: n % 2 > 0)) == {"rejected": 600}


def test_rows_that_exist_already_are_found_however_many_they_are() -> None:
    """A lost ledger: every POST is refused because the reference exists; no stop rule fires."""
    api = Api(lambda _ref, _n: a.Refused(422, "taken", "is already taken", says_exists=True))
    api.look_up_rule = lambda ref: a.Found(f"bcus_{ref}")
    assert outcomes(deliver(api, 300)) == {"found": 300}


@pytest.mark.parametrize("after", [0, 1, 100])
@pytest.mark.parametrize("wait", [None, 1.0, 600.0])
def test_endless_throttling_ends(after: int, wait: float | None) -> None:
    """Nothing but 429 for as long as the run has patience: it stops, to be continued."""
    asked = count(1)
    api = Api(lambda ref, n: created(ref, n) if next(asked) <= after else a.Throttled(wait))
    settled: list[Settled] = []
    with pytest.raises(RunStopped) as caught:
        deliver(api, 400, into=settled, patience=900)
    assert caught.value.reason == "no_progress"
    assert outcomes(settled)["created"] == after
    assert outcomes(settled)["unsettled"] == len(settled) - after


@pytest.mark.parametrize("answer", [a.Throttled, partial(a.ServerFault, 503, "http_503", False)])
@pytest.mark.parametrize("wait", [3600.0, 2.5e11])
def test_a_run_never_sleeps_through_a_wait_beyond_all_patience(
    answer: Callable[[float], a.Answer], wait: float
) -> None:
    """One row among others is left, and the run ends as usual; where it is all rows, it stops."""
    # 63, 79 and 95 are sent one after the other: every sixteenth row goes first.
    for rows, bad in ((1, {0}), (2, {0, 1}), (100, {63, 79, 95}), (100, {99}), (100, {50})):
        waits = {f"R{n}" for n in bad}
        api = Api(lambda ref, n, of=waits: answer(wait) if ref in of else created(ref, n))  # type: ignore[misc]
        settled: list[Settled] = []
        if len(bad) > 1 or rows == 1:
            with pytest.raises(RunStopped) as caught:
                deliver(api, rows, into=settled, settings=PoolSettings(workers=1))
            assert caught.value.reason == "told_to_wait"
        else:
            deliver(api, rows, into=settled)
            assert outcomes(settled) == {"created": rows - 1, "unsettled": 1}
            told = [one.settle.error_code for one in settled if f"R{one.planned.position}" in waits]
            assert told == ["asked_to_wait"]
        assert all(api.posts[one] <= 1 for one in waits)


def test_a_row_that_is_throttled_for_ever_does_not_hold_the_others() -> None:
    """Its 429s count for the run until others were served between two; then it spends attempts."""
    api = Api(lambda ref, n: a.Throttled(60.0) if ref == "R3" else created(ref, n))
    settled: list[Settled] = []
    began: list[float] = []

    def rule(reference: str, attempt: int) -> a.Answer:
        began.append(anyio.current_time())
        return a.Throttled(60.0) if reference == "R3" else created(reference, attempt)

    api.rule = rule
    deliver(api, 1000, into=settled)
    assert outcomes(settled) == {"created": 999, "unsettled": 1}
    assert sum(1 for at in began if at < 120) > 900
    assert began[-1] < 900


def test_a_small_file_sits_out_an_outage() -> None:
    """Where few rows are left, all of them in trouble are an outage; none spends its attempts."""

    def rule(reference: str, attempt: int) -> a.Answer:
        return (
            created(reference, attempt)
            if reference == "R0" or anyio.current_time() > 300
            else FAULT
        )

    assert outcomes(deliver(Api(rule), 10)) == {"created": 10}


# What must always hold ---------------------------------------------------------------------------


def test_a_row_with_two_outcomes_is_a_bug() -> None:
    """An outcome that is told twice would be counted, and perhaps paid, twice."""
    ride = _Ride(Planned(0, "R", b"f", "{}", NEW), Flight("R", b"f", NEW), Trail(0), settled=True)
    settled: list[Settled] = []
    pool = Pool(
        Api(created),
        Committer(Ledger(), run_id="r", clock=Clock(), offload=offload),
        Valve(),
        clock=Clock(),
        draw=lambda: 0.5,
        policy=Policy(),
        on_settled=settled.append,
    )
    with pytest.raises(BugFound, match="everything that was sent is in the ledger"):
        pool._settle(ride, Settle(Outcome.CREATED))
    assert settled == []


@pytest.mark.parametrize("held", [NEW, Sent(1, b"f", 1.0), Done(0, b"f", "b", Origin.CREATED)])
def test_what_is_not_written_ahead_is_not_sent(held: State) -> None:
    """Nothing leaves under another generation than the ledger holds as sent."""
    _check_written_ahead(Sent(0, b"f", 1.0), 0)
    with pytest.raises(BugFound, match="it was not sent"):
        _check_written_ahead(held, 0)


def test_a_ledger_that_answers_too_little_ends_the_run() -> None:
    """Rows and results would be mixed up; nothing is sent after it."""

    class Short(Ledger):
        def apply(self, *args: Any, **more: Any) -> Any:
            return super().apply(*args, **more)[1:]

    api = Api(created)
    with pytest.raises(BugFound, match="1 changes of the ledger have 0 results"):
        deliver(api, 50, ledger=Short())
    assert api.posts.total() == 0


def test_a_generation_that_goes_back_is_never_committed() -> None:
    """The ledger is not even asked."""
    ledger = Ledger()

    async def main() -> None:
        committer = Committer(ledger, run_id="r", clock=Clock(), offload=offload)
        back = Transition("R", Sent(2, b"f", 1.0), Sent(1, b"f", 2.0))
        with pytest.raises(BugFound, match="a generation goes back"):
            await committer.commit([back])

    virtual_time.run(main)
    assert ledger.commits == 0
