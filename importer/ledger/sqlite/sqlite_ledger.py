"""The ledger of one account: states read, changes applied in durable transactions."""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from importer.delivery.protocol.states import Transition
from importer.errors import BugFound
from importer.ledger import ledger_version as versioning
from importer.ledger.account import Account, refuse_half
from importer.ledger.codec import COLUMNS, INSERT, UPDATE, Row, decode
from importer.ledger.field_hashes import (
    fields_that_differ,
    hashes_of,
    short_fields_that_differ,
    short_hashes_of,
    unpacked,
)
from importer.ledger.sqlite import run_table as run_records
from importer.ledger.sqlite import sync_table
from importer.ledger.sqlite.applying import attempt_rows, fold, insert
from importer.ledger.sqlite.attempt_table import History, read_history
from importer.ledger.sqlite.connection import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from importer.delivery.protocol.states import (
        Attempt,
        Hashes,
        State,
        UpdateState,
        UpdateTransition,
    )
    from importer.ledger.interface import Hasher
    from importer.ledger.sqlite.connection import Connect, Database


_SIZES = (1, 8, 64, 512)
"""Lengths of IN lists: few texts, so that SQLite's prepared statements are used again."""
_PAGE = 5000
"""Rows of one read when the whole ledger is walked; no read blocks a writer's checkpoint."""
_WALK = "FROM customer WHERE account = ? AND reference > ?"
_VERSIONS = (
    "SELECT group_concat(wanted.key || ',' || hex(coalesce(synced, fingerprint)) || ','"
    " || iif(state = 'done' AND (differs IS NULL OR synced IS NOT NULL), customer_id, '')"
    " || ',' || iif(state = 'done', first_run, 0), char(10))"
    " FROM json_each(?) AS wanted CROSS JOIN customer"
    " WHERE account = ? AND reference = wanted.value AND state <> 'new'"
)
_ACCOUNT = "SELECT id, copying FROM account WHERE base_url = ? AND mode = ? AND name = ?"
_SALT = "SELECT coalesce((SELECT salt FROM account WHERE id = ?), value) FROM salt"
_TOTAL = "INSERT INTO total (account, state, customers)"
_ADD = "ON CONFLICT (account, state) DO UPDATE SET customers = customers + excluded.customers"
_FIRST_KEPT = "SELECT id FROM attempt WHERE at >= ? ORDER BY id LIMIT 1"
_FORGET = "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE id < ? LIMIT ?)"
_ATTEMPT = (
    "INSERT INTO attempt (account, run, reference, at, event, generation, http_status, error_code,"
    " detail)"
)
_NOTED = "WITH told (reference, synced, patches) AS ("
_NOTE = (
    ") UPDATE customer SET synced = told.synced, attempts = attempts + told.patches"
    " FROM told WHERE account = ? AND customer.reference = told.reference"
)


class Mapped(NamedTuple):
    """A reference and the customer that it became; ``settled_at`` in epoch seconds."""

    reference: str
    customer_id: str
    origin: str
    settled_at: float


def _select_rows(count: int) -> str:
    return (
        f"SELECT {COLUMNS} FROM customer WHERE account = ?"  # noqa: S608 - constant names
        f" AND reference IN ({', '.join('?' * count)})"
    )


def _hashed(salt: bytes, reference: str, document: Mapping[str, Any]) -> Hashes:
    return hashes_of(reference, document, salt)


class Ledger:
    """Which row became which customer, for one account. Made by ``Ledger.open``.

    Every method raises ``LedgerFailed`` when the file cannot be read or written (exit code 3).
    May be used from any thread, by one at a time.
    """

    def __init__(self, db: Database, account: Account, safeguards: Safeguards = ALL_ON) -> None:
        self._db = db
        self.account = account
        self._safeguards = safeguards
        self._account_id: int | None = None
        self._salt: bytes | None = None
        self._run: tuple[str, int] | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        account: Account,
        *,
        create: bool = True,
        read_only: bool = False,
        safeguards: Safeguards = ALL_ON,
        connect: Connect = sqlite3.connect,
        still_ours: Callable[[], None] = lambda: None,
    ) -> Self:
        """Open the ledger at ``path``: mode 0600, made and migrated if need be.

        A writer should hold the ``RunLock``, whose ``check`` is asked before each change as
        ``still_ours``. A reader may read while a run writes.

        Raises:
            UsageError: the file is missing, no ledger, or from a newer version.
            LedgerFailed: SQLite could not open, read or write it.
        """
        db = open_database(
            path, create=create, read_only=read_only, connect=connect, still_ours=still_ours
        )
        return cls(db, account, safeguards)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; everything that was applied is durable already."""
        self._db.close()

    @property
    def label(self) -> str:
        """The account in words."""
        return self.account.label

    # States ---------------------------------------------------------------------------------------

    def states(self, references: Sequence[str]) -> dict[str, State]:
        """What is known of these references; one of which nothing is known is missing."""
        account = self._known_account()
        if account is None:
            return {}
        return {
            row.reference: decode(row)
            for row in self._rows(account, references)
            if row.state != "new"
        }

    def versions(self, references: Sequence[str]) -> Iterator[tuple[int, str]]:
        """What is known of many references, as text: nothing is paid for each in Python.

        Yields:
            (start, lines): a line ``INDEX,FINGERPRINT,CUSTOMER_ID,RUN`` for each known reference;
            INDEX + start is its index, FINGERPRINT in hex, CUSTOMER_ID empty if it is not done,
            or if Moment was seen to hold other values; RUN the number of the run that met it
            first (``series_runs``), 0 if it is not done. FINGERPRINT is that of the version that
            an update left in step, empty for none, where there was one.

        Ascending references are fastest. No read blocks a writer's checkpoint.
        """
        account = self._known_account()
        for start in range(0, len(references) if account is not None else 0, _PAGE):
            wanted = json.dumps(references[start : start + _PAGE])
            [(lines,)] = self._db.read(_VERSIONS, (wanted, account))
            if lines:
                yield start, lines

    def updates(self, references: Sequence[str]) -> dict[str, UpdateState]:
        """How those that are ``Done`` are kept in step; the others are missing.

        A customer that was never updated has serial 0, and for a base what Moment confirmed when
        it was made or found: nothing, in a ledger from before that was noted.
        """
        account = self._known_account()
        return {} if account is None else self._updates(account, references)

    def open_updates(self) -> int:
        """How many customers have an update whose outcome nobody knows yet."""
        sql = "SELECT count(*) FROM sync WHERE account = ? AND ours IS NOT NULL"
        return int(self._db.read(sql, (self._known_account(),))[0][0])

    def hasher(self) -> Hasher:
        """Makes field hashes as this ledger keeps them, of payloads and of Moment's answers."""
        return partial(_hashed, self._key())

    def changed_fields(self, payloads: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """In which fields each payload differs from the version that is known of its reference."""
        account = self._known_account()
        found: dict[str, tuple[str, ...]] = {}
        for row in () if account is None else self._rows(account, list(payloads)):
            payload = payloads[row.reference]
            if row.hashes is not None:
                now = hashes_of(row.reference, json.loads(payload), self._key())
                found[row.reference] = fields_that_differ(unpacked(row.hashes), now)
            elif row.fields is not None:
                short = short_hashes_of(payload, self._key())
                found[row.reference] = short_fields_that_differ(row.fields, short)
        return found

    def iter_states(self) -> Iterator[tuple[str, State]]:
        """Every reference with its state, ordered by code point, in bounded memory."""
        sql = f"SELECT {COLUMNS} {_WALK} AND state <> 'new' ORDER BY reference LIMIT ?"
        for columns in self._walk(sql):
            row = Row._make(columns)
            yield row.reference, decode(row)

    def mapping(self) -> Iterator[Mapped]:
        """Every reference with its customer's id, ordered by code point, in bounded memory."""
        columns = ", ".join(Mapped._fields)
        sql = f"SELECT {columns} {_WALK} AND state = 'done' ORDER BY reference LIMIT ?"
        yield from map(Mapped._make, self._walk(sql))

    def apply(
        self,
        transitions: Sequence[Transition | UpdateTransition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
    ) -> list[State | UpdateState | None]:
        """Apply in one transaction that is durable when this returns.

        A change is taken if the ledger still holds the (state, generation) that it expects; a
        ``Done`` is taken over every state but an earlier ``Done``. An update is taken if it
        expects the (customer, serial) that is held. Changes of one reference are applied in the
        order given. What was written is read back before it is committed.

        Returns:
            For each transition None if it was applied, else the state that the ledger holds.

        Raises:
            LedgerFailed: nothing of it was applied.
            BugFound: an invariant does not hold, or something else is read back than was
                written; nothing of it was applied.
        """
        creating = [one for one in transitions if isinstance(one, Transition)]
        updating = [one for one in transitions if not isinstance(one, Transition)]
        with self._db.transaction() as db:
            account, run = self._enter(db, run_id, now)
            touched = {one.reference for one in creating} | {one.reference for one in attempts}
            held = {row.reference: row for row in self._rows(account, sorted(touched))}
            folded = fold(held, creating, attempts, run=run, now=now, guard=self._safeguards)
            if None in folded.results:
                versioning.write_move(db, account, run)
            insert(db, INSERT, [(account, *row) for row in folded.rows], UPDATE)
            insert(db, _TOTAL, [(account, *one) for one in folded.moved.items() if one[1]], _ADD)
            told = list(attempt_rows(folded.advances, attempts, run))
            synced = self._synchronise(db, account, run, updating, now)
            told += attempt_rows([], synced.events, run)
            insert(db, _ATTEMPT, [(account, *columns) for columns in told])
            self._read_back(account, folded.rows, synced.states)
        self._account_id, self._run = account, (run_id, run)
        created, updated = iter(folded.results), iter(synced.results)
        return [
            next(created) if isinstance(one, Transition) else next(updated) for one in transitions
        ]

    # Runs -----------------------------------------------------------------------------------------

    def begin_run(
        self,
        run_id: str,
        *,
        started_at: float,
        command: str,
        version: str,
        key_digest: str,
        sources: Sequence[str],
        series: str = "",
        plan: tuple[str, str] | None = None,
    ) -> None:
        """Note that a run of a series begins; ``started_at`` in epoch seconds.

        ``plan`` is the digest of the plan that it follows, and the version that was planned on.
        """
        with self._db.transaction() as db:
            account, run = self._enter(db, run_id, started_at)
            run_records.write_beginning(
                db,
                run,
                started_at=started_at,
                command=command,
                version=version,
                key_digest=key_digest,
                sources=sources,
                series=series,
            )
            if plan is not None:
                versioning.write_plan(db, account, run, plan=plan[0], base=plan[1])
        self._account_id, self._run = account, (run_id, run)

    def end_run(
        self,
        run_id: str,
        *,
        ended_at: float,
        exit_code: int,
        counts: Mapping[str, int] | None = None,
        volume: Mapping[str, Any] | None = None,
    ) -> None:
        """Note how a run ended; ``counts`` are rows by outcome, None for what was told before.

        ``volume`` is what the next run of the series is compared with; None if this run is no
        measure, because it was stopped or sent nothing.
        """
        with self._db.transaction() as db:
            _, run = self._enter(db, run_id, ended_at)
            run_records.write_end(
                db, run, ended_at=ended_at, exit_code=exit_code, counts=counts, volume=volume
            )

    def runs(self, limit: int = 10) -> list[run_records.Run]:
        """The account's last runs, the newest first."""
        account = self._known_account()
        return [] if account is None else run_records.last_runs(self._db, account, limit)

    def last_volume(self, series: str) -> dict[str, Any] | None:
        """The ``volume`` of the last run of a series that had one; None before the first."""
        account = self._known_account()
        return None if account is None else run_records.last_volume(self._db, account, series)

    def series_runs(self, series: str) -> list[int]:
        """The numbers of the runs of a series, as ``versions`` gives them."""
        account = self._known_account()
        return [] if account is None else run_records.runs_of_series(self._db, account, series)

    def series_of_run(self, run_id: str) -> str:
        """The series of a run; "" where the account has no such run."""
        account = self._known_account()
        return "" if account is None else run_records.series_of_run(self._db, account, run_id)

    def delivered_by(self, runs: Sequence[int]) -> int:
        """How many customers of the account are in Moment that these runs met first."""
        account = self._known_account()
        if account is None or not runs:
            return 0
        sql = (
            "SELECT count(*) FROM customer WHERE account = ? AND state = 'done'"
            " AND first_run IN (SELECT value FROM json_each(?))"
        )
        return int(self._db.read(sql, (account, json.dumps(list(runs))))[0][0])

    def customers_of(self, runs: Sequence[int]) -> Iterator[tuple[str, str]]:
        """(reference, customer id) of those customers, ordered by code point, in bounded memory."""
        sql = (
            f"SELECT reference, customer_id, first_run {_WALK} AND state = 'done'"
            " ORDER BY reference LIMIT ?"
        )
        wanted = frozenset(runs)
        for reference, customer_id, run in self._walk(sql):
            if run in wanted:
                yield reference, customer_id

    def references(self) -> Iterator[list[str]]:
        """Every reference of the account that something was sent for, a page at a time."""
        sql = f"SELECT reference {_WALK} AND state <> 'new' ORDER BY reference LIMIT ?"
        pages = self._walk(sql)
        while page := [row[0] for row in islice(pages, _PAGE)]:
            yield page

    def key_digest(self, api_key: str) -> str:
        """16 hex digits that tell this API key from others, on this ledger only."""
        return run_records.digest_of(api_key, self._key())

    def last_key_digest(self) -> str | None:
        """The digest of the key that the account's last run used; None before the first run."""
        account = self._known_account()
        return None if account is None else run_records.last_digest(self._db, account)

    def same_key(self, api_key: str) -> bool:
        """Whether the account's last run used this API key; True before the first run."""
        last = self.last_key_digest()
        return last is None or hmac.compare_digest(last, self.key_digest(api_key))

    # Plans ----------------------------------------------------------------------------------------

    def version(self) -> str:
        """Hex digits that every change of a customer of this account replaces; "" before any."""
        return versioning.version(self._db, self._known_account())

    def standing(self, plan: str, base: str) -> versioning.Standing:
        """How this ledger stands to the plan of that digest, made on the version ``base``."""
        return versioning.standing(self._db, self._known_account(), plan=plan, base=base)

    def forget_attempts(self, before: float) -> int:
        """Drop from the history what happened before that time (epoch seconds); how much it was.

        What a customer's own row tells stays: its state, id, times and number of requests. No
        delivery rests on the history. A few rows at a time, so that nobody waits long.
        """
        found = self._db.read(_FIRST_KEPT, (before,))
        first_kept = found[0][0] if found else 1 << 62
        dropped = 0
        while True:
            with self._db.transaction() as db:
                some = db.execute(_FORGET, (first_kept, _PAGE)).rowcount
            dropped += some
            if some < _PAGE:
                return dropped

    # For people -----------------------------------------------------------------------------------

    def totals(self) -> dict[str, int]:
        """Rows of the account by state (``new``, ``sent``, ``done``, ``rejected``)."""
        account = self._known_account()
        sql = "SELECT state, customers FROM total WHERE account = ? AND customers <> 0"
        return dict(self._db.read(sql, (account,)))

    def accounts(self) -> list[Account]:
        """All accounts of this ledger file, the oldest first."""
        return _accounts(self._db)

    def history(self, reference: str) -> History | None:
        """What happened to one customer of this account; None if it is not known."""
        account = self._known_account()
        if account is None:
            return None
        return read_history(self._db, self.account, account, reference)

    # Inside ---------------------------------------------------------------------------------------

    def _synchronise(
        self,
        db: sqlite3.Connection,
        account: int,
        run: int,
        transitions: Sequence[UpdateTransition],
        now: float,
    ) -> sync_table.Synchronised:
        """Apply updates (inside a transaction)."""
        if not transitions:
            return sync_table.Synchronised()
        wanted = sorted({one.reference for one in transitions})
        held = self._updates(account, wanted)
        folded = sync_table.fold_updates(held, transitions, now=now, guard=self._safeguards)
        if folded.states:
            versioning.write_move(db, account, run)
        records = [
            sync_table.encode(reference, state, run=run, now=now)
            for reference, state in sorted(folded.states.items())
        ]
        insert(db, sync_table.INSERT, [(account, *one) for one in records], sync_table.UPDATE)
        patches = Counter(one.reference for one in folded.events if one.event == "updating")
        noted = [
            (one.reference, b"" if one.ours is not None else one.version, patches[one.reference])
            for one in records
        ]
        insert(db, _NOTED, noted, _NOTE, (account,))
        return folded

    def _read_back(
        self, account: int, rows: Sequence[Row], states: Mapping[str, UpdateState]
    ) -> None:
        """Make sure that the file holds what is to be committed: a lost id costs money."""
        held = {row.reference: row for row in self._rows(account, [row.reference for row in rows])}
        found = self._updates(account, list(states))
        # What an update notes in its customer's row comes with its own record.
        if all(held.get(row.reference) == row for row in rows if row.reference not in states) and (
            found == states
        ):
            return
        raise BugFound(
            "the ledger does not hold what was written to it",
            safe="nothing more is sent, and the results tell what Moment answered",
        )

    def _updates(self, account: int, references: Sequence[str]) -> dict[str, UpdateState]:
        return dict(map(sync_table.read_state, self._in(sync_table.select, account, references)))

    def _rows(self, account: int, references: Sequence[str]) -> Iterator[Row]:
        return map(Row._make, self._in(_select_rows, account, references))

    def _in(
        self, select: Callable[[int], str], account: int, references: Sequence[str]
    ) -> Iterator[Any]:
        """The rows of a query that takes an account and so many references."""
        most = _SIZES[-1]
        for start in range(0, len(references), most):
            chunk = list(references[start : start + most])
            size = next(size for size in _SIZES if size >= len(chunk))
            chunk += chunk[-1:] * (size - len(chunk))
            yield from self._db.read(select(size), (account, *chunk))

    def _key(self) -> bytes:
        if self._salt is None:
            self._salt = bytes(self._db.read(_SALT, (self._known_account(),))[0][0])
        return self._salt

    def _walk(self, sql: str) -> Iterator[tuple[Any, ...]]:
        account, last = self._known_account(), ""
        while account is not None and (page := self._db.read(sql, (account, last, _PAGE))):
            yield from page
            last = page[-1][0]

    def _known_account(self) -> int | None:
        if self._account_id is None:
            for number, copying in self._db.read(_ACCOUNT, self._names):
                refuse_half(self.account, copying)
                self._account_id = number
        return self._account_id

    def _enter(self, db: sqlite3.Connection, run_id: str, now: float) -> tuple[int, int]:
        """(account, run) as numbers, entered if need be; remembered only once committed."""
        account = self._account_id
        if account is not None and self._run is not None and self._run[0] == run_id:
            return account, self._run[1]
        db.execute(
            "INSERT INTO account (base_url, mode, name) VALUES (?, ?, ?)"
            " ON CONFLICT (base_url, mode, name) DO NOTHING",
            self._names,
        )
        account, copying = db.execute(_ACCOUNT, self._names).fetchone()
        refuse_half(self.account, copying)
        return account, run_records.run_row(db, account, run_id, now)

    @property
    def _names(self) -> tuple[str, str, str]:
        return self.account.base_url, self.account.mode, self.account.name


def read_accounts(path: Path, *, connect: Connect = sqlite3.connect) -> list[Account]:
    """All accounts of the ledger at ``path``, the oldest first; for who names none.

    Raises:
        UsageError: there is no ledger at ``path``.
        LedgerFailed: it could not be read.
    """
    db = open_database(path, create=False, read_only=True, connect=connect)
    try:
        return _accounts(db)
    finally:
        db.close()


def _accounts(db: Database) -> list[Account]:
    found = db.read("SELECT base_url, mode, name FROM account ORDER BY id")
    return [Account(*names) for names in found]
