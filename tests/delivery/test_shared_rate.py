"""Several workers and one rate, in virtual time: the gate, the slots at hand, the pure bucket."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest

from importer.delivery.pacing.gate import Gate
from importer.delivery.pacing.pace import PaceSettings
from importer.delivery.pacing.shared_rate import LATE, SharedRate
from importer.errors import LedgerFailed
from importer.ledger.rate_bucket import EMPTY, Ask, Bucket, Grant, lease, new
from tests import virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

ROUND_TRIP = 0.02
"""Seconds that the database takes to answer."""


@dataclass
class Row:
    """The database: one bucket, on a clock of its own."""

    ahead: float = 1_000_000.0
    """Seconds by which its clock is before the workers'."""
    away: bool = False
    ablated: bool = False
    """Each worker is granted what it asks for, as without a bucket in common."""
    bucket: Bucket | None = None
    own: dict[str, Bucket] = field(default_factory=dict)
    asks: list[tuple[str, Ask]] = field(default_factory=list)

    def lease(self, name: str, ask: Ask) -> Grant:
        """As the table does it."""
        if self.away:
            raise LedgerFailed("the database is away")
        now = anyio.current_time() + self.ahead
        self.asks.append((name, ask))
        if self.ablated:
            self.own[name], grant = lease(self.own.get(name) or new(now), name, ask, now)
        else:
            self.bucket, grant = lease(self.bucket or new(now), name, ask, now)
        return grant


@dataclass
class View:
    """One worker's way to the row."""

    row: Row
    name: str

    def lease(self, ask: Ask) -> Grant:
        """As ``RateLedger.lease``."""
        return self.row.lease(self.name, ask)


async def offload(call: Callable[[], T], /) -> T:
    """The way there and back."""
    await anyio.sleep(ROUND_TRIP / 2)
    result = call()
    await anyio.sleep(ROUND_TRIP / 2)
    return result


@dataclass
class Fleet:
    """Workers, what they sent and when (seconds since the start)."""

    rate: float | None
    row: Row = field(default_factory=Row)
    latency: float = 0.05
    sent: dict[str, list[float]] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    answer: Callable[[float], tuple[str, float | None]] = lambda _: ("ok", None)
    """When it is sent -> how it ends, and Retry-After."""

    async def worker(
        self, name: str, *, flights: int = 16, until: float = math.inf, pause: float = 0.0
    ) -> None:
        """Send as fast as it may; ``pause`` is what each of its senders does between."""
        shared = SharedRate(View(self.row, name), offload=offload)
        gate = self.gates[name] = Gate(
            PaceSettings(max_in_flight=flights, rate_ceiling=self.rate),
            shared=shared,
        )
        sent = self.sent[name] = []

        async def send() -> None:
            while True:
                at = await gate.enter()
                sent.append(at)
                kind, wait = self.answer(at)
                await anyio.sleep(self.latency)
                gate.leave(kind, at, retry_after=wait)
                await anyio.sleep(pause)

        with anyio.move_on_at(until):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(shared.run, gate, partial(self.stopped.append, name))
                for _ in range(flights):
                    tasks.start_soon(send)

    def play(
        self,
        seconds: float,
        workers: dict[str, dict[str, float]],
        meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """Let these workers send for so long."""

        async def main() -> None:
            with anyio.move_on_after(seconds):
                async with anyio.create_task_group() as tasks:
                    if meanwhile is not None:
                        tasks.start_soon(meanwhile)
                    for name, options in workers.items():
                        tasks.start_soon(partial(self.worker, name, **options))  # type: ignore[arg-type]

        virtual_time.run(main)

    @property
    def together(self) -> list[float]:
        """When each request of all left."""
        return sorted(at for sent in self.sent.values() for at in sent)

    def share(self, start: float, end: float, name: str = "") -> float:
        """Requests a second in this time, of one worker or of all."""
        sent = self.sent[name] if name else self.together
        return sum(start <= at < end for at in sent) / (end - start)


def excess(times: list[float], rate: float) -> float:
    """By how many requests the fullest stretch of time exceeds ``rate`` times its length."""
    most, low = 0.0, math.inf
    for number, at in enumerate(times):
        low = min(low, number - rate * at)
        most = max(most, number + 1 - rate * at - low)
    return most


BURST = LATE + 2 * ROUND_TRIP
"""Seconds of the rate that may be sent above it at once."""


@pytest.mark.parametrize(
    ("rate", "names", "seconds"),
    [(0.5, "abcd", 40), (7.0, "ab", 30), (60.0, "a", 6), (60.0, "abcdef", 8), (500.0, "abc", 3)],
)
def test_all_workers_together_keep_the_rate_and_use_it(
    rate: float, names: str, seconds: float
) -> None:
    """No stretch of time sees more than the rate and the burst, and little of the rate is lost."""
    fleet = Fleet(rate)
    fleet.play(seconds, {name: {"flights": 60} for name in names})
    assert excess(fleet.together, rate) <= rate * BURST + 1
    some = 1 / (seconds - 2)
    assert fleet.share(2, seconds) >= 0.97 * rate - some
    for name in names:
        assert fleet.share(2, seconds, name) >= 0.8 * rate / len(names) - some


def test_without_the_common_bucket_the_check_fails() -> None:
    """The check of the rate is no tautology: with a bucket for each worker it is exceeded."""
    fleet = Fleet(200.0, Row(ablated=True))
    fleet.play(3, {"a": {}, "b": {}})
    assert excess(fleet.together, 200) > 200 * BURST + 1


def test_what_one_worker_has_no_use_for_the_others_get() -> None:
    """A worker with little to send does not keep the rate from one with much."""
    fleet = Fleet(100.0)
    fleet.play(8, {"busy": {"flights": 32}, "idle": {"flights": 1, "pause": 0.5}})
    assert fleet.share(2, 8, "busy") >= 90
    assert fleet.share(2, 8) >= 95


def test_a_worker_that_is_slow_by_itself_loses_none_of_its_share() -> None:
    """Requests in flight that are just enough for the share send at the share."""
    fleet = Fleet(100.0, latency=0.1)
    fleet.play(8, {"a": {"flights": 5}, "b": {"flights": 32}})
    assert fleet.share(2, 8, "a") >= 0.9 * 50
    assert fleet.share(2, 8) >= 97


def test_a_worker_that_dies_takes_little_with_it() -> None:
    """Leased slots are lost with their worker; soon the others have the whole rate."""
    fleet = Fleet(100.0)
    fleet.play(10, {"a": {}, "b": {"until": 3.0}})
    assert fleet.share(3, 4) >= 70
    assert fleet.share(4, 10) >= 97


def test_retry_after_closes_the_bucket_for_all() -> None:
    """What one worker is told holds the others within a quarter of a second, and no longer."""
    fleet = Fleet(100.0)
    told: list[float] = []

    def answer(at: float) -> tuple[str, float | None]:
        if at > 2 and not told:
            told.append(at)
            return "throttled", 3.0
        return "ok", None

    fleet.answer = answer
    fleet.play(7, {"a": {}, "b": {}, "c": {}})
    [at] = told
    heard = at + fleet.latency
    quiet = [one for one in fleet.together if heard + 0.25 + 2 * ROUND_TRIP < one < heard + 2.95]
    assert quiet == []
    assert excess([one for one in fleet.together if one > heard + 2.95], 100) <= 100 * BURST + 1
    for name in "abc":
        assert min(one for one in fleet.sent[name] if one > heard + 2.95) < heard + 3.6


def test_a_new_worker_begins_with_its_share_of_the_limit_that_was_found() -> None:
    """Where nobody set a rate, who comes later does not start as if there were no limit."""
    fleet = Fleet(None)
    tokens = [20.0, 0.0]

    def answer(at: float) -> tuple[str, float | None]:
        tokens[:] = min(20.0, tokens[0] + (at - tokens[1]) * 100), at
        if tokens[0] < 1:
            return "throttled", None
        tokens[0] -= 1
        return "ok", None

    fleet.answer = answer

    async def come_later() -> None:
        await anyio.sleep(8)
        await fleet.worker("later", flights=64)

    fleet.play(9, {"first": {"flights": 64}}, meanwhile=come_later)
    assert 10 <= len(fleet.sent["later"]) <= 60


@pytest.mark.parametrize("rate", [None, 100.0])
def test_nothing_is_sent_while_the_database_is_away(rate: float | None) -> None:
    """What was leased is used up, then the worker holds, and stops where the ledger gives up."""
    fleet = Fleet(rate)

    async def leave() -> None:
        await anyio.sleep(2)
        held = "" if rate is None else "at the ceiling of 100 requests/s (--rate)"
        assert fleet.gates["a"].reason == held
        fleet.row.away = True
        await anyio.sleep(6)
        assert "waiting for the ledger's database" in fleet.gates["a"].reason

    fleet.play(10, {"a": {}}, meanwhile=leave)
    assert fleet.share(1, 2) >= 90
    assert max(fleet.together) < 2 + 2.5
    assert fleet.stopped == ["a"]


def test_the_lowest_rate_that_was_told_is_that_of_all() -> None:
    """Two commands with different rates: together they keep to the lower one."""
    bucket = new(0.0)
    bucket, _ = lease(bucket, "a", Ask(10, 100.0), 1.0)
    bucket, grant = lease(bucket, "b", Ask(10, 10.0), 1.0)
    assert grant.rate == 10.0
    bucket, grant = lease(bucket, "a", Ask(10, 100.0), 2.0)
    assert grant.rate == 10.0
    _, grant = lease(bucket, "a", Ask(10, 100.0), 9.0)
    assert (grant.rate, grant.workers) == (100.0, 1)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, -0.5])
def test_a_clock_that_jumps_neither_stops_nor_frees_anybody(jump: float) -> None:
    """Whether the database's clock is set forward or back, the rate is kept and goes on."""
    fleet = Fleet(100.0)

    async def set_clock() -> None:
        await anyio.sleep(2)
        fleet.row.ahead += jump

    fleet.play(5, {"a": {}, "b": {}}, meanwhile=set_clock)
    assert fleet.share(2, 3) >= 90
    # One round of slots may be leased twice when it is set forward.
    assert excess(fleet.together, 100) <= 100 * (BURST + 0.4) + 1


def test_a_wait_survives_a_clock_that_is_set_back() -> None:
    """The end of a wait moves with the clock: it is neither an hour longer nor over."""
    bucket, _ = lease(new(10_000.0), "a", Ask(blocked_for=30.0), 10_000.0)
    bucket, grant = lease(bucket, "b", Ask(1, 10.0), 10_010.0)
    assert grant.blocked_for == pytest.approx(20)
    bucket, grant = lease(bucket, "b", Ask(1, 10.0), 6_410.0)
    assert grant.blocked_for == pytest.approx(20)
    _, grant = lease(bucket, "b", Ask(1, 10.0), 6_431.0)
    assert grant.blocked_for == 0


def test_a_new_bucket_is_empty() -> None:
    """After a crash took the bucket away, nothing is granted twice."""
    _, grant = lease(new(0.0), "a", Ask(100, 100.0), 0.0)
    assert grant.start_in == EMPTY
