"""One importer process: the product's own code, wired as importer/job/run.py wires it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from importer.delivery.pool import PoolSettings
from importer.delivery.protocol.updating import UpdatePolicy
from importer.delivery.stopping import one_cause
from importer.engine.coordinator import Coordinator
from importer.engine.row_batch import OwnDoing
from importer.errors import LedgerFailed, SourceError
from importer.job.deliver import Delivered, Delivery
from importer.job.finish import fill_in_from_ledger
from importer.job.job_settings import DeliverySettings
from importer.job.observer import Observer, Progress
from importer.job.world import World as Seams
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.outcomes import OnDuplicate
from importer.plan.make import make_plan, settle_duplicates
from importer.plan.staging import Staging
from tests.simulation.checkers import RUN_WRONG
from tests.simulation.cluster import Cluster
from tests.simulation.disk import connector, lose_connections
from tests.simulation.wire import Wire

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    import httpx

    from importer.delivery.protocol.flight import Settled
    from importer.engine.seam import EngineSettings
    from importer.ledger.ledger import Ledger
    from importer.plan.frames import StagedRow
    from tests.simulation.book import File
    from tests.simulation.world import World

T = TypeVar("T")

BASE_URL = "https://moment.example"
ACCOUNT = Account(BASE_URL, "test")
BATCH_ROWS = (2, 4)
"""Of an engine's batches."""
PATIENCE = 12 * 3600.0
"""Seconds of simulated time after which a run is said to hang."""


class Crashed(BaseException):
    """The process is dead; nothing that it still does may reach the world."""


@dataclass(frozen=True, slots=True)
class CrashPlan:
    """Where the process dies: at an await point, or beside a commit; 0 is never."""

    step: int = 0
    """Steps of the whole world since the process began."""
    commit: int = 0
    """Its own commits, from 1."""
    before: bool = True
    """Before that commit is durable, or after."""


class Importer:
    """One run. Everything that leaves it passes here, and nothing does once it is dead."""

    def __init__(
        self,
        world: World,
        name: str,
        file: File,
        *,
        crash: CrashPlan,
        retry_rejected: bool = False,
    ) -> None:
        self.world = world
        self.luck = world.luck
        self.name = name
        self.file = file
        self.disk_full = False
        self.alive = True
        self.staged = False
        """The whole input has been read."""
        self.overlapped = False
        """Another importer ran at the same time."""
        self.first_status = 0
        """Of the first answer that arrived (a look-up's 404 is no verdict on the run)."""
        self.knows_api = False
        """A look-up was answered 404 by Moment itself, so address and key are right."""
        self.is_wrong = False
        """The first answer says so of the whole run, and not as a page for one row may."""
        self.sent = 0
        self.refused_updates = 0
        self.in_flight = 0
        self.steps = 0
        self.asked = False
        """It was asked to stop."""
        self.stopped_by = ""
        """The stop rule that ended it."""
        self.began = trio.current_time()
        self._commits = 0
        self._crash = crash
        self._retry_rejected = retry_rejected
        self._scope = trio.CancelScope()
        self._deliverable = file.deliverable()

    # The run --------------------------------------------------------------------------------------

    async def run(self) -> list[StagedRow] | None:
        """Run to the end; the results, or None where the run ended without any."""
        world, rows = self.world, None
        self.overlapped = bool(world.importers)
        for other in world.importers:
            other.overlapped = True
        world.importers.append(self)
        self.luck.tell(f"{self.name} starts ({len(self.file.entries)} lines)")
        clock = trio.move_on_after(PATIENCE)
        try:
            with self._scope, clock:
                rows = await self._job()
        except BaseException as error:  # noqa: BLE001 - judged by _ended
            self._ended(error)
        finally:
            world.importers.remove(self)
        if clock.cancelled_caught and self.alive:
            world.checkers.violated("hangs", f"{self.name} ran for {PATIENCE:.0f} s")
        if not self.alive:
            return None
        if rows is not None:
            world.checkers.run_ended(self, rows)
        return rows

    def _ended(self, error: BaseException) -> None:
        """A run may end with what it documents, or because it died; anything else is a defect."""
        while isinstance(error, BaseExceptionGroup):
            error = one_cause(error)
        if not self.alive or isinstance(error, Crashed):
            return
        if isinstance(error, SourceError | LedgerFailed):
            # The folder's name is the one thing that no seed decides.
            message = error.message.replace(str(self.world.ledger), "ledger.db")
            self.luck.tell(f"{self.name} ends: {message}")
        elif isinstance(error, trio.Cancelled | KeyboardInterrupt):
            raise error
        else:
            self.world.checkers.violated("unexpected error", f"{type(error).__name__}: {error}")

    async def _job(self) -> list[StagedRow]:
        world, run_id = self.world, self.name.replace(" ", "-")
        connect, staging, open_ledgers = connector(self), Staging(), []
        try:
            ledger = open_ledger(
                world.ledger, ACCOUNT, safeguards=world.safeguards, connect=connect
            )
            open_ledgers.append(ledger)
            lose_connections(ledger, self)
            reader = open_ledger(world.ledger, ACCOUNT, read_only=True, connect=connect)
            open_ledgers.append(reader)
            await self._read(staging, reader)
            settle_duplicates(staging, ["customers.csv"], OnDuplicate.ERROR)
            updates = DeliverySettings(update=world.update).updates
            make_plan(staging, reader, retry_rejected=self._retry_rejected, updates=updates)
            ledger.begin_run(
                run_id,
                started_at=world.now(),
                command="run",
                version="simulated",
                key_digest="0",
                sources=["customers.csv"],
            )
            delivered = Delivered()
            if staging.counts().get("", 0):
                delivered = await self._deliver(staging, ledger, reader, run_id)
            fill_in_from_ledger(staging, reader, why="not reached")
            ledger.end_run(run_id, ended_at=world.now(), exit_code=0, counts=staging.counts())
            stopped = delivered.stopped_by
            self.stopped_by = stopped.reason if stopped else ""
            self.luck.tell(
                f"{self.name} ends{f': {stopped.reason}' if stopped else ''}, {staging.counts()}"
            )
            return list(staging.rows())
        finally:
            for one in reversed(open_ledgers):
                one.close()
            staging.close()

    async def _read(self, staging: Staging, reader: Ledger) -> None:
        """Read the whole input; without ``verified_read`` deliver what has come first already."""
        eager = not self.world.safeguards.verified_read
        # Two batches at most: a segment of the staging costs the same whether it has 4 rows or 40.
        size = max(4, -(-len(self.file.entries) // 2))
        for batch in self.file.batches(size):
            self.world.book.remember(batch)
            staging.add_batch(batch)
            if eager:
                eager = False
                await self._deliver_early(staging, reader)
        self.staged = True

    async def _deliver_early(self, staging: Staging, reader: Ledger) -> None:
        """What a streaming importer would do: send the first batch before the rest is read."""
        with open_ledger(self.world.ledger, ACCOUNT, connect=connector(self)) as ledger:
            await self._deliver(staging, ledger, reader, f"{self.name}-early")

    async def _deliver(
        self, staging: Staging, ledger: Ledger, reader: Ledger, run_id: str
    ) -> Delivered:
        world = self.world
        seams = Seams(
            clock=world,
            draw=self.luck.chance.random,
            monotonic=trio.current_time,
            offload=self._offload,
            network=self._network,
            safeguards=world.safeguards,
        )
        delivery = Delivery(
            staging,
            ledger,
            reader,
            run_id=run_id,
            base_url=BASE_URL,
            api_key="sk_test_simulated",
            settings=DeliverySettings(
                concurrency=world.scene.concurrency,
                retry_rejected=self._retry_rejected,
                update=world.update,
            ),
            world=seams,
            progress=Progress(),
            observer=Observer(),
            pool=PoolSettings(
                workers=world.scene.concurrency,
                batch=world.scene.batch,
            ),
            engine=partial(self._coordinator, reader, seams) if world.scene.workers else None,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._signal, delivery)
            delivered = await delivery.run(signals=False)
            nursery.cancel_scope.cancel()
        return delivered

    def _coordinator(
        self,
        reader: Ledger,
        seams: Seams,
        settings: EngineSettings,
        *,
        on_settled: Callable[[Settled], None],
    ) -> Coordinator:
        """An engine whose workers fail as the seed says."""
        return Coordinator(
            Cluster(self, ACCOUNT, settings, seams),
            on_settled=on_settled,
            monotonic=trio.current_time,
            patience=settings.patience,
            own=OwnDoing(reader, settings.run_id, settings.updates or UpdatePolicy()),
            sizes=BATCH_ROWS,
        )

    async def _signal(self, delivery: Delivery) -> None:
        """SIGTERM, as delivery heeds it."""
        if self.luck.strikes("asked to stop"):
            await trio.sleep(self.luck.chance.expovariate(1))
            self.luck.tell(f"{self.name} is asked to stop")
            self.asked = True
            delivery.stop()

    def _network(self, connections: int) -> httpx.AsyncBaseTransport:
        del connections
        return Wire(self.world, self)

    async def _offload(self, call: Callable[[], T], /) -> T:
        """A thread's manners without a thread: it is not abandoned when its caller is cancelled."""
        await trio.lowlevel.checkpoint()
        with trio.CancelScope(shield=True):
            delay = self.luck.chance.uniform(1, 20) if self.luck.strikes("slow disk") else 0.001
            await trio.sleep(self.luck.latency(delay, 0.5))
            self.must_live()
            result = call()
            await trio.sleep(self.luck.latency(0.0002, 0.5))
            self.must_live()
        return result

    # Life and death -------------------------------------------------------------------------------

    def must_live(self) -> None:
        """Stand before everything that reaches the world.

        Raises:
            Crashed: the process is dead.
        """
        if not self.alive:
            raise Crashed

    def step(self) -> None:
        """One more step of the world, which may be this process's last."""
        self.steps += 1
        if self.steps == self._crash.step:
            self._die("crash at an await point", f"at step {self.steps}")

    def at_commit(self, *, before: bool) -> None:
        """A commit is about to be, or has just become, durable."""
        self._commits += before
        if self._commits == self._crash.commit and before == self._crash.before:
            word = "before" if before else "after"
            self._die(f"crash {word} a commit", f"{word} commit {self._commits}")
            raise Crashed

    def _die(self, kind: str, where: str) -> None:
        if self.alive:
            self.alive = False
            self.luck.faults[kind] += 1
            self.luck.tell(f"{self.name} crashes {where}")
            self._scope.cancel()

    # What the checkers hear -----------------------------------------------------------------------

    def committed(self, connection: sqlite3.Connection) -> None:
        """A transaction is durable."""
        self.world.checkers.committed(self, connection)

    def leaves(self, request: httpx.Request) -> str:
        """A request leaves; its name for the history."""
        self.sent += 1
        self.in_flight += 1
        self.world.requests += 1
        return self.world.checkers.leaves(self, request)

    def may_send(self, reference: str) -> bool:
        """Whether the input allows a request for this reference at all."""
        return reference in self._deliverable

    def hears(self, method: str, status: int, *, of_api: bool) -> None:
        """An answer arrives; ``of_api``: it is Moment's own word, whole."""
        self.refused_updates += method == "PATCH" and 400 <= status < 500
        if (method, status) == ("GET", 404):
            self.knows_api = self.knows_api or of_api
        elif not self.first_status:
            self.first_status = status
            self.is_wrong = status in RUN_WRONG and (of_api or not self.knows_api)
            self.world.checkers.first_answer(self)
