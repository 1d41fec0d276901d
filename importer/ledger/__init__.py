"""The results ledger: which row became which customer, durable before anything is sent.

One SQLite file. Synchronous, without a clock and without threads: times are passed in, and the
caller decides where its calls run (one thread at a time).
"""

from importer.ledger.account import Account
from importer.ledger.connection import OlderLedger
from importer.ledger.history import Entry, History
from importer.ledger.ledger import Ledger, Mapped, read_accounts
from importer.ledger.lock import RunLock
from importer.ledger.runs import Run
from importer.ledger.version import Standing

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
