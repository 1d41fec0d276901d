"""An engine's workers: the product's own sessions, given batches twice, late, and at once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from importer.engine.coordinator import WorkerLost
from importer.engine.session import Session
from importer.ledger.opening import open_ledger
from tests.simulation.disk import connector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from importer.engine.row_batch import Answer, RowBatch, Standing, Stop
    from importer.engine.seam import EngineSettings
    from importer.job.world import World as Seams
    from importer.ledger.account import Account
    from importer.ledger.ledger import Ledger
    from tests.simulation.process import Importer

FRESH_READ = True
"""False: workers begin batches without asking the ledger (an ablation)."""


class _Worker:
    """A process that delivers for a run, until it dies."""

    def __init__(self, importer: Importer, session: Session, ledgers: list[Ledger]) -> None:
        self.session = session
        self.importer = importer
        self._ledgers = ledgers
        self._scope = trio.CancelScope()

    async def live(self) -> None:
        with self._scope:
            await self.session.run()

    def die(self) -> None:
        self._scope.cancel()

    def close(self) -> None:
        for ledger in self._ledgers:
            ledger.close()


class Cluster:
    """Carries batches (``coordinator.Carrier``); what may go wrong on the way goes wrong."""

    def __init__(
        self, importer: Importer, account: Account, settings: EngineSettings, seams: Seams
    ) -> None:
        self._importer = importer
        self._luck = importer.luck
        self._account = account
        self._settings = settings
        self._seams = seams
        self._workers: dict[str, _Worker] = {}
        self._gone: list[_Worker] = []
        """Dead, or cut off: those go on with what they have."""
        self._hired = 0
        self._nursery: trio.Nursery

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """As ``Carrier.connected``; whoever still works when it ends, ends."""
        try:
            async with trio.open_nursery() as self._nursery:
                for _ in range(self._importer.world.scene.workers):
                    self._hire()
                yield
                self._nursery.cancel_scope.cancel()
        finally:
            for worker in [*self._workers.values(), *self._gone]:
                worker.close()

    def _hire(self) -> None:
        importer = self._importer
        path, connect = importer.world.ledger, connector(importer)
        writer = open_ledger(
            path, self._account, safeguards=self._seams.safeguards, connect=connect
        )
        reader = open_ledger(path, self._account, read_only=True, connect=connect)
        session = Session(
            self._settings,
            writer,
            reader,
            self._seams,
            api_key="sk_test_simulated",
            fresh_read=FRESH_READ,
        )
        self._hired += 1
        worker = _Worker(importer, session, [writer, reader])
        self._workers[f"worker {self._hired}"] = worker
        self._nursery.start_soon(worker.live)

    async def workers(self) -> dict[str, bool]:
        """As ``Carrier.workers``."""
        await trio.lowlevel.checkpoint()
        return dict.fromkeys(self._workers, True)

    async def greet(self, worker: str) -> Stop | None:
        """As ``Carrier.greet``."""
        await trio.sleep(0.001)
        if worker not in self._workers:
            raise WorkerLost
        return None

    async def carry(self, worker: str, batch: RowBatch) -> Answer:
        """As ``Carrier.carry``."""
        found = self._workers.get(worker)
        if found is None:
            raise WorkerLost
        if self._importer.first_status not in range(200, 300):
            # Until then the first row goes alone, which only a batch that runs once can promise.
            return await found.session.deliver(batch)
        if self._luck.strikes("batch doubled"):
            other = self._luck.chance.choice(sorted(self._workers))
            self._luck.tell(f"batch {batch.number} is given to {other}, too")
            self._importer.overlapped = True
            self._nursery.start_soon(self._double, self._workers[other], batch)
        dies, cut = self._luck.strikes("worker dies"), self._luck.strikes("worker cut off")
        if dies or cut:
            return await self._lose(worker, found, batch, dies=dies)
        answer = await found.session.deliver(batch)
        if self._luck.strikes("batch's answer lost"):
            self._luck.tell(f"the answer to batch {batch.number} is lost")
            raise WorkerLost
        return answer

    async def _lose(self, name: str, worker: _Worker, batch: RowBatch, *, dies: bool) -> Answer:
        """The worker dies in the middle of a batch, or goes on with it where nobody hears."""
        self._importer.overlapped |= not dies
        self._nursery.start_soon(self._double, worker, batch)
        await trio.sleep(self._luck.chance.expovariate(1))
        if self._workers.pop(name, None) is not None:
            self._luck.tell(f"{name} {'dies' if dies else 'is cut off'}")
            self._gone.append(worker)
            if dies:
                worker.die()
            self._hire()
        raise WorkerLost

    async def _double(self, worker: _Worker, batch: RowBatch) -> None:
        await worker.session.deliver(batch)

    async def standings(self) -> dict[str, Standing]:
        """As ``Carrier.standings``."""
        await trio.lowlevel.checkpoint()
        return {name: one.session.standing for name, one in self._workers.items()}

    async def stop(self) -> None:
        """As ``Carrier.stop``."""
        await trio.lowlevel.checkpoint()
        for one in self._workers.values():
            one.session.stop()

    async def finish(self) -> dict[str, tuple[Standing, Stop | None]]:
        """As ``Carrier.finish``."""
        for one in self._workers.values():
            one.session.finish()
            await one.session.wait()
        return {
            name: (one.session.standing, one.session.stopped_by)
            for name, one in self._workers.items()
        }
