"""The rest of the world: a bad network, a dying server, a second importer, inputs that change."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

from tests.torture.arena import FINE
from tests.torture.proxy import proxying

if TYPE_CHECKING:
    from tests.torture.arena import Arena

USAGE, STOPPED, IN_USE = 2, 3, 4
LONG_STALL = 33.0


def bad_network(arena: Arena) -> None:
    """A proxy refuses, resets, cuts, half-closes, delays and stalls connections."""
    arena.options = ["--rate", "400"]
    arena.open_sandbox()
    stall = LONG_STALL if arena.thorough else 0.5
    seed = str(arena.rng.random())
    with proxying(arena.sandbox_url, seed, stall) as (arena.base_url, proxy):
        run = arena.start()
        arena.under_way(run, arena.rng.uniform(0.3, 0.9))
        arena.kill(run)
        arena.settle()
        if not proxy.met:
            arena.violate("the proxy harmed nothing: the scenario shows nothing")


def sandbox_restarts(arena: Arena) -> None:
    """The server is killed and comes back at the same address while the run goes on."""
    arena.options = ["--rate", "200"]
    arena.open_sandbox("--data", str(arena.folder / "sandbox.db"))
    run = arena.start()
    for share in (0.2, 0.5):
        arena.under_way(run, share)
        arena.kill_sandbox()
        arena.kills += 1
        time.sleep(arena.rng.uniform(0, 1))
        arena.open_sandbox()
    arena.end(run, FINE)
    arena.settle()


def second_importer(arena: Arena) -> None:
    """A second importer on the same ledger is sent away, and the first goes on unharmed."""
    arena.options = ["--rate", "75"]
    arena.open_sandbox()
    first = arena.start()
    arena.under_way(first, 0.1)
    # Held, it is not over before a slow machine has begun the other.
    first.send(signal.SIGSTOP)
    for _ in range(2 if arena.thorough else 1):
        second = arena.start()
        arena.end(second, {IN_USE}, within=30)
        arena.expect(second, "is in use by run")
    first.send(signal.SIGCONT)
    if first.process.poll() is not None:
        arena.violate("the first run was over before the second began: nothing was shown")
    arena.end(first, {0})
    arena.settle({0})


def two_ledgers(arena: Arena) -> None:
    """Two importers with a ledger each race for the same customers: one of each, known to both."""
    arena.options = ["--rate", "400"]
    arena.open_sandbox("--faults", "lost=0.05")
    first = arena.start()
    mine = arena.ledger, arena.out
    arena.ledger, arena.out = arena.folder / "other.db", arena.folder / "other-results"
    second = arena.start()
    arena.end(first, {0, 75})
    arena.end(second, {0, 75})
    arena.settle()
    arena.ledger, arena.out = mine
    arena.settle()


def file_grows(arena: Arena) -> None:
    """The input is written to while it is read: nothing is sent."""
    arena.open_sandbox()
    whole = arena.source.read_bytes()
    row = whole.splitlines(keepends=True)[1].replace(b"CUST-0", b"MORE-0")
    run = arena.start()
    with arena.source.open("ab", buffering=0) as growing:
        while run.process.poll() is None and not run.logged("input_verified"):
            growing.write(row)
            time.sleep(0.0005)
    arena.end(run, {USAGE})
    arena.expect(run, "the file changed while it was read")
    arena.nothing_sent()
    arena.source.write_bytes(whole)
    arena.settle({0})


def input_cut(arena: Arena) -> None:
    """Whatever feeds standard input dies in the middle; later it feeds everything."""
    arena.from_stdin = True
    arena.open_sandbox()
    whole = arena.source.read_bytes()
    for most in (0, 60, len(whole)):
        run = arena.start(stdin=subprocess.PIPE)
        pipe = run.process.stdin
        assert pipe is not None
        try:
            pipe.write(whole[: arena.rng.randint(0, most)])
            pipe.close()
        except BrokenPipeError:
            arena.violate(f"{run.log.name}: standard input was not read to its end")
        if arena.end(run, {0, 1, USAGE, STOPPED}) == STOPPED:
            arena.expect(run, "volume_guard")  # A header alone, or far fewer than the run before.
    arena.options = ["--accept-drift"]  # Beside the rows of a cut file most others are new.
    arena.settle()


def log_reader_leaves(arena: Arena) -> None:
    """Whoever reads the log goes away (``| head``): the run goes on to its end."""
    arena.open_sandbox()
    head = subprocess.Popen(["head", "-c", "20"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    pipe = head.stdin
    assert pipe is not None
    run = arena.start(output=pipe)
    pipe.close()
    head.wait()
    arena.end(run, {0})
    arena.settle({0})
