"""Accounts are copied whole into another ledger, also where the copy is killed in the middle."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from importer.delivery.protocol.states import (
    NEW,
    Done,
    Origin,
    Rejected,
    Sent,
    Synced,
    Transition,
    UpdateTransition,
    Updating,
)
from importer.errors import LedgerFailed, UsageError
from importer.ledger import copying
from importer.ledger.account import Account
from importer.ledger.address import LedgerAddress
from importer.ledger.copying import Copied, Copy
from importer.ledger.opening import joined, open_ledger, open_tables
from tests.ledger.samples import ACCOUNT, PRINT_A, PRINT_B, attempt, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from importer.ledger.statements import Database

OTHER = Account("https://api.example.com", "live", "shop")
Place = Path | LedgerAddress
KEPT_BACK = {"id", "account"}
"""Columns that are a ledger's own."""


def store(place: Place) -> Database:
    """A ledger as tables."""
    return open_tables(place, create=True, lease=joined(0))


def fill(place: Place, account: Account = ACCOUNT, customers: int = 40) -> None:
    """Two runs, customers in every state, updates, and a history."""
    with open_ledger(place, account) as ledger:
        hasher = ledger.hasher()
        for run in ("night-1", "night-2"):
            ledger.begin_run(
                run,
                started_at=100.5,
                command="run",
                version="1",
                key_digest=ledger.key_digest("sk_test_a"),
                sources=["crm_2026-11-25.csv"],
                series="crm.csv",
                content=f"digest of {run}",
            )
            names = [f"{run} {number} é" for number in range(customers)]
            row = {"name": "N", "metadata": {"tier": "gold"}}
            hashed = {name: hasher(name, row) for name in names}
            changes = []
            for number, name in enumerate(names):
                sent = Transition(name, NEW, Sent(0, PRINT_A, 100.25), fields=hashed[name])
                settled = (
                    Done(0, PRINT_A, f"bcus_{run}{number}", Origin.CREATED),
                    Rejected(0, PRINT_A, 400, "invalid_parameter"),
                    sent.new,
                )[number % 3]
                base = hashed[name] if number % 2 else ()
                changes += [sent, Transition(name, sent.new, settled, 201, seen=base)]
            noted = [
                replace(attempt(one), request_id=f"req {one}"[:9], seconds=0.25) for one in names
            ]
            ledger.apply(changes, noted, run_id=run, now=101.0)
            held = ledger.updates(names[1::2])
            begun = {
                name: Updating(one.customer_id, 1, one.base, hashed[name][:1], PRINT_B, one.memory)
                for name, one in held.items()
            }
            ended = {
                name: Synced(begun[name].customer_id, 2, hashed[name], PRINT_B, begun[name].memory)
                for name in sorted(begun)[::2]
            }
            updates = [UpdateTransition(name, held[name], begun[name]) for name in begun]
            updates += [UpdateTransition(name, begun[name], ended[name]) for name in ended]
            ledger.apply(updates, [], run_id=run, now=102.0)
            code = int(run == "night-2")
            ended_by = "unreachable" * code
            ledger.end_run(
                run,
                ended_at=110.0,
                exit_code=code,
                counts={"created": 3},
                volume={"a": 1},
                stopped_by=ended_by,
            )
            ledger.note_news("crm.csv", f"told {run}", now=111.0)


def copied(source: Place, target: Place, account: Account = ACCOUNT) -> Copied:
    """The outcome of one try."""
    one, other = store(source), store(target)
    try:
        return Copy(one, other).account(account)
    finally:
        one.close()
        other.close()


def told(place: Place, account: Account = ACCOUNT) -> dict[str, Any]:
    """What a ledger says of an account, by its own methods."""
    with open_ledger(place, account, read_only=True) as ledger:
        references = [reference for reference, _ in ledger.iter_states()]
        return {
            "states": dict(ledger.iter_states()),
            "updates": ledger.updates(references),
            "mapping": list(ledger.mapping()),
            "runs": ledger.runs(),
            "totals": ledger.totals(),
            "version": ledger.version(),
            "volume": ledger.last_volume("crm.csv"),
            "delivered": ledger.delivered_by(ledger.series_runs("crm.csv")),
            "histories": [ledger.history(one) for one in references],
            "hashes": ledger.hasher()("r", {"name": "N"}),
            "same key": (ledger.same_key("sk_test_a"), ledger.same_key("sk_test_b")),
            "open": ledger.open_updates(),
            "news": (ledger.last_news("crm.csv"), ledger.last_news("crm.csv 1/2")),
            "success": [ledger.last_success("crm.csv", one) for one in ("run", "run 1/2")],
        }


@pytest.fixture(params=["file to file", "file to database", "database to file"])
def places(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_address: LedgerAddress
) -> tuple[Place, Place]:
    """Where a copy goes from and to."""
    kinds: dict[str, Place] = {"file": tmp_path / "a.db", "database": postgres_address}
    source, _, target = request.param.partition(" to ")
    return kinds[source], tmp_path / "b.db" if source == target else kinds[target]


def test_a_copy_says_what_its_source_says(places: tuple[Place, Place]) -> None:
    """States, updates, histories, runs, hashes and the key's digest are as in the source."""
    source, target = places
    fill(source)
    fill(target, OTHER)  # Its numbers of accounts and runs are taken already.
    done = copied(source, target)
    rows = {"run": 2, "customer": 80, "sync": 14, "attempt": 102, "total": 3, "news": 1}
    assert done.rows == rows
    assert told(target)["news"] == (("told night-2", 111.0), ("", 0.0))
    assert told(target)["success"] == [110.0, None]
    assert told(target) == told(source)
    assert told(target, OTHER)["totals"] == told(source)["totals"]
    assert (done.resumed, done.was_there) == (False, False)
    again = copied(source, target)
    assert again.was_there
    assert again.digests == done.digests


def test_every_column_is_copied(tmp_path: Path, postgres_address: LedgerAddress) -> None:
    """A column that a later version adds is copied, or is a ledger's own."""
    db = store(postgres_address)
    for table in copying.TABLES:
        found = db.read(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = ? AND table_name = ?",
            (postgres_address.schema, table.name),
        )
        assert {row[0] for row in found} - KEPT_BACK == set(table.columns), table.name
    db.close()
    db = store(tmp_path / "a.db")
    tables = {row[0] for row in db.read("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {*(table.name for table in copying.TABLES), "account", "salt"}
    for table in copying.TABLES:
        columns = {row[1] for row in db.read(f"PRAGMA table_info({table.name})")}
        assert columns - KEPT_BACK == set(table.columns), table.name
    db.close()


class Killed(Exception):
    """The process ends here."""


class Dying:
    """A store whose process is killed at its nth transaction."""

    def __init__(self, db: Database, at: int) -> None:
        self._db = db
        self._left = at

    def read(self, sql: str, parameters: Iterable[Any] = ()) -> list[Any]:
        """As ever."""
        return self._db.read(sql, parameters)

    def transact(self, work: Callable[[Any], Any]) -> Any:
        """Die instead of the nth."""
        self._left -= 1
        if self._left < 0:
            raise Killed
        return self._db.transact(work)

    def transaction(self) -> Any:
        """Nothing of a copy is written so."""
        raise AssertionError

    def close(self) -> None:
        """As ever."""
        self._db.close()


def test_a_killed_copy_goes_on(
    places: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any page, the same copy goes on; till it is whole no run takes the account."""
    monkeypatch.setattr(copying, "PAGE", 7)
    source, target = places
    fill(source)
    for at in (1, 2, 9, 3, 12):
        db, other = store(source), store(target)
        with pytest.raises(Killed):
            Copy(db, Dying(other, at)).account(ACCOUNT)
        db.close()
        other.close()
        with open_ledger(target, ACCOUNT) as half, pytest.raises(UsageError, match="not finished"):
            half.totals()
        with open_ledger(target, ACCOUNT) as half, pytest.raises(UsageError, match="not finished"):
            half.apply([], [], run_id="x", now=1.0)
    done = copied(source, target)
    assert done.resumed
    assert told(target) == told(source)


def test_a_source_that_moved_is_copied_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run changed between two tries is in the copy."""
    monkeypatch.setattr(copying, "PAGE", 7)
    source, target = tmp_path / "a.db", tmp_path / "b.db"
    fill(source)
    db, other = store(source), store(target)
    with pytest.raises(Killed):
        Copy(db, Dying(other, 6)).account(ACCOUNT)
    db.close()
    other.close()
    with open_ledger(source, ACCOUNT) as ledger:
        sent = Transition("a late one", NEW, Sent(0, PRINT_A, 200.0))
        ledger.apply([sent], [], run_id="night-2", now=200.0)
    done = copied(source, target)
    assert not done.resumed
    assert told(target) == told(source)


def test_a_copy_that_went_wrong_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one id comes out as another, the account stays half and nobody may use it."""
    source, target = tmp_path / "a.db", tmp_path / "b.db"
    fill(source)
    numbers = copying._with_numbers
    luck = random.Random(1)

    def with_a_flaw(table: Any, row: list[Any], runs: dict[str, int]) -> list[Any]:
        row = numbers(table, row, runs)
        if table.name == "customer" and luck.random() < 0.05:
            row[table.columns.index("customer_id")] = "bcus_other"
        return row

    monkeypatch.setattr(copying, "_with_numbers", with_a_flaw)
    with pytest.raises(LedgerFailed, match="differs from its source in customer"):
        copied(source, target)
    with open_ledger(target, ACCOUNT) as half, pytest.raises(UsageError, match="not finished"):
        half.states(["x"])
    monkeypatch.setattr(copying, "_with_numbers", numbers)
    copied(source, target)
    assert told(target) == told(source)


def test_a_copy_is_never_mixed(tmp_path: Path) -> None:
    """A target with other data or a foreign part is left; one that sent nothing is none."""
    source, target = tmp_path / "a.db", tmp_path / "b.db"
    fill(source)
    fill(target, customers=3)
    before = told(target)
    with pytest.raises(UsageError, match="holds other data of this account"):
        copied(source, target)
    assert told(target) == before

    begun = tmp_path / "c.db"
    with open_ledger(begun, ACCOUNT) as ledger:
        ledger.begin_run(
            "dry", started_at=1, command="dry run", version="1", key_digest="", sources=[]
        )
    mark = json.dumps({"salt": "0" * 16, "version": "", "table": "run", "after": 0})
    raw(begun).execute("UPDATE account SET copying = ?", (mark,))
    with pytest.raises(UsageError, match="part of a copy from another ledger"):
        copied(source, begun)
    raw(begun).execute("UPDATE account SET copying = ''")
    copied(source, begun)
    assert told(begun) == told(source)


def test_what_is_not_there_is_not_copied(tmp_path: Path) -> None:
    """An account that the source does not know, or holds half, is an error."""
    source, target = tmp_path / "a.db", tmp_path / "b.db"
    fill(source)
    with pytest.raises(UsageError, match="holds nothing of"):
        copied(source, target, OTHER)
    raw(source).execute("UPDATE account SET copying = 'x'")
    with pytest.raises(UsageError, match="was not finished"):
        copied(source, target)
