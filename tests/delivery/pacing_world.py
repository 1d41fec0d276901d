"""A token-bucket server and its clients in virtual time, for the closed-loop tests of pacing."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from importer.delivery.pacing.gate import Gate
from importer.delivery.pacing.server_hints import RateLimitHint
from tests import virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.delivery.pacing.pace import PaceSettings


@dataclass
class World:
    """One server and what it answered; times are seconds since the start."""

    rate: float
    burst: float
    latency: Callable[[float], float]
    retry_after: bool = False
    hints: bool = False
    quick_refusal: bool = False
    timeout: float = 30.0
    jitter: float = 0.0
    sporadic: Callable[[float], float] = lambda _: 0.0
    """Share of requests that are answered 429 whatever the rate."""
    rate_at: Callable[[float], float] | None = None
    answers: list[tuple[float, str]] = field(default_factory=list)
    trace: list[tuple[float, float]] = field(default_factory=list)
    tokens: float = 0.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        rate = self.rate_at(now) if self.rate_at else self.rate
        self.tokens = min(self.burst, self.tokens + (now - self.at) * rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return True
        return False

    def share(self, start: float, end: float) -> tuple[float, float]:
        """(share of the allowed rate that passed, share of answers that were 429)."""
        kinds = [kind for at, kind in self.answers if start <= at < end]
        passed = sum(kind == "ok" for kind in kinds)
        return passed / (self.rate * (end - start)), 1 - passed / max(1, len(kinds))

    def count(self, kind: str, start: float = 0.0, end: float = math.inf) -> int:
        """How many answers of this kind came in this time."""
        return sum(found == kind and start <= at < end for at, found in self.answers)


def run(world: World, settings: PaceSettings, seconds: float, seed: int = 1) -> Gate:
    """Drive the server through a gate for this long, with as many workers as allowed in flight."""
    draw, chance = random.Random(seed), random.Random(-seed)
    gates: list[Gate] = []

    async def worker(gate: Gate, start: float) -> None:
        while True:
            sent = await gate.enter()
            now = sent - start
            latency = world.latency(now) + draw.random() * world.jitter
            await anyio.sleep(min(latency, world.timeout) * 0.5)
            passed = chance.random() >= world.sporadic(now)
            passed = passed and world.take(anyio.current_time() - start)
            kind = "ok" if passed else "throttled"
            if passed or not world.quick_refusal:
                await anyio.sleep(min(latency, world.timeout) * 0.5)
            if latency >= world.timeout:
                kind = "lost"
            hint = None
            if world.hints:
                hint = RateLimitHint(int(world.tokens), 1.0, int(world.rate), 1.0)
            wait = 1.0 if world.retry_after and kind == "throttled" else None
            gate.leave(kind, sent, retry_after=wait, hint=hint)
            world.answers.append((anyio.current_time() - start, kind))

    async def main() -> None:
        start = anyio.current_time()
        world.tokens = world.burst
        gate = Gate(settings)
        gates.append(gate)
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for _ in range(settings.max_in_flight):
                    tasks.start_soon(worker, gate, start)

    virtual_time.run(main)
    return gates[0]
