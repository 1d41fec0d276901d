"""``importer ledger copy`` and ``move``, as a person types them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from importer.cli import main
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.ledger.sqlite.lock import RunLock
from tests.ledger.samples import raw
from tests.ledger.test_copying import fill, told

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "https://api.momentco.io", "https://api.momentpay.net"
ACCOUNT = Account(OLD, "live")


class Typed:
    """Types commands, and keeps what they print."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: object, code: int = 0) -> str:
        """What a command printed, on both streams."""
        self._monkeypatch.setattr(sys, "argv", ["importer", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        shown = self._capsys.readouterr()
        assert left.value.code == code, shown
        return shown.out + shown.err


@pytest.fixture
def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Typed:
    """Types commands in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Typed(monkeypatch, capsys)


def test_a_ledger_is_copied(typed: Typed, tmp_path: Path) -> None:
    """Counts and digests at the end; again it is there already; the old one is put away."""
    source, target = tmp_path / "a.db", tmp_path / "b & c.db"
    fill(source, ACCOUNT)
    shown = typed("ledger", "copy", source, target)
    assert "account default (copied)" in shown
    assert "80  customers" in shown
    assert f"from now on: --ledger '{target}'" in shown
    assert f"{source} is as it was: put it away" in shown
    assert told(target, ACCOUNT) == told(source, ACCOUNT)
    assert "was there already" in typed("ledger", "copy", source, target)


def test_a_copy_that_cannot_be_is_refused(typed: Typed, tmp_path: Path) -> None:
    """Missing, held, twice the same, no such account, a password that everybody would see."""
    source, target = tmp_path / "a.db", tmp_path / "b.db"
    assert "there is no ledger at" in typed("ledger", "copy", source, target, code=2)
    assert not target.exists()
    fill(source, ACCOUNT)
    assert "both source and target" in typed("ledger", "copy", source, "./a.db", code=2)
    (tmp_path / "c.db").symlink_to(source)
    assert "both source and target" in typed("ledger", "copy", source, "c.db", code=2)
    none = typed("ledger", "copy", source, target, "--account", "shop", code=2)
    assert "holds no account called shop" in none
    assert not target.exists()
    with RunLock(source, run_id="night-3"):
        assert "in use by run night-3" in typed("ledger", "copy", source, target, code=4)
    with RunLock(target, run_id="night-4"):
        assert "in use by run night-4" in typed("ledger", "copy", source, target, code=4)
    secret = typed("ledger", "copy", source, "postgresql://me:hunter2@db/importer", code=2)
    assert "holds a password" in secret
    assert "hunter2" not in secret


def test_the_status_of_half_a_copy_is_told(typed: Typed, tmp_path: Path) -> None:
    """The account that is half there says what to do; the others are shown as ever."""
    ledger = tmp_path / "importer-ledger.db"
    fill(ledger, ACCOUNT, customers=2)
    fill(ledger, Account(OLD, "live", "shop"), customers=2)
    raw(ledger).execute("UPDATE account SET copying = 'x' WHERE name = 'default'")
    shown = typed("status")
    assert "holds only a part of" in shown
    assert "importer ledger copy command again" in shown
    assert "in Moment" in shown


@pytest.mark.parametrize(
    ("words", "common"),
    [
        (("status",), "in Moment"),
        (("status", "night-1 0 é"), "idempotency key"),
        (("why", "night-1 0 é"), "It is in Moment"),
        (("runs",), "night-1"),
        (("export", "x.csv"), "night-1 0 é"),
    ],
)
def test_every_look_at_a_ledger_takes_the_name_of_an_account(
    typed: Typed, tmp_path: Path, words: tuple[str, ...], common: str
) -> None:
    """It tells of that account alone; one that is not there is refused, with those that are."""
    ledger = tmp_path / "importer-ledger.db"
    fill(ledger, ACCOUNT, customers=2)
    fill(ledger, Account(OLD, "live", "shop"), customers=2)

    def told(*more: str, code: int = 0) -> str:
        shown = typed(*words, *more, code=code)
        return (tmp_path / "x.csv").read_text() if words[0] == "export" and not code else shown

    assert told().count(common) == 2 * told("--account", "shop").count(common) > 0
    refused = told("--account", "shoq", code=2)
    assert "holds no account called shoq" in refused
    assert "it has default, shop" in refused


def test_an_account_is_moved(typed: Typed, tmp_path: Path) -> None:
    """The account has its new base URL, and a second move finds nothing to do."""
    ledger = tmp_path / "importer-ledger.db"
    fill(ledger, ACCOUNT)
    shown = typed("ledger", "move", "--base-url", f"{NEW.upper()}:443/")
    assert f"80 customers of {ACCOUNT.label} are now those of {NEW}" in shown
    with open_ledger(ledger, Account(NEW, "live"), read_only=True) as moved:
        assert sum(moved.totals().values()) == 80
    assert "no account to move" in typed("ledger", "move", "--base-url", NEW, code=2)
    dot = typed("ledger", "move", "--base-url", f"{NEW}.", code=2)
    assert "did you mean api.momentpay.net?" in dot
    none = typed("ledger", "move", "--base-url", NEW, "--ledger", "none.db", code=2)
    assert "there is no ledger at none.db" in none
    with RunLock(ledger, run_id="night-3"):
        held = typed("ledger", "move", "--base-url", OLD, code=4)
    assert "in use by run night-3" in held
