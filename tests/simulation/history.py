"""One history: one seed, one file, several runs of the importer, a calm end, and the verdict."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from tests.simulation import checkers
from tests.simulation.engine import simulate
from tests.simulation.luck import Luck
from tests.simulation.process import CrashPlan, Importer
from tests.simulation.scene import REPLAY, WORDS, Scene, draw
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections import Counter

    from tests.simulation.book import File

HOUR = 3600.0
CALM_RUNS = 8
"""Runs without a fault in which everything must be settled (a lost ledger costs one a used key)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one history."""

    seed: int
    violations: tuple[tuple[str, str], ...]
    lines: tuple[tuple[float, str], ...]
    digest: str
    faults: Counter[str]
    seconds: float
    """Simulated."""
    runs: int
    requests: int
    steps: int


def play(
    seed: int,
    *,
    theme: str = "",
    safeguards: Safeguards = ALL_ON,
    crash: CrashPlan | None = None,
    within: str | None = None,
) -> Report:
    """Play the history of one seed.

    Args:
        seed: decides everything.
        theme: a kind of fault that the history must have, or ``not unique``.
        safeguards: those of the product; one off is an ablation.
        crash: where the first run dies, instead of where the seed says.
        within: the folder for the ledger's own; memory by default.
    """
    chance = random.Random(f"history {seed}")
    scene = draw(chance, theme=theme)
    luck = Luck(chance, scene.rates)
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=within or fast_folder()))
    history = History(scene, luck, safeguards, folder, crash)
    try:
        simulate(seed, history.run, history.step)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    world = history.world
    if world is None:
        raise AssertionError("the history never began")
    return Report(
        seed,
        tuple(world.checkers.violations),
        tuple(luck.lines),
        luck.digest(),
        luck.faults,
        luck.lines[-1][0],
        history.runs,
        world.requests,
        world.steps,
    )


def fast_folder() -> str | None:
    """Memory, where there is a place for it: no file of a history outlives it."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class History:
    """The course of one history."""

    def __init__(
        self,
        scene: Scene,
        luck: Luck,
        safeguards: Safeguards,
        folder: Path,
        crash: CrashPlan | None,
    ) -> None:
        self._scene = scene
        self._luck = luck
        self._safeguards = safeguards
        self._ledger = folder / "ledger.db"
        self._backup = folder / "backup.db"
        self._first_crash = crash
        self.world: World | None = None
        self.runs = 0

    def step(self) -> None:
        """Passed on from the engine."""
        if self.world is not None:
            self.world.step()

    async def run(self) -> None:
        """Everything, until the verdict."""
        async with trio.open_nursery() as nursery:
            world = self.world = World(
                self._scene, self._luck, self._safeguards, self._ledger, nursery
            )
            self._luck.tell(f"the scene: {self._scene}")
            for number in range(self._scene.runs):
                if number:
                    await self._between(world)
                world.curse()
                if self._scene.update:
                    await self._night(world)
                else:
                    await self._one_run(world)
            await self._calm_end(world)
            nursery.cancel_scope.cancel()

    # One run --------------------------------------------------------------------------------------

    async def _one_run(self, world: World) -> None:
        luck = self._luck
        first = self._importer(world, world.book.file, self._crash_plan())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.weather)
            async with trio.open_nursery() as crew:
                crew.start_soon(first.run)
                if luck.strikes("second importer"):
                    await trio.sleep(luck.chance.expovariate(2))
                    second = self._importer(world, self._second_file(world), self._crash_plan())
                    crew.start_soon(second.run)
            nursery.cancel_scope.cancel()
        world.clear()

    async def _night(self, world: World) -> None:
        """The nightly job, again until everything is settled; then once more, for nothing."""
        world.choose_policy()
        for _ in range(CALM_RUNS):
            rows = await self._importer(world, world.book.file, self._crash_plan()).run()
            # What was found is brought in step by the next run.
            left = {"unsettled", "found"}
            if rows is not None and not any(row.outcome in left for row in rows):
                break
            if self._luck.chance.random() < 0.5:
                return  # nobody types it again: what is open meets the next version
        else:
            return
        again = self._importer(world, world.book.file, CrashPlan())
        await again.run()
        self._luck.faults["quiet nights"] += 1
        if again.sent:
            text = f"{again.name} sent {again.sent} requests for what was settled just before"
            world.checkers.violated("a quiet night sends", text)
        await world.wire_is_empty()
        for entry in world.book.file.entries:
            if self._luck.strikes("somebody edits"):
                self._edit(world, entry.reference)

    def _edit(self, world: World, reference: str) -> None:
        number = self._luck.chance.randrange(10**6)
        if self._luck.chance.random() < 0.5:
            world.moment.edit(reference, "name", f"Somebody {number}")
        else:
            world.moment.edit(reference, "balance", number)

    def _importer(self, world: World, file: File, crash: CrashPlan) -> Importer:
        self.runs += 1
        again = self._luck.strikes("rejected rows tried again")
        name = f"importer {self.runs}"
        return Importer(world, name, file, crash=crash, retry_rejected=again)

    def _crash_plan(self) -> CrashPlan:
        if self._first_crash is not None:
            plan, self._first_crash = self._first_crash, None
            return plan
        luck, chance = self._luck, self._luck.chance
        step = commit = 0
        if not luck.calm and chance.random() < luck.rates.get("crash at an await point", 0):
            step = 1 + int(10 ** chance.uniform(0.5, 3.5))
        before = chance.random() < luck.rates.get("crash before a commit", 0)
        after = chance.random() < luck.rates.get("crash after a commit", 0)
        if not luck.calm and (before or after):
            commit = chance.randrange(1, 12)
        return CrashPlan(step, commit, before)

    def _second_file(self, world: World) -> File:
        """The same file, or the one before; no change for the worse while both run."""
        book = world.book
        older = self._luck.chance.random() < 0.5
        if older and not book.worse() and not book.worse(book.before):
            return book.before
        return book.file

    # Between two runs -----------------------------------------------------------------------------

    async def _between(self, world: World) -> None:
        chance, luck = self._luck.chance, self._luck
        gap = chance.choice(self._scene.gaps) * chance.uniform(0.8, 1.2)
        self._befall_ledger(world)
        world.book.next()
        if luck.strikes("foreign creator"):
            world.moment.foreign(chance.choice(world.book.file.entries).reference)
            gap += 10  # Longer than a replica lags: a limit of docs/delivery.md
        await trio.sleep(gap)
        if world.wire_busy and (world.book.worse() or not self._scene.flavour.unique):
            # A given up request that arrives later than a refusal: a limit of docs/delivery.md
            await world.wire_is_empty()

    def _befall_ledger(self, world: World) -> None:
        luck = self._luck
        flavour = self._scene.flavour
        keys = max((len(some) for some in world.moment.keys_of.values()), default=0)
        if flavour.other_body not in {REPLAY, WORDS} and keys > 1:
            return  # Two keys used up and 422 without a word about it: a limit of docs/delivery.md
        if luck.strikes("ledger lost"):
            self._ledger.unlink(missing_ok=True)
            luck.tell("the ledger is lost")
            world.checkers.ledger_replaced({})
        elif self._backup.exists() and luck.strikes("ledger restored"):
            shutil.copyfile(self._backup, self._ledger)
            luck.tell("an old backup takes the ledger's place")
            world.checkers.ledger_replaced(self._table())
        elif self._ledger.exists() and luck.chance.random() < 0.5:
            shutil.copyfile(self._ledger, self._backup)

    def _table(self) -> dict[str, checkers.Held]:
        connection = sqlite3.connect(self._ledger)
        try:
            return checkers.read_table(connection)
        finally:
            connection.close()

    # The end --------------------------------------------------------------------------------------

    async def _calm_end(self, world: World) -> None:
        """No fault any more: everything settles, and stays so."""
        luck = self._luck
        luck.calm = True
        luck.tell("no fault from here on")
        world.moment.curses.clear()
        world.book.mend()
        await trio.sleep(luck.chance.choice((1.0, HOUR, 26 * HOUR)))
        if world.wire_busy and (world.book.worse() or not self._scene.flavour.unique):
            await world.wire_is_empty()
        for number in range(CALM_RUNS):
            if number == 1:
                luck.faults["settled by a calm run after the first"] += 1
            last = self._importer(world, world.book.file, CrashPlan())
            rows = await last.run()
            if rows is None:
                world.checkers.violated("never settled", "a run without faults has no results")
                return
            if not any(row.outcome == "unsettled" for row in rows):
                break
            await trio.sleep(60)
        await world.wire_is_empty()
        world.checkers.ledger_agrees(self._table())
        world.checkers.final(last, rows or ())
