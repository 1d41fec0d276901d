"""Both kinds of ledger side by side: rows a second of group commits, and of reading states.

``python -m benchmarks.parts.ledgers [ROWS] [ROUNDS]``: no network and no API; the server is one of
its own that waits for the disk.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from importer.delivery.protocol.states import NEW, Done, Origin, Sent, Transition
from importer.ledger import Account, LedgerAddress, open_ledger
from tests.postgres_server import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from importer.ledger import Ledger

ACCOUNT = Account("https://api.example.com", "test")
SIZES = (64, 512)
"""Rows of one group commit: a pool of 32 to 64 requests in flight, and a busy one."""
FIELDS = tuple((name, b"12345678") for name in ("balance", "currency", "email", "name", "phone"))
PAGE = 100_000
"""References of one question, as a plan asks them."""


def changes(number: int) -> tuple[Transition, Transition]:
    """What goes before a row's request, and what follows its answer."""
    reference = f"CUST-{number:09}"
    sent = Sent(0, number.to_bytes(32, "big"), 1.0)
    done = Done(0, sent.fingerprint, f"bcus_{number:022}", Origin.CREATED)
    return (
        Transition(reference, NEW, sent, fields=FIELDS),
        Transition(reference, sent, done, 201, seen=FIELDS),
    )


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """(seconds, seconds of this process's CPU)."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


def write(ledger: Ledger, rows: range, size: int) -> None:
    """Both changes of every row, in group commits of one size."""
    for start in range(rows.start, rows.stop, size):
        pairs = [changes(number) for number in range(start, min(start + size, rows.stop))]
        for one in (0, 1):
            found = ledger.apply([pair[one] for pair in pairs], [], run_id="r", now=1.0)
            assert found == [None] * len(pairs)


def read(ledger: Ledger, rows: int) -> None:
    """What a plan asks of an input in which every row is known."""
    known = 0
    for start in range(0, rows, PAGE):
        asked = [f"CUST-{number:09}" for number in range(start, min(start + PAGE, rows))]
        known += sum(frame.height for frame in ledger.versions(asked))
    assert known == rows


def figures(address: LedgerAddress, rows: int) -> Iterator[tuple[str, float, float]]:
    """(what, rows a second, microseconds of CPU a row)."""
    with open_ledger(address, ACCOUNT) as ledger:
        for at, size in enumerate(SIZES):
            part = range(at * rows, (at + 1) * rows)
            seconds, cpu = measured(lambda part=part, size=size: write(ledger, part, size))  # type: ignore[misc]
            yield f"write, commits of {size}", rows / seconds, cpu / rows * 1e6
        every = rows * len(SIZES)
        seconds, cpu = measured(lambda: read(ledger, every))
        yield "read states", every / seconds, cpu / every * 1e6


def main() -> None:
    """Print a table of all rounds."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder, PostgresServer(durable=True) as server:
        for one in range(rounds):
            for name, address in (
                ("sqlite", LedgerAddress.parse(Path(folder) / f"{one}.db")),
                ("postgres", LedgerAddress.parse(server.url(schema=f"round_{one}"))),
            ):
                for what, rate, cpu in figures(address, rows):
                    print(f"{one} {name:<9} {what:<22} {rate:>9,.0f} rows/s {cpu:>7.1f} us CPU/row")


if __name__ == "__main__":
    main()
