"""One row never stops the others: whole runs against an API that answers by row."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from importer.delivery.pacing.valve import Trail, Valve
from importer.delivery.protocol import answers as a
from importer.errors import ExitCode
from importer.job.world import World
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from tests.delivery.fake_api import PAGE, Reply, problem, serving
from tests.job.conftest import AT_ONCE, Job, customers, outcomes, results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 120
HOUR = {"Retry-After": "3600"}
END_OF_TIME = {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}


def of(number: int, reply: Reply) -> Callable[[str, int], Reply | None]:
    """This row alone gets this reply, always."""
    return lambda reference, _: reply if reference == f"C-{number}" else None


@pytest.mark.parametrize("number", [0, 60, ROWS - 1])
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (problem(409, "deleted"), "deleted"),
        (Reply(500, PAGE), "http_500"),
        (Reply(403, PAGE), "not_the_api"),
        (Reply(400, b'{"message": "Forbidden"}'), "not_the_api"),
        (problem(404), "turned_away"),
    ],
)
def test_a_row_that_can_never_settle_is_left_and_the_rest_created(
    tmp_path: Path, reply: Reply, code: str, number: int
) -> None:
    """Wherever it stands; and the next night it does not stand before the new rows."""
    with serving(of(number, reply)) as api:
        job = Job(tmp_path, api.url)
        finished = job.run(customers(range(ROWS)), world=AT_ONCE)
        assert outcomes(finished) == {"created": ROWS - 1, "unsettled": 1}
        assert finished.exit_code is ExitCode.TEMPFAIL
        assert results(finished)[number]["error_code"] == code
        again = job.run(customers(range(ROWS + 1)), world=AT_ONCE)
        assert outcomes(again) == {"unchanged": ROWS - 1, "created": 1, "unsettled": 1}


class Hour:
    """A clock that stands still at an hour."""

    def __init__(self, hour: float) -> None:
        self._at = 1.8e9 + hour * 3600

    def now(self) -> float:
        """Epoch seconds."""
        return self._at


def test_a_row_that_can_never_settle_asks_for_a_person_in_the_end(tmp_path: Path) -> None:
    """75 while trying may help; after five runs and twelve hours 1, and it says so, and why."""
    with serving(of(1, Reply(503, PAGE, {"CF-Ray": "8f1 <x>"}))) as api:
        job = Job(tmp_path, api.url)
        ended = []
        for night, hour in enumerate([0, 1, 2, 3, 11, 13]):
            world = World(clock=Hour(hour), draw=lambda: 0.0)
            # A customer more each night: the row is not alone, so it is not the run that is wrong.
            ended.append(job.run(customers(range(3 + night)), world=world, accept_drift=True))
            assert ended[-1].exit_code == (75 if night < 5 else 1), night
        assert [len(one.summary.warnings) for one in ended] == [0] * 5 + [1]
        assert ended[-1].summary.warnings[0].startswith("1 row has been unsettled for 12 hours")
        # A row that is new to trouble may settle, and one that settles is no trouble any more.
        api.rule = lambda reference, _: Reply(503) if reference in {"C-1", "C-8"} else None
        world = World(clock=Hour(14), draw=lambda: 0.0)
        again = job.run(customers(range(10)), world=world, accept_drift=True)
        assert again.exit_code is ExitCode.TEMPFAIL
        account = Account(api.url, "test")
        with open_ledger(tmp_path / "ledger.db", account, read_only=True) as ledger:
            history = ledger.history("C-1")
    assert history is not None
    tries = [one for one in history.entries if one.event == "server_fault"]
    assert {(one.http_status, one.request_id) for one in tries} == {(503, "8f1x"), (503, "")}
    assert all(one.seconds is not None and one.seconds >= 0 for one in tries)


def test_an_outage_that_does_not_end_asks_for_a_person_in_the_end(tmp_path: Path) -> None:
    """Five runs in twelve hours that were stopped and settled nothing: the sixth ends with 3."""
    with serving(lambda *_: Reply(503)) as api:
        job = Job(tmp_path, api.url)
        for night, hour in enumerate([0, 1, 2, 3, 11, 13]):
            world = World(clock=Hour(hour), draw=lambda: 0.0)
            finished = job.run(customers(range(9)), world=world, patience=5.0)
            assert finished.exit_code == (75 if night < 5 else 3), night
            assert finished.stopped_by is not None
            assert finished.stopped_by.exit_code == finished.exit_code


@pytest.mark.parametrize("number", [60, ROWS - 1])
@pytest.mark.parametrize(
    "reply", [Reply(401, PAGE), Reply(302, b"", {"Location": "https://login.example/"})]
)
def test_a_login_page_for_one_row_is_not_the_runs(
    tmp_path: Path, reply: Reply, number: int
) -> None:
    """Once Moment has answered, key and address are right; a firewall dislikes this row."""
    with serving(of(number, reply)) as api:
        finished = Job(tmp_path, api.url).run(customers(range(ROWS)), world=AT_ONCE)
    assert outcomes(finished) == {"created": ROWS - 1, "unsettled": 1}
    assert results(finished)[number]["error_code"] == "not_the_api"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(401, PAGE), "unauthorised"),
        (Reply(302, b""), "redirected"),
        (problem(401), "unauthorised"),
    ],
)
def test_a_login_page_for_all_stops_the_run_at_once(
    tmp_path: Path, reply: Reply, reason: str
) -> None:
    """No second customer is sent to a wrong address, or with a wrong key."""
    with serving(lambda *_: reply) as api:
        finished = Job(tmp_path, api.url).run(customers(range(9)), world=AT_ONCE)
        assert finished.summary.stopped_by == reason
        assert api.posts.total() == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(problem(403), "forbidden"), (problem(415), "request_not_taken")],
)
@pytest.mark.parametrize("left", [28, 40])
def test_a_key_that_dies_near_the_end_stops_the_run(
    tmp_path: Path, reply: Reply, reason: str, left: int
) -> None:
    """Row after row is turned away and no row is left to ask with: it is not their trouble."""
    with serving(lambda *_: reply if len(api.customers) >= ROWS - left else None) as api:
        finished = Job(tmp_path, api.url).run(customers(range(ROWS)), world=AT_ONCE)
    assert finished.summary.stopped_by == reason
    assert finished.exit_code is ExitCode.STOPPED


def test_an_answer_that_is_read_late_ends_no_trouble() -> None:
    """It came before: what row after row was told since it came is news, and it is not."""

    async def trouble_after(*, late: bool) -> str:
        valve = Valve(now=lambda: 1.0)
        for row in (1, 2):
            await valve.enter(Trail(row))
        valve.leave(Trail(1), 0.0, a.Blocked(403, of_api=True), rows=9)
        if late:
            valve.passed(0.0)
        valve.leave(Trail(2), 0.0, a.Created("bcus_2"), rows=9, has_passed=late)
        return valve.trouble

    assert anyio.run(partial(trouble_after, late=True)) == "forbidden"
    assert anyio.run(partial(trouble_after, late=False)) == ""


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (a.Blocked(405, of_api=True), "no_such_endpoint"),
        (a.Blocked(405, of_api=True, is_update=True), "updates_not_taken"),
        (a.Blocked(404, of_api=False, is_update=True), "updates_not_taken"),
        (a.Blocked(403, of_api=True, is_update=True), "forbidden"),
        (a.Blocked(415, of_api=True), "request_not_taken"),
        (a.LookUpFailed("http_302", 302), "redirected"),
        (a.LookUpFailed("http_401", 401), "unauthorised"),
        (a.LookUpFailed("answer_not_json", 200), "something_else_answers"),
        (a.LookUpFailed("no", 400), "something_else_answers"),
        (a.LookUpFailed("http_511", 511), "something_else_answers"),
        (a.LookUpFailed("no", 403), "forbidden"),
    ],
)
def test_who_turns_rows_away_is_named(answer: a.Blocked | a.LookUpFailed, reason: str) -> None:
    """Whichever of a row's requests met it last: a look-up tells no less than a POST."""

    async def trouble() -> str:
        valve = Valve()
        sent_at = await valve.enter(Trail(1))
        valve.leave(Trail(1), sent_at, answer, rows=9)
        return valve.trouble

    assert anyio.run(trouble) == reason


def test_a_page_in_place_of_an_answer_rejects_nobody(tmp_path: Path) -> None:
    """A gateway that refuses each row once, in HTML, costs one more request each."""
    with serving(lambda _, asked: Reply(400, PAGE) if asked == 1 else None) as api:
        finished = Job(tmp_path, api.url).run(customers(range(15)), world=AT_ONCE)
    assert outcomes(finished) == {"created": 15}


def test_refusals_that_are_all_alike_stop_the_run_with_their_words(tmp_path: Path) -> None:
    """The rows are less likely wrong than the account; few requests are wasted."""
    with serving(lambda *_: problem(400, "Currency ZAR is not enabled")) as api:
        finished = Job(tmp_path, api.url).run(customers(range(500)), world=AT_ONCE)
        assert finished.stopped_by is not None
        assert "HTTP 400, currency_zar_is_not_enabled" in finished.stopped_by.message
        assert finished.summary.stopped_by == "refused_alike"
        assert api.posts.total() < 150


@pytest.mark.parametrize("number", [0, ROWS // 2, ROWS - 1])
@pytest.mark.parametrize("headers", [HOUR, END_OF_TIME])
@pytest.mark.parametrize("status", [429, 503])
def test_one_row_that_is_told_to_wait_for_hours_is_left(
    tmp_path: Path, number: int, headers: dict[str, str], status: int
) -> None:
    """Nobody sleeps, and the others are done: only a run whose first answer is 429 has stopped."""
    with serving(of(number, Reply(status, b"", headers))) as api:
        finished = Job(tmp_path, api.url).run(customers(range(ROWS)), world=AT_ONCE)
    if status == 429 and number == 0:
        assert finished.summary.stopped_by == "told_to_wait"
        assert finished.exit_code is ExitCode.TEMPFAIL
        return
    assert finished.summary.stopped_by == ""
    assert finished.exit_code is ExitCode.TEMPFAIL
    assert outcomes(finished) == {"created": ROWS - 1, "unsettled": 1}
    assert results(finished)[number]["error_code"] == "asked_to_wait"


def test_a_run_that_settles_nothing_stops(tmp_path: Path) -> None:
    """Endless 429 too: after the patience that was set."""
    with serving(lambda *_: Reply(429)) as api:
        finished = Job(tmp_path, api.url).run(customers(range(9)), patience=1.0)
    assert finished.summary.stopped_by == "no_progress"
