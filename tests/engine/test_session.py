"""A batch runs at least once: what a worker makes of one that ran before, or runs meanwhile."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from importer.delivery.around import Around
from importer.delivery.protocol.states import NEW, Sent, Transition
from importer.engine.row_batch import CREATING, Answer, CarriedRow, RowBatch
from importer.engine.seam import EngineSettings
from importer.engine.session import Session
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from tests.delivery.fake_api import FakeApi, Reply, problem, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from importer.ledger.interface import Hasher
    from importer.ledger.ledger import Ledger

RUN = "20261126T010000Z-000001"
FINGERPRINT = b"f" * 16


def row(number: int, hasher: Hasher | None = None) -> CarriedRow:
    """A row that is to be created."""
    reference = f"R-{number}"
    payload = f'{{"external_reference":"{reference}","name":"Ada"}}'
    fields = None if hasher is None else hasher(reference, {"name": "Ada"})
    return CarriedRow(number, reference, FINGERPRINT, payload, fields, CREATING, was_open=False)


def batch(*numbers: int, number: int = 1) -> RowBatch:
    """A batch of such rows."""
    return RowBatch(number, tuple(map(row, numbers)))


def outcomes(answer: Answer) -> dict[int, str]:
    """By position."""
    return {one.position: one.settle.outcome.value for one in answer.told}


class Workers:
    """Sessions of one run, each with a ledger connection of its own."""

    def __init__(self, path: Path, api: FakeApi, *, run_id: str = RUN, retry: bool = False) -> None:
        self._path = path
        self.account = Account(api.url, "test")
        self._settings = EngineSettings(
            run_id, api.url, concurrency=4, retry_rejected=retry, updates=None
        )

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger of all."""
        with open_ledger(self._path, self.account) as ledger:
            yield ledger

    def run(self, do: Callable[..., Awaitable[None]], sessions: int = 1) -> None:
        """Call ``do`` with so many sessions that are running."""

        async def main() -> None:
            with ExitStack() as stack:
                every = []
                async with anyio.create_task_group() as tasks:
                    for _ in range(sessions):
                        writer = stack.enter_context(self.ledger())
                        reader = stack.enter_context(self.ledger())
                        around = Around(draw=lambda: 0.0)
                        session = Session(
                            self._settings, writer, reader, around, api_key="sk_test_of_engines"
                        )
                        tasks.start_soon(session.run)
                        every.append(session)
                    await do(*every)
                    for session in every:
                        session.finish()

        anyio.run(main)


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "ledger.db"


def test_a_batch_that_runs_again_costs_no_request_and_is_told_the_same(ledger_path: Path) -> None:
    """In a later session of the same run; another run tells what it found."""
    with serving(lambda _, __: None) as api:
        told = []

        async def once(session: Session) -> None:
            told.append(outcomes(await session.deliver(batch(1, 2, 3))))

        Workers(ledger_path, api).run(once)
        posts = api.posts.total()
        Workers(ledger_path, api).run(once)
        Workers(ledger_path, api, run_id="20261127T010000Z-000002").run(once)

        assert told[0] == told[1] == dict.fromkeys((1, 2, 3), "created")
        assert told[2] == dict.fromkeys((1, 2, 3), "unchanged")
        assert api.posts.total() == posts == 3


def test_a_batch_that_runs_twice_at_once_makes_each_customer_once(ledger_path: Path) -> None:
    """In two workers, and twice in one of them; each execution tells what the run has done."""
    with serving(lambda _, __: None) as api:
        answers: list[Answer] = []

        async def thrice(first: Session, second: Session) -> None:
            async def deliver(session: Session) -> None:
                answers.append(await session.deliver(batch(*range(40))))

            async with anyio.create_task_group() as tasks:
                for session in (first, first, second):
                    tasks.start_soon(deliver, session)

        Workers(ledger_path, api).run(thrice, sessions=2)

        assert len(api.customers) == 40
        # What the other worker made while this one's request was out is a customer that is found.
        assert {word for one in answers for word in outcomes(one).values()} <= {"created", "found"}
        assert [len(one.told) for one in answers] == [40, 40, 40]


def test_what_this_run_was_refused_is_not_asked_again(ledger_path: Path) -> None:
    """Also where the user wants that refused rows are tried again: once a run."""
    refuse = problem(400, "No")
    with serving(lambda one, asked: refuse if one == "R-1" and asked == 1 else None) as api:
        told = []

        async def once(session: Session) -> None:
            told.append(outcomes(await session.deliver(batch(1, 2))))

        Workers(ledger_path, api, retry=True).run(once)
        posts = api.posts["R-1"]
        Workers(ledger_path, api, retry=True).run(once)
        assert api.posts["R-1"] == posts
        Workers(ledger_path, api, retry=True, run_id="another").run(once)
        assert api.posts["R-1"] > posts

        assert told[:2] == [{1: "rejected", 2: "created"}] * 2
        assert told[2] == {1: "created", 2: "unchanged"}


def test_one_session_serves_many_batches(ledger_path: Path) -> None:
    """Batches come one after the other and at the same time; the first row alone goes first."""
    with serving(lambda _, __: None) as api:
        told: dict[int, str] = {}

        async def some(session: Session) -> None:
            async def deliver(number: int) -> None:
                rows = range(number * 10, number * 10 + 10)
                told.update(outcomes(await session.deliver(batch(*rows, number=number))))

            await deliver(0)
            assert session.is_idle
            async with anyio.create_task_group() as tasks:
                for number in range(1, 6):
                    tasks.start_soon(deliver, number)
            assert session.standing.requests == (60, 0, 0)
            assert session.standing.answers == (("post", 201, 60),)

        Workers(ledger_path, api).run(some)

        assert told == dict.fromkeys(range(60), "created")


def test_what_stops_a_session_is_in_its_answers(ledger_path: Path) -> None:
    """A 401 stops with its reason; rows that were not reached have no outcome; so do later ones."""
    with serving(lambda _, __: Reply(401, b"{}")) as api:

        async def refused(session: Session) -> None:
            first = await session.deliver(batch(*range(20)))
            later = await session.deliver(batch(*range(20, 30), number=2))
            assert session.is_over
            for answer in (first, later):
                assert answer.stop is not None
                assert answer.stop.reason == "unauthorised"
            assert set(outcomes(first).values()) == {"unsettled"}
            assert later.told == ()

        Workers(ledger_path, api).run(refused)

        assert api.posts.total() == 1


def test_a_stopped_session_answers_what_it_has(ledger_path: Path) -> None:
    """What is in flight is heard; the rest has no outcome, and nothing speaks against the run."""
    sent = threading.Event()

    def rule(reference: str, _: int) -> None:
        if reference == "R-9":
            sent.set()

    with serving(rule) as api:

        async def stopped(session: Session) -> None:
            await session.deliver(batch(0))
            answers: list[Answer] = []

            async def deliver() -> None:
                answers.append(await session.deliver(batch(*range(1, 2000), number=2)))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(deliver)
                await anyio.to_thread.run_sync(sent.wait)
                session.stop()
            assert answers[0].stop is None
            told = outcomes(answers[0])
            assert len(told) < 1999
            assert {"R-0"} | {f"R-{at}" for at, word in told.items() if word == "created"} == set(
                api.customers
            )

        Workers(ledger_path, api).run(stopped)


def test_what_was_sent_before_is_gone_on_with(ledger_path: Path) -> None:
    """A row whose request of an earlier execution may have left keeps its key."""
    with serving(lambda _, __: None) as api:
        workers = Workers(ledger_path, api)
        with workers.ledger() as ledger:
            sent = Sent(0, FINGERPRINT, Around().clock.now())
            ledger.apply([Transition("R-1", NEW, sent)], [], run_id=RUN, now=1.0)

        async def once(session: Session) -> None:
            answer = await session.deliver(batch(1))
            assert outcomes(answer) == {1: "created"}
            assert answer.told[0].attempts == 1

        workers.run(once)
