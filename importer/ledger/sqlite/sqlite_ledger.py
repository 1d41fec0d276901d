"""The ledger in one SQLite file.

Many rows in few statements: sqlite3 gives other threads way at every row that it steps through, and
a busy event loop takes its turn each time. A batch of 256 rows then waits 256 times, one statement
of many rows once.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import chain
from typing import TYPE_CHECKING, Any

from importer.ledger.codec import KEPT
from importer.ledger.ledger import PAGE, Ledger, accounts_in
from importer.ledger.sqlite.connection import open_database
from importer.ledger.sync_table import Note, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from importer.ledger.account import Account
    from importer.ledger.applying import AttemptColumns
    from importer.ledger.codec import Written
    from importer.ledger.sqlite.connection import Connect
    from importer.ledger.statements import Reads, Transaction

_SIZES = (1, 8, 32, 64, 128, 256, 512)
"""Lengths of IN lists: few texts, so that SQLite's prepared statements are used again."""
_ROWS = (256, 64, 16, 4, 1)
"""Rows of one INSERT, for the same reason."""
_ID = "iif(state = 'done' AND (differs IS NULL OR synced IS NOT NULL), customer_id, '')"
_FIRST_RUN = "iif(state = 'done', first_run, 0)"
_VERSIONS = (
    "SELECT group_concat(wanted.key || ',' || hex(coalesce(synced, fingerprint)) || ','"  # noqa: S608 - constant
    f" || {_ID} || ',' || {_FIRST_RUN}, char(10))"
    " FROM json_each(?) AS wanted CROSS JOIN customer"
    " WHERE account = ? AND reference = wanted.value AND state <> 'new'"
)
_BETWEEN = "FROM customer WHERE account = ? AND reference BETWEEN ? AND ?"
_BEYOND = (
    "SELECT reference FROM customer WHERE account = ? AND reference >= ?"
    " ORDER BY reference LIMIT 1 OFFSET ?"
)
# A look-up by key takes three times as long as a row that comes along with its neighbours.
_DENSE = 3
_FEW = 512
"""References after a sparse place that are looked up by key before a range is tried again."""
_MOST = 1_048_576
"""The same after many of them in a row: an input that is not sorted has nothing else."""
_RANGE = 16_384
"""References that are asked for at once."""
# No subquery, and a column for each: three times as fast as lines of one text, cut by LIMIT.
_VERSIONS_BETWEEN = (
    "SELECT count(*), group_concat(reference, char(10)),"
    " CAST(group_concat(CASE WHEN synced IS NULL THEN fingerprint"
    " WHEN synced = x'' THEN ? ELSE synced END, '') AS BLOB),"
    f" group_concat({_ID}, char(10)), group_concat({_FIRST_RUN}, char(10))"
    f" {_BETWEEN} AND state <> 'new'"
)


def _upsert(fields: Sequence[str], kept: Sequence[str]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in fields if name not in kept)
    return f"ON CONFLICT (account, reference) DO UPDATE SET {changes}"


_RECORD = f"INSERT INTO sync (account, {', '.join(Record._fields)})"
_RECORD_HELD = _upsert(Record._fields, KEPT)
_TOLD = "account = ? AND customer.reference = told.reference"
_NOTED = "WITH told (reference, synced, patches) AS ("
_NOTE = (
    ") UPDATE customer SET synced = told.synced, attempts = attempts + told.patches"  # noqa: S608 - constant
    f" FROM told WHERE {_TOLD}"
)
_TOTAL = "INSERT INTO total (account, state, customers)"
_ADD = "ON CONFLICT (account, state) DO UPDATE SET customers = customers + excluded.customers"
_ATTEMPT = (
    "INSERT INTO attempt (account, run, reference, at, event, generation, http_status, error_code,"
    " detail, request_id, seconds)"
)


class SqliteLedger(Ledger):
    """Made by ``open_sqlite``."""

    _JOINED = "group_concat"

    _sparse = _untried = 0
    """Sparse places in a row, and references that are looked up by key for it."""

    def versions(self, references: Sequence[str] | pl.Series) -> Iterator[pl.DataFrame]:
        """See ``LedgerReader``. No read blocks a writer's checkpoint."""
        import polars as pl  # noqa: PLC0415 - only a plan needs it

        account = self._known_account()
        for start in range(0, len(references) if account is not None else 0, _RANGE):
            some = pl.Series("reference", references[start : start + _RANGE], dtype=pl.String)
            if some.is_sorted():
                yield from self._versions_of_sorted(account, some, start)
            else:
                yield from self._versions_one_by_one(account, some, start)

    def _versions_of_sorted(
        self, account: int | None, wanted: pl.Series, start: int
    ) -> Iterator[pl.DataFrame]:
        """By ranges where the ledger holds little else between them, by key where it holds more."""
        at = 0
        while at < len(wanted):
            rest = wanted[at:]
            number = min(self._untried, len(rest)) or self._dense(account, rest)
            some = rest[:number]
            if self._untried:
                self._untried -= number
                yield from self._versions_one_by_one(account, some, start + at)
            else:
                yield from self._versions_between(account, some, start + at)
            at += number

    def _dense(self, account: int | None, wanted: pl.Series) -> int:
        """How many of the first of these are a good part of what the ledger holds among them.

        Where that is none of them, ``_untried`` says how many are looked up by key instead.
        """
        most = len(wanted) + len(wanted) // 4
        # What new references do to a range: one far behind the others ends no longer all of it.
        beyond = self._db.read(_BEYOND, (account, wanted[0], most))
        number = wanted.search_sorted(beyond[0][0]) if beyond else len(wanted)
        self._sparse = self._sparse + 1 if number * _DENSE < most and beyond else 0
        if self._sparse:
            self._untried = min(_FEW << self._sparse, _MOST)
            return min(self._untried, len(wanted))
        return number

    def _versions_between(
        self, account: int | None, wanted: pl.Series, start: int
    ) -> Iterator[pl.DataFrame]:
        from importer.ledger.known_versions import (  # noqa: PLC0415 - only a plan needs polars
            NO_VERSION,
            Range,
            of_range,
        )

        [row] = self._db.read(_VERSIONS_BETWEEN, (NO_VERSION, account, wanted[0], wanted[-1]))
        held = Range(*row)
        if held.rows:
            frame = of_range(held, wanted, start)
            yield from (
                self._versions_one_by_one(account, wanted, start) if frame is None else [frame]
            )

    def _versions_one_by_one(
        self, account: int | None, wanted: pl.Series, start: int
    ) -> Iterator[pl.DataFrame]:
        from importer.ledger.known_versions import of_lines  # noqa: PLC0415 - as above

        for at in range(0, len(wanted), PAGE):
            asked = json.dumps(wanted[at : at + PAGE].to_list())
            [(lines,)] = self._db.read(_VERSIONS, (asked, account))
            if lines:
                yield of_lines(lines, start + at)

    def _any_of(self, values: Sequence[str | int]) -> tuple[str, object]:
        """See ``Ledger``."""
        return "IN (SELECT value FROM json_each(?))", json.dumps(list(values))

    def _among(
        self, db: Reads, select: Callable[[str], str], account: int, references: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        most = _SIZES[-1]
        for start in range(0, len(references), most):
            chunk = list(references[start : start + most])
            size = next(size for size in _SIZES if size >= len(chunk))
            chunk += chunk[-1:] * (size - len(chunk))
            among = f"IN ({', '.join('?' * size)})"
            yield from db.read(select(among), (account, *chunk))

    def _hold(self, db: Transaction, account: int, references: Sequence[str]) -> None:
        """Nothing to do: BEGIN IMMEDIATE keeps every other writer away."""

    def _stamp(self, db: Transaction) -> object:
        """See ``Ledger``: changes of other connections, and rows that this one has changed."""
        return db.read("SELECT data_version, total_changes() FROM pragma_data_version")

    def _write_customers(self, db: Transaction, account: int, changes: Sequence[Written]) -> None:
        for change in changes:
            same = change.same
            if change.fresh:
                names = ", ".join(("account", *same, *change.columns))
                insert = f"INSERT INTO customer ({names})"
                _insert(db, insert, _told(change), same=(account, *same.values()))
            elif len(change.columns) + len(same) > 1:
                _insert(db, *_changing(change), (*same.values(), account))

    def _holds(self, db: Reads, account: int, change: Written) -> bool:
        """See ``Ledger``. Counted where they lie: a row that is fetched costs more than two."""
        equal = "".join(f" AND customer.{name} IS ?" for name in change.same)
        equal += "".join(f" AND customer.{name} IS told.{name}" for name in change.columns)
        head = f"WITH told ({', '.join(change.columns)}) AS ("
        tail = f") SELECT count(*) FROM told CROSS JOIN customer WHERE {_TOLD}{equal}"  # noqa: S608 - names of ours
        told = _told(change)
        of_tail = (account, *change.same.values())
        found = (db.read(*one)[0][0] for one in _of_many(head, told, tail, of_tail))
        return int(sum(found)) == len(told)

    def _write_records(
        self, db: Transaction, account: int, records: Sequence[Record], notes: Sequence[Note]
    ) -> None:
        _insert(db, _RECORD, [(account, *one) for one in records], _RECORD_HELD)
        _insert(db, _NOTED, notes, _NOTE, (account,))

    def _write_attempts(
        self, db: Transaction, account: int, rows: Sequence[AttemptColumns]
    ) -> None:
        _insert(db, _ATTEMPT, [(account, *columns) for columns in rows])

    def _write_totals(self, db: Transaction, account: int, moved: Mapping[str, int]) -> None:
        _insert(db, _TOTAL, [(account, *one) for one in moved.items()], _ADD)


def _told(change: Written) -> list[tuple[Any, ...]]:
    """What differs from row to row; of ``bytes`` (no ``bytearray``) sqlite3 looks up an adapter."""
    columns = (
        map(bytearray, one) if isinstance(one[0], bytes) and None not in one else one
        for one in change.columns.values()
    )
    return [*zip(*columns, strict=True)]


def _changing(change: Written) -> tuple[str, list[tuple[Any, ...]], str]:
    """What ``_insert`` takes to change rows."""
    parts = [f"{one} = ?" for one in change.same]
    parts += [f"{one} = told.{one}" for one in change.columns if one not in KEPT]
    tail = f") UPDATE customer SET {', '.join(parts)} FROM told WHERE {_TOLD}"  # noqa: S608 - names of ours
    return f"WITH told ({', '.join(change.columns)}) AS (", _told(change), tail


def _insert(
    db: Transaction,
    head: str,
    rows: Sequence[Sequence[Any]],
    tail: str = "",
    of_tail: tuple[object, ...] = (),
    *,
    same: tuple[object, ...] = (),
) -> None:
    """Run the statements of ``_of_many``."""
    for statement, values in _of_many(head, rows, tail, of_tail, same):
        db.execute(statement, values)


def _of_many(
    head: str,
    rows: Sequence[Sequence[Any]],
    tail: str,
    of_tail: tuple[object, ...],
    same: tuple[object, ...] = (),
) -> Iterator[tuple[str, tuple[object, ...]]]:
    """``head VALUES (?, ...), (?, ...) tail`` for all rows, in order; all have one length.

    ``of_tail`` are the values of the ``?`` in ``tail``; each row begins with ``same``, which is
    bound once.
    """
    first = "".join(f"?{number}, " for number in range(1, len(same) + 1))
    start = 0
    for size in _ROWS:
        while len(rows) - start >= size:
            part = rows[start : start + size]
            marks = f"({first}{', '.join('?' * len(part[0]))})"
            values = ", ".join([marks] * size)
            yield f"{head} VALUES {values} {tail}", (*same, *chain.from_iterable(part), *of_tail)
            start += size


def read_accounts_of_file(path: Path, *, connect: Connect = sqlite3.connect) -> list[Account]:
    """All accounts of the ledger at ``path``, the oldest first.

    Raises:
        UsageError: there is no ledger at ``path``.
        LedgerFailed: it could not be read.
    """
    db = open_database(path, create=False, read_only=True, connect=connect)
    try:
        return accounts_in(db)
    finally:
        db.close()
