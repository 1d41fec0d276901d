"""What the sandbox holds: customers, stored answers and creation events, per account.

Memory is the truth while it runs; the journal is written first, so that nothing is ever answered
that a killed sandbox would not remember.

Where the store writes before it answers: nowhere, or a SQLite file (``--data``).
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field
from hashlib import sha256
from string import ascii_letters, digits
from typing import TYPE_CHECKING, NamedTuple

from importer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE customers (account TEXT, reference TEXT, id TEXT, created_at REAL, body BLOB,
                        PRIMARY KEY (account, reference));
CREATE TABLE keys (account TEXT, key TEXT, status INTEGER, body BLOB, media BLOB, digest BLOB,
                   at REAL, PRIMARY KEY (account, key));
CREATE TABLE creations (account TEXT, reference TEXT, id TEXT, at REAL);
CREATE TABLE clock (offset REAL);
INSERT INTO clock VALUES (0);
"""


class Journal:
    """Keeps nothing: the sandbox forgets when it ends. The base of what keeps something.

    Of a journal that keeps, each call is durable against the death of this process when it returns.
    """

    def offset(self) -> float:
        """Return 0: time starts as it is."""
        return 0.0

    def customers(self) -> Iterator[tuple[str, Customer]]:
        """Return nothing."""
        return iter(())

    def answers(self) -> Iterator[tuple[str, str, Stored]]:
        """Return nothing."""
        return iter(())

    def creations(self) -> Iterator[Creation]:
        """Return nothing."""
        return iter(())

    def settle(
        self,
        account: str,
        key: str,
        stored: Stored,
        created: Customer | None,
        creation: Creation | None,
    ) -> None:
        """Keep nothing."""

    def replace(self, account: str, customer: Customer) -> None:
        """Keep nothing."""

    def set_offset(self, offset: float) -> None:
        """Keep nothing."""

    def reset(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


class SqliteJournal(Journal):
    """A SQLite file, mode 0600, held by one sandbox at a time.

    WAL with ``synchronous=NORMAL``: a commit survives the death of the process (kill -9), though
    the last ones perhaps not a power cut, which is enough for a rehearsal.

    Raises:
        UsageError: the file cannot be opened, is no sandbox file, or another sandbox has it.
    """

    def __init__(self, path: Path) -> None:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise UsageError(f"{path}: the data file cannot be opened: {error.strerror}") from None
        # One event loop uses it, though perhaps not on the thread that opened it.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.2)
        try:
            self._open(path)
        except sqlite3.Error as error:
            self._db.close()
            raise _unusable(path, error) from None
        except UsageError:
            self._db.close()
            raise

    def _open(self, path: Path) -> None:
        # Exclusive: a second sandbox on the same file would not see what this one holds in memory.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("BEGIN IMMEDIATE")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            for statement in filter(str.strip, SCHEMA.split(";")):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION or not self._has_table("creations"):
            raise UsageError(
                f"{path}: this is no data file of this sandbox's version", hint="name a new file"
            )
        self._db.execute("COMMIT")

    def _has_table(self, name: str) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._db.execute(query, (name,)).fetchone() is not None

    def offset(self) -> float:
        """Return the clock's offset in seconds."""
        return float(self._db.execute("SELECT offset FROM clock").fetchone()[0])

    def customers(self) -> Iterator[tuple[str, Customer]]:
        """Yield (account, customer) in the order of creation."""
        query = "SELECT account, id, reference, created_at, body FROM customers ORDER BY rowid"
        for account, *columns in self._db.execute(query):
            yield account, Customer(*columns)

    def answers(self) -> Iterator[tuple[str, str, Stored]]:
        """Yield (account, key, stored answer), oldest first."""
        query = "SELECT account, key, status, body, media, digest, at FROM keys ORDER BY rowid"
        for account, key, *columns in self._db.execute(query):
            yield account, key, Stored(*columns)

    def creations(self) -> Iterator[Creation]:
        """Yield the creation events in order."""
        query = "SELECT account, reference, id, at FROM creations ORDER BY rowid"
        for columns in self._db.execute(query):
            yield Creation(*columns)

    def settle(
        self,
        account: str,
        key: str,
        stored: Stored,
        created: Customer | None,
        creation: Creation | None,
    ) -> None:
        """Write an answer and what it created, in one transaction."""
        with self._db:
            self._db.execute("BEGIN")
            if created is not None and creation is not None:
                self._insert(account, created, creation)
            self._db.execute(
                "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)", (account, key, *stored)
            )

    def replace(self, account: str, customer: Customer) -> None:
        """Write the new body of a customer."""
        self._db.execute(
            "UPDATE customers SET body = ? WHERE account = ? AND reference = ?",
            (customer.body, account, customer.reference),
        )

    def set_offset(self, offset: float) -> None:
        """Write the clock's offset."""
        self._db.execute("UPDATE clock SET offset = ?", (offset,))

    def reset(self) -> None:
        """Delete everything."""
        with self._db:
            self._db.execute("BEGIN")
            for table in ("customers", "keys", "creations"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - fixed names
            self._db.execute("UPDATE clock SET offset = 0")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _insert(self, account: str, created: Customer, creation: Creation) -> None:
        self._db.execute(
            "INSERT INTO customers (account, id, reference, created_at, body)"
            " VALUES (?, ?, ?, ?, ?)",
            (account, *created),
        )
        self._db.execute("INSERT INTO creations VALUES (?, ?, ?, ?)", creation)


def _unusable(path: Path, error: sqlite3.Error) -> UsageError:
    if "locked" in str(error):
        return UsageError(
            f"{path}: another sandbox holds this data file", hint="stop it, or name another file"
        )
    return UsageError(
        f"{path}: this is no usable sandbox data file ({error})", hint="name a new file"
    )


ID_ALPHABET = digits + ascii_letters
ID_LENGTH = 21


class Customer(NamedTuple):
    """One customer as answered."""

    id: str
    reference: str
    created_at: float
    """Seconds since the epoch, by the adjustable clock."""
    body: bytes
    """The answer to GET, JSON in UTF-8."""


class Stored(NamedTuple):
    """The first answer to an idempotency key."""

    status: int
    body: bytes
    media: bytes
    digest: bytes
    """Of the request body that it answered."""
    at: float


class Creation(NamedTuple):
    """One creation event. Append-only: proof for an audit, not used to decide anything."""

    account: str
    reference: str
    customer_id: str
    at: float


@dataclass(slots=True)
class Account:
    """The data of one merchant in one mode."""

    name: str
    customers: dict[str, Customer] = field(default_factory=dict)
    by_id: dict[str, str] = field(default_factory=dict)
    """Customer id -> reference."""
    keys: dict[str, Stored] = field(default_factory=dict)
    """In the order of storing, so that the oldest come first."""
    in_flight: set[str] = field(default_factory=set)
    """Keys whose first request is still running; dies with the process, as at any server."""


class Store:
    """All accounts. Every method runs to its end without yielding, so each one is atomic."""

    def __init__(self, journal: Journal, *, seed: int, key_lifetime: float, now: float) -> None:
        self._journal = journal
        self._seed = seed
        self._key_lifetime = key_lifetime
        self.accounts: dict[str, Account] = {}
        self.creations: list[Creation] = []
        self._load(now)

    def account(self, name: str) -> Account:
        """Return the account of that name, new if need be."""
        found = self.accounts.get(name)
        if found is None:
            found = self.accounts[name] = Account(name)
        return found

    def stored(self, account: Account, key: str, now: float) -> Stored | None:
        """Return the answer stored under a key, None if there is none or it has expired."""
        stored = account.keys.get(key)
        return None if stored is None or self._expired(stored, now) else stored

    def new_id(self, account: Account, reference: str) -> str:
        """Return the id that a seed gives to a reference, in whatever order they are created."""
        digest = sha256(f"{self._seed}/{account.name}/{reference}".encode()).digest()
        number = int.from_bytes(digest)
        letters = []
        for _ in range(ID_LENGTH):
            number, index = divmod(number, len(ID_ALPHABET))
            letters.append(ID_ALPHABET[index])
        return "bcus_" + "".join(letters)

    def find(self, account: Account, name: str) -> Customer | None:
        """Look a customer up by id, then by reference."""
        return account.customers.get(account.by_id.get(name, name))

    def holding(self, name: str, account: str) -> list[tuple[Account, Customer]]:
        """Return the customers of that id or reference, in one account or ("") in all."""
        among = [one for one in self.accounts.values() if account in {"", one.name}]
        found = ((one, self.find(one, name)) for one in among)
        return [(one, customer) for one, customer in found if customer is not None]

    def settle(self, account: Account, key: str, stored: Stored, created: Customer | None) -> None:
        """Store the answer to a key together with the customer that it created, if any."""
        if not self._holds(account):
            return
        creation = None if created is None else _event(account, created)
        self._journal.settle(account.name, key, stored, created, creation)
        if created is not None and creation is not None:
            self._add(account, created, creation)
        self._drop_expired(account, stored.at)
        account.keys.pop(key, None)
        account.keys[key] = stored

    def replace(self, account: Account, customer: Customer) -> None:
        """Put a changed customer in the place of the one with its reference."""
        if not self._holds(account):
            return
        self._journal.replace(account.name, customer)
        account.customers[customer.reference] = customer

    def set_offset(self, offset: float) -> None:
        """Remember the clock's offset, so that time does not run backwards after a restart."""
        self._journal.set_offset(offset)

    def reset(self) -> None:
        """Forget everything."""
        self._journal.reset()
        self.accounts = {}
        self.creations = []

    def close(self) -> None:
        """Close the data file; may be called twice."""
        self._journal.close()

    def newest(self, count: int) -> Iterator[tuple[str, Customer]]:
        """Yield (account, customer) of the last creations, newest first."""
        for event in reversed(self.creations[-count:]):
            customer = self.account(event.account).customers.get(event.reference)
            if customer is not None:
                yield event.account, customer

    def _holds(self, account: Account) -> bool:
        # A request that was running during a reset has an old account: its result is dropped.
        return self.accounts.get(account.name) is account

    def _add(self, account: Account, created: Customer, creation: Creation) -> None:
        account.customers[created.reference] = created
        account.by_id[created.id] = created.reference
        self.creations.append(creation)

    def _expired(self, stored: Stored, now: float) -> bool:
        return now - stored.at >= self._key_lifetime

    def _drop_expired(self, account: Account, now: float) -> None:
        while account.keys:
            oldest = next(iter(account.keys))
            if not self._expired(account.keys[oldest], now):
                return
            del account.keys[oldest]

    def _load(self, now: float) -> None:
        for name, customer in self._journal.customers():
            account = self.account(name)
            account.customers[customer.reference] = customer
            account.by_id[customer.id] = customer.reference
        for name, key, stored in self._journal.answers():
            if not self._expired(stored, now):
                self.account(name).keys[key] = stored
        self.creations.extend(self._journal.creations())


def _event(account: Account, created: Customer) -> Creation:
    return Creation(account.name, created.reference, created.id, created.created_at)
