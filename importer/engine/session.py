"""The delivery of one run in one worker: takes batches as they come, and answers each.

One engine serves all of them, so that pacing, the first row that goes alone and the patience are
those of the run, not of a batch. A batch may come twice, here or elsewhere, even at the same time:
so it begins with what the ledger holds now, and compare-and-set does the rest.
"""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

import anyio

from importer.delivery.protocol.flight import Planned
from importer.delivery.protocol.states import NEW
from importer.delivery.protocol.updating import UpdatePolicy
from importer.delivery.row_source import Stream
from importer.engine.local_engine import LocalEngine
from importer.engine.row_batch import (
    Answer,
    CarriedRow,
    Known,
    OwnDoing,
    RowBatch,
    Standing,
    Stop,
    Told,
)
from importer.errors import BugFound, ImporterError
from importer.outcomes import Outcome
from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.delivery.around import Around
    from importer.delivery.protocol.flight import Settled
    from importer.engine.row_batch import RunReader
    from importer.engine.seam import EngineSettings
    from importer.ledger.interface import LedgerWriter
    from importer.ledger.rate_bucket import RateLedger

_BY_LEDGER = frozenset({Outcome.UNCHANGED, Outcome.CHANGED})
"""Outcomes of a row that the ledger was found to hold already: who settled it?"""


@record
class _Open:
    """A batch that is being delivered."""

    number: int
    rows: dict[int, CarriedRow]
    told: dict[int, Told] = field(default_factory=dict)
    whole: anyio.Event = field(default_factory=anyio.Event)
    """Each row has its outcome, or none will come."""

    def tell(self, one: Told) -> None:
        """One row's outcome."""
        if one.position in self.told:
            raise BugFound("a row has two outcomes", safe="everything sent is in the ledger")
        self.told[one.position] = one

    @property
    def is_whole(self) -> bool:
        """Each row has its outcome."""
        return len(self.told) == len(self.rows)


class Session:
    """One for a run and a worker; for one event loop. ``run`` must be running meanwhile."""

    def __init__(
        self,
        settings: EngineSettings,
        writer: LedgerWriter,
        reader: RunReader,
        around: Around,
        *,
        api_key: str,
        shared: RateLedger | None = None,
        fresh_read: bool = True,
    ) -> None:
        """``fresh_read`` is on, but in tests that show what it is for.

        ``shared`` grants the rate to all workers together.
        """
        policy = settings.updates or UpdatePolicy()
        self._known = OwnDoing(reader, settings.run_id, policy).known
        self._offload = around.offload
        self._fresh_read = fresh_read
        self._stream = Stream()
        self._engine = LocalEngine(
            writer,
            settings,
            around,
            api_key=api_key,
            on_settled=self._settled,
            hashes=reader.hasher(),
            shared=shared,
        )
        self._one_reader = anyio.Lock()
        self._open: dict[int, _Open] = {}
        self._of_position: dict[int, _Open] = {}
        self._over = anyio.Event()
        self.stopped_by: Stop | None = None
        """Why it takes no more rows."""

    async def run(self) -> None:
        """Deliver what comes until ``finish`` or ``stop``; why it stopped is in the answers."""
        try:
            await self._engine.deliver(self._stream)
        except Exception as error:  # noqa: BLE001 - told by whoever started the run, not here
            self.stopped_by = Stop.of(error)
        finally:
            self._over.set()
            for one in list(self._open.values()):
                self._close(one)

    async def deliver(self, batch: RowBatch) -> Answer:
        """Deliver the rows of a batch; one that is being delivered already is waited for."""
        found = self._open.get(batch.number)
        try:
            if found is None:
                found = await self._deliver(batch)
            else:
                await found.whole.wait()
            told = await self._told(found)
        except ImporterError as error:
            return Answer(batch.number, (), self.standing, Stop.of(error))
        return Answer(batch.number, told, self.standing, self.stopped_by)

    async def _deliver(self, batch: RowBatch) -> _Open:
        """Hand the rows to the engine; they are its own from then on, whoever waits for them."""
        found = _Open(batch.number, {row.position: row for row in batch.rows})
        self._open[batch.number] = found
        try:
            with anyio.CancelScope(shield=True):
                await self._begin(found)
        except BaseException:
            self._close(found)
            raise
        if found.is_whole or self._over.is_set():
            self._close(found)
        await found.whole.wait()
        return found

    def _close(self, batch: _Open) -> None:
        """Nothing more will be told of it."""
        self._open.pop(batch.number, None)
        for position in batch.rows:
            self._of_position.pop(position, None)
        batch.whole.set()

    def stop(self) -> None:
        """Take no new rows; batches are answered when what is in flight has finished."""
        self._engine.stop()

    def finish(self) -> None:
        """No batch will come any more."""
        self._stream.finish()

    async def wait(self) -> None:
        """Wait until it is over."""
        await self._over.wait()

    @property
    def is_over(self) -> bool:
        """It takes no batch any more."""
        return self._over.is_set()

    @property
    def is_idle(self) -> bool:
        """No batch is being delivered."""
        return not self._open

    @property
    def standing(self) -> Standing:
        """How it stands."""
        one = self._engine
        answers = tuple((*kind, number) for kind, number in one.answers.items())
        told = (one.requests, one.in_flight, one.waiting, one.holding, answers, one.clock_ahead)
        return Standing(*told)

    # Inside ---------------------------------------------------------------------------------------

    async def _begin(self, batch: _Open) -> None:
        """Hand the rows to the engine as the ledger has them now; tell those that are settled."""
        rows = list(batch.rows.values())
        states, updates, told = await self._ask(rows) if self._fresh_read else Known()
        self._of_position.update(dict.fromkeys(batch.rows, batch))
        for row in rows:
            if row.reference in told:
                batch.tell(Told(row.position, told[row.reference], "", 0))
        self._stream.put(
            Planned(
                row.position,
                row.reference,
                row.fingerprint,
                row.payload,
                states.get(row.reference, NEW),
                row.fields,
                updates.get(row.reference),
            )
            for row in rows
            if row.reference not in told
        )

    def _settled(self, settled: Settled) -> None:
        position = settled.planned.position
        one = Told(position, *settled[1:])
        batch = self._of_position[position]
        batch.tell(one)
        if batch.is_whole:
            self._close(batch)

    async def _told(self, batch: _Open) -> tuple[Told, ...]:
        """The outcomes; what another execution of this run did meanwhile is this run's doing."""
        told = batch.told
        doubtful = [batch.rows[at] for at, one in told.items() if one.settle.outcome in _BY_LEDGER]
        if doubtful:
            known = (await self._ask(doubtful)).settles
            for row in doubtful:
                if row.reference in known:
                    told[row.position] = told[row.position]._replace(settle=known[row.reference])
        return tuple(told.values())

    async def _ask(self, rows: Sequence[CarriedRow]) -> Known:
        async with self._one_reader:
            return await self._offload(partial(self._known, rows))
