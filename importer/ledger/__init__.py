"""The results ledger: which row became which customer, durable before anything is sent.

A SQLite file, or a PostgreSQL database. Synchronous and without a clock: times are passed in, and
the caller decides where its calls run (one thread at a time). Names are loaded when they are first
used: a command line parses an address and opens nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.values import names_of

if TYPE_CHECKING:
    from importer.ledger.account import Account, Standing
    from importer.ledger.address import DEFAULT_LEDGER, LedgerAddress
    from importer.ledger.interface import Lease, LeaseLost, NoLedger, OlderLedger, Share
    from importer.ledger.ledger import Ledger, Mapped
    from importer.ledger.opening import (
        hold,
        joined,
        open_ledger,
        open_rate,
        open_tables,
        read_accounts,
    )
    from importer.ledger.run_table import Entry, History, Run
    from importer.ledger.sqlite.lock import RunLock

_HOMES = {
    "DEFAULT_LEDGER": "address",
    "Account": "account",
    "Entry": "run_table",
    "History": "run_table",
    "Lease": "interface",
    "LeaseLost": "interface",
    "Ledger": "ledger",
    "LedgerAddress": "address",
    "Mapped": "ledger",
    "NoLedger": "interface",
    "OlderLedger": "interface",
    "Run": "run_table",
    "RunLock": "sqlite.lock",
    "Share": "interface",
    "Standing": "account",
    "hold": "opening",
    "joined": "opening",
    "open_ledger": "opening",
    "open_tables": "opening",
    "open_rate": "opening",
    "read_accounts": "opening",
}

__all__ = [
    "DEFAULT_LEDGER",
    "Account",
    "Entry",
    "History",
    "Lease",
    "LeaseLost",
    "Ledger",
    "LedgerAddress",
    "Mapped",
    "NoLedger",
    "OlderLedger",
    "Run",
    "RunLock",
    "Share",
    "Standing",
    "hold",
    "joined",
    "open_ledger",
    "open_rate",
    "open_tables",
    "read_accounts",
]


__getattr__ = names_of(__name__, _HOMES)
