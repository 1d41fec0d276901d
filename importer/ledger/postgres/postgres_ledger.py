"""The ledger in a PostgreSQL database, which several machines may share.

A group commit reads the rows that it touches ``FOR UPDATE``, lets the shared rules decide, and
writes them by COPY: new rows straight into the table (if another writer has made one meanwhile, the
transaction is run again), rows that are held by way of a temporary table and one UPDATE.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from importer.ledger.codec import KEPT
from importer.ledger.ledger import Ledger, accounts_in
from importer.ledger.postgres.postgres_connection import open_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import polars as pl

    from importer.delivery.protocol.safeguards import Safeguards
    from importer.ledger.account import Account
    from importer.ledger.address import LedgerAddress
    from importer.ledger.applying import AttemptColumns
    from importer.ledger.codec import Written
    from importer.ledger.interface import Lease
    from importer.ledger.postgres.postgres_connection import PostgresDatabase, PostgresTransaction
    from importer.ledger.statements import Reads, Transaction
    from importer.ledger.sync_table import Note, Record

_AT_ONCE = 5000
"""References of one query."""
_PAGE = 20_000
"""The same where the answer comes by COPY."""
_ACCOUNT = {"account": "int8"}
_ROW = {
    "reference": "text",
    "state": "text",
    "generation": "int4",
    "fingerprint": "bytea",
    "first_sent_at": "float8",
    "settled_at": "float8",
    "customer_id": "text",
    "origin": "text",
    "differs": "text",
    "http_status": "int4",
    "error_code": "text",
    "attempts": "int4",
    "first_run": "int8",
    "last_run": "int8",
    "fields": "bytea",
    "hashes": "bytea",
    "base": "bytea",
    "synced": "bytea",
}
_RECORD = {
    "reference": "text",
    "customer_id": "text",
    "serial": "int4",
    "base": "bytea",
    "ours": "bytea",
    "version": "bytea",
    "memory": "text",
    "changed_at": "float8",
    "run": "int8",
}
_NOTE = {"reference": "text", "synced": "bytea", "patches": "int4"}
_ATTEMPT = {
    "run": "int8",
    "reference": "text",
    "at": "float8",
    "event": "text",
    "generation": "int4",
    "http_status": "int4",
    "error_code": "text",
    "detail": "text",
    "request_id": "text",
    "seconds": "float8",
}


def _scratch(table: str, columns: Mapping[str, str]) -> str:
    listed = ", ".join(f"{name} {kind}" for name, kind in {**_ACCOUNT, **columns}.items())
    return f"CREATE TEMPORARY TABLE IF NOT EXISTS {table} ({listed}) ON COMMIT DELETE ROWS"


def _from_scratch(table: str, scratch: str, columns: Mapping[str, str]) -> str:
    changes = ", ".join(f"{name} = told.{name}" for name in columns if name not in KEPT)
    return (
        f"UPDATE {table} SET {changes} FROM {scratch} AS told"  # noqa: S608 - constant names
        f" WHERE {table}.account = told.account AND {table}.reference = told.reference"
    )


SCRATCH = (
    _scratch("told_customer", _ROW),
    _scratch("told_record", _RECORD),
    _scratch("told_note", _NOTE),
)
_CHANGE_ROWS = _from_scratch("customer", "told_customer", _ROW)
_WRITE_RECORDS = (
    f"INSERT INTO sync (account, {', '.join(_RECORD)}) SELECT * FROM told_record"  # noqa: S608 - as above
    " ON CONFLICT (account, reference) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _RECORD if name != "reference")
)
_WRITE_NOTES = (
    "UPDATE customer SET synced = told.synced, attempts = attempts + told.patches"
    " FROM told_note AS told"
    " WHERE customer.account = told.account AND customer.reference = told.reference"
)
_HOLD = (
    "SELECT count(*) FROM (SELECT 1 FROM customer WHERE account = ? AND reference = ANY(?)"
    " ORDER BY reference FOR UPDATE) AS held"
)
_VERSIONS = (
    "SELECT wanted.at - 1, nullif(upper(encode(version, 'hex')), ''),"
    " CASE WHEN state = 'done' AND (differs IS NULL OR synced IS NOT NULL) THEN customer_id END,"
    " CASE WHEN state = 'done' THEN first_run ELSE 0 END"
    ' FROM unnest(?::text[] COLLATE "C") WITH ORDINALITY AS wanted (reference, at)'
    # OFFSET 0: each is looked up by itself, in the order that is asked.
    " CROSS JOIN LATERAL (SELECT coalesce(synced, fingerprint) AS version, state, differs, synced,"
    " customer_id, first_run FROM customer WHERE account = ? AND reference = wanted.reference"
    " AND state <> 'new' OFFSET 0) AS customer"
)
_ADD_TOTAL = (
    "INSERT INTO total (account, state, customers) VALUES (?, ?, ?)"
    " ON CONFLICT (account, state) DO UPDATE SET customers = total.customers + excluded.customers"
)


class PostgresLedger(Ledger):
    """Made by ``open_postgres_ledger``."""

    _JOINED = "string_agg"

    _db: PostgresDatabase

    def versions(self, references: Sequence[str] | pl.Series) -> Iterator[pl.DataFrame]:
        """See ``LedgerReader``."""
        from importer.ledger.known_versions import of_lines  # noqa: PLC0415 - only a plan needs polars

        account = self._known_account()
        for start in range(0, len(references) if account is not None else 0, _PAGE):
            told = (list(references[start : start + _PAGE]), account)
            lines = self._db.asked(partial(_lines, told))
            if lines:
                yield of_lines(lines, start)

    def _any_of(self, values: Sequence[str | int]) -> tuple[str, object]:
        """See ``Ledger``."""
        return "= ANY(?)", list(values)

    def _among(
        self, db: Reads, select: Callable[[str], str], account: int, references: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        sql = select("= ANY(?)")
        for start in range(0, len(references), _AT_ONCE):
            yield from db.read(sql, (account, list(references[start : start + _AT_ONCE])))

    def _hold(self, db: Transaction, account: int, references: Sequence[str]) -> None:
        for start in range(0, len(references), _AT_ONCE):
            db.read(_HOLD, (account, list(references[start : start + _AT_ONCE])))

    def _write_customers(self, db: Transaction, account: int, changes: Sequence[Written]) -> None:
        for change in changes:
            rows = [(account, *row) for row in change.rows]
            if change.fresh:
                _copying(db).copy_in("customer", _ACCOUNT | _ROW, rows)
            else:
                _copying(db).copy_in("told_customer", _ACCOUNT | _ROW, rows)
                db.execute(_CHANGE_ROWS)

    def _write_records(
        self, db: Transaction, account: int, records: Sequence[Record], notes: Sequence[Note]
    ) -> None:
        if records:
            for table, columns, told in (
                ("told_record", _RECORD, records),
                ("told_note", _NOTE, notes),
            ):
                _copying(db).copy_in(table, _ACCOUNT | columns, [(account, *one) for one in told])
            db.execute(_WRITE_RECORDS)
            db.execute(_WRITE_NOTES)

    def _write_attempts(
        self, db: Transaction, account: int, rows: Sequence[AttemptColumns]
    ) -> None:
        if rows:
            # A metadata key may be anything that Moment answered; PostgreSQL holds no NUL.
            told = [
                (account, *columns, about.replace("\0", " "), request_id, seconds)
                for *columns, about, request_id, seconds in rows
            ]
            _copying(db).copy_in("attempt", _ACCOUNT | _ATTEMPT, told)

    def _write_totals(self, db: Transaction, account: int, moved: Mapping[str, int]) -> None:
        for state, number in sorted(moved.items()):
            db.execute(_ADD_TOTAL, (account, state, number))


def _lines(told: tuple[list[str], int | None], db: PostgresTransaction) -> str:
    return db.copy_out(_VERSIONS, told)


def _copying(db: Transaction) -> PostgresTransaction:
    return cast("PostgresTransaction", db)


def open_postgres_ledger(
    address: LedgerAddress,
    account: Account,
    *,
    create: bool,
    read_only: bool,
    safeguards: Safeguards,
    lease: Lease | None,
) -> PostgresLedger:
    """Open the ledger of an account.

    Raises:
        NoLedger: there is none.
        OlderLedger: it is from an older version, and ``read_only``.
        UsageError: it is from a newer version, or the server cannot be used.
        LedgerFailed: the server cannot be reached.
    """
    db = open_postgres(
        address,
        create=create,
        read_only=read_only,
        lease=lease,
        scratch=() if read_only else SCRATCH,
    )
    return PostgresLedger(db, account, safeguards)


def read_accounts_of_database(address: LedgerAddress) -> list[Account]:
    """All accounts of the ledger, the oldest first.

    Raises:
        NoLedger: there is none.
        LedgerFailed: it could not be read.
    """
    db = open_postgres(address, read_only=True)
    try:
        return accounts_in(db)
    finally:
        db.close()
