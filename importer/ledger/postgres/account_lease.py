"""A lease of an account in a PostgreSQL ledger: who writes, and until when.

A row with an end, by the database's clock, that a thread renews while the run lives. Its number is
the fencing token that every write carries (postgres_connection.py). Whoever comes after its end
deletes the row: that waits for a write that is being committed, and after it no write of the old
holder finds its number any more.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from importer.errors import LedgerFailed, LedgerInUse
from importer.ledger.postgres.postgres_connection import (
    FORGET_WRITERS,
    lease_ended,
    open_postgres,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from importer.ledger.account import Account
    from importer.ledger.address import LedgerAddress
    from importer.ledger.interface import Share
    from importer.ledger.postgres.postgres_connection import (
        PostgresDatabase,
        PostgresTransaction,
    )

SECONDS = 45.0
"""How long a lease lives without being renewed: the longest wait after a ``kill -9``."""
RENEW_EVERY = 10.0
_TRY_AGAIN = 1.0
"""Seconds between two tries to renew while the database is out of reach."""
_ANSWERS_IN = 8.0
"""Seconds for a renewal: a database that hangs must not use up what is left of a lease."""
_LOCK = 0x4C454153
"""The advisory lock of takers: "LEAS", with a hash of the account. It ends with a transaction."""
_TAKEN = """
    SELECT run_id, holder, to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        to_char(expires AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        extract(epoch FROM expires - clock_timestamp())::float8
    FROM lease
    WHERE account = ? AND expires > clock_timestamp() AND (job <> ? OR shard = ?)
    ORDER BY number LIMIT 1
"""
_OWN = "DELETE FROM lease WHERE account = ? AND run_id = ? AND holder = ?"
_END = "DELETE FROM lease WHERE account = ? AND expires <= clock_timestamp()"
_TAKE = """
    INSERT INTO lease (account, job, shard, run_id, holder, taken_at, renewed_at, expires)
    VALUES (?, ?, ?, ?, ?, clock_timestamp(), clock_timestamp(),
        clock_timestamp() + make_interval(secs => ?))
    RETURNING number
"""
_RENEW = """
    UPDATE lease SET renewed_at = clock_timestamp(),
        expires = clock_timestamp() + make_interval(secs => ?)
    WHERE number = ? AND expires > clock_timestamp()
    RETURNING number
"""


class AccountLease:
    """One run's lease, held as a context manager.

    Raises (on entering):
        LedgerInUse: another run has the account; the message names it and when its lease ends.
        UsageError: the database cannot be used.
        LedgerFailed: it cannot be reached.
    """

    number = 0

    def __init__(
        self,
        address: LedgerAddress,
        account: Account,
        *,
        run_id: str,
        started_at: float,
        share: Share | None = None,
        seconds: float = SECONDS,
        renew_every: float = RENEW_EVERY,
    ) -> None:
        """Nothing is asked yet; ``seconds`` and ``renew_every`` are shorter in tests only."""
        del started_at  # The database's clock is what all holders share.
        self._address = address
        self._account = f"{account.base_url}\n{account.mode}\n{account.name}"
        self._job = f"shards {share.of} {share.job}" if share is not None else f"run {run_id}"
        self._shard = share.index if share is not None else 0
        self._run_id = run_id
        self._holder = f"process {os.getpid()} on {socket.gethostname()}"
        self._seconds = seconds
        self._renew_every = renew_every
        self._leaving = threading.Event()
        self._is_lost = False
        self._renewed = 0.0
        self._db: PostgresDatabase | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._db = open_postgres(self._address, create=True, patience=_TRY_AGAIN)
        try:
            asked = time.monotonic()
            self.number = self._db.asked(self._take)
            self._renewed = asked
            self._db.expect_answers_in(_ANSWERS_IN)
        except BaseException:
            self._db.close()
            raise
        self._thread = threading.Thread(
            target=self._keep, args=(self._db,), name="lease", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        if self._thread is not None:
            self._thread.join()
        if self._db is not None:
            self._give_back(self._db)
            self._db.close()

    def check(self) -> None:
        """Make sure that the lease lives, as far as this process knows.

        Raises:
            LeaseLost: it has ended, or could not be renewed in time.
        """
        if self._is_lost:
            raise lease_ended(self._address)

    # Inside ---------------------------------------------------------------------------------------

    def _take(self, db: PostgresTransaction) -> int:
        with db.block():
            db.read("SELECT pg_advisory_xact_lock(?, hashtext(?))", (_LOCK, self._account))
            # A first try may have taken it, and its answer was lost with the connection.
            db.execute(_OWN, (self._account, self._run_id, self._holder))
            for held in db.read(_TAKEN, (self._account, self._job, self._shard)):
                raise _in_use(self._address, held)
            db.execute(_END, (self._account,))
            db.execute(FORGET_WRITERS)
            told = (self._account, self._job, self._shard, self._run_id, self._holder)
            return int(db.read(_TAKE, (*told, self._seconds))[0][0])

    def _keep(self, db: PostgresDatabase) -> None:
        """Renew until the run leaves, or the lease has ended."""
        pause = self._renew_every
        while not self._is_lost and not self._leaving.wait(pause):
            asked = time.monotonic()
            try:
                self._is_lost = not db.read(_RENEW, (self._seconds, self.number))
                self._renewed = asked
                pause = self._renew_every
            except LedgerFailed:
                self._is_lost = asked - self._renewed >= self._seconds
                pause = min(_TRY_AGAIN, self._renew_every)

    def _give_back(self, db: PostgresDatabase) -> None:
        with suppress(LedgerFailed):  # It ends by itself.
            db.read("DELETE FROM lease WHERE number = ? RETURNING number", (self.number,))


def _in_use(address: LedgerAddress, held: Sequence[Any]) -> LedgerInUse:
    run_id, holder, since, ends, left = held
    return LedgerInUse(
        f"the ledger {address} is in use by run {run_id} ({holder}, since {since}); its lease ends"
        f" at {ends}, in {max(1, round(left))} s, unless that run renews it",
        hint="wait until that run has ended; if it was killed, until its lease ends",
    )
