"""Accounts of one merchant under two names are noticed before anything is sent, and moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from importer.errors import UsageError
from importer.ledger.account import Account
from importer.ledger.opening import joined, open_ledger, open_tables
from importer.ledger.renamed import Known, look_alikes, move, refusal, to_move
from tests.ledger.samples import done, raw, sent

if TYPE_CHECKING:
    from pathlib import Path

    from importer.ledger.address import LedgerAddress

OLD, NEW = "https://api.momentco.io", "https://api.momentpay.net"
LOOPBACK = "http://127.0.0.1:8787"


@pytest.mark.parametrize(
    ("now", "other", "same_key", "is_alike"),
    [
        # A renamed host, and older spellings of one that were stored as they came.
        (Account(NEW, "live"), Account(OLD, "live"), True, True),
        (Account(NEW, "live"), Account(OLD, "live"), False, True),
        (Account(NEW, "test"), Account(OLD, "test"), False, True),
        (Account(OLD, "live"), Account(OLD + ".", "live"), False, True),
        (Account(OLD, "live"), Account(OLD + "/v1", "live"), False, True),
        (Account(OLD, "live"), Account(OLD + ":8443", "live"), False, True),
        # One API in one spelling.
        (Account("HTTPS://API.MomentCo.io:443/", "live"), Account(OLD, "live"), True, False),
        # Another name: only the key tells.
        (Account(OLD, "live", "shop"), Account(OLD, "live"), True, True),
        (Account(NEW, "live", "shop"), Account(OLD, "live"), True, True),
        (Account(OLD, "live", "shop"), Account(OLD, "live"), False, False),
        (Account(NEW, "live", "shop"), Account(OLD, "live"), False, False),
        # Test and live are two worlds.
        (Account(OLD, "live"), Account(OLD, "test"), True, False),
        (Account(NEW, "live"), Account(OLD, "test"), False, False),
        # A rehearsal in the sandbox, before or after, with the same key or another.
        (Account(OLD, "test"), Account(LOOPBACK, "test"), True, False),
        (Account(LOOPBACK, "test"), Account(OLD, "test"), True, False),
        (Account("http://localhost:8787", "test"), Account(LOOPBACK, "test"), True, False),
        (Account("http://[::1]:8787", "test"), Account(OLD, "test"), True, False),
        # A live key at a loopback address goes through a proxy of this machine.
        (Account("http://localhost:9000", "live"), Account(OLD, "live"), False, True),
        (
            Account("https://localhost:9000", "live"),
            Account("http://localhost:9000", "live"),
            False,
            True,
        ),
    ],
)
def test_who_may_be_the_same(
    now: Account, other: Account, *, same_key: bool, is_alike: bool
) -> None:
    """The same key, or the same name at another host, in one mode; rehearsals never."""
    known = [Known(other, 5, same_key), Known(Account("https://else", "live", "x"), 9, False)]
    assert [one.account for one in look_alikes(now, known)] == [other] * is_alike
    assert look_alikes(now, [known[0]._replace(customers=0)]) == []


def test_an_account_with_customers_is_asked_nothing() -> None:
    """Only an account of which nobody is known can be one under another name."""
    now, other = Account(NEW, "live"), Known(Account(OLD, "live"), 5, True)
    assert look_alikes(now, [other, Known(now, 1, True)]) == []
    assert look_alikes(now, [other, Known(now, 0, True)]) == [other]


def test_a_refusal_names_both_ways_out() -> None:
    """The command that moves the account, or the flag that says that it is another one."""
    now = Account(NEW, "live")
    error = refusal(now, [Known(Account(OLD, "live"), 5000, True)])
    assert "5,000 customers of https://api.momentco.io" in error.message
    assert f"importer ledger move --base-url {NEW} (" in error.hint
    assert "--accept-new-account" in error.hint
    named = refusal(Account(OLD, "live"), [Known(Account(OLD, "live", "shop"), 7, True)])
    assert "add --account shop" in named.hint


def fill(path: Path | LedgerAddress, account: Account, *references: str) -> None:
    """A run, and customers of it."""
    with open_ledger(path, account) as ledger:
        ledger.begin_run(
            f"run-{account.base_url}",
            started_at=1,
            command="run",
            version="1",
            key_digest="",
            sources=["a.csv"],
        )
        for one in references:
            ledger.apply([sent(one), done(one, f"bcus_{one}")], [], run_id="r", now=2.0)
        ledger.note_news("a.csv", account.base_url, now=3.0)


def moved(
    path: Path | LedgerAddress, new: str, name: str | None = None, before: str | None = None
) -> list[str]:
    """Move; what was moved, in words."""
    db = open_tables(path, create=False, lease=joined(0))
    try:
        found = db.read("SELECT base_url, mode, name FROM account")
        pairs = to_move([Account(*one) for one in found], new, name=name, before=before)
        return [f"{one.customers} to {one.after.label}" for one in move(db, pairs)]
    finally:
        db.close()


@pytest.mark.parametrize("kind", ["file", "database"])
def test_a_moved_account_is_the_same_account(
    kind: str, tmp_path: Path, postgres_address: LedgerAddress
) -> None:
    """Both modes get the new base URL, with their ids and runs; the sandbox's stays."""
    path = postgres_address if kind == "database" else tmp_path / "ledger.db"
    fill(path, Account(OLD, "live"), "A", "B")
    fill(path, Account(OLD, "test"), "A")
    fill(path, Account(LOOPBACK, "test"), "A")
    fill(path, Account(NEW, "live"))  # A run that sent nothing.
    assert moved(path, NEW) == [
        "2 to https://api.momentpay.net, live mode, account default",
        "1 to https://api.momentpay.net, test mode, account default",
    ]
    with open_ledger(path, Account(NEW, "live")) as ledger:
        assert [(one.reference, one.customer_id) for one in ledger.mapping()] == [
            ("A", "bcus_A"),
            ("B", "bcus_B"),
        ]
        assert {one.run_id for one in ledger.runs()} == {f"run-{OLD}", f"run-{NEW}", "r"}
        assert {one.base_url for one in ledger.accounts()} == {NEW, LOOPBACK}
        assert ledger.totals() == {"done": 2}
        assert ledger.last_news("a.csv") == (OLD, 3.0)
    with pytest.raises(UsageError, match="no account to move"):
        moved(path, NEW)


def test_what_is_not_clear_is_not_moved(tmp_path: Path) -> None:
    """Several names, several old base URLs, customers on both sides: an error with the fix."""
    path = tmp_path / "ledger.db"
    fill(path, Account(OLD, "live"), "A")
    fill(path, Account(OLD, "live", "shop"), "A")
    with pytest.raises(UsageError, match="which account") as which:
        moved(path, NEW)
    assert "--account" in which.value.hint
    fill(path, Account("https://gateway.example.com", "live", "shop"), "A")
    with pytest.raises(UsageError, match="which base URL") as where:
        moved(path, NEW, "shop")
    assert "--from" in where.value.hint
    assert moved(path, NEW, "shop", OLD.upper()) == [f"1 to {NEW}, live mode, account shop"]
    before = raw(path).execute("SELECT * FROM account ORDER BY id").fetchall()
    with pytest.raises(UsageError, match="cannot become one account"):
        moved(path, NEW, "shop", "https://gateway.example.com")
    raw(path).execute("UPDATE account SET copying = 'x' WHERE name = 'default'")
    with pytest.raises(UsageError, match="not finished"):
        moved(path, NEW, "default")
    raw(path).execute("UPDATE account SET copying = ''")
    assert raw(path).execute("SELECT * FROM account ORDER BY id").fetchall() == before
