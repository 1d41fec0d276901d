"""How a run gets up to speed, at its beginning and after 429s; in virtual time."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest

from importer.delivery.committer import Committer
from importer.delivery.pacing import rate_limit
from importer.delivery.pacing.pace import PaceSettings
from importer.delivery.pacing.valve import Valve
from importer.delivery.pool import Pool, PoolSettings
from importer.delivery.protocol import answers as a
from importer.delivery.protocol.creating import Policy
from importer.delivery.protocol.flight import Planned, Settled
from importer.delivery.protocol.states import NEW
from importer.outcomes import Outcome
from tests import virtual_time
from tests.delivery.pacing_world import World, run
from tests.delivery.test_pool import Api, Clock, Ledger, offload

if TYPE_CHECKING:
    from collections.abc import Callable

LATENCY = 0.05


class Quick(Api):
    """Answers after a latency."""

    def __init__(self, rule: Callable[[str, int], a.Answer], latency: float) -> None:
        super().__init__(rule)
        self.latency = latency

    async def create(
        self, reference: str, key: str, payload: str
    ) -> tuple[a.Answer | a.Unread, None]:
        """POST."""
        del key, payload
        self.posts[reference] += 1
        await anyio.sleep(self.latency)
        return self.rule(reference, self.posts[reference]), None


def seconds_of(
    rule: Callable[[str, int], a.Answer], rows: int, in_flight: int, latency: float
) -> float:
    """Virtual seconds in which the pool creates so many rows."""
    settled: list[Settled] = []
    api = Quick(rule, latency)

    async def main() -> float:
        committer = Committer(Ledger(), run_id="r", clock=Clock(), offload=offload)
        pool = Pool(
            api,
            committer,
            Valve(PaceSettings(max_in_flight=in_flight)),
            clock=Clock(),
            draw=random.Random(1).random,
            policy=Policy(),
            on_settled=settled.append,
            settings=PoolSettings.of(in_flight),
        )
        began = anyio.current_time()
        await pool.deliver(Planned(n, f"R{n}", b"f", "{}", NEW) for n in range(rows))
        return anyio.current_time() - began

    took: float = virtual_time.run(main)
    assert Counter(one.settle.outcome for one in settled) == {Outcome.CREATED: rows}
    return took


def created(reference: str, attempt: int) -> a.Answer:
    """Every row is taken at once."""
    del attempt
    return a.Created(f"bcus_{reference}")


@pytest.mark.parametrize("in_flight", [32, 64, 128, 256])
def test_the_way_to_full_speed_takes_five_round_trips_however_many_go_at_once(
    in_flight: int,
) -> None:
    """All that is lost is the row that goes alone, the climb, and the end."""
    # With 50 ms that is 0.3 s: 97 % of the ideal is reached by what takes ten seconds, and more.
    rounds = 12
    took = seconds_of(created, in_flight * rounds, in_flight, LATENCY)
    assert took / LATENCY - rounds <= 5.6


def locked(reference: str, attempt: int) -> a.Answer:
    """Every fourth row is answered 429 once or twice, as where somebody else works on it."""
    number = int(reference[1:])
    times = 1 + number // 4 % 2 if number % 4 == 3 else 0
    return a.Throttled(1.0) if attempt <= times else created(reference, attempt)


@pytest.mark.parametrize(("in_flight", "most"), [(1, 40), (32, 40)])
def test_429s_that_are_no_matter_of_the_rate_cost_their_waits_and_little_more(
    in_flight: int, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """129 rows, 48 of whose requests are answered 429 with a wait of a second."""
    # Once they are told from the rate, a row waits alone while others go. Where each 429 is taken
    # for a matter of the rate, everybody waits each time, and slows down besides.
    assert seconds_of(locked, 129, in_flight, 0.02) <= most
    monkeypatch.setattr(rate_limit, "_doubted", lambda rate, _passed, _speed: rate.doubt)
    assert in_flight > 1 or seconds_of(locked, 129, in_flight, 0.02) > 2 * most


@pytest.mark.parametrize("in_flight", [1, 32])
def test_wherever_such_429s_fall_they_cost_half_of_their_waits(in_flight: int) -> None:
    """The same file with the 429s at other rows: a quarter of them by chance, in any order."""
    for seed in range(3):
        chance = random.Random(seed)
        times = {f"R{n}": chance.choice((0, 0, 0, 0, 0, 0, 1, 2)) for n in range(129)}

        def rule(reference: str, attempt: int, times: dict[str, int] = times) -> a.Answer:
            busy = attempt <= times[reference]
            return a.Throttled(1.0) if busy else created(reference, attempt)

        assert seconds_of(rule, 129, in_flight, 0.02) <= sum(times.values()) / 2


def test_a_bucket_of_one_request_that_tells_when_to_ask_again_is_seldom_asked_too_soon() -> None:
    """Two requests a second: after five seconds most of them are used, and few refused."""
    world = World(2, 1, lambda _: LATENCY, retry_after=True, jitter=LATENCY / 5)
    run(world, PaceSettings(max_in_flight=32), 20)
    used, refused = world.share(5, 20)
    assert used >= 0.6
    assert refused <= 0.15


@pytest.mark.parametrize(("share", "least"), [(0.05, 0.8), (0.25, 0.5)])
def test_sporadic_429s_leave_the_run_its_speed(share: float, least: float) -> None:
    """A gateway that refuses one request in 20, or in 4, however slowly it is asked."""
    world = World(1e9, 1e9, lambda _: LATENCY, sporadic=lambda t: share if t > 1 else 0.0)
    run(world, PaceSettings(max_in_flight=4), 30)
    assert world.count("ok", 20, 30) >= least * (1 - share) * 10 * 4 / LATENCY


@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize("rate", [2, 5, 10])
def test_a_small_limit_costs_few_429s_at_the_beginning(rate: float, *, retry_after: bool) -> None:
    """A bucket of one request: the first four that go together are refused, and few after them."""
    world = World(rate, 1.0, lambda _: LATENCY, retry_after=retry_after, jitter=LATENCY / 5)
    run(world, PaceSettings(max_in_flight=32), 5)
    assert world.count("throttled") <= 16


def test_a_limit_behind_sporadic_429s_is_found() -> None:
    """Where 429s were tolerated and then come for the rate, they count again."""
    world = World(20, 20, lambda _: LATENCY, sporadic=lambda t: 0.05 if t < 20 else 0.0)
    world.rate_at = lambda t: 1e6 if t < 20 else 20
    run(world, PaceSettings(max_in_flight=4), 70)
    used, refused = world.share(45, 70)
    assert used >= 0.97
    assert refused <= 0.02
