"""What delivery takes from the world: time, chance, threads, network. Swapped in simulations."""

from __future__ import annotations

import random
import time
from dataclasses import field
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

import anyio.to_thread

from importer.clock import Clock, WallClock
from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from importer.delivery.committer import Offload

T = TypeVar("T")


async def in_thread(call: Callable[[], T], /) -> T:
    """Run a blocking call in a worker thread; it is not abandoned when the caller is cancelled."""
    return await anyio.to_thread.run_sync(call)


def open_network(_connections: int, bundle: Path | None = None) -> httpx.AsyncBaseTransport:
    """The real network; it opens as many connections as there are requests in flight.

    ``bundle`` is the file of ``--ca-bundle``.
    """
    from importer.delivery.http.network import AsyncioTransport  # noqa: PLC0415 - only run sends

    return AsyncioTransport(bundle=bundle)


def loop_options() -> dict[str, bool]:
    """Options of the event loop: uvloop where it is installed."""
    return {"use_uvloop": find_spec("uvloop") is not None}


@value
class Around:
    """The real world by default."""

    clock: Clock = field(default_factory=WallClock)
    draw: Callable[[], float] = random.random
    """A number in [0, 1), for jitter."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds on the clock that the event loop's timers keep."""
    offload: Offload = in_thread
    network: Callable[[int], httpx.AsyncBaseTransport] = open_network
    """Opens the network for so many requests in flight."""
    safeguards: Safeguards = ALL_ON
    """All on; only tests hand in anything else."""
