"""A ledger in PostgreSQL whose server dies, stays away, or hangs, beside an importer that dies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from importer.ledger.postgres.account_lease import SECONDS
from tests.postgres_server import DATABASE, PostgresServer
from tests.torture import checks

if TYPE_CHECKING:
    from tests.torture.arena import Arena, Run

IN_USE, AWAY = 4, 75
LONGER_THAN_PATIENCE = 36.0
"""Seconds: a lost connection is tried again for 30."""


def database_killed(arena: Arena) -> None:
    """Kill -9 of the whole server in mid-run, and again: it comes back, and the run goes on."""
    server = _open(arena)
    run = arena.start()
    for share in (0.2, 0.5) if arena.thorough else (0.3,):
        _under_way(arena, run, share)
        server.kill_nine()
        arena.kills += 1
        time.sleep(arena.rng.uniform(0, 3.0 if arena.thorough else 0.3))
        server.restart()
    arena.end(run, {0, 1})
    _settle(arena, server)


def database_stays_away(arena: Arena) -> None:
    """The server dies for longer than a run waits: a clear stop, the results are written."""
    server = _open(arena)
    run = arena.start()
    _under_way(arena, run, arena.rng.uniform(0.1, 0.5))
    server.kill_nine()
    arena.kills += 1
    arena.end(run, {AWAY, IN_USE})
    arena.expect(run, "same command again")
    if len(checks.published(arena.out)) != 1:
        arena.violate("no results were written although only the database was away")
    server.restart()
    time.sleep(SECONDS)
    _settle(arena, server)


def database_hangs(arena: Arena) -> None:
    """It says nothing for a while, shorter or longer than a lease: nothing is lost or doubled."""
    server = _open(arena)
    run = arena.start()
    _under_way(arena, run, arena.rng.uniform(0.1, 0.5))
    with server.frozen():
        time.sleep(arena.rng.choice([2.0, LONGER_THAN_PATIENCE, SECONDS + 5]))
    code = arena.end(run, {0, 1, IN_USE})
    if code == IN_USE:
        arena.expect(run, "lease")
    _settle(arena, server)


def database_dies_too(arena: Arena) -> None:
    """Kill -9 of importer and database together: the lease of the dead run ends by itself."""
    server = _open(arena)
    run = arena.start()
    _under_way(arena, run, arena.rng.uniform(0.1, 0.8))
    server.kill_nine()
    arena.kill(run)
    server.restart()
    second = arena.start()
    arena.end(second, {IN_USE}, within=60)
    arena.expect(second, "its lease ends at")
    time.sleep(SECONDS)
    _settle(arena, server)


def _open(arena: Arena) -> PostgresServer:
    """A server and a sandbox, with some faults."""
    arena.options = ["--rate", "150"]
    server = arena.stack.enter_context(PostgresServer(durable=arena.thorough))
    arena.database = server.url()
    arena.open_sandbox("--faults", "lost=0.03", "--seed", str(arena.rng.randrange(1000)))
    return server


def _under_way(arena: Arena, run: Run, share: float) -> None:
    if not arena.under_way(run, share):
        arena.violate(f"{run.log.name}: the run was over before its database failed")


def _settle(arena: Arena, server: PostgresServer) -> None:
    """As ``Arena.settle``; the database holds no secret either."""
    arena.settle()
    tables: Any = server.execute(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = 'importer'",
        database=DATABASE,
    )
    for (table,) in tables:
        rows = server.execute(f"SELECT t::text FROM {table} AS t", database=DATABASE)  # noqa: S608
        text = "\n".join(str(row) for row in rows).encode()
        if arena.secrets.pattern.search(text):
            arena.violate(f"the table {table} holds the API key or personal data")
