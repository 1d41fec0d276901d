"""The one place that opens a ledger, whatever kind its address names."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from importer.errors import UsageError
from importer.ledger.address import LedgerAddress
from importer.ledger.sqlite.connection import open_database
from importer.ledger.sqlite.lock import RunLock
from importer.ledger.sqlite.sqlite_ledger import SqliteLedger, read_accounts_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from importer.ledger.account import Account
    from importer.ledger.interface import Lease, Share
    from importer.ledger.ledger import Ledger
    from importer.ledger.rate_bucket import RateLedger
    from importer.ledger.sqlite.connection import Connect
    from importer.ledger.statements import Database


def open_ledger(
    address: LedgerAddress | Path,
    account: Account,
    *,
    create: bool = True,
    read_only: bool = False,
    safeguards: Safeguards = ALL_ON,
    connect: Connect = sqlite3.connect,
    lease: Lease | None = None,
) -> Ledger:
    """Open the ledger of an account, made and migrated if need be.

    A reader may read while a run writes. Of a file, mode 0600, ``connect`` opens the connection.

    Args:
        address: a path or a database.
        account: whose customers it keeps.
        create: whether a ledger is made where there is none.
        read_only: whether nothing is written through it.
        safeguards: all on, but in tests.
        connect: opens a SQLite file.
        lease: what ``hold`` gave; a writer should have it. It is asked before, or in, each write.

    Raises:
        NoLedger: there is none, and it is not to be made.
        UsageError: it is no ledger, or from a newer version, or its server cannot be used.
        OlderLedger: it is from an older version, and ``read_only``.
        LedgerFailed: it could not be opened, read or written.
    """
    path = _path_of(address)
    if path is not None:
        still_ours = (lambda: None) if lease is None else lease.check
        db = open_database(
            path, create=create, read_only=read_only, connect=connect, still_ours=still_ours
        )
        return SqliteLedger(db, account, safeguards)
    from importer.ledger.postgres.postgres_ledger import (  # noqa: PLC0415 - psycopg is an extra
        open_postgres_ledger,
    )

    return open_postgres_ledger(
        _address_of(address),
        account,
        create=create,
        read_only=read_only,
        safeguards=safeguards,
        lease=lease,
    )


def hold(
    address: LedgerAddress | Path,
    account: Account,
    *,
    run_id: str,
    started_at: float,
    share: Share | None = None,
) -> Lease:
    """What keeps other runs away from the account while it is entered as a context manager.

    Of a file it is a lock of the operating system, and for the whole file. Of a database it is a
    row with an end, which is renewed meanwhile; the database is made and migrated if need be.

    Raises (on entering):
        LedgerInUse: another run has it; the message names the run, its process, and, of a
            database, when its lease ends unless it is renewed.
        UsageError: the ledger cannot be used.
        LedgerFailed: the database could not be reached.
    """
    path = _path_of(address)
    if path is not None:
        return RunLock(path, run_id=run_id, started_at=started_at)
    from importer.ledger.postgres.account_lease import AccountLease  # noqa: PLC0415 - as above

    return AccountLease(
        _address_of(address), account, run_id=run_id, started_at=started_at, share=share
    )


class _Joined:
    """A lease that the run has which this process works for."""

    def __init__(self, number: int) -> None:
        self.number = number

    def check(self) -> None:
        """Every write asks the database."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def joined(number: int) -> Lease:
    """The lease of that number, held by the run which this process writes for.

    It is neither renewed nor given back here; with its end, this process can write no more.
    """
    return _Joined(number)


@contextmanager
def open_rate(
    address: LedgerAddress | Path, base_url: str, api_key: str
) -> Iterator[RateLedger | None]:
    """The rate that all workers with this API key share, where the ledger is in a database.

    None of a file: one process at a time works with it, and the rate is its own. The connection
    is no one else's.

    Args:
        address: where the ledger is; it must be there.
        base_url: normalised.
        api_key: only a digest of it is stored.

    Raises:
        LedgerFailed: the database cannot be reached.
        UsageError: it cannot be used.
    """
    if _path_of(address) is not None:
        yield None
        return
    from importer.ledger.postgres.postgres_connection import open_postgres  # noqa: PLC0415 - as above
    from importer.ledger.postgres.rate_table import RateTable  # noqa: PLC0415

    db = open_postgres(_address_of(address))
    try:
        yield RateTable(db, base_url, api_key)
    finally:
        db.close()


def read_accounts(
    address: LedgerAddress | Path, name: str | None = None, *, connect: Connect = sqlite3.connect
) -> list[Account]:
    """All accounts of a ledger, or those of that name, the oldest first.

    Raises:
        NoLedger: there is none.
        LedgerFailed: it could not be read.
        UsageError: it holds no account of that name.
    """
    path = _path_of(address)
    if path is not None:
        accounts = read_accounts_of_file(path, connect=connect)
    else:
        from importer.ledger.postgres.postgres_ledger import (  # noqa: PLC0415 - as above
            read_accounts_of_database,
        )

        accounts = read_accounts_of_database(_address_of(address))
    if name is None:
        return accounts
    if not (named := [one for one in accounts if one.name == name]):
        known = sorted({one.name for one in accounts})
        raise UsageError(
            f"the ledger {address} holds no account called {name}",
            hint=f"it has {', '.join(known)}" if known else "it is empty",
        )
    return named


def open_tables(address: LedgerAddress | Path, *, create: bool, lease: Lease) -> Database:
    """Open a ledger as its tables, for work on whole accounts; made and migrated if need be.

    Raises:
        NoLedger: there is none, and it is not to be made.
        UsageError: it is no ledger, or from a newer version, or its server cannot be used.
        LedgerFailed: it could not be opened.
    """
    path = _path_of(address)
    if path is not None:
        return open_database(
            path, create=create, read_only=False, connect=sqlite3.connect, still_ours=lease.check
        )
    from importer.ledger.postgres.postgres_connection import open_postgres  # noqa: PLC0415 - as above

    return open_postgres(_address_of(address), create=create, lease=lease)


def _path_of(address: LedgerAddress | Path) -> Path | None:
    return address if isinstance(address, Path) else address.path


def _address_of(address: LedgerAddress | Path) -> LedgerAddress:
    return address if isinstance(address, LedgerAddress) else LedgerAddress(str(address))
