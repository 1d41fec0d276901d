"""Runs an async function on a clock and a schedule that one seed decides.

The only place that touches trio's private switches (trio/_core/_tests/test_scheduler_determinism.py
shows both): the order of runnable tasks becomes a function of the seed, not of memory addresses.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING
from unittest.mock import patch

import trio
import trio.testing
from trio._core import _run as internals

from importer.engine import coordinator
from importer.job import deliver
from importer.plan import staging
from tests.simulation.book import payloads_again

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TELL_EVERY = 600.0
"""Simulated seconds between two looks at the progress, which nobody watches here."""
LOOK_EVERY = 20.0
"""Simulated seconds between two looks at an engine's workers."""


def simulate(seed: int, main: Callable[[], Awaitable[None]], on_step: Callable[[], None]) -> None:
    """Run ``main`` in simulated time, which jumps on whenever every task waits.

    What it switches is as before when it returns: other tests of the process run in real time.

    Args:
        seed: decides the schedule.
        main: the history.
        on_step: called before every step of every task, which is at every await point.
    """
    order = random.Random(f"schedule {seed}")
    clock = trio.testing.MockClock(autojump_threshold=0)
    with (
        patch.multiple(internals, _ALLOW_DETERMINISTIC_SCHEDULING=True, _r=order),
        patch.object(deliver, "TELL_EVERY", TELL_EVERY),
        patch.object(coordinator, "LOOK_EVERY", LOOK_EVERY),
        patch.object(staging, "payloads_again", payloads_again),
    ):
        trio.run(main, clock=clock, instruments=[_Steps(on_step)])


class _Steps(trio.abc.Instrument):
    def __init__(self, on_step: Callable[[], None]) -> None:
        self._on_step = on_step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Every await point of every task is the end of one step."""
        del task
        self._on_step()
