"""Delivers in this process: wires pool, valve, committer, client and network together."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from importer.delivery.committer import Committer
from importer.delivery.http.client import MomentClient
from importer.delivery.pacing.pace import PaceSettings
from importer.delivery.pacing.shared_rate import SharedRate
from importer.delivery.pacing.valve import Valve
from importer.delivery.pool import Pool, PoolSettings
from importer.delivery.protocol.creating import Policy
from importer.delivery.stopping import one_cause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from importer.delivery.around import Around
    from importer.delivery.http.client import HashesOf
    from importer.delivery.protocol.flight import Planned, Settled
    from importer.delivery.row_source import Stream
    from importer.engine.seam import EngineSettings
    from importer.ledger.interface import LedgerWriter
    from importer.ledger.rate_bucket import RateLedger


class LocalEngine:
    """Delivers rows once; see ``seam.Engine``."""

    def __init__(
        self,
        ledger: LedgerWriter,
        settings: EngineSettings,
        around: Around,
        *,
        api_key: str,
        on_settled: Callable[[Settled], None],
        hashes: HashesOf | None = None,
        shared: RateLedger | None = None,
    ) -> None:
        """Nothing is sent yet.

        ``shared`` grants the rate to several workers together; without it, it is this one's.
        """
        self._transport = around.network(settings.concurrency)
        self._client = MomentClient(
            base_url=settings.base_url,
            api_key=api_key,
            transport=self._transport,
            clock=around.clock,
            safeguards=around.safeguards,
            user_agent=settings.user_agent,
            hashes=hashes,
        )
        self._shared = None
        if shared is not None:
            self._shared = SharedRate(shared, offload=around.offload, now=around.monotonic)
        self._valve = Valve(
            PaceSettings(max_in_flight=settings.concurrency, rate_ceiling=settings.rate),
            patience=settings.patience,
            now=around.monotonic,
            shared=self._shared,
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

    async def deliver(self, rows: Iterator[Planned] | Stream) -> None:
        """As ``Engine.deliver``; of a stream, what is put into it until it is finished."""
        async with aclosing(self._transport):
            if self._shared is None:
                await self._pool.deliver(rows)
            else:
                await self._deliver_with(self._shared, rows)

    async def _deliver_with(self, shared: SharedRate, rows: Iterator[Planned] | Stream) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(shared.run, self._valve.gate, self._pool.stop)
                await self._pool.deliver(rows)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise one_cause(group) from None
        if shared.failed is not None:
            raise shared.failed

    def stop(self) -> None:
        """As ``Engine.stop``."""
        self._pool.stop()

    @property
    def requests(self) -> tuple[int, int, int]:
        """As ``Engine.requests``."""
        return self._client.posts, self._client.gets, self._client.patches

    @property
    def answers(self) -> Mapping[tuple[str, int], int]:
        """As ``Engine.answers``."""
        return self._client.answers

    @property
    def clock_ahead(self) -> float | None:
        """As ``Engine.clock_ahead``."""
        return self._client.clock_ahead

    @property
    def in_flight(self) -> int:
        """As ``Engine.in_flight``."""
        return self._valve.in_flight

    @property
    def waiting(self) -> int:
        """As ``Engine.waiting``."""
        return self._pool.waiting

    @property
    def holding(self) -> str:
        """As ``Engine.holding``."""
        return self._valve.reason
