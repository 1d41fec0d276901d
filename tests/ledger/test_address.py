"""Where a ledger is: paths and URLs, and what nobody may see of them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from importer.errors import UsageError
from importer.ledger.address import LedgerAddress, refuse_password


@pytest.mark.parametrize(
    ("given", "shown", "url", "schema", "secrets"),
    [
        ("a b/l.db", "a b/l.db", "a b/l.db", "importer", ()),
        ("postgresql://u@h/db", "postgresql://u@h/db", "postgresql://u@h/db", "importer", ()),
        (
            "postgresql://u:p%40w@h:5/db?sslmode=require&schema=x",
            "postgresql://u@h:5/db?sslmode=require&schema=x",
            "postgresql://u@h:5/db?sslmode=require",
            "x",
            (("password", "p@w"),),
        ),
        (
            "postgres://u:p?w@h1,h2/db",
            "postgres://u@h1,h2/db",
            "postgres://u@h1,h2/db",
            "importer",
            (("password", "p?w"),),
        ),
        (
            "postgresql:///db?pass%77ord=s%20s&host=%2Ftmp&sslpassword=t",
            "postgresql:///db?host=%2Ftmp",
            "postgresql:///db?host=%2Ftmp",
            "importer",
            (("password", "s s"), ("sslpassword", "t")),
        ),
    ],
)
def test_an_address_is_taken_apart(
    given: str, shown: str, url: str, schema: str, secrets: tuple[tuple[str, str], ...]
) -> None:
    """What people see, what libpq gets, whose schema it is, and the passwords apart."""
    address = LedgerAddress.parse(given)
    assert (str(address), address.url, address.schema) == (shown, url, schema)
    assert address.secrets == secrets
    assert address.has_password == bool(secrets)
    assert address.path == (None if "://" in given else Path(given))


def test_a_password_is_never_shown_and_never_travels() -> None:
    """Neither words, nor repr, nor a pickled copy has it; and two addresses are one without it."""
    address = LedgerAddress.parse("postgresql://u:hush@h/db?password=hush2")
    again = pickle.loads(pickle.dumps(address))  # noqa: S301 - our own bytes
    assert again == address
    assert not again.has_password
    for text in (str(address), repr(address), f"{address}", pickle.dumps(address).decode("latin1")):
        assert "hush" not in text


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("mysql://u:hush@h/db", "mysql://"),
        ("postgresql://u:hu/sh@h/db", "an @ too many"),
        ("postgresql://u:hu@sh@h/db", "an @ too many"),
        ("postgresql://u:hush@h", "names no database"),
        ("postgresql://u:hush@h/db?schema=Bad-Name", "no plain name"),
    ],
)
def test_what_is_no_address_is_refused_in_words_without_its_password(given: str, what: str) -> None:
    """The message says what is wrong, and shows nothing that may be a password."""
    with pytest.raises(UsageError) as caught:
        LedgerAddress.parse(given)
    assert what in caught.value.message
    assert "hu" not in caught.value.message + caught.value.hint


def test_a_password_on_a_command_line_is_refused() -> None:
    """The message names the ways that no process list shows."""
    with pytest.raises(UsageError, match="process list") as caught:
        refuse_password(LedgerAddress.parse("postgresql://u:hush@h/db"), "--ledger")
    assert "PGPASSWORD" in caught.value.hint
    refuse_password(LedgerAddress.parse("postgresql://u@h/db"), "--ledger")
