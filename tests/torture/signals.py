"""SIGINT and SIGTERM, once, twice and at any moment; SIGSTOP of either side."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from tests.rehearsal.audit import sandbox_customers
from tests.rehearsal.processes import export
from tests.torture import checks
from tests.torture.arena import FINE

if TYPE_CHECKING:
    from tests.torture.arena import Arena

STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143}
GRACE = 25.0
"""Seconds for requests in flight (20) and for the results."""
AT_ONCE = 3.0
LONG_STOP = 33.0
"""Longer than the client's read timeout, 30 seconds."""


def signal_once(arena: Arena) -> None:
    """One signal: what is in flight is finished and recorded, the results are written."""
    arena.options = ["--rate", "200"]
    arena.open_sandbox("--latency", str(arena.rng.choice([0, 20, 100])))
    for signum, code in STOPS.items():
        run = arena.start()
        run.until_logged("plan_made")  # On a busy machine the run before may have come this far.
        if not arena.under_way(run, 0.1 if signum == signal.SIGINT else 0.4):
            arena.violate(f"{run.log.name}: ended before it could be interrupted")
        run.send(signum)
        before = len(checks.published(arena.out))
        arena.end(run, {code}, within=GRACE)
        arena.expect(run, '"event": "interrupted"')
        if len(checks.published(arena.out)) != before + 1:
            arena.violate(f"{run.log.name}: no results after {signum.name}")
        arena.violations += checks.leftovers(arena.out)
        held = {ref for ref, _ in sandbox_customers(arena.sandbox_url).items()}
        known = export(arena.folder, arena.ledger).read_text(encoding="utf-8").count("\n") - 1
        if len(held) != known:
            arena.violate(f"{len(held)} customers were created, the ledger knows {known}")
    arena.settle({0})


def signal_twice(arena: Arena) -> None:
    """A second signal leaves at once, though requests are in flight."""
    arena.options = ["--rate", "200"]
    arena.open_sandbox()
    for signum, code in STOPS.items():
        run = arena.start()
        arena.under_way(run, 0.1 if signum == signal.SIGINT else 0.3)
        arena.tell_sandbox("faults", spec="latency@6000=1")
        time.sleep(0.5)
        run.send(signum)
        run.until_logged('"event": "interrupted"')
        time.sleep(arena.rng.uniform(0, 0.3))
        run.send(signum)
        arena.end(run, {code}, within=AT_ONCE)
        arena.expect(run, "interrupted by", "same command again")
        arena.violations += checks.leftovers(arena.out)
        arena.tell_sandbox("faults", spec="")
    arena.settle({0})


def signal_anywhen(arena: Arena) -> None:
    """A signal at any moment, also while Python starts or ends."""
    arena.options = ["--rate", "500"]
    arena.open_sandbox()
    for _ in range(8 if arena.thorough else 3):
        signum = arena.rng.choice([*STOPS])
        run = arena.start()
        time.sleep(arena.rng.uniform(0.05, 2.5))
        run.send(signum)
        early = not run.logged("run_started")
        late = run.logged("run_finished")
        # Before it can listen and after it is done, the default action of the signal stands.
        default = {-signum, 1} if early or late else set()
        arena.end(run, {0, STOPS[signum], *default}, within=GRACE)
    arena.settle({0})


def importer_stopped(arena: Arena) -> None:
    """SIGSTOP the importer in mid-delivery, and let it go on later."""
    arena.options = ["--rate", "200"]
    arena.open_sandbox("--latency", "20")
    run = arena.start()
    arena.under_way(run, arena.rng.uniform(0.1, 0.5))
    run.send(signal.SIGSTOP)
    time.sleep(LONG_STOP if arena.thorough else 1.0)
    run.send(signal.SIGCONT)
    arena.end(run, FINE)
    arena.settle()


def sandbox_stopped(arena: Arena) -> None:
    """SIGSTOP the sandbox: requests hang, time out and are sent again; then it answers them all."""
    arena.options = ["--rate", "300"]
    arena.open_sandbox()
    assert arena.sandbox is not None
    run = arena.start()
    arena.under_way(run, arena.rng.uniform(0.1, 0.5))
    arena.sandbox.send_signal(signal.SIGSTOP)
    time.sleep(LONG_STOP if arena.thorough else 1.0)
    if arena.rng.random() < 0.5:
        arena.sandbox.send_signal(signal.SIGCONT)
        arena.end(run, FINE)
    else:
        arena.kill(run)
        arena.sandbox.send_signal(signal.SIGCONT)
    arena.settle()
