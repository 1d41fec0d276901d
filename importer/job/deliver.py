"""Delivers what is staged: plan -> pool -> client -> ledger, and every outcome back to staging."""

from __future__ import annotations

import signal
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import anyio

from importer.delivery.committer import Committer
from importer.delivery.http.client import MomentClient
from importer.delivery.pacing.pace import PaceSettings
from importer.delivery.pacing.valve import Valve
from importer.delivery.pool import Pool, PoolSettings
from importer.delivery.protocol.creating import Policy
from importer.delivery.stopping import one_cause
from importer.errors import RunStopped
from importer.job.signals import Interrupted, watched
from importer.plan import rows_to_deliver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.delivery.pacing.outage import HealthSettings
    from importer.delivery.protocol.flight import Planned, Settled
    from importer.job.job_settings import DeliverySettings
    from importer.job.observer import Observer, Progress
    from importer.job.world import World
    from importer.ledger.interface import LedgerReader, LedgerWriter
    from importer.plan import Staging

TELL_EVERY = 0.25
"""Seconds between two looks at the progress."""
RECORD_AT = 500
"""Settled rows that are written to staging together."""


@dataclass(slots=True)
class Delivered:
    """How delivery ended. Requests are counted as sent, answered or not."""

    posts: int = 0
    gets: int = 0
    patches: int = 0
    stopped_by: RunStopped | None = None
    signum: int | None = None


class Delivery:
    """One delivery: wires pool, client, gate and committer, and counts."""

    def __init__(
        self,
        staging: Staging,
        writer: LedgerWriter,
        reader: LedgerReader,
        *,
        run_id: str,
        base_url: str,
        api_key: str,
        settings: DeliverySettings,
        world: World,
        progress: Progress,
        observer: Observer,
        user_agent: str = "importer",
        health: HealthSettings | None = None,
        pool: PoolSettings | None = None,
    ) -> None:
        self._staging = staging
        self._reader = reader
        self._settings = settings
        self._world = world
        self._progress = progress
        self._observer = observer
        self._unrecorded: list[Settled] = []
        self.delivered = Delivered()
        self._valve = Valve(
            PaceSettings(max_in_flight=settings.concurrency, rate_ceiling=settings.rate),
            health=health,
            patience=settings.patience,
            now=world.monotonic,
        )
        self._transport = world.network(settings.concurrency)
        self._client = MomentClient(
            base_url=base_url,
            api_key=api_key,
            transport=self._transport,
            clock=world.clock,
            safeguards=world.safeguards,
            user_agent=user_agent,
            hashes=reader.hasher(),
        )
        committer = Committer(
            writer,
            run_id=run_id,
            clock=world.clock,
            offload=world.offload,
            safeguards=world.safeguards,
        )
        self._pool = Pool(
            self._client,
            committer,
            self._valve,
            clock=world.clock,
            draw=world.draw,
            policy=Policy(retry_rejected=settings.retry_rejected, safeguards=world.safeguards),
            on_settled=self._settled,
            settings=pool or PoolSettings.of(settings.concurrency),
            updates=settings.updates,
            monotonic=world.monotonic,
        )

    async def run(self, *, signals: bool = True) -> Delivered:
        """Deliver, until done or stopped; a stop rule is reported, not raised.

        Raises:
            Interrupted: a second signal came.
            LedgerFailed: the ledger could not be written.
        """
        planned = rows_to_deliver(self._staging, self._reader)
        rows = islice(planned, self._settings.limit)
        try:
            async with aclosing(self._transport), anyio.create_task_group() as tasks:
                tasks.start_soon(self._tell)
                if signals:
                    tasks.start_soon(self._heed_signals)
                await self._deliver(rows)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise one_cause(group) from None
        finally:
            self._record()
            self.delivered.posts = self._client.posts
            self.delivered.gets = self._client.gets
            self.delivered.patches = self._client.patches
        return self.delivered

    async def _deliver(self, rows: Iterator[Planned]) -> None:
        try:
            await self._pool.deliver(rows)
        except RunStopped as stopped:
            self.delivered.stopped_by = stopped

    def _settled(self, settled: Settled) -> None:
        self._progress.outcomes[settled.settle.outcome.value] += 1
        self._unrecorded.append(settled)
        if len(self._unrecorded) >= RECORD_AT:
            self._record()

    def _record(self) -> None:
        settled, self._unrecorded = self._unrecorded, []
        if settled:
            self._staging.record(settled)

    async def _tell(self) -> None:
        while True:
            self._progress.in_flight = self._valve.in_flight
            self._progress.waiting = self._pool.waiting
            self._progress.holding = self._valve.reason
            self._observer.delivering(self._progress)
            await anyio.sleep(TELL_EVERY)

    async def _heed_signals(self) -> None:
        with anyio.open_signal_receiver(*watched()) as signals:
            async for signum in signals:
                if self.delivered.signum is not None:
                    raise Interrupted(signum)
                self.delivered.signum = signum
                self._observer.interrupted(signal.Signals(signum).name, self._valve.in_flight)
                self._pool.stop()
