"""What the job takes from the world: clock, chance, network, threads. Swapped in simulations."""

from __future__ import annotations

import random
import secrets
import sqlite3
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import anyio.to_thread

from importer.clock import Clock, WallClock
from importer.delivery.protocol.safeguards import ALL_ON, Safeguards

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from importer.delivery.committer import Offload

T = TypeVar("T")


async def in_thread(call: Callable[[], T], /) -> T:
    """Run a blocking call in a worker thread; it is not abandoned when the caller is cancelled."""
    return await anyio.to_thread.run_sync(call)


def open_network(_connections: int) -> httpx.AsyncBaseTransport:
    """The real network; it opens as many connections as there are requests in flight."""
    from importer.delivery.http.network import AsyncioTransport  # noqa: PLC0415 - only run sends

    return AsyncioTransport()


def loop_options() -> dict[str, bool]:
    """Options of the event loop: uvloop where it is installed."""
    return {"use_uvloop": find_spec("uvloop") is not None}


@dataclass(frozen=True, slots=True)
class World:
    """The real world by default."""

    clock: Clock = field(default_factory=WallClock)
    draw: Callable[[], float] = random.random
    """A number in [0, 1), for jitter."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds on the clock that the event loop's timers keep."""
    offload: Offload = in_thread
    network: Callable[[int], httpx.AsyncBaseTransport] = open_network
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    stdin: BinaryIO | None = None
    safeguards: Safeguards = ALL_ON
    """All on; only tests hand in anything else."""

    def standard_input(self) -> BinaryIO | None:
        """Where ``-`` reads from; None where the process has no standard input."""
        if self.stdin is None and sys.stdin is not None:
            return sys.stdin.buffer
        return self.stdin


def new_run_id(now: float) -> str:
    """A run id that sorts by time: ``20261122T233704Z-1f3a9c``."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{secrets.token_hex(3)}"


def iso(now: float) -> str:
    """A time in ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
