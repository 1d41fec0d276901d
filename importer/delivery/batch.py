"""One batch of rows, delivered: wires pool, valve, committer, client and network together.

This is all that a job needs to know of delivery: rows go in, an outcome for each comes out.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from importer.delivery.committer import Committer
from importer.delivery.http.client import MomentClient
from importer.delivery.pacing.pace import PaceSettings
from importer.delivery.pacing.valve import PATIENCE, Valve
from importer.delivery.pool import Pool, PoolSettings
from importer.delivery.protocol.creating import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from importer.clock import Clock
    from importer.delivery.committer import Offload
    from importer.delivery.http.client import HashesOf
    from importer.delivery.pacing.outage import HealthSettings
    from importer.delivery.protocol.flight import Planned, Settled
    from importer.delivery.protocol.safeguards import Safeguards
    from importer.delivery.protocol.updating import UpdatePolicy
    from importer.ledger.interface import LedgerWriter


class Around(Protocol):
    """What a batch takes from the world (job.world.World): swapped in simulations."""

    @property
    def clock(self) -> Clock:
        """The time of day."""
        ...

    @property
    def draw(self) -> Callable[[], float]:
        """A number in [0, 1), for jitter."""
        ...

    @property
    def monotonic(self) -> Callable[[], float]:
        """Seconds on the clock that the event loop's timers keep."""
        ...

    @property
    def offload(self) -> Offload:
        """Runs a blocking call beside the loop."""
        ...

    @property
    def network(self) -> Callable[[int], httpx.AsyncBaseTransport]:
        """Opens the network for so many requests in flight."""
        ...

    @property
    def safeguards(self) -> Safeguards:
        """All on, but in tests."""
        ...


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How a batch is delivered."""

    run_id: str
    base_url: str
    api_key: str = field(repr=False)
    user_agent: str = "importer"
    concurrency: int = 32
    """Most requests in flight."""
    rate: float | None = None
    """Most requests a second."""
    patience: float = PATIENCE
    """Seconds without one settled row after which the batch stops."""
    retry_rejected: bool = False
    updates: UpdatePolicy | None = None
    pool: PoolSettings | None = None
    health: HealthSettings | None = None


class Batch:
    """Delivers rows once; how it stands may be asked meanwhile."""

    def __init__(
        self,
        ledger: LedgerWriter,
        settings: BatchSettings,
        around: Around,
        *,
        on_settled: Callable[[Settled], None],
        hashes: HashesOf | None = None,
    ) -> None:
        self._transport = around.network(settings.concurrency)
        self._client = MomentClient(
            base_url=settings.base_url,
            api_key=settings.api_key,
            transport=self._transport,
            clock=around.clock,
            safeguards=around.safeguards,
            user_agent=settings.user_agent,
            hashes=hashes,
        )
        self._valve = Valve(
            PaceSettings(max_in_flight=settings.concurrency, rate_ceiling=settings.rate),
            health=settings.health,
            patience=settings.patience,
            now=around.monotonic,
        )
        committer = Committer(
            ledger,
            run_id=settings.run_id,
            clock=around.clock,
            offload=around.offload,
            safeguards=around.safeguards,
        )
        self._pool = Pool(
            self._client,
            committer,
            self._valve,
            clock=around.clock,
            draw=around.draw,
            policy=Policy(retry_rejected=settings.retry_rejected, safeguards=around.safeguards),
            on_settled=on_settled,
            settings=settings.pool or PoolSettings.of(settings.concurrency),
            updates=settings.updates,
            monotonic=around.monotonic,
        )

    async def deliver(self, rows: Iterator[Planned]) -> None:
        """Deliver every row of the iterator, or those taken before ``stop``.

        Raises:
            RunStopped: a stop rule fired or the ledger failed. Rows keep their state.
            BugFound: an invariant does not hold.
        """
        async with aclosing(self._transport):
            await self._pool.deliver(rows)

    def stop(self) -> None:
        """Take no new rows; ``deliver`` returns when what is in flight has finished."""
        self._pool.stop()

    @property
    def requests(self) -> tuple[int, int, int]:
        """POSTs, GETs and PATCHes that have left, answered or not."""
        return self._client.posts, self._client.gets, self._client.patches

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answer."""
        return self._valve.in_flight

    @property
    def waiting(self) -> int:
        """Rows that wait for their next request."""
        return self._pool.waiting

    @property
    def holding(self) -> str:
        """Why it is not faster, in plain words; empty when nothing holds it."""
        return self._valve.reason
