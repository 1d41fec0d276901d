"""One customer, created and kept in step by the product's own two machines, in one state space.

Of time there are only seconds (a small tick): long enough for a replica to catch up and, where a
scene says so, for a request that was given up to arrive.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as e
from importer.delivery.protocol import events as u
from importer.delivery.protocol import updating
from importer.delivery.protocol.creating import Policy
from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from importer.delivery.protocol.states import (
    Conflict,
    Done,
    Hashes,
    Memory,
    Origin,
    Sent,
    Synced,
    UpdateState,
    UpdateTransition,
    Updating,
    takes_update,
)
from importer.delivery.protocol.updating import Rule, Then, UpdateFlight, UpdatePhase, UpdatePolicy
from importer.ledger.rules import base_of, earlier, takes
from importer.outcomes import Outcome
from tests.model import sync_server as s
from tests.model.driver import IDLE, NOW, Driver, Interner, told
from tests.model.sync_server import SyncMessage, SyncRules, SyncServer, foreign, spell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.delivery.protocol.states import State, Transition

NOBODY = -1
NOTHING = -1
BETWEEN = "between runs"
OF_THE_LEDGER = ("compare_and_set", "count_sent")
"""Safeguards of creating that updates rest on as well."""
OLD, CURRENT = 0, 1
"""Serials: of the state that the ledger holds, and of any before it."""

Move = tuple[str, "SyncWorld"]


class UpdateDriver:
    """All update rides of one variant, as small numbers; each step is made once."""

    def __init__(self, policy: UpdatePolicy) -> None:
        self.policy = policy
        self.states: Interner[UpdateState] = Interner()
        self._rides: Interner[tuple[UpdateFlight, u.UpdateCommand]] = Interner()
        self._fed: dict[tuple[int, u.UpdateEvent], tuple[int, u.SettleUpdate | None]] = {}

    def flight(self, ride: int) -> UpdateFlight:
        """Where the customer stands."""
        return self._rides.values[ride][0]

    def command(self, ride: int) -> u.UpdateCommand:
        """What the ride waits for."""
        return self._rides.values[ride][1]

    def begin(self, version: str, wanted: Hashes, state: UpdateState) -> tuple[int, object]:
        """Take the customer up; (IDLE, how it ended) if it settles at once."""
        flight = UpdateFlight("REF", version.encode(), wanted, state)
        return self._step(flight, e.Begin(NOW))

    def feed(self, ride: int, event: u.UpdateEvent) -> tuple[int, u.SettleUpdate | None]:
        """Give the ride an event; (IDLE, how it ended) if the customer is settled for this run."""
        key = (ride, event)
        if key not in self._fed:
            self._fed[key] = self._step(self.flight(ride), event)
        return self._fed[key]

    def dated(self, ride: int, serial: int) -> int:
        """The same ride, decided on a state of this serial: only whether it is the ledger's counts.

        Serials that go on for ever would make every state a new one.
        """
        flight, command = self._rides.values[ride]
        if flight.state.serial == serial:
            return ride
        state = replace(flight.state, serial=serial)
        pending = flight.pending and replace(flight.pending, serial=serial + 1)
        if isinstance(command, u.CommitUpdate) and pending is not None:
            transition = replace(command.transition, expected=state, new=pending)
            command = u.CommitUpdate(transition)
        return self._rides.number((flight._replace(state=state, pending=pending), command))

    def _step(
        self, flight: UpdateFlight, event: u.UpdateEvent
    ) -> tuple[int, u.SettleUpdate | None]:
        after, command = updating.step(flight, event, self.policy)
        if isinstance(command, u.SettleUpdate):
            return IDLE, command
        if isinstance(command, u.CommitUpdate):
            command = u.CommitUpdate(replace(command.transition, http_status=0))
        # Told to the user, never decided by.
        return self._rides.number((after._replace(patches=0, note=(0, "", "")), command)), None


class SyncImporter(NamedTuple):
    """One importer process; its memory is the ride, which a crash loses."""

    ride: int = IDLE
    updates: bool = False
    """The ride is one of the update driver."""
    awaiting: bool = False
    slept: bool = False
    version: str = ""
    """What it read of the source."""
    shown: Hashes = ()
    """What an answer to its POST or look-up showed."""


class SyncWorld(NamedTuple):
    """One state of everything."""

    server: SyncServer
    wire: tuple[SyncMessage, ...]
    ledger: int
    """Of creating."""
    state: int
    """Of updating; NOTHING before the customer is done."""
    importers: tuple[SyncImporter, ...]
    source: str
    edits: tuple[tuple[str, bytes], ...]
    """What somebody else may still write."""
    edited: bool = False
    earlier: Hashes = ()
    """What the ledger knows of versions that the row has left before the customer was known."""
    emptied: tuple[str, ...] = ()
    """Fields that somebody emptied."""
    quiet: str = ""
    """The version that a run has settled, until anything changes but Moment."""
    backup: tuple[int, int, Hashes] = (NOTHING, NOTHING, ())
    history: str = "intact"
    wrong: str = ""
    """The property that a step broke."""


@dataclass(frozen=True, slots=True)
class SyncScene:
    """What can happen in one variant."""

    versions: tuple[tuple[str, Hashes], ...]
    """Of the row: (name, what its cells give)."""
    policy: UpdatePolicy
    changes: tuple[tuple[str, str], ...] = (("A", "B"),)
    edits: tuple[tuple[str, bytes], ...] = ()
    """(field, value) that somebody else writes once, at any time; b"" empties the field."""
    rules: SyncRules = field(default_factory=SyncRules)
    safeguards: Safeguards = ALL_ON
    importers: int = 1
    wire: int = 2
    late: str = ""
    """When a PATCH that was given up may arrive, other than within some seconds: ``between runs``
    (as long as its update is open), or ``always``, also after a newer version (a limit)."""
    window: bool = False
    """Somebody else may write between GET and PATCH (a limit)."""
    rides_through: bool = False
    """The source may change while an importer runs."""
    strict: bool = False
    """A value that Moment stored in another form, its answer lost, is no conflict (a limit)."""
    deletes: bool = False
    backup: bool = False
    loss: bool = False
    generations: int = 0

    def steps(self) -> SyncSteps:
        """Everything that can happen in it."""
        return SyncSteps(self)


class SyncSteps:
    """Everything that can happen in a scene."""

    def __init__(self, scene: SyncScene) -> None:
        self.scene = scene
        self.rules = scene.rules
        self.creating = Driver(Policy(max_failures=1, max_advances=1))
        self.updating = UpdateDriver(scene.policy)
        self._wanted = dict(scene.versions)
        self._writers = {name for name, _ in scene.versions}

    def first(self) -> SyncWorld:
        """Nothing has happened yet."""
        crew = (SyncImporter(),) * self.scene.importers
        new = self.creating.new
        return SyncWorld(SyncServer(), (), new, NOTHING, crew, "A", self.scene.edits)

    def of(self, world: SyncWorld) -> Iterator[Move]:
        """Every next event in words, with the world after it."""
        for index in range(len(world.importers)):
            yield from self._importer(world, index)
        for index in range(len(world.wire)):
            yield from self._message(world, index)
        yield from self._clock(world)
        yield from self._outside(world)

    # What must hold --------------------------------------------------------------------------

    def broken(self, world: SyncWorld) -> str:
        """The safety property that this world breaks, "" if none."""
        if world.wrong:
            return world.wrong
        if world.state == NOTHING or world.history != "intact":
            return ""
        state = self.updating.states.values[world.state]
        if not world.edited and any(map(self._is_false, state.memory.conflicts)):
            return "false conflict"
        if isinstance(state, Synced) and not self._patching(world):
            return self._wrong_base(world, state)
        return ""

    def broken_by(self, before: SyncWorld, after: SyncWorld) -> str:
        """Steps carry what they break in the world that they lead to."""
        del before, after
        return ""

    def settled(self, world: SyncWorld) -> bool:
        """The row is created, and a run would send nothing more for it."""
        if world.state == NOTHING:
            return False
        state = self.updating.states.values[world.state]
        wanted = self._wanted[world.source]
        told = updating.foresee(state, world.source.encode(), wanted, self.scene.policy)
        return told.outcome is not None

    def at_the_bound(self, world: SyncWorld) -> bool:
        """The generation is the highest explored, so that what follows was cut off."""
        state = self.creating.state(world.ledger)
        return not isinstance(state, Done) and state.generation >= self.scene.generations

    def _is_false(self, conflict: Conflict) -> bool:
        """Nobody has edited anything, and this conflict does not say why it is one all the same."""
        another_currency = conflict.field in {"balance", "currency"} and (
            self.scene.policy.rule("currency") is Rule.NEVER
        )
        respelt = conflict.seen in {stored for _, stored in self.rules.respells}
        return not another_currency and (not respelt or self.scene.strict)

    def _patching(self, world: SyncWorld) -> bool:
        return any(not message.post for message in world.wire)

    def _wrong_base(self, world: SyncWorld, state: Synced) -> str:
        held = dict(world.server.fields)
        told = {one.field for one in state.memory.conflicts}
        for name, value in state.base:
            now = held.get(name) if name not in told else None
            if now is not None and not foreign(now) and now != value and world.server.exists:
                return "the ledger is wrong about what Moment holds"
        return ""

    # An importer -----------------------------------------------------------------------------

    def _importer(self, world: SyncWorld, index: int) -> Iterator[Move]:
        me, name = world.importers[index], f"importer {index + 1}"
        if me.ride == IDLE:
            yield from self._begins(world, index, name)
            return
        yield f"{name} crashes", self._crash(world, index)
        if me.awaiting:
            return
        if me.updates:
            yield from self._update(world, index, name)
        else:
            yield from self._create(world, index, name)

    def _begins(self, world: SyncWorld, index: int, name: str) -> Iterator[Move]:
        words = f"{name} takes the row up (version {world.source})"
        if world.state == NOTHING:
            ride = self.creating.begin(world.source, world.ledger)
            if ride != IDLE:
                rider = SyncImporter(ride, version=world.source)
                yield words, self._with(world, index, rider)
            return
        state = self.updating.states.values[world.state]
        ride, _ = self.updating.begin(world.source, self._wanted[world.source], state)
        if ride == IDLE:
            return
        rider = SyncImporter(ride, updates=True, version=world.source)
        after = self._with(world, index, rider)
        if world.quiet == world.source:
            after = after._replace(wrong="a quiet night sends")
        yield words, after

    def _with(self, world: SyncWorld, index: int, rider: SyncImporter) -> SyncWorld:
        crew = world.importers
        return world._replace(importers=(*crew[:index], rider, *crew[index + 1 :]))

    def _crash(self, world: SyncWorld, index: int) -> SyncWorld:
        wire = tuple(m._replace(owner=NOBODY) if m.owner == index else m for m in world.wire)
        return self._with(world._replace(wire=tuple(sorted(wire, key=repr))), index, SyncImporter())

    # Creating --------------------------------------------------------------------------------

    def _create(self, world: SyncWorld, index: int, name: str) -> Iterator[Move]:
        me = world.importers[index]
        match self.creating.command(me.ride):
            case e.Commit(transition):
                yield from self._commit(world, index, name, transition)
            case e.Send(sent):
                if len(world.wire) < self.scene.wire:
                    message = SyncMessage(True, index, me.version, sent)
                    yield f"{name} posts version {me.version}", self._sends(world, index, message)
            case e.LookUp():
                for words, answer in s.look_up(world.server, self._wanted[me.version]):
                    heard = self._with(world, index, me._replace(shown=world.server.fields))
                    yield f"{name}: {words}", self._rides(heard, index, e.LookedUp(answer, NOW))
            case e.Wait(_, floor, _):
                if floor == 0 or me.slept:
                    yield f"{name} wakes", self._rides(world, index, e.Woken(NOW))

    def _commit(
        self, world: SyncWorld, index: int, name: str, transition: Transition
    ) -> Iterator[Move]:
        if max(transition.new.generation, 0) > self.scene.generations:
            return
        actual = self.creating.state(world.ledger)
        if takes(actual, transition, ALL_ON):
            left = earlier(actual, transition.new, self._sent(actual), world.earlier)
            after = world._replace(ledger=self.creating.states.number(transition.new), earlier=left)
            if isinstance(transition.new, Done):
                me = world.importers[index]
                after = self._done(after, transition.new, actual, me)._replace(earlier=())
            words = f"{name} commits {told(transition.new)}"
            yield words, self._rides(after, index, e.Committed(NOW))
        else:
            words = f"{name} cannot commit: the ledger holds {told(actual)}"
            yield words, self._rides(world, index, e.Lost(actual, NOW))

    def _sent(self, state: State) -> Hashes:
        return self._wanted[state.fingerprint.decode()] if isinstance(state, Sent) else ()

    def _done(self, world: SyncWorld, done: Done, held: State, me: SyncImporter) -> SyncWorld:
        version, guard = done.fingerprint.decode(), self.scene.safeguards
        own = self._wanted[version] if version == me.version else ()
        sent = (self._sent(held), world.earlier) if guard.count_sent else ()
        shown = tuple(pair for pair in me.shown if pair[0] not in self.rules.never_shows)
        base = base_of(shown, own, *sent)
        # What Moment took without showing it: nobody knows in which form.
        taken = self._wanted[version] if done.origin is not Origin.FOUND else ()
        hidden = tuple(pair for pair in taken if pair not in base and not done.differs)
        whole = base == self._wanted[version] and not done.differs
        state = Synced(
            done.customer_id, CURRENT, base, done.fingerprint if whole else b"", Memory(hidden)
        )
        return world._replace(state=self.updating.states.number(state))

    def _rides(self, world: SyncWorld, index: int, event: e.Event) -> SyncWorld:
        me = world.importers[index]
        ride = self.creating.feed(me.ride, event)
        rider = me._replace(ride=ride, awaiting=False, slept=False)
        return self._with(world, index, SyncImporter() if ride == IDLE else rider)

    def _sends(self, world: SyncWorld, index: int, message: SyncMessage) -> SyncWorld:
        wire = tuple(sorted((*world.wire, message), key=repr))
        me = world.importers[index]
        return self._with(world._replace(wire=wire), index, me._replace(awaiting=True))

    # Updating --------------------------------------------------------------------------------

    def _update(self, world: SyncWorld, index: int, name: str) -> Iterator[Move]:
        me = world.importers[index]
        match self.updating.command(me.ride):
            case u.CommitUpdate(transition):
                yield self._commit_update(world, index, name, transition)
            case u.Patch() as command:
                if len(world.wire) < self.scene.wire:
                    message = self._patch(command, index, me.version)
                    words = f"{name} sends PATCH {spell(message.writes)}"
                    yield words, self._sends(world, index, message)
            case u.Read():
                for words, answer in s.read(self.rules, world.server):
                    yield f"{name}: {words}", self._goes(world, index, u.ReadBack(answer))
            case u.Seek():
                for words, found in s.look_up(world.server, self._wanted[me.version]):
                    yield f"{name}: {words}", self._goes(world, index, u.SoughtAgain(found))
            case e.Wait(_, floor, _):
                if floor == 0 or me.slept:
                    yield f"{name} wakes", self._goes(world, index, e.Woken(NOW))

    def _commit_update(
        self, world: SyncWorld, index: int, name: str, transition: UpdateTransition
    ) -> Move:
        actual = self.updating.states.values[world.state]
        if not takes_update(actual, transition, self.scene.safeguards):
            words = f"{name} cannot commit: the ledger holds {spelt(actual)}"
            return words, self._goes(world, index, u.UpdateLost(actual))
        held = replace(transition.new, serial=CURRENT)
        after = world._replace(state=self.updating.states.number(held))
        if self.scene.late == BETWEEN and isinstance(held, Synced):
            wire = tuple(m for m in world.wire if m.owner != NOBODY)
            after = after._replace(wire=wire)
        after = self._goes(after, index, e.Committed(NOW))
        return f"{name} commits {spelt(transition.new)}", self._outdated(after, index)

    def _outdated(self, world: SyncWorld, index: int) -> SyncWorld:
        """After a commit of this importer what the others decided on is old."""
        for at, one in enumerate(world.importers):
            if one.ride != IDLE and one.updates:
                ride = self.updating.dated(one.ride, CURRENT if at == index else OLD)
                world = self._with(world, at, one._replace(ride=ride))
        return world

    def _patch(self, command: u.Patch, index: int, version: str) -> SyncMessage:
        wanted = dict(self._wanted[version])
        writes = tuple((name, wanted[name]) for name in command.fields)
        union: Hashes | None = None
        if any(name.startswith(s.METADATA) for name in command.fields):
            union = tuple((f"{s.METADATA}{key}", text.encode()) for key, text in command.metadata)
        return SyncMessage(False, index, version, 0, writes, union, command.etag)

    def _goes(self, world: SyncWorld, index: int, event: u.UpdateEvent) -> SyncWorld:
        me = world.importers[index]
        ride, settled = self.updating.feed(me.ride, event)
        if ride != IDLE:
            return self._with(world, index, me._replace(ride=ride, awaiting=False, slept=False))
        after = self._with(world, index, SyncImporter())
        if settled is None:
            return after
        if settled.settle.outcome is not Outcome.UNSETTLED:
            after = after._replace(quiet=me.version)
        return after._replace(wrong=self._told_wrongly(world, me, settled))

    def _told_wrongly(self, world: SyncWorld, me: SyncImporter, settled: u.SettleUpdate) -> str:
        held, wanted = dict(world.server.fields), dict(self._wanted[me.version])
        if settled.settle.outcome is Outcome.MISSING and world.server.exists:
            return "false missing"
        if self._patching(world) or not world.server.exists or self.scene.importers > 1:
            return ""
        spellings = set(self.rules.respells)
        for name in settled.updated:
            now = held.get(name)
            if now is None or foreign(now):
                continue
            if now != wanted[name] and (wanted[name], now) not in spellings:
                return "false updated"
        return ""

    # The wire --------------------------------------------------------------------------------

    def _message(self, world: SyncWorld, index: int) -> Iterator[Move]:
        message = world.wire[index]
        if message in world.wire[:index]:
            return
        riding = any(one.ride != IDLE for one in world.importers)
        if self.scene.late == BETWEEN and message.owner == NOBODY and riding:
            return
        rest = (*world.wire[:index], *world.wire[index + 1 :])
        what = f"POST {message.version}" if message.post else f"PATCH {spell(message.writes)}"
        lost = a.Unknown("timeout")
        if message.owner != NOBODY:
            stray = tuple(sorted((*rest, message._replace(owner=NOBODY)), key=repr))
            words = f"importer {message.owner + 1} gives up waiting; {what} is still on its way"
            yield words, self._hears(world._replace(wire=stray), message, lost)
        yield f"{what} is lost", self._hears(world._replace(wire=rest), message, lost)
        if message.post:
            sent = self._wanted[message.version]
            posted = s.post(self.rules, world.server, message, sent)
            replies: list[tuple[str, a.Answer | u.PatchAnswer, SyncServer]] = list(posted)
        else:
            replies = list(s.patch(self.rules, world.server, message))
        for words, answer, after in replies:
            done = self._arrived(world._replace(server=after, wire=rest), world, message)
            yield f"{what} arrives: {words}", self._hears(done, message, answer)
            if message.owner != NOBODY and after is not world.server:
                unheard = f"{what} arrives: {words}; the answer is lost"
                yield unheard, self._hears(done, message, lost)

    def _arrived(self, after: SyncWorld, before: SyncWorld, message: SyncMessage) -> SyncWorld:
        if message.post or after.server is before.server:
            return after
        old, new = dict(before.server.fields), dict(after.server.fields)
        written = {name for name, _ in message.writes}
        wrong = ""
        for name in {*old, *new}:
            if old.get(name) == new.get(name):
                continue
            rule = self.scene.policy.rule(name)
            emptied = name in before.emptied
            if (foreign(old.get(name, b"")) or emptied) and (
                rule is not Rule.SOURCE or name not in written
            ):
                wrong = "an edit is overwritten"
            elif rule is Rule.NEVER:
                wrong = "a field is written that never may be"
        amount = new.get("balance")
        if "balance" in written and amount and new.get("currency") != amount[:1]:
            wrong = wrong or "an amount under another currency"
        emptied_now = tuple(name for name in after.emptied if name not in written)
        return after._replace(wrong=wrong, emptied=emptied_now)

    def _hears(
        self, world: SyncWorld, message: SyncMessage, answer: a.Answer | u.PatchAnswer
    ) -> SyncWorld:
        if message.owner == NOBODY:
            return world
        if not message.post:
            event = u.PatchAnswered(answer)  # type: ignore[arg-type]
            return self._goes(world, message.owner, event)
        if isinstance(answer, a.Created):
            # The body of the answer is the customer as it was created.
            first = dict(world.server.kept)[message.generation]
            me = world.importers[message.owner]._replace(shown=self._wanted[first])
            world = self._with(world, message.owner, me)
        return self._rides(world, message.owner, e.Answered(answer, NOW))  # type: ignore[arg-type]

    # The clock -------------------------------------------------------------------------------

    def _clock(self, world: SyncWorld) -> Iterator[Move]:
        waiting = any(self._may_sleep(one) for one in world.importers)
        stale = world.server.stale is not None
        if (waiting or stale) and (bool(self.scene.late) or not world.wire):
            crew = tuple(
                one._replace(slept=True) if self._may_sleep(one) else one for one in world.importers
            )
            server = world.server._replace(stale=None)
            yield "some seconds pass", world._replace(importers=crew, server=server)

    def _may_sleep(self, one: SyncImporter) -> bool:
        if one.ride == IDLE or one.awaiting or one.slept:
            return False
        driver = self.updating if one.updates else self.creating
        command = driver.command(one.ride)
        return isinstance(command, e.Wait) and command.floor > 0

    # The outside -----------------------------------------------------------------------------

    def _outside(self, world: SyncWorld) -> Iterator[Move]:
        idle = all(one.ride == IDLE for one in world.importers)
        is_open = world.state != NOTHING and isinstance(
            self.updating.states.values[world.state], Updating
        )
        calm = not world.wire or is_open or bool(self.scene.late)
        if (idle or self.scene.rides_through) and calm:
            for before, after in self.scene.changes:
                if world.source == before:
                    words = f"the source changes from version {before} to {after}"
                    yield words, world._replace(source=after, quiet="")
        if world.server.exists and self._nobody_is_between(world):
            for at, (name, value) in enumerate(world.edits):
                left = (*world.edits[:at], *world.edits[at + 1 :])
                known = world.state != NOTHING and name in dict(
                    self.updating.states.values[world.state].base
                )
                emptied = {*world.emptied} - {name} | ({name} if known and not value else set())
                words = f"somebody writes {name}={value.decode()} at Moment"
                yield (
                    words,
                    world._replace(
                        server=s.edited(self.rules, world.server, name, value),
                        edits=left,
                        edited=True,
                        emptied=tuple(sorted(emptied)),
                    ),
                )
        if self.scene.deletes and world.server.exists and idle and not world.wire:
            gone = world.server._replace(exists=False, deleted=True, fields=(), stale=None)
            yield "somebody deletes the customer", world._replace(server=gone, edited=True)
        yield from self._ledger_fate(world, idle=idle)

    def _nobody_is_between(self, world: SyncWorld) -> bool:
        """No importer has looked and not written yet, and no PATCH is on the wire."""
        if self.scene.window:
            return True
        if self._patching(world):
            return False
        return not any(self._is_between(one) for one in world.importers)

    def _is_between(self, one: SyncImporter) -> bool:
        if one.ride == IDLE or not one.updates:
            return False
        flight = self.updating.flight(one.ride)
        to_patch = flight.phase is UpdatePhase.COMMITTING and flight.then is Then.PATCH
        return to_patch or flight.phase is UpdatePhase.PATCHING

    def _ledger_fate(self, world: SyncWorld, *, idle: bool) -> Iterator[Move]:
        if world.history != "intact" or not idle or world.wire:
            return
        if self.scene.loss and world.ledger != self.creating.new:
            lost = world._replace(ledger=self.creating.new, state=NOTHING, earlier=())
            yield "the ledger is lost", lost._replace(history="lost", quiet="")
        here = (world.ledger, world.state, world.earlier)
        none = (NOTHING, NOTHING, ())
        if self.scene.backup and world.backup == none:
            yield "the ledger is backed up", world._replace(backup=here)
        if world.backup not in {none, here}:
            ledger, state, left = world.backup
            restored = world._replace(ledger=ledger, state=state, earlier=left)
            words = "the ledger is restored from its backup"
            yield words, restored._replace(history="restored", quiet="")


def spelt(state: UpdateState) -> str:
    """An update state in words."""
    conflicts = "".join(f", conflict {one.field}" for one in state.memory.conflicts)
    if isinstance(state, Updating):
        return f"Updating(base {spell(state.base)}, ours {spell(state.ours)}{conflicts})"
    return f"Synced(base {spell(state.base)}{conflicts})"


def without_update(scene: SyncScene, safeguard: str) -> SyncScene:
    """The scene with one safeguard of updates switched off."""
    if safeguard in OF_THE_LEDGER:
        return replace(scene, safeguards=replace(scene.safeguards, **{safeguard: False}))
    off = replace(scene.policy.safeguards, **{safeguard: False})
    return replace(scene, policy=replace(scene.policy, safeguards=off))
