"""What the sandbox holds: customers, stored answers and creation events, per account.

Memory is the truth while it runs; the journal is written first, so that nothing is ever answered
that a killed sandbox would not remember.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from string import ascii_letters, digits
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.sandbox.journal import Journal

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
