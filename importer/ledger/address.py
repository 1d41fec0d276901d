"""Where a ledger is: a file, or a PostgreSQL database. Pure."""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from importer.errors import UsageError
from importer.values import value

SCHEMES = ("postgresql", "postgres")
DEFAULT_PATH = "importer-ledger.db"
DEFAULT_SCHEMA = "importer"
SCHEMA = "schema"
"""Our own parameter of an address: the schema that holds the ledger's tables."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PERSON = re.compile(r"([^@/]*)@")
_SECRETS = ("password", "sslpassword")
"""Parameters of libpq that hold one (postgresql.org/docs/current/libpq-connect.html)."""


@value
class LedgerAddress:
    """A path, or ``postgresql://[user@]host[:port]/database[?parameters]``.

    ``str()`` of it never holds a password, and a copy that travels to another process has none.
    """

    text: str
    """The path, or the URL without its passwords."""
    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    """(libpq parameter, value) of those that the URL held."""

    @classmethod
    def parse(cls, text: str | Path) -> LedgerAddress:
        """The address that a user named.

        Raises:
            UsageError: empty text, another scheme, or a URL that names no database.
        """
        shown = str(text)
        if not shown.strip():
            raise UsageError(
                "the ledger's address is empty",
                hint=f"a path, or postgresql://USER@HOST/DATABASE; leave it out for {DEFAULT_PATH}",
            )
        scheme = None if isinstance(text, Path) else _SCHEME.match(shown)
        if scheme is None:
            return cls(shown)
        if scheme[1].lower() not in SCHEMES:
            raise UsageError(
                f"a ledger cannot be at {scheme[1]}://",
                hint="a path, or postgresql://HOST/DATABASE",
            )
        address = _without_secrets(shown)
        if not address.database:
            raise UsageError(
                f"the ledger {address} names no database",
                hint="postgresql://USER@HOST/DATABASE",
            )
        if not _SCHEMA.fullmatch(address.schema):
            raise UsageError(
                f"the ledger {address} has a schema that is no plain name",
                hint="lower-case letters, digits and _",
            )
        return address

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return LedgerAddress, (self.text,)

    @property
    def is_shared(self) -> bool:
        """Whether several machines can work on it: it is a PostgreSQL database."""
        return _SCHEME.match(self.text) is not None

    @property
    def path(self) -> Path | None:
        """The file; None for a database."""
        return None if self.is_shared else Path(self.text)

    @property
    def has_password(self) -> bool:
        """Whether a password was in what was parsed."""
        return bool(self.secrets)

    @property
    def database(self) -> str:
        """The database's name; "" where the URL names none."""
        place = self.text.partition("://")[2].partition("?")[0]
        return unquote(place.partition("/")[2])

    @property
    def schema(self) -> str:
        """The schema of the ledger's tables."""
        return dict(_parameters(self.text.partition("?")[2])).get(SCHEMA, DEFAULT_SCHEMA)

    @property
    def parameter_names(self) -> frozenset[str]:
        """The parameters that the URL gives."""
        return frozenset(name for name, _ in _parameters(self.text.partition("?")[2]))

    @property
    def url(self) -> str:
        """What libpq is given beside ``secrets``."""
        return _without(self.text, (SCHEMA,))


DEFAULT_LEDGER = LedgerAddress(DEFAULT_PATH)


def refuse_password(address: LedgerAddress, where: str) -> None:
    """Refuse an address from the command line that holds a password: process lists show it.

    Raises:
        UsageError: it holds one.
    """
    if address.has_password:
        raise UsageError(
            f"{where} holds a password, which every process list shows",
            hint="leave it out: PGPASSWORD, ~/.pgpass, a passfile=FILE parameter or, in the"
            " environment, IMPORTER_LEDGER can hold it",
        )


def _parameters(query: str) -> list[tuple[str, str]]:
    """(name, value) of each, decoded; the query's parts stand in the same order."""
    pairs = (one.partition("=") for one in query.split("&") if one)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def _without(url: str, names: tuple[str, ...]) -> str:
    """The URL without these parameters, the others as they were written."""
    start, _, query = url.partition("?")
    kept = [one for one in query.split("&") if one and unquote(one.partition("=")[0]) not in names]
    return f"{start}?{'&'.join(kept)}" if kept else start


def _without_secrets(url: str) -> LedgerAddress:
    """The address; its passwords apart. Errors show nothing of what may be one."""
    scheme, _, rest = url.partition("://")
    # As libpq reads it: user and password end at the first "@", and hold no "/".
    person = _PERSON.match(rest)
    user, _, password = (person[1] if person else "").partition(":")
    place, _, query = rest[person.end() if person else 0 :].partition("?")
    if "@" in place:
        raise UsageError(
            "the ledger's URL has an @ too many",
            hint="in a user name or a password write @ as %40, / as %2F and : as %3A",
        )
    secrets = [pair for pair in _parameters(query) if pair[0] in _SECRETS]
    if password:
        secrets.append(("password", unquote(password)))
    start = f"{scheme}://{user}{'@' if user else ''}{place}"
    return LedgerAddress(_without(f"{start}?{query}", _SECRETS), tuple(sorted(secrets)))
