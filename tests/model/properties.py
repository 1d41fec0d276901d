"""What must never be (safety), and what must always remain possible (liveness)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.delivery.protocol.states import Done, New, Rejected
from tests.model.driver import IDLE
from tests.model.server import customer_id

if TYPE_CHECKING:
    from tests.model.world import Steps, World


def broken(steps: Steps, world: World) -> str:
    """The safety property that this world breaks, "" if none."""
    state = steps.driver.state(world.ledger)
    customers = world.server.customers
    if len(customers) > 1:
        return "second customer"
    if isinstance(state, Done):
        return _wrong_done(world, state)
    if isinstance(state, Rejected) and state.fingerprint.decode() in steps.rules.valid:
        return "wrong rejection"
    if world.history == "intact" and _lost_id(steps, world):
        return "lost id"
    return ""


def broken_by(steps: Steps, before: World, after: World) -> str:
    """The safety property that this step breaks, "" if none: the ledger never goes back."""
    if before.ledger == after.ledger or before.history != after.history:
        return ""
    old, new = steps.driver.state(before.ledger), steps.driver.state(after.ledger)
    if isinstance(old, Done):
        return (
            "" if isinstance(new, Done) and new.customer_id == old.customer_id else "forgotten id"
        )
    backwards = new.generation < old.generation and not isinstance(new, Done)
    return "generation goes back" if backwards else ""


def _wrong_done(world: World, done: Done) -> str:
    held = {customer_id(i): c.version for i, c in enumerate(world.server.customers)}
    version = done.fingerprint.decode()
    if done.customer_id not in held:
        return "phantom Done"
    if held[done.customer_id] == version:
        return ""
    if not done.differs:
        return "Done hides a difference"
    return "" if version in world.written else "Done with a version never written ahead"


def _lost_id(steps: Steps, world: World) -> bool:
    """A customer that our request created, and nothing that would ever look for it."""
    if not any(c.ours for c in world.server.customers):
        return False
    if any(one.ride != IDLE for one in world.importers) or world.unsynced >= 0:
        return False
    state = steps.driver.state(world.ledger)
    if isinstance(state, New):
        return True
    given_up = isinstance(state, Rejected) and state.fingerprint.decode() == world.source
    return given_up and not world.wire


def settled(steps: Steps, world: World) -> bool:
    """The row is Done, or rejected as the source has it now."""
    state = steps.driver.state(world.ledger)
    if isinstance(state, Rejected):
        return state.fingerprint.decode() == world.source
    return isinstance(state, Done)


def at_the_bound(steps: Steps, world: World) -> bool:
    """The generation is the highest explored, so that what follows was cut off."""
    highest = steps.scene.generations
    rides = (one.ride for one in world.importers if one.ride != IDLE)
    known = [steps.driver.state(world.ledger).generation]
    known += [steps.driver.flight(ride).state.generation for ride in rides]
    known += [kept.generation for kept in world.server.kept]
    return max(known) >= highest
