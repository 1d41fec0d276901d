"""One history's world: everything outside the importers, and the record of it all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from tests.simulation.book import Book
from tests.simulation.checkers import Checkers
from tests.simulation.moment import Moment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from importer.delivery.protocol.safeguards import Safeguards
    from tests.simulation.luck import Luck
    from tests.simulation.process import Importer
    from tests.simulation.scene import Scene

EPOCH = 1_790_000_000.0
"""The wall clock when a history begins, seconds since the epoch."""
MOST_STEPS = 1_000_000
"""Steps of one history after which something spins."""


class World:
    """Clock, network, server, file and ledger of one history."""

    def __init__(
        self, scene: Scene, luck: Luck, safeguards: Safeguards, ledger: Path, nursery: trio.Nursery
    ) -> None:
        self.scene = scene
        self.luck = luck
        self.safeguards = safeguards
        self.ledger = ledger
        self.skew = 0.0
        """How wrong the wall clock is, in seconds."""
        self.book = Book(luck, scene.rows, scene.changes)
        self.moment = Moment(scene.flavour, luck, on_created=self._created)
        self.moment.refuses_updates = scene.refuses_updates
        self._weighed: set[str] = set()
        self.checkers = Checkers(self.book, self.moment, self._violated)
        self.update = scene.update
        """The policies of the present run."""
        self.checkers.watch_edits(scene.update)
        self.importers: list[Importer] = []
        """Those that run now."""
        self.steps = 0
        self.requests = 0
        self._outage_until = 0.0
        self._on_wire = 0
        self._wire_empty = trio.Event()
        self._nursery = nursery

    def now(self) -> float:
        """The wall clock, seconds since the epoch."""
        return EPOCH + trio.current_time() + self.skew

    def step(self) -> None:
        """Called before every step of every task."""
        self.steps += 1
        if self.steps == MOST_STEPS:
            self._violated("spins", f"{MOST_STEPS} steps and no end")
        for importer in self.importers:
            importer.step()

    # The wire -------------------------------------------------------------------------------------

    def launch(self, carry: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Give a request a life of its own."""
        self._on_wire += 1
        self._nursery.start_soon(self._life, carry, arguments)

    async def _life(
        self, carry: Callable[..., Awaitable[None]], arguments: tuple[Any, ...]
    ) -> None:
        await carry(*arguments)
        self._on_wire -= 1
        if self._on_wire == 0:
            self._wire_empty.set()
            self._wire_empty = trio.Event()

    async def wire_is_empty(self) -> None:
        """Wait until no request is on the wire or at work in Moment."""
        while self._on_wire:
            await self._wire_empty.wait()

    @property
    def wire_busy(self) -> bool:
        """Whether a request is on the wire or at work in Moment."""
        return self._on_wire > 0

    def outage(self) -> bool:
        """Whether no connection can be made now."""
        return trio.current_time() < self._outage_until

    # Weather --------------------------------------------------------------------------------------

    async def weather(self) -> None:
        """What befalls the world once while an importer runs."""
        luck, chance = self.luck, self.luck.chance
        hour = 3600.0
        plans: list[tuple[float, Callable[[], None]]] = []
        if luck.strikes("storm of 429"):
            until = chance.expovariate(1 / 30)
            plans.append((chance.expovariate(1), lambda: self._storm(until)))
        if luck.strikes("outage"):
            lasts = chance.choice((5.0, 60.0, 2000.0))
            plans.append((chance.expovariate(1), lambda: self._out(lasts)))
        if luck.strikes("key refused"):
            plans.append((chance.choice((0.0, chance.expovariate(1))), self._key_refused))
        if luck.strikes("clock jumps forward"):
            by = chance.choice((60.0, 5 * hour, 21 * hour, 100 * hour))
            plans.append((chance.expovariate(1), lambda: self._jump(by)))
        if luck.strikes("clock jumps back"):
            back = -chance.choice((1.0, 60.0, 5 * hour, 30 * hour))
            plans.append((chance.expovariate(1), lambda: self._jump(back)))
        if luck.strikes("foreign creator meanwhile"):
            entry = chance.choice(self.book.file.entries)
            plans.append((chance.expovariate(1), lambda: self.moment.foreign(entry.reference)))
        if self.scene.nobody:
            plans.append((chance.choice((0.0, chance.expovariate(2))), self._takes_nobody))
        for at, happen in sorted(plans, key=lambda plan: plan[0]):
            await trio.sleep(max(0.0, at))
            happen()

    def curse(self) -> None:
        """Let the server choose the rows, of those not seen yet, that it will never take."""
        new = {one.reference: None for one in self.book.file.entries}.keys() - self._weighed
        self._weighed |= new
        self.moment.curse(sorted(new), self.scene.curses)

    def choose_policy(self) -> None:
        """Let the source win tonight in every field, or as usual."""
        wins = self.luck.strikes("the source wins tonight")
        self.update = self.scene.update.replace(
            "if_untouched", "source" if wins else "if_untouched"
        )
        self.checkers.watch_edits(self.update)

    def clear(self) -> None:
        """End what lasts."""
        self.moment.refuses_run = 0
        self.moment.nobody = ""
        self.moment.storm_until = 0.0
        self._outage_until = 0.0

    def _storm(self, lasts: float) -> None:
        self.luck.tell(f"Moment answers 429 for {lasts:.0f} s")
        self.moment.storm_until = trio.current_time() + lasts

    def _out(self, lasts: float) -> None:
        self.luck.tell(f"no connection for {lasts:.0f} s")
        self._outage_until = trio.current_time() + lasts

    def _key_refused(self) -> None:
        self.moment.refuse_runs()
        self.luck.tell(f"Moment answers {self.moment.refuses_run} to everything")

    def _takes_nobody(self) -> None:
        self.moment.nobody = self.scene.nobody
        self.luck.faults[f"takes nobody: {self.scene.nobody}"] += 1
        self.luck.tell(f"Moment answers to everything: {self.scene.nobody}")

    def _jump(self, seconds: float) -> None:
        self.luck.tell(f"the wall clock jumps by {seconds:.0f} s")
        self.skew += seconds

    # Checks ---------------------------------------------------------------------------------------

    def _created(self, reference: str, customer: Any) -> None:
        self.checkers.created(reference, customer)

    def _violated(self, name: str, text: str) -> None:
        self.luck.tell(f"VIOLATION, {name}: {text}")
        self._nursery.cancel_scope.cancel()
