"""Night after night: kill -9 in the middle of the updates of customers that exist."""

from __future__ import annotations

import signal
from contextlib import closing
from typing import TYPE_CHECKING

from tests.rehearsal.nights import UPDATE, Nights, Requests

if TYPE_CHECKING:
    from tests.torture.arena import Arena

SLOW = "patch:latency@100=0.5"
"""So that there are always PATCHes on their way when the kill comes."""
FAULTS = f"{SLOW},patch:lost=0.1,patch:500_updated=0.1,patch:409=0.1"
MOSTLY_LOST = "patch:lost=0.7"
"""So that Moment holds much that no answer has confirmed when the kill comes."""


def kill_updating(arena: Arena) -> None:
    """Kill -9 in the middle of the PATCHes of the second night."""
    _second_night(arena, SLOW)


def kill_updating_faulty(arena: Arena) -> None:
    """The same while PATCHes lose their answers, fail although they wrote, and clash."""
    _second_night(arena, FAULTS)


def kill_updating_then_newer(arena: Arena) -> None:
    """After the killed night the source has moved on again: what was sent is still ours."""
    _second_night(arena, MOSTLY_LOST, newer=True)


def _second_night(arena: Arena, faults: str, *, newer: bool = False) -> None:
    arena.open_sandbox("--faults", faults, "--seed", str(arena.rng.randrange(1000)))
    arena.end(arena.start(), {0})
    changed = len(arena.references) // 4
    nights = Nights(arena.source, arena.rng, changed=changed, edited=0.5)
    nights.edit(arena.sandbox_url)
    nights.move_on()
    arena.conflicts = nights.conflicts
    arena.options = [*UPDATE, "--rate", str(changed)]
    with closing(Requests(arena.sandbox_url)) as requests:
        kills = 3 if arena.thorough and not newer else 1
        for _ in range(kills):
            run = arena.start()
            # Late for names, which are read first; the run waits for seconds after lost answers.
            share = arena.rng.uniform(0.5, 0.8) if newer else arena.rng.uniform(0.1, 0.2)
            wanted = requests.so_far("PATCH") + nights.patches * share
            run.until(lambda wanted=wanted: requests.so_far("PATCH") >= wanted)  # type: ignore[misc]
            arena.kill(run)
            if run.process.returncode != -signal.SIGKILL:
                arena.violate(f"{run.log.name} was over before the kill: nothing was shown")
    if newer:
        arena.tell_sandbox("faults", spec="")
        nights.move_on()
    arena.settle({1, 3, 75})
    arena.violations += nights.out_of_step(arena.sandbox_url, arena.rng, 20)
    arena.quiet_night()
