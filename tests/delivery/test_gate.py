"""The gate: turns in order, nothing lost by cancellation, no more than allowed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from importer.delivery.pacing.gate import SLACK, Gate, GateClosed
from importer.delivery.pacing.pace import PaceSettings
from tests import virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.filterwarnings("error")


def virtual(main: Callable[[], Awaitable[None]]) -> None:
    """Run in virtual time: waiting costs nothing and is exact."""
    virtual_time.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_both_event_loops_carry_the_gate(backend: str) -> None:
    """Many workers through few places, on asyncio and on trio."""

    async def main() -> int:
        gate, most = Gate(PaceSettings(max_in_flight=3, start_in_flight=3)), [0]

        async def worker() -> None:
            for _ in range(20):
                sent = await gate.enter()
                most[0] = max(most[0], gate.in_flight)
                await anyio.lowlevel.checkpoint()
                gate.leave("ok", sent)

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(worker)
        assert gate.in_flight == 0
        return most[0]

    assert anyio.run(main, backend=backend) == 3


def test_with_room_a_turn_is_taken_without_awaiting() -> None:
    """The fast path finishes in its first step."""

    async def main() -> None:
        turn = Gate(PaceSettings()).enter()
        with pytest.raises(StopIteration):
            turn.send(None)

    virtual(main)


@pytest.mark.parametrize(
    "settings", [PaceSettings(max_in_flight=1), PaceSettings(rate_ceiling=1.0)], ids=repr
)
def test_who_enters_at_once_overtakes_nobody(
    settings: PaceSettings,
) -> None:
    """Without a place or ahead of its time it is told to wait, and so it is while somebody does."""

    async def main() -> None:
        gate, passed = Gate(settings), []
        sent = gate.enter_now()
        assert sent is not None
        assert gate.enter_now() is None

        async def worker() -> None:
            passed.append(await gate.enter())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker)
            await anyio.sleep(0.5)
            gate.passed(sent)
            assert gate.enter_now() is None
        assert len(passed) == gate.in_flight == 1

    virtual(main)


def test_turns_are_first_come_first_served() -> None:
    """Nobody overtakes a waiting task, not even one that would find a free place."""

    async def main() -> None:
        gate, order = Gate(PaceSettings(max_in_flight=1)), []

        async def worker(name: int) -> None:
            for turn in range(3):
                sent = await gate.enter()
                order.append((turn, name))
                await anyio.sleep(1)
                gate.leave("ok", sent)

        async with anyio.create_task_group() as tasks:
            for name in range(5):
                tasks.start_soon(worker, name)
                await anyio.sleep(0.01)
        assert order == sorted(order)

    virtual(main)


def test_a_cancelled_wait_loses_no_place() -> None:
    """Cancelled at the front, in the middle or just woken: the others still get their turns."""

    async def main() -> None:
        for patience in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
            gate, done = Gate(PaceSettings(max_in_flight=1, rate_ceiling=2.0)), [0]

            async def worker(limit: float, gate: Gate = gate, done: list[int] = done) -> None:
                with anyio.move_on_after(limit):
                    sent = await gate.enter()
                    try:
                        await anyio.sleep(1.0)
                    except BaseException:
                        gate.abandon()
                        raise
                    gate.leave("ok", sent)
                    done[0] += 1

            async with anyio.create_task_group() as tasks:
                for i in range(9):
                    tasks.start_soon(worker, patience if i % 3 == 0 else 1000.0)
            assert gate.in_flight == 0
            assert done[0] >= 6
            with anyio.fail_after(10):
                gate.leave("ok", await gate.enter())

    virtual(main)


def test_the_ceiling_is_never_exceeded_and_fully_used() -> None:
    """``--rate 20``: 20 requests in every second, evenly, however many workers."""

    async def main() -> None:
        gate, sends = Gate(PaceSettings(max_in_flight=50, rate_ceiling=20.0)), []

        async def worker() -> None:
            while True:
                sends.append(await gate.enter())
                await anyio.sleep(0.3)
                gate.leave("ok", sends[-1])

        with anyio.move_on_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(worker)
        assert len(sends) >= 0.98 * 20 * 20
        for first, later in zip(sends, sends[20:], strict=False):
            assert later - first >= 1.0 - SLACK - 1e-6

    virtual(main)


def test_nothing_is_sent_before_retry_after() -> None:
    """Everyone waits out the longest wait that was asked for, and no longer than that."""

    async def main() -> None:
        gate = Gate(PaceSettings(max_in_flight=8, start_in_flight=8))
        start = anyio.current_time()
        first = [await gate.enter() for _ in range(3)]
        for sent, wait in zip(first, (5.0, 30.0, 2.0), strict=True):
            gate.leave("throttled", sent, retry_after=wait)
        assert gate.reason == "waiting 30 s: Moment sent Retry-After"
        assert await gate.enter() - start == pytest.approx(30.0)

    virtual(main)


def test_a_closed_gate_lets_only_those_in_who_finish_what_they_began() -> None:
    """Whoever waits hears of it, and the others get their turn."""

    async def main() -> None:
        gate = Gate(PaceSettings(max_in_flight=1))
        sent, told = await gate.enter(), []

        async def worker(*, finishing: bool) -> None:
            try:
                told.append(await gate.enter(finishing=finishing))
            except GateClosed:
                told.append(-1.0)

        async with anyio.create_task_group() as tasks:
            for finishing in (False, True, False):
                tasks.start_soon(partial(worker, finishing=finishing))
            await anyio.sleep(1)
            gate.close()
            await anyio.sleep(1)
            gate.leave("ok", sent)
        assert told == [-1.0, -1.0, pytest.approx(2.0)]
        with pytest.raises(GateClosed):
            await gate.enter()

    virtual(main)


def test_an_unknown_kind_is_refused() -> None:
    """A misspelt kind is a mistake in the program, not a good answer."""

    async def main() -> None:
        gate = Gate(PaceSettings())
        with pytest.raises(ValueError, match="throtled"):
            gate.leave("throtled", await gate.enter())

    virtual(main)


def test_waiting_costs_no_work() -> None:
    """A wait of 10 minutes is one timer, not a loop."""

    async def main() -> None:
        reads = [0]

        def now() -> float:
            reads[0] += 1
            return anyio.current_time()

        gate = Gate(PaceSettings(), now=now)
        gate.leave("throttled", await gate.enter(), retry_after=600.0)
        before = reads[0]
        await gate.enter()
        assert reads[0] - before <= 4

    virtual(main)
