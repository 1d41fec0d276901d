"""Pacing against simulated servers in virtual time: it finds the limit and does not collapse.

Virtual time makes every figure here exact and the same on any machine.
"""

from __future__ import annotations

import anyio
import pytest

from importer.delivery.pacing.gate import Gate
from importer.delivery.pacing.pace import PaceSettings
from tests import virtual_time
from tests.delivery.pacing_world import World, run

SETTLED = 5.0
"""Seconds after which the figures count."""


def settings(rate: float, latency: float) -> PaceSettings:
    """In flight what the rate needs twice over, at least the default."""
    return PaceSettings(max_in_flight=max(32, int(rate * latency * 2)))


@pytest.mark.slow
@pytest.mark.parametrize("latency", [0.02, 0.1])
@pytest.mark.parametrize(("rate", "burst"), [(50, 1.0), (200, 1.0), (1000, 1.0), (200, 0.1)])
def test_a_silent_limit_is_found(rate: float, latency: float, burst: float) -> None:
    """97 % of the allowed rate, 1 % of 429, with nothing but 429s to go by."""
    seconds = 15.0 if rate == 1000 else 35.0
    world = World(rate, rate * burst, lambda _: latency, jitter=latency / 5)
    run(world, settings(rate, latency), seconds)
    used, refused = world.share(SETTLED, seconds)
    assert used >= 0.97
    assert refused <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("latency", [0.02, 0.1])
@pytest.mark.parametrize("rate", [50, 200])
def test_a_limit_with_retry_after_is_found(rate: float, latency: float) -> None:
    """The same where each 429 costs a wait of a second."""
    world = World(rate, rate, lambda _: latency, retry_after=True, jitter=latency / 5)
    run(world, settings(rate, latency), 65)
    used, refused = world.share(SETTLED, 65)
    assert used >= 0.97
    assert refused <= 0.01


@pytest.mark.parametrize("rate", [50, 1000])
def test_a_limit_that_is_announced_is_never_passed(rate: float) -> None:
    """With RateLimit headers there is no 429 at all, and 97 % of the rate from the start."""
    world = World(rate, rate, lambda _: 0.1, hints=True, jitter=0.02)
    run(world, settings(rate, 0.1), 10)
    used, _ = world.share(SETTLED, 10)
    assert used >= 0.97
    assert world.count("throttled") == 0


def test_refusals_that_come_faster_than_answers_change_nothing() -> None:
    """A limiter in front of a slow server answers 429 at once; the measurement still holds."""
    world = World(200, 200, lambda _: 0.1, quick_refusal=True, jitter=0.02)
    run(world, settings(200, 0.1), 35)
    used, refused = world.share(SETTLED, 35)
    assert used >= 0.97
    assert refused <= 0.01


@pytest.mark.slow
def test_a_limit_that_moves_is_followed() -> None:
    """Halved, the new limit is met within seconds; doubled, it is found within a minute."""
    world = World(200, 200, lambda _: 0.05, rate_at=lambda t: 100 if 30 <= t < 60 else 200)
    run(world, settings(200, 0.05), 130)
    world.rate = 100
    used, refused = world.share(35, 60)
    assert used >= 0.97
    assert refused <= 0.01
    world.rate = 200
    used, refused = world.share(110, 130)
    assert used >= 0.97
    assert refused <= 0.01


@pytest.mark.parametrize("most", [16, 64])
def test_a_latency_step_is_no_collapse(most: int) -> None:
    """20 ms to 400 ms: at least 80 % of what that allows, from the first seconds on."""
    world = World(1e9, 1e9, lambda t: 0.02 if t < 2 else 0.4, jitter=0.004, timeout=2.0)
    gate = run(world, PaceSettings(max_in_flight=most), 18)
    assert world.count("ok", 3, 6) >= 0.5 * 3 * most / 0.4
    assert world.count("ok", 6, 18) >= 0.8 * 12 * most / 0.4
    assert world.count("lost") == 0
    assert gate.pace.limit == most


def test_a_short_outage_is_followed_by_full_speed() -> None:
    """Two seconds of timeouts bring the limit down at once and leave nothing behind."""
    world = World(1e9, 1e9, lambda t: 9.0 if 5 <= t < 7 else 0.05, timeout=1.0)
    gate = run(world, PaceSettings(max_in_flight=64), 20)
    assert world.count("lost") <= 3 * 64
    assert world.count("ok", 12, 20) >= 0.95 * 8 * 64 / 0.05
    assert gate.pace.limit == 64


@pytest.mark.parametrize("capacity", [100, 500])
def test_the_guard_keeps_the_queue_of_an_overloaded_server_short(capacity: float) -> None:
    """Where more in flight only means longer answers, the limit stays near what is of use."""
    late: list[float] = []

    async def main() -> None:
        gate, free = Gate(PaceSettings(max_in_flight=256)), [0.0]

        async def worker() -> None:
            while True:
                sent = await gate.enter()
                free[0] = max(free[0], sent) + 1 / capacity
                await anyio.sleep(free[0] - sent + 0.05)
                gate.leave("ok", sent)
                if anyio.current_time() > start + 10:
                    late.append(anyio.current_time() - sent)

        start = anyio.current_time()
        with anyio.move_on_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(256):
                    tasks.start_soon(worker)

    virtual_time.run(main)
    assert len(late) >= 0.97 * capacity * 10
    assert sum(late) / len(late) < 0.4
