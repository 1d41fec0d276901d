"""One connection to a ledger's database: its opening, its transactions, its loss and its errors.

A connection that is lost is opened again, for ``PATIENCE`` seconds, and what was not committed is
done again. A commit whose answer was lost is read back, not assumed: each transaction that writes
puts its number into the row of its writer, and the next connection looks whether it is there. That
look waits for a transaction of the lost connection that the server has not given up yet. A server
that hangs without dying keeps its connections open for ever: after ``SILENCE`` seconds without an
answer one counts as lost, too.

What an error means to a person, and whether it is worth another try, is told by its state alone. No
message shows a password or what stands in a row: details of an error are never passed on.
"""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from importer.errors import BugFound, LedgerFailed, UsageError, to_install
from importer.ledger.interface import LeaseLost, NoLedger, OlderLedger
from importer.ledger.postgres.schema import STEPS, take_steps

try:
    import psycopg
    from psycopg import sql as composing
except ImportError:
    raise UsageError(
        "a PostgreSQL ledger needs the package psycopg, which is not installed",
        hint=to_install("postgres"),
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Self

    from psycopg.abc import PQGen

    from importer.ledger.address import LedgerAddress
    from importer.ledger.interface import Lease

AGAIN = "then type the same command again: nothing is sent twice"
# SQLSTATEs of postgresql.org/docs/current/errcodes-appendix.html: (what happened, what to do).
_MEANINGS = {
    "53100": ("its server's disk is full", f"free some space there, {AGAIN}"),
    "53300": ("its server takes no more connections", f"see to max_connections, {AGAIN}"),
    "42501": (
        "its user lacks a right",
        "grant it as docs/ledger.md says (Rights), then type the same command again",
    ),
    "25006": ("its server is read-only (a standby)", f"name the primary, {AGAIN}"),
    "57014": ("its server cancelled a statement", f"see to its timeouts, {AGAIN}"),
    "55P03": ("somebody else holds a lock in it", f"end that session, {AGAIN}"),
    "42P07": (
        "its schema holds other tables already",
        "name another schema: ?schema=NAME at the end of the URL",
    ),
    "58030": ("its server's disk failed (I/O error)", f"check that disk, {AGAIN}"),
    "XX001": ("its server found damaged data", f"restore a backup, {AGAIN}"),
}
_LOST = ("08", "57P", "25006", "25P03", "53300")
"""Classes and codes that say that the connection, or the server, is gone: another server is the
primary now, the server ended a session that slept in a transaction, or has no room for one yet."""
_RACING_STATES = {"40001", "40P01", "23505"}
"""Serialisation, deadlock, and a row that another writer has made meanwhile."""
_NAMED = ("42", "3D", "3F", "28", "57", "53", "55", "0A", "25")
"""Classes whose first line names objects and settings, never what stands in a row."""
_WRONG = ("28", "3D")
"""Classes of a user, a password or a database that the server does not take."""
_WORDS = (
    *("authentication failed", "no password supplied", "no pg_hba.conf entry", "does not exist"),
    *("is not permitted to log in", "invalid", "root certificate", "certificate verify failed"),
    *("SSL is not enabled", "does not support SSL", "server does not support", "could not read"),
    *("does not match host name", "certificate file", "private key file", "could not load"),
    *("could not open certificate", " alert ", "wrong version number"),
)
"""Of libpq's messages, where it gives no SQLSTATE: what another try would not change."""
_NOT_PASSING = "25006"
"""A standby is the wrong server to name, unless a failover is under way: that has its 30 s."""
_LOCKED = "55P03"
_NO_SUCH_HOST = ("Name or service not known", "No address associated", "nodename nor servname")
"""Of libpq's messages: the resolver's own words (gai_strerror(3), Linux and macOS)."""


def code_of(error: psycopg.Error) -> str:
    """The SQLSTATE; "" where the server did not speak."""
    return error.sqlstate or ""


def is_race(error: psycopg.Error) -> bool:
    """Whether the same transaction may simply be run again."""
    return code_of(error) in _RACING_STATES


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection or the server went away, or another server is the primary now."""
    code = code_of(error)
    if code:
        return code.startswith(_LOST)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def failed(address: LedgerAddress, error: psycopg.Error) -> LedgerFailed:
    """The error that stops the run: nothing may be sent without a ledger."""
    code = code_of(error)
    what, hint = _MEANINGS.get(code, (f"PostgreSQL says {_said(error)}", f"see to it, {AGAIN}"))
    passes = code == _LOCKED or (is_lost(error) and code != _NOT_PASSING)
    return LedgerFailed(f"the ledger {address} failed: {what}", hint=hint, passes=passes)


def _said(error: psycopg.Error) -> str:
    code = code_of(error)
    if not code:
        gone = is_lost(error)
        return "nothing: the connection was lost" if gone else f"nothing ({type(error).__name__})"
    primary = error.diag.message_primary if code.startswith(_NAMED) else None
    return f"{primary} (SQLSTATE {code})" if primary else f"SQLSTATE {code}"


_AUTHORITY = (
    "name the authority of the server with sslrootcert=FILE in the URL (or PGSSLROOTCERT);"
    " sslrootcert=system takes those of this machine"
)
_FIXES = {
    "certificate verify failed": _AUTHORITY,
    "root certificate": _AUTHORITY,
    "private key file": "chmod 600 makes a private key private",
    "does not match host name": "use the name that the certificate has; hostaddr=ADDRESS in the URL"
    " says where it is, if no DNS does",
    "does not support SSL": "switch TLS on at the server; without it the password and every"
    " reference cross the network in the clear (sslmode=disable)",
    "no encryption": "the server takes this user with TLS only: sslmode=verify-full in the URL",
}
"""What mends the way to the server, by libpq's words."""
_FIX = (
    "the password comes from PGPASSWORD, ~/.pgpass or passfile=FILE; sslmode=... and all other"
    " parameters of libpq may stand in the URL"
)


def not_reached(address: LedgerAddress, error: psycopg.Error) -> LedgerFailed | UsageError:
    """Why no connection was made: a setting that is wrong, or a server that is not there."""
    text = " ".join(str(error).split())
    for _, secret in address.secrets:
        text = text.replace(secret, "...")
    if code_of(error).startswith(_WRONG) or any(words in text for words in _WORDS):
        return UsageError(
            f"the ledger {address} cannot be used: {text}",
            hint=next((fix for words, fix in _FIXES.items() if words in text), _FIX),
        )
    return LedgerFailed(
        f"the ledger {address} cannot be reached: {text}",
        hint=f"start its server, {AGAIN}",
        passes=not any(words in text for words in _NO_SUCH_HOST),
    )


T = TypeVar("T")

# It says on its own what it ignored; our errors say it in words without data.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

PATIENCE = 30.0
"""Seconds for which a lost connection is tried again; shorter than a lease lives."""
SILENCE = 120.0
"""Seconds that a statement may take; longer than any that is waited for (``lock_timeout``)."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_LOOKS_EVERY = 0.1
_RACES = 20
"""Times that one transaction is run again because of other writers."""
OLDEST = 130000
"""PostgreSQL 13: the oldest that is maintained or was tested."""
_DURABLE = {"on", "remote_write", "remote_apply"}
_DEFAULTS = {
    # A server whose machine died says nothing: these notice it.
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "application_name": "importer",
}
_SESSION = (
    "SET search_path TO {schema}; SET client_encoding TO 'UTF8';"
    # A process that sleeps inside a transaction must not keep its locks.
    " SET idle_in_transaction_session_timeout TO '20s'; SET lock_timeout TO '40s';"
    # Every statement looks up some rows of a large table. A plan that was made while the table was
    # still empty would else read all of it, for as long as nobody analyses it.
    " SET enable_seqscan TO off; SET enable_hashjoin TO off; SET enable_mergejoin TO off;"
    " SET enable_material TO off; SET random_page_cost TO 1.1; SET jit TO off"
)
_FACTS = (
    "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),"
    " current_setting('synchronous_commit')"
)
_ENROL = (
    "INSERT INTO writer (id, commits, seen_at) VALUES (?, 0, clock_timestamp())"
    " ON CONFLICT (id) DO NOTHING"
)
_NUMBER = "UPDATE writer SET commits = ?, seen_at = clock_timestamp() WHERE id = ? AND commits = ?"
_LIVES = "SELECT number FROM lease WHERE number = ? AND expires > clock_timestamp() FOR KEY SHARE"
"""No taker may end a lease while a transaction that rests on it is open, and its renewal does not
wait: a renewal changes no key."""
_FENCED = f"WITH fence AS ({_LIVES}) {_NUMBER} AND EXISTS (SELECT 1 FROM fence)"  # noqa: S608 - constants
FORGET_WRITERS = "DELETE FROM writer WHERE seen_at < clock_timestamp() - interval '7 days'"
"""Rows of connections that ended without closing; for whoever takes a lease."""
_MIGRATIONS = 0x4D494D50
"""The advisory lock of migrations: "MIMP", with the schema's name."""


class _Listening(psycopg.Connection[Any]):
    """A connection that is closed where the server says nothing for too long."""

    silence: float | None = None

    def wait(
        self, gen: PQGen[T], interval: float = _LOOKS_EVERY, timeout: float | None = None
    ) -> T:
        """As ``psycopg.Connection.wait``, never longer than ``silence``."""
        given = timeout if self.silence is None else min(timeout or self.silence, self.silence)
        try:
            return super().wait(gen, interval, given)
        except psycopg.OperationalError:
            # What comes late would be taken for the answer to the next statement.
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.close()
            raise


@lru_cache(maxsize=512)
def _in_psycopg(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()


class PostgresTransaction:
    """An open transaction, or a connection whose statements are committed one by one."""

    def __init__(self, connection: _Listening) -> None:
        self._connection = connection

    @contextmanager
    def at_leisure(self) -> Iterator[None]:
        """Wait as long as it takes: a new index on millions of rows needs its time."""
        silence, self._connection.silence = self._connection.silence, None
        try:
            yield
        finally:
            self._connection.silence = silence

    def block(self) -> AbstractContextManager[Any]:
        """A transaction, where none is open: committed at its end, rolled back if it raises."""
        return self._connection.transaction()

    def read(self, sql: str, parameters: Iterable[Any] = ()) -> list[Any]:
        """All rows of a query."""
        return self._connection.execute(_in_psycopg(sql), tuple(parameters)).fetchall()

    def execute(self, sql: str, parameters: Iterable[Any] = ()) -> int:
        """Run one statement; how many rows it changed."""
        return self._connection.execute(_in_psycopg(sql), tuple(parameters)).rowcount

    def copy_in(self, table: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table; ``columns`` are names and PostgreSQL's names of their types."""
        head = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
        with self._connection.cursor() as cursor, cursor.copy(head.encode()) as copy:
            copy.set_types(list(columns.values()))
            for row in rows:
                copy.write_row(row)

    def copy_out(self, sql: str, parameters: Iterable[Any] = ()) -> str:
        """What ``COPY (query) TO STDOUT`` gives, as CSV."""
        copying = b"COPY (" + _in_psycopg(sql) + b") TO STDOUT (FORMAT CSV)"
        with self._connection.cursor() as cursor, cursor.copy(copying, tuple(parameters)) as copy:
            return b"".join(copy).decode()


class PostgresDatabase:
    """A ledger's database, by one connection at a time. Made by ``open_postgres``.

    May be used from any thread, by one at a time.
    """

    def __init__(
        self,
        address: LedgerAddress,
        *,
        read_only: bool,
        lease: Lease | None = None,
        scratch: Sequence[str] = (),
        patience: float = PATIENCE,
    ) -> None:
        """Nothing is opened yet.

        Args:
            address: where it is.
            read_only: whether the server is to refuse changes.
            lease: whose number every transaction carries.
            scratch: statements that make temporary tables, for each connection anew.
            patience: seconds for which a lost connection is tried again.
        """
        self.address = address
        self._read_only = read_only
        self._lease = lease
        self._scratch = scratch
        self._patience = patience
        self._silence = SILENCE
        self._connection: _Listening | None = None
        self._was_open = False
        self._is_ready = False
        self._new_writer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Opening --------------------------------------------------------------------------------------

    def connect(self) -> _Listening:
        """The connection, opened if need be.

        Raises:
            UsageError: the address, the user or the server is not one that can be used.
            LedgerFailed: the server is not there.
        """
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._is_ready = False
        given = {**_DEFAULTS, **dict(self.address.secrets)}
        named = self.address.parameter_names
        options: dict[str, Any] = {
            name: value for name, value in given.items() if name not in named
        }
        try:
            connection = _Listening.connect(self.address.url, autocommit=True, **options)
        except psycopg.Error as error:
            refused = not_reached(self.address, error)
            if self._was_open:  # Whatever it is now, it is no mistake of who typed the address.
                refused = LedgerFailed(refused.message, hint=refused.hint, passes=True)
            raise refused from None
        connection.silence = self._silence
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._was_open = connection, True
        return connection

    def _set_up(self, connection: _Listening) -> None:
        schema = composing.Identifier(self.address.schema)
        connection.execute(composing.SQL(_SESSION).format(schema=schema))
        if self._read_only:
            connection.execute("SET default_transaction_read_only TO on")
        [(version, encoding, commits)] = connection.execute(_FACTS.encode()).fetchall()
        refuse_server(self.address, version, encoding, commits, read_only=self._read_only)

    def expect_answers_in(self, seconds: float) -> None:
        """From now on a connection that says nothing for so long is lost."""
        self._silence = seconds
        if self._connection is not None:
            self._connection.silence = seconds

    def drop(self) -> None:
        """Let go of a connection that is lost, or may be."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # Work -----------------------------------------------------------------------------------------

    def read(self, sql: str, parameters: Iterable[Any] = ()) -> list[Any]:
        """The rows of one statement that is committed by itself; run again if need be.

        Raises:
            LedgerFailed: the server cannot be reached any more, or refuses.
        """
        told = tuple(parameters)
        return self.asked(lambda db: db.read(sql, told))

    def asked(self, ask: Callable[[PostgresTransaction], T]) -> T:
        """``ask``, its statements committed one by one; asked again if the connection was lost.

        Raises:
            LedgerFailed: as ``read``.
        """
        waiting = _Waiting(self._patience)
        while True:
            connection = self._connect_patiently(waiting)
            try:
                return ask(PostgresTransaction(connection))
            except psycopg.Error as error:
                self._after(error, waiting)

    def transact(self, work: Callable[[PostgresTransaction], T]) -> T:
        """Run ``work`` in one transaction that is durable when this returns.

        ``work`` is run again where another writer was faster, or the connection was lost before
        the commit. Whatever ``work`` raises ends the transaction.

        Raises:
            LeaseLost: the lease has ended; nothing was written.
            LedgerFailed: the server cannot be reached any more, or refuses; nothing was written,
                or nobody can tell.
        """
        try:
            return self._transact(work)
        except BaseException:
            self._new_writer()  # Nobody knows how far the last transaction came.
            raise

    def _transact(self, work: Callable[[PostgresTransaction], T]) -> T:
        if self._lease is not None:
            self._lease.check()
        waiting, races = _Waiting(self._patience), 0
        done: list[T] = []  # What a transaction made whose commit was not answered yet.
        while True:
            connection = self._connect_patiently(waiting)
            try:
                self._prepare(connection)
                if not (done and self._took_place(connection)):
                    done.clear()
                    with connection.transaction():
                        db = PostgresTransaction(connection)
                        self._sign(db)
                        done.append(work(db))
                self._commits += 1
                return done[0]
            except psycopg.Error as error:
                if not is_lost(error):
                    done.clear()  # The server answered: nothing of it was committed.
                if is_race(error) and races < _RACES:
                    races += 1
                else:
                    self._after(error, waiting)

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        """One durable transaction, not run again: all of it when the block ends, or nothing.

        Raises:
            LedgerFailed: it could not be written, or nobody can tell whether it was.
        """
        self.asked(lambda db: db.read("SELECT 1"))  # The connection is there when the block begins.
        connection = self.connect()
        try:
            self._prepare(connection)
            with connection.transaction():
                db = PostgresTransaction(connection)
                self._sign(db)
                yield db
            self._commits += 1
        except BaseException as error:
            self._new_writer()  # Nobody knows how far it came.
            if isinstance(error, psycopg.Error):
                self.drop()
                raise failed(self.address, error) from None
            raise

    def close(self) -> None:
        """Close it; everything that was applied is durable already."""
        try:
            if self._is_enrolled and self._connection is not None:
                db = PostgresTransaction(self._connection)
                db.execute("DELETE FROM writer WHERE id = ?", (self._writer,))
        except psycopg.Error:
            pass  # It goes with the next lease that is taken a week later.
        finally:
            self.drop()

    # Inside ---------------------------------------------------------------------------------------

    def _new_writer(self) -> None:
        self._writer = secrets.token_hex(16)
        self._commits = 0
        self._is_enrolled = self._is_ready = False

    def _prepare(self, connection: _Listening) -> None:
        """What a connection needs before its first transaction, each committed by itself."""
        if self._is_ready:
            return
        db = PostgresTransaction(connection)
        for statement in self._scratch:
            db.execute(statement)
        if not self._is_enrolled:
            db.execute(_ENROL, (self._writer,))
            self._is_enrolled = True
        self._is_ready = True

    def _sign(self, db: PostgresTransaction) -> None:
        """Put the transaction's number into the writer's row, if the lease still lives."""
        told = (self._commits + 1, self._writer, self._commits)
        if self._lease is None or not self._lease.number:
            if db.execute(_NUMBER, told) == 1:
                return
        elif db.execute(_FENCED, (self._lease.number, *told)) == 1:
            return
        elif not db.read(_LIVES, (self._lease.number,)):
            raise lease_ended(self.address)
        raise BugFound("a transaction comes out of turn", safe="nothing of it was written")

    def _took_place(self, connection: _Listening) -> bool:
        """Whether the transaction was committed whose answer was lost."""
        with connection.transaction():
            # It waits for a transaction of the lost connection that is open still.
            sql = "SELECT commits FROM writer WHERE id = ? FOR UPDATE"
            found = PostgresTransaction(connection).read(sql, (self._writer,))
        return [tuple(row) for row in found] == [(self._commits + 1,)]

    def _connect_patiently(self, waiting: _Waiting) -> _Listening:
        while True:
            try:
                return self.connect()
            except LedgerFailed as error:
                waiting.wait(error)

    def _after(self, error: psycopg.Error, waiting: _Waiting) -> None:
        """Wait for another try where the connection was lost; raise anything else."""
        told = failed(self.address, error)
        if self._connection is not None and (is_lost(error) or self._connection.closed):
            self.drop()
        if not is_lost(error):
            raise told from None
        waiting.wait(told)


class _Waiting:
    """Pauses that grow, for a bounded time in all."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._began: float | None = None
        self._pause = _FIRST_PAUSE

    def wait(self, error: LedgerFailed) -> None:
        """Pause before another try.

        Raises:
            LedgerFailed: the time is over.
        """
        now = time.monotonic()
        if self._began is None:
            self._began = now
        if now - self._began + self._pause > self._patience:
            raise error
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


def refuse_server(
    address: LedgerAddress, version: int, encoding: str, commits: str, *, read_only: bool
) -> None:
    """Refuse a server that cannot keep what a ledger promises.

    Raises:
        UsageError: it is too old, has no Unicode, or acknowledges commits that are not durable.
    """
    if version < OLDEST:
        raise UsageError(
            f"the ledger {address} is on PostgreSQL {version // 10000}, which is too old",
            hint="PostgreSQL 13 is the oldest that works: upgrade the server, or name another one",
        )
    if encoding != "UTF8":
        raise UsageError(
            f"the database of the ledger {address} has the encoding {encoding}",
            hint="CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
        )
    if commits not in _DURABLE and not read_only:
        raise UsageError(
            f"the server of the ledger {address} has synchronous_commit = {commits}: it says that"
            " an id is kept before it is",
            hint="ALTER ROLE ... SET synchronous_commit = on (or of the database, or the server)",
        )


def lease_ended(address: LedgerAddress) -> LeaseLost:
    """The error of a run that slept past its lease."""
    return LeaseLost(
        f"this run's lease of the ledger {address} has ended, and another run may have it:"
        " nothing more is written or sent",
        hint="the machine slept, or the database was out of reach, for longer than a lease lives;"
        " type the same command again: nothing is sent twice",
    )


def open_postgres(
    address: LedgerAddress,
    *,
    create: bool = False,
    read_only: bool = False,
    lease: Lease | None = None,
    scratch: Sequence[str] = (),
    patience: float = PATIENCE,
) -> PostgresDatabase:
    """Open a ledger's database, made or brought up to this version if need be.

    A writer brings it up to this version; only ``create`` makes one where there is none.

    Raises:
        NoLedger: there is none.
        OlderLedger: it is from an older version, and ``read_only``.
        UsageError: it is from a newer version, or the server cannot be used.
        LedgerFailed: the server cannot be reached.
    """
    db = PostgresDatabase(
        address, read_only=read_only, lease=lease, scratch=scratch, patience=patience
    )
    try:
        db.connect()
        _bring_up(db, create=create, read_only=read_only)
    except BaseException:
        db.drop()
        raise
    return db


def _bring_up(db: PostgresDatabase, *, create: bool, read_only: bool) -> None:
    """Refuse what is no ledger of this version, or make it one."""
    at = db.asked(lambda found: _steps_of(found, db.address))
    if at > len(STEPS):
        raise UsageError(
            f"the ledger {db.address} is from a newer importer (schema {at}, this one knows"
            f" {len(STEPS)})",
            hint="upgrade importer; nothing was changed",
        )
    if at == 0 and (read_only or not create):
        raise NoLedger(
            f"there is no ledger at {db.address}",
            hint="the first `importer run` makes it; --ledger names another one",
        )
    if at < len(STEPS) and read_only:
        raise OlderLedger(
            f"the ledger {db.address} is from an older importer",
            hint="the next `importer run` sets it up",
        )
    if at < len(STEPS):
        _migrate(db)


def _steps_of(db: PostgresTransaction, address: LedgerAddress) -> int:
    """How many steps the schema has taken; 0 where there is no ledger."""
    sql = "SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = 'ledger_version'"
    if not db.read(sql, (address.schema,)):
        return 0
    return int(db.read("SELECT steps FROM ledger_version")[0][0])


def _migrate(db: PostgresDatabase) -> None:
    """Take the steps that are missing, all or none; whoever is second finds nothing to do."""
    address = db.address

    def work(one: PostgresTransaction) -> None:
        one.read("SELECT pg_advisory_xact_lock(?, hashtext(?))", (_MIGRATIONS, address.schema))
        schemas = "SELECT 1 FROM pg_namespace WHERE nspname = ?"
        if not one.read(schemas, (address.schema,)):
            one.execute(f'CREATE SCHEMA "{address.schema}"')
        at = _steps_of(one, address)
        if at < len(STEPS):
            take_steps(one, at, secrets.token_bytes(32))

    def apart(one: PostgresTransaction) -> None:
        with one.at_leisure(), one.block():
            work(one)

    db.asked(apart)
