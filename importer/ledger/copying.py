"""Copies whole accounts from one ledger into another, of either kind.

A copy goes table by table and page by page; each page is one durable transaction that also says how
far the copy has come, so that the same command goes on where it was killed. While an account says
so it is half: no run takes it (``refuse_half``). At the end both sides are read again and compared;
only then is it whole.

What a ledger knows by numbers of its own (its runs) is told by the runs' ids; the salt of the
account's hashes goes with it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from importer.errors import LedgerFailed, UsageError
from importer.ledger.account import Account, refuse_half
from importer.ledger.codec import Row
from importer.values import record, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from importer.ledger.statements import Database, Transaction

PAGE = 5000
"""Rows of one transaction."""
_SALTS = 16
"""Hex digits by which two salts are told apart; the salt itself is nobody's business."""


class Table(NamedTuple):
    """What is copied of one table, in the order of ``key``."""

    name: str
    key: str
    """Unique within an account; ``id`` is the ledger's own and stays behind."""
    columns: tuple[str, ...]
    runs: tuple[str, ...] = ()
    """Columns that name a run by its number."""

    @property
    def begin(self) -> str | int:
        """Before every key."""
        return 0 if self.key == "id" else ""


TABLES = (
    Table(
        "run",
        "id",
        (
            *("run_id", "started_at", "ended_at", "command", "version", "key_digest"),
            *("sources", "exit_code", "counts", "plan", "series", "volume", "stopped_by"),
            "input",
        ),
    ),
    Table("customer", "reference", Row._fields, ("first_run", "last_run")),
    Table(
        "sync",
        "reference",
        (
            *("reference", "customer_id", "serial", "base", "ours", "version", "memory"),
            *("changed_at", "run"),
        ),
        ("run",),
    ),
    Table(
        "attempt",
        "id",
        (
            *("reference", "at", "run", "event", "generation", "http_status", "error_code"),
            *("detail", "request_id", "seconds"),
        ),
        ("run",),
    ),
    Table("total", "state", ("state", "customers")),
    Table("news", "scope", ("scope", "state", "told_at")),
)
"""In this order: a run before what it did."""
_FIND = "SELECT id, copying FROM account WHERE base_url = ? AND mode = ? AND name = ?"
_SOURCE = (
    "SELECT version, plan, plan_base, coalesce(account.salt, salt.value) FROM account, salt"
    " WHERE account.id = ?"
)
_ENTER = (
    "INSERT INTO account (base_url, mode, name, version, plan, plan_base, salt, copying)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_MARK = "UPDATE account SET copying = ? WHERE id = ?"
_TYPES = (
    "SELECT column_name, udt_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND table_name = ?"
)
_ROWS_AT_ONCE = 200


@record
class Copied:
    """What became of one account."""

    account: Account
    rows: dict[str, int] = field(default_factory=dict)
    """By table, once both sides were found equal."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 by table, the same on both sides."""
    resumed: bool = False
    """Whether a part of it was there from an earlier try."""
    was_there: bool = False
    """Whether all of it was."""


@value
class _Mark:
    """How far a copy has come, as the account holds it (JSON)."""

    salt: str
    """A digest of the source's salt: whose copy it is."""
    version: str
    """The source's version when it began."""
    table: str = TABLES[0].name
    after: str | int = 0
    """The last key of the source that is copied of this table."""

    def __str__(self) -> str:
        return json.dumps(asdict(self))


class Copy:
    """The copy of accounts from one ledger to another; both are held by the caller meanwhile."""

    def __init__(
        self,
        source: Database,
        target: Database,
        *,
        told: Callable[[str, int], None] = lambda _table, _rows: None,
    ) -> None:
        """``told`` hears of each page: (table, rows that were written)."""
        self._source = source
        self._target = target
        self._told = told

    def account(self, account: Account) -> Copied:
        """Copy one account, or the rest of it, and hold both sides against each other.

        Raises:
            UsageError: there is no such account, it is half itself, or the target holds other
                data of it.
            LedgerFailed: a ledger failed, or both sides differ in the end.
        """
        copied = Copied(account)
        number = self._number_in_source(account)
        version, plan, base, salt = self._source.read(_SOURCE, (number,))[0]
        fresh = _Mark(sha256(salt).hexdigest()[:_SALTS], bytes(version).hex())
        held, mark = self._held(account)
        if held is not None and mark is None:
            if self._same(number, held, copied):
                copied.was_there = True
                return copied
            self._refuse_used(account, held)
        if held is not None and mark is not None:
            self._refuse_foreign(account, mark, fresh)
            # Where the source has moved since, what was copied may be out of date.
            if mark.version == fresh.version:
                copied.resumed = True
                self._go_on(number, held, mark)
                if self._finished(number, held, copied):
                    return copied
                copied.resumed = False
        if held is not None:
            self._clear(held)
        kept = (bytes(version), plan, bytes(base), bytes(salt), str(fresh))
        self._target.transact(lambda db: db.execute(_ENTER, (*_names(account), *kept)))
        made = self._target.read(_FIND, _names(account))[0][0]
        self._go_on(number, made, fresh)
        if not self._finished(number, made, copied):
            raise LedgerFailed(
                f"{account.label}: the copy differs from its source in {_differing(copied)}",
                hint="nothing was changed in the source; type the same command again",
            )
        return copied

    def _number_in_source(self, account: Account) -> int:
        for number, copying in self._source.read(_FIND, _names(account)):
            refuse_half(account, copying)
            return int(number)
        raise UsageError(
            f"the source holds nothing of {account.label}", hint="importer status lists what it has"
        )

    def _held(self, account: Account) -> tuple[int | None, _Mark | None]:
        """The account's number in the target, and how far a copy of it has come."""
        for number, copying in self._target.read(_FIND, _names(account)):
            return int(number), _Mark(**json.loads(copying)) if copying else None
        return None, None

    def _refuse_used(self, account: Account, number: int) -> None:
        """Refuse a target for which something was ever sent; one that only made plans is empty."""
        for name in ("customer", "attempt"):
            sql = f"SELECT 1 FROM {name} WHERE account = ? LIMIT 1"  # noqa: S608 - our own names
            if self._target.read(sql, (number,)):
                raise UsageError(
                    f"{account.label}: the target holds other data of this account",
                    hint="a copy is never mixed with what is there: copy into another ledger"
                    " (for PostgreSQL: another schema, ?schema=NAME)",
                )

    def _refuse_foreign(self, account: Account, mark: _Mark, fresh: _Mark) -> None:
        if mark.salt != fresh.salt:
            raise UsageError(
                f"{account.label}: the target holds a part of a copy from another ledger",
                hint="finish that copy, or copy into another ledger",
            )

    def _clear(self, number: int) -> None:
        """Remove what was copied of an account."""

        def work(db: Transaction) -> None:
            for table in reversed(TABLES):
                db.execute(f"DELETE FROM {table.name} WHERE account = ?", (number,))  # noqa: S608 - as above
            db.execute("DELETE FROM account WHERE id = ?", (number,))

        self._target.transact(work)

    def _go_on(self, source: int, target: int, mark: _Mark) -> None:
        """Copy what comes after the mark."""
        names = [table.name for table in TABLES]
        for table in TABLES[names.index(mark.table) :]:
            after = mark.after if table.name == mark.table else table.begin
            here = {name: at for at, name in _runs(self._target, target).items()}
            for last, rows in _pages(self._source, source, table, after):
                told = _Mark(mark.salt, mark.version, table.name, last)
                numbered = [_with_numbers(table, row, here) for row in rows]
                self._target.transact(partial(_write_page, table, target, numbered, told))
                self._told(table.name, len(rows))

    def _finished(self, source: int, target: int, copied: Copied) -> bool:
        """Whether both sides are equal; then the account is whole."""
        if not self._same(source, target, copied):
            return False
        self._target.transact(lambda db: db.execute(_MARK, ("", target)))
        return True

    def _same(self, source: int, target: int, copied: Copied) -> bool:
        """Whether both sides hold the same rows; notes their numbers and digests."""
        here, there = (
            {table.name: _digest(store, number, table) for table in TABLES}
            for store, number in ((self._source, source), (self._target, target))
        )
        copied.rows = {name: rows for name, (rows, _) in here.items()}
        copied.digests = {
            name: digest if there[name] == (rows, digest) else ""
            for name, (rows, digest) in here.items()
        }
        return here == there


def _names(account: Account) -> tuple[str, str, str]:
    return account.base_url, account.mode, account.name


def _differing(copied: Copied) -> str:
    return ", ".join(name for name, digest in copied.digests.items() if not digest)


def _runs(store: Database, account: int) -> dict[int, str]:
    """The ids of an account's runs by their numbers."""
    return dict(store.read("SELECT id, run_id FROM run WHERE account = ?", (account,)))


def _pages(
    store: Database, account: int, table: Table, after: str | int
) -> Iterator[tuple[str | int, list[list[Any]]]]:
    """(the last key, rows) from after a key on; runs by their ids, bytes and numbers plain."""
    sql = (
        f"SELECT {table.key}, {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 - our own names
        f" WHERE account = ? AND {table.key} > ? ORDER BY {table.key} LIMIT ?"
    )
    runs = _runs(store, account) if table.runs else {}
    at = [table.columns.index(name) for name in table.runs]
    while page := store.read(sql, (account, after, PAGE)):
        rows = [list(row[1:]) for row in page]
        for row in rows:
            for column in at:
                row[column] = runs[row[column]]
        after = page[-1][0]
        yield after, rows


def _with_numbers(table: Table, row: list[Any], numbers: dict[str, int]) -> list[Any]:
    for name in table.runs:
        column = table.columns.index(name)
        row[column] = numbers[row[column]]
    return row


def _write_page(
    table: Table, account: int, rows: list[list[Any]], mark: _Mark, db: Transaction
) -> None:
    """A page, and how far the copy has come with it."""
    _insert(db, table, account, rows)
    db.execute(_MARK, (str(mark), account))


def _insert(db: Transaction, table: Table, account: int, rows: list[list[Any]]) -> None:
    """Many rows at once: each would cost a way to the server."""
    bulk = getattr(db, "copy_in", None)  # A database has it, a file needs none.
    if bulk is not None:
        types = dict(db.read(_TYPES, (table.name,)))
        names = ("account", *table.columns)
        bulk(table.name, {name: types[name] for name in names}, ((account, *row) for row in rows))
        return
    head = f"INSERT INTO {table.name} (account, {', '.join(table.columns)}) VALUES "  # noqa: S608 - our own names
    marks = f"(?{', ?' * len(table.columns)})"
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        values = [value for row in some for value in (account, *row)]
        db.execute(head + ", ".join([marks] * len(some)), values)


def _digest(store: Database, account: int, table: Table) -> tuple[int, str]:
    """Rows of a table, and the SHA-256 of all of them in order."""
    hashed, count = sha256(), 0
    for _, rows in _pages(store, account, table, table.begin):
        count += len(rows)
        hashed.update("".join(json.dumps(row, default=_hex) + "\n" for row in rows).encode())
    return count, hashed.hexdigest()


def _hex(value: bytes | memoryview) -> str:
    return bytes(value).hex()
