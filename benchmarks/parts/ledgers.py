"""Both kinds of ledger side by side: rows a second of group commits, and of reading states.

No network and no API; the PostgreSQL server is one of its own that waits for the disk.
"""

from __future__ import annotations

import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.process import BenchmarkError
from benchmarks.rounds import alternate, spread
from importer.delivery.protocol.states import NEW, Done, Origin, Sent, Transition
from importer.ledger.account import Account
from importer.ledger.address import LedgerAddress
from importer.ledger.opening import open_ledger
from tests.postgres_server import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench
    from importer.ledger.ledger import Ledger

ACCOUNT = Account("https://api.example.com", "test")
SIZES = (64, 512)
"""Rows of one group commit: a pool of 32 to 64 requests in flight, and a busy one."""
FIELDS = tuple((name, b"12345678") for name in ("balance", "currency", "email", "name", "phone"))
PAGE = 100_000
"""References of one question, as a plan asks them."""
ROWS_PER_SECOND = 5000
"""That a run of each shall write, so that ``bench.seconds`` says how long it lasts."""
READING = "read what is known"
_KINDS = {"sqlite": "SQLite file", "postgres": "PostgreSQL"}


def changes(number: int) -> tuple[Transition, Transition]:
    """What goes before a row's request, and what follows its answer."""
    reference = f"CUST-{number:09}"
    sent = Sent(0, number.to_bytes(32, "big"), 1.0)
    done = Done(0, sent.fingerprint, f"bcus_{number:022}", Origin.CREATED)
    return (
        Transition(reference, NEW, sent, fields=FIELDS),
        Transition(reference, sent, done, 201, seen=FIELDS),
    )


def write(ledger: Ledger, rows: range, size: int) -> None:
    """Both changes of every row, in group commits of one size."""
    for start in range(rows.start, rows.stop, size):
        pairs = [changes(number) for number in range(start, min(start + size, rows.stop))]
        for one in (0, 1):
            found = ledger.apply([pair[one] for pair in pairs], [], run_id="r", now=1.0)
            if found != [None] * len(pairs):
                raise BenchmarkError("a change was not applied")


def read(ledger: Ledger, rows: int) -> None:
    """What a plan asks of an input in which every row is known."""
    known = 0
    for start in range(0, rows, PAGE):
        asked = [f"CUST-{number:09}" for number in range(start, min(start + PAGE, rows))]
        known += sum(frame.height for frame in ledger.versions(asked))
    if known != rows:
        raise BenchmarkError(f"{known:,} of {rows:,} rows were found")


def measure(bench: Bench) -> dict[str, Any]:
    """Rows a second and CPU of this process a row, by kind and by what is done."""
    rows = 500 if bench.quick else round(bench.seconds * ROWS_PER_SECOND)
    rounds = iter(range(bench.rounds * len(_KINDS)))
    with PostgresServer(durable=True) as server:
        samples = alternate(
            {
                "sqlite": lambda: _figures(
                    LedgerAddress.parse(bench.work / f"ledgers-{next(rounds)}.db"), rows
                ),
                "postgres": lambda: _figures(
                    LedgerAddress.parse(server.url(schema=f"round_{next(rounds)}")), rows
                ),
            },
            bench.rounds,
        )
    return {
        "rows": rows * len(SIZES),
        "kinds": {
            kind: {
                what: {
                    "rows_per_second": spread([one[what][0] for one in found]),
                    "cpu_us_per_row": median(one[what][1] for one in found),
                }
                for what in found[0]
            }
            for kind, found in samples.items()
        },
    }


def _figures(address: LedgerAddress, rows: int) -> dict[str, tuple[float, float]]:
    """(rows a second, microseconds of CPU a row) by what is done."""
    found = {}
    with open_ledger(address, ACCOUNT) as ledger:
        for at, size in enumerate(SIZES):
            work = partial(write, ledger, range(at * rows, (at + 1) * rows), size)
            found[f"write ahead and settle, {size} rows a commit"] = _measured(work, rows)
        every = rows * len(SIZES)
        found[READING] = _measured(partial(read, ledger, every), every)
    return found


def _measured(work: Callable[[], None], rows: int) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    work()
    took = time.perf_counter() - began
    return rows / took, (time.process_time() - cpu) / rows * 1e6


def targets(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """None: a ledger is fast enough where posting is."""
    del figures
    return []


def table(figures: dict[str, Any]) -> list[list[str]]:
    """One line for each kind and for what is done."""
    lines = [["ledger", "what", "rows/s", "from to", "CPU µs/row"]]
    for kind, name in _KINDS.items():
        for what, found in figures["kinds"][kind].items():
            middle, low, high = found["rows_per_second"]
            cells = (
                f"{middle:,.0f}",
                f"{low:,.0f} to {high:,.0f}",
                f"{found['cpu_us_per_row']:.1f}",
            )
            lines.append([name, what, *cells])
    return lines
