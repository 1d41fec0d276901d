"""The world around one row, and everything that can happen next in it.

A world is one immutable tuple: what Moment holds, the requests on the wire, the ledger, the
importers and the source. ``Steps.of`` lists each possible next event in words with its result.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as e
from importer.delivery.protocol.creating import Policy
from importer.delivery.protocol.states import Sent, Transition
from importer.ledger.rules import takes
from tests.model import properties
from tests.model import server as s
from tests.model.driver import IDLE, NOW, Driver, Interner, told
from tests.model.server import Server, ServerRules

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = -1
"""A stray request: no importer waits for its answer any more."""
NOTHING = -1

Move = tuple[str, "World"]


class Message(NamedTuple):
    """A POST on the wire, or at work in the server."""

    generation: int
    version: str
    owner: int
    running: bool


class Importer(NamedTuple):
    """One importer process; its memory is the ride, which a crash loses."""

    ride: int = IDLE
    awaiting: bool = False
    """Its request is on the wire."""
    slept: bool = False
    """A small tick has passed since it began to wait."""


Replies = tuple[tuple[str, str, a.Answer, Server], ...]
"""What may become of a message at Moment: in words, the same where its answer is lost ("" where
Moment is as before), the answer, the server."""


class World(NamedTuple):
    """One state of everything."""

    server: Server
    wire: tuple[Message, ...]
    ledger: int
    unsynced: int
    """A write that was answered before it was durable; only without write-ahead."""
    importers: tuple[Importer, ...]
    source: str
    written: str
    """Versions that a ``Sent`` was ever committed with, sorted."""
    backup: int
    history: str
    """``intact``, ``restored`` or ``lost``: what has befallen the ledger."""
    duplicates: int
    """Further copies that the wire may still make."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What can happen in one variant."""

    rules: ServerRules = field(default_factory=ServerRules)
    policy: Policy = field(default_factory=lambda: Policy(max_failures=2, max_advances=2))
    importers: int = 1
    """Two is a zombie: a second process on one ledger, in spite of the lock."""
    changes: tuple[tuple[str, str], ...] = ()
    """How the row may change in the source."""
    calm_changes: bool = False
    """The source changes only while nothing is on the wire and no importer runs."""
    wire: int = 2
    """Requests on the wire at once."""
    duplicates: int = 0
    big_ticks: bool = False
    suspends: bool = True
    """A process may sleep through a big tick with a decision in hand."""
    short_lived: bool = False
    """A stray request is gone before a small tick ends."""
    foreign: bool = False
    backup: bool = False
    loss: bool = False
    one_key_used: bool = False
    """The ledger is lost or restored only while Moment has seen one key at most."""
    generations: int = 2
    """The highest generation explored."""

    def steps(self) -> Steps:
        """Everything that can happen in it."""
        return Steps(self)


class Steps:
    """Everything that can happen in a scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.rules = scene.rules
        self.driver = Driver(scene.policy)
        self.transitions: Interner[Transition] = Interner()
        self._safeguards = scene.policy.safeguards
        self._replies: dict[tuple[Server, int, str, bool, bool], Replies] = {}

    def first(self) -> World:
        """Nothing has happened yet."""
        crew = (Importer(),) * self.scene.importers
        scene = self.scene
        return World(
            Server(), (), self.driver.new, NOTHING, crew, "A", "", NOTHING, "intact",
            scene.duplicates,
        )  # fmt: skip

    def broken(self, world: World) -> str:
        """The safety property that this world breaks, "" if none."""
        return properties.broken(self, world)

    def broken_by(self, before: World, after: World) -> str:
        """The safety property that this step breaks, "" if none."""
        return properties.broken_by(self, before, after)

    def settled(self, world: World) -> bool:
        """Nothing is left to be done with the row."""
        return properties.settled(self, world)

    def at_the_bound(self, world: World) -> bool:
        """The generation is the highest explored."""
        return properties.at_the_bound(self, world)

    def of(self, world: World) -> Iterator[Move]:
        """Every next event in words, with the world after it."""
        for index in range(len(world.importers)):
            yield from self._importer(world, index)
        for index in range(len(world.wire)):
            yield from self._message(world, index)
        yield from self._clock(world)
        yield from self._outside(world)

    # An importer -----------------------------------------------------------------------------

    def _importer(self, world: World, index: int) -> Iterator[Move]:
        me = world.importers[index]
        name = f"importer {index + 1}"
        if me.ride == IDLE:
            ride = self.driver.begin(world.source, world.ledger)
            if ride != IDLE:
                words = f"{name} takes the row up (version {world.source})"
                yield words, self._ride(world, index, ride)
            return
        yield f"{name} crashes", self._crash(world, index)
        if me.awaiting:
            return
        match self.driver.command(me.ride):
            case e.Commit(transition):
                yield from self._commit(world, index, transition)
            case e.Send(sent):
                yield from self._send(world, index, sent)
            case e.LookUp():
                version = self.driver.flight(me.ride).fingerprint.decode()
                for words, answer in s.look_up(self.rules, world.server, version):
                    ride = self.driver.feed(me.ride, e.LookedUp(answer, NOW))
                    yield f"{name}: {words}", self._ride(world, index, ride)
            case e.Wait(_, floor, _):
                if floor == 0 or me.slept:
                    ride = self.driver.feed(me.ride, e.Woken(NOW))
                    yield f"{name} wakes", self._ride(world, index, ride)

    def _ride(self, world: World, index: int, ride: int) -> World:
        crew = world.importers
        crew = (*crew[:index], Importer(ride), *crew[index + 1 :])
        # As _replace does, which is called for most worlds and takes three times as long.
        return World._make((*world[:4], crew, *world[5:]))

    def _crash(self, world: World, index: int) -> World:
        wire = tuple(m._replace(owner=NOBODY) if m.owner == index else m for m in world.wire)
        world = world._replace(wire=tuple(sorted(wire)), unsynced=NOTHING)
        return self._ride(world, index, IDLE)

    def _commit(self, world: World, index: int, transition: Transition) -> Iterator[Move]:
        name = f"importer {index + 1}"
        me = world.importers[index]
        if max(transition.new.generation, 0) > self.scene.generations:
            return
        if isinstance(transition.new, Sent):
            world = _with_written(world, transition.new)
        if not self._safeguards.write_ahead and isinstance(transition.new, Sent):
            behind = self._synced(world)._replace(unsynced=self.transitions.number(transition))
            ride = self.driver.feed(me.ride, e.Committed(NOW))
            words = f"{name} goes on before {told(transition.new)} is durable"
            yield words, self._ride(behind, index, ride)
            return
        world = self._synced(world)
        actual = self.driver.state(world.ledger)
        if takes(actual, transition, self._safeguards):
            after = world._replace(ledger=self.driver.states.number(transition.new))
            ride = self.driver.feed(me.ride, e.Committed(NOW))
            yield f"{name} commits {told(transition.new)}", self._ride(after, index, ride)
        else:
            ride = self.driver.feed(me.ride, e.Lost(actual, NOW))
            words = f"{name} cannot commit {told(transition.new)}: the ledger holds {told(actual)}"
            yield words, self._ride(world, index, ride)

    def _synced(self, world: World) -> World:
        if world.unsynced == NOTHING:
            return world
        transition = self.transitions.values[world.unsynced]
        world = world._replace(unsynced=NOTHING)
        actual = self.driver.state(world.ledger)
        if takes(actual, transition, self._safeguards):
            return world._replace(ledger=self.driver.states.number(transition.new))
        return world

    def _send(self, world: World, index: int, sent: int) -> Iterator[Move]:
        name = f"importer {index + 1}"
        me = world.importers[index]
        version = self.driver.flight(me.ride).fingerprint.decode()
        if len(world.wire) >= self.scene.wire:
            return
        message = Message(sent, version, index, False)
        crew = world.importers
        yield (
            f"{name} sends version {version} under key {sent}",
            world._replace(
                wire=tuple(sorted((*world.wire, message))),
                importers=(*crew[:index], me._replace(awaiting=True), *crew[index + 1 :]),
            ),
        )

    # The wire --------------------------------------------------------------------------------

    def _message(self, world: World, index: int) -> Iterator[Move]:
        message = world.wire[index]
        if message in world.wire[:index]:
            return
        rest = (*world.wire[:index], *world.wire[index + 1 :])
        what = f"the request (key {message.generation}, version {message.version})"
        lost = a.Unknown("timeout")
        if message.owner != NOBODY:
            stray = tuple(sorted((*rest, message._replace(owner=NOBODY))))
            words = f"importer {message.owner + 1} gives up waiting; {what} is still on its way"
            yield words, self._answered(world, message.owner, lost, stray)
        running = False
        if not message.running:
            yield f"{what} is lost", self._answered(world, message.owner, lost, rest)
            yield from self._copies(world, message, what)
            running = any(m.running and m.generation == message.generation for m in world.wire)
            known = any(k.generation == message.generation for k in world.server.kept)
            if self.rules.slow and not running and not known:
                at_work = tuple(sorted((*rest, message._replace(running=True))))
                yield f"Moment begins to work on {what}", world._replace(wire=at_work)
        for words, unheard, answer, after in self._arrives(world.server, message, what, running):
            yield words, self._answered(world, message.owner, answer, rest, after)
            if message.owner != NOBODY and unheard:
                yield unheard, self._answered(world, message.owner, lost, rest, after)

    def _arrives(self, server: Server, message: Message, what: str, running: bool) -> Replies:  # noqa: FBT001 - private
        """All that Moment may do with a message; many worlds ask the same."""
        _, version, _, at_work = message
        number = message.generation
        key = (server, number, version, at_work, running)
        replies = self._replies.get(key)
        if replies is None:
            if at_work:
                told = s.execute(self.rules, server, number, version)
            else:
                others = frozenset({number} if running else ())
                told = s.process(self.rules, server, number, version, others)
            replies = self._replies[key] = tuple(
                (
                    f"{what} arrives: {words}",
                    "" if after is server else f"{what} arrives: {words}; the answer is lost",
                    answer,
                    after,
                )
                for words, answer, after in told
            )
        return replies

    def _answered(
        self,
        world: World,
        owner: int,
        answer: a.Answer,
        wire: tuple[Message, ...],
        server: Server | None = None,
    ) -> World:
        """The world with another wire, and perhaps another server, once the owner has heard."""
        crew = world.importers
        if owner != NOBODY:
            ride = self.driver.feed(crew[owner].ride, e.Answered(answer, NOW))
            crew = (*crew[:owner], Importer(ride), *crew[owner + 1 :])
        return World._make((server or world.server, wire, *world[2:4], crew, *world[5:]))

    def _copies(self, world: World, message: Message, what: str) -> Iterator[Move]:
        if world.duplicates and len(world.wire) < self.scene.wire:
            copy = message._replace(owner=NOBODY)
            wire = tuple(sorted((*world.wire, copy)))
            after = world._replace(wire=wire, duplicates=world.duplicates - 1)
            yield f"the wire makes a copy of {what}", after

    # The clock -------------------------------------------------------------------------------

    def _clock(self, world: World) -> Iterator[Move]:
        waiting = any(self._may_sleep(one) for one in world.importers)
        fresh = any(c.fresh for c in world.server.customers)
        if (waiting or fresh) and not (self.scene.short_lived and world.wire):
            crew = tuple(
                one._replace(slept=True) if self._may_sleep(one) else one for one in world.importers
            )
            after = world._replace(importers=crew, server=s.small_tick(world.server))
            yield "some seconds pass", after
        if self.scene.big_ticks and not world.wire and world.unsynced == NOTHING:
            riding = any(one.ride != IDLE for one in world.importers)
            if self.scene.suspends or not riding:
                yield "11 hours pass", self._big_tick(world)

    def _may_sleep(self, one: Importer) -> bool:
        if one.ride == IDLE or one.awaiting or one.slept:
            return False
        command = self.driver.command(one.ride)
        return isinstance(command, e.Wait) and command.floor > 0

    def _big_tick(self, world: World) -> World:
        crew = tuple(
            one
            if one.ride == IDLE
            else one._replace(
                ride=self.driver.older_ride(one.ride), slept=one.slept or self._may_sleep(one)
            )
            for one in world.importers
        )
        backup = world.backup if world.backup == NOTHING else self.driver.older_state(world.backup)
        return world._replace(
            server=s.big_tick(world.server),
            ledger=self.driver.older_state(world.ledger),
            backup=backup,
            importers=crew,
        )

    # The outside -----------------------------------------------------------------------------

    def _outside(self, world: World) -> Iterator[Move]:
        idle = all(one.ride == IDLE for one in world.importers)
        if not self.scene.calm_changes or (idle and not world.wire):
            for before, after in self.scene.changes:
                if world.source == before:
                    words = f"the row changes in the source from version {before} to {after}"
                    yield words, world._replace(source=after)
        customers = world.server.customers
        if self.scene.foreign and not customers:
            other = s.Customer(False, 0, "X", self.rules.lags)
            created = world.server._replace(customers=(other,))
            yield "somebody else creates the customer", world._replace(server=created)
        yield from self._ledger_fate(world)

    def _ledger_fate(self, world: World) -> Iterator[Move]:
        idle = all(one.ride == IDLE for one in world.importers)
        if world.history != "intact" or not idle or world.unsynced != NOTHING:
            return
        used = {kept.generation for kept in world.server.kept} | {m.generation for m in world.wire}
        if self.scene.one_key_used and len(used) > 1:
            return
        if self.scene.loss and world.ledger != self.driver.new:
            lost = world._replace(ledger=self.driver.new, history="lost")
            yield "the ledger is lost", lost
        if self.scene.backup and world.backup == NOTHING:
            yield "the ledger is backed up", world._replace(backup=world.ledger)
        if world.backup not in {NOTHING, world.ledger}:
            restored = world._replace(ledger=world.backup, backup=NOTHING, history="restored")
            yield "the ledger is restored from its backup", restored


def _with_written(world: World, sent: Sent) -> World:
    written = "".join(sorted({*world.written, sent.fingerprint.decode()}))
    return world._replace(written=written)


def without(scene: Scene, safeguard: str) -> Scene:
    """The scene with one safeguard of the protocol switched off."""
    off = replace(scene.policy.safeguards, **{safeguard: False})
    return replace(scene, policy=replace(scene.policy, safeguards=off))
