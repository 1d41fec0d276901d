"""The results ledger: which row became which customer, durable before anything is sent.

One SQLite file. Synchronous, without a clock and without threads: times are passed in, and the
caller decides where its calls run (one thread at a time).
"""

from importer.ledger.account import Account
from importer.ledger.ledger_version import Standing
from importer.ledger.sqlite.attempt_table import Entry, History
from importer.ledger.sqlite.connection import OlderLedger
from importer.ledger.sqlite.lock import RunLock
from importer.ledger.sqlite.run_table import Run
from importer.ledger.sqlite.sqlite_ledger import Ledger, Mapped, read_accounts

__all__ = [
    "Account",
    "Entry",
    "History",
    "Ledger",
    "Mapped",
    "OlderLedger",
    "Run",
    "RunLock",
    "Standing",
    "read_accounts",
]
