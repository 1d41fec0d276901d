"""Delivers what is staged by an engine, and takes every outcome back to staging."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio

from importer.delivery.stopping import one_cause
from importer.errors import RunStopped
from importer.job.signals import Interrupted, watched
from importer.plan.make import rows_to_deliver
from importer.results.timeline import Timeline
from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from importer.delivery.pool import PoolSettings
    from importer.delivery.protocol.flight import Planned, Settled
    from importer.delivery.protocol.updating import UpdatePolicy
    from importer.engine.seam import Engine, EngineSettings
    from importer.job.job_settings import DeliverySettings
    from importer.job.observer import Observer, Progress
    from importer.job.world import World
    from importer.ledger.interface import LedgerReader, LedgerWriter
    from importer.ledger.rate_bucket import RateLedger
    from importer.plan.staging import Staging

TELL_EVERY = 0.25
"""Seconds between two looks at the progress."""
THROTTLED = 429
"""Too Many Requests (RFC 6585, section 4)."""
RECORD_AT = 500
"""Settled rows that are written to staging together."""


@record
class Delivered:
    """How delivery ended. Requests are counted as sent, answered or not."""

    posts: int = 0
    gets: int = 0
    patches: int = 0
    stopped_by: RunStopped | None = None
    signum: int | None = None
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """The requests by (method, HTTP status), as ``Engine.answers``."""
    updated: Counter[str] = field(default_factory=Counter)
    """Records by the field in which they were updated."""
    clock_ahead: float | None = None
    """As ``Engine.clock_ahead``."""

    def and_then(self, later: Delivered) -> Delivered:
        """This delivery and the one that followed it, as one; its fields are no record's."""
        return Delivered(
            self.posts + later.posts,
            self.gets + later.gets,
            self.patches + later.patches,
            self.stopped_by or later.stopped_by,
            later.signum if self.signum is None else self.signum,
            self.answers + later.answers,
            self.updated,
            later.clock_ahead if self.clock_ahead is None else self.clock_ahead,
        )


class Work(NamedTuple):
    """What is delivered where it is not what is staged."""

    rows: Iterator[Planned]
    record: Callable[[Sequence[Settled]], None]
    """Takes the outcomes."""
    updates: UpdatePolicy


class MakeEngine(Protocol):
    """Makes the engine of one delivery."""

    def __call__(
        self, settings: EngineSettings, *, on_settled: Callable[[Settled], None]
    ) -> Engine:
        """The engine, which hands each row's outcome to ``on_settled``."""
        ...


class Delivery:
    """One delivery: feeds an engine, hears its outcomes, tells how it stands, heeds signals."""

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
        timeline: Timeline | None = None,
        user_agent: str = "importer",
        pool: PoolSettings | None = None,
        work: Work | None = None,
        engine: MakeEngine | None = None,
        shared: RateLedger | None = None,
    ) -> None:
        # Loaded when something is delivered: a check or a plan starts without HTTP.
        from importer.engine.local_engine import LocalEngine  # noqa: PLC0415
        from importer.engine.seam import EngineSettings as Settings  # noqa: PLC0415

        staged = islice(rows_to_deliver(staging, reader), settings.limit)
        self._work = work or Work(staged, staging.record, settings.updates)
        self._progress = progress
        self._observer = observer
        self._timeline = timeline or Timeline()
        self._monotonic = world.monotonic
        self._unrecorded: list[Settled] = []
        self.delivered = Delivered()
        make = engine or partial(
            LocalEngine,
            writer,
            around=world,
            api_key=api_key,
            hashes=reader.hasher(),
            shared=shared,
        )
        self._engine = make(
            Settings(
                run_id,
                base_url,
                user_agent,
                concurrency=settings.concurrency,
                rate=settings.rate,
                patience=settings.patience,
                retry_rejected=settings.retry_rejected,
                updates=self._work.updates,
                pool=pool,
            ),
            on_settled=self._settled,
        )

    def stop(self) -> None:
        """Take no new rows; ``run`` returns when what is in flight has finished."""
        self._engine.stop()

    async def run(self, *, signals: bool = True) -> Delivered:
        """Deliver, until done or stopped; a stop rule is reported, not raised.

        Raises:
            Interrupted: a second signal came.
            LedgerFailed: the ledger could not be written.
        """
        self._timeline.start(self._monotonic())
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._tell)
                if signals:
                    tasks.start_soon(self._heed_signals)
                await self._deliver(self._work.rows)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise one_cause(group) from None
        finally:
            self._record()
            self._sample()
            self.delivered.answers.update(self._engine.answers)
            self.delivered.clock_ahead = self._engine.clock_ahead
            requests = self._engine.requests
            self.delivered.posts, self.delivered.gets, self.delivered.patches = requests
        return self.delivered

    async def _deliver(self, rows: Iterator[Planned]) -> None:
        try:
            await self._engine.deliver(rows)
        except RunStopped as stopped:
            self.delivered.stopped_by = stopped

    def _settled(self, settled: Settled) -> None:
        # Not ``value``, which is two Python functions of Enum.
        self._progress.outcomes[settled.settle.outcome._value_] += 1
        if settled.updated:
            self.delivered.updated.update(settled.updated)
        unrecorded = self._unrecorded
        unrecorded.append(settled)
        if len(unrecorded) >= RECORD_AT:
            self._record()

    def _record(self) -> None:
        settled, self._unrecorded = self._unrecorded, []
        if settled:
            self._work.record(settled)

    async def _tell(self) -> None:
        while True:
            self._progress.in_flight = self._engine.in_flight
            self._progress.waiting = self._engine.waiting
            self._progress.holding = self._engine.holding
            self._observer.delivering(self._progress)
            self._sample()
            await anyio.sleep(TELL_EVERY)

    def _sample(self) -> None:
        """Note how it stands now, for who looks back on the run."""
        one = self._engine
        self._timeline.add(
            self._monotonic(),
            requests=sum(one.requests),
            throttled=sum(n for (_, status), n in one.answers.items() if status == THROTTLED),
            settled=self._progress.done,
            in_flight=one.in_flight,
            waiting=one.waiting,
            holding=one.holding,
        )

    async def _heed_signals(self) -> None:
        with anyio.open_signal_receiver(*watched()) as signals:
            async for signum in signals:
                if self.delivered.signum is not None:
                    raise Interrupted(signum)
                self.delivered.signum = signum
                self._observer.interrupted(signal.Signals(signum).name, self._engine.in_flight)
                self._engine.stop()
