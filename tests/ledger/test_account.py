"""One spelling for one account."""

from __future__ import annotations

import pytest

from importer.errors import UsageError
from importer.ledger.account import Account


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("HTTPS://API.Example.COM/", "https://api.example.com"),
        (" https://api.example.com:443// ", "https://api.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:8787/", "http://localhost:8787"),
        ("http://localhost:443", "http://localhost:443"),
        ("https://[::1]:443/V1/", "https://[::1]/V1"),
        ("https://api.example.com/Path/", "https://api.example.com/Path"),
    ],
)
def test_the_base_url_is_normalised(given: str, kept: str) -> None:
    """Two spellings of one URL are one account; the path keeps its case."""
    assert Account(given, "test").base_url == kept
    assert Account(Account(given, "test").base_url, "test") == Account(given, "test")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://api.example.com",
        "https://",
        "https://api.example.com:port",
        "https://user@api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://[::1",
    ],
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    """A URL that would not name one API is a usage error."""
    with pytest.raises(UsageError):
        Account(url, "test")


@pytest.mark.parametrize(("mode", "name"), [("prod", "default"), ("test", " "), ("live", "a\nb")])
def test_unknown_modes_and_unprintable_names_are_refused(mode: str, name: str) -> None:
    """An account can always be shown on one line."""
    with pytest.raises(UsageError):
        Account("https://api.example.com", mode, name)


def test_the_label_names_all_three_parts() -> None:
    """A person can tell two accounts apart by their labels."""
    account = Account("https://api.example.com/", "live", "north")
    assert account.label == "https://api.example.com, live mode, account north"
