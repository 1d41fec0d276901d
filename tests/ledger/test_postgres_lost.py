"""Connections that are lost on the way: what was asked for is applied once, or not at all."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from importer.errors import LedgerFailed
from importer.ledger.address import LedgerAddress
from importer.ledger.interface import NoLedger
from importer.ledger.opening import open_ledger
from importer.ledger.postgres import postgres_connection as module
from tests.ledger.cutting_proxy import Cut, CuttingProxy
from tests.ledger.samples import ACCOUNT, DONE, SENT, attempt, done, sent
from tests.postgres_server import PASSWORD, PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.ledger.ledger import Ledger
    from importer.ledger.postgres.postgres_connection import PostgresTransaction


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[CuttingProxy]:
    """A proxy in front of the server."""
    with CuttingProxy(postgres_server.port) as running:
        yield running


def through(proxy: CuttingProxy, address: LedgerAddress) -> LedgerAddress:
    """The same ledger, by way of the proxy."""
    url = f"postgresql://importer:{PASSWORD}@127.0.0.1:{proxy.port}/importer"
    return LedgerAddress.parse(f"{url}?schema={address.schema}")


def batch(ledger: Ledger, *, now: float = 2.0) -> list[object]:
    """New rows, a held row that is settled, and an event of the history."""
    changes = [sent("A"), done("B", "bcus_b"), sent("C")]
    return list(ledger.apply(changes, [attempt("A")], run_id="r", now=now))


def events(ledger: Ledger) -> int:
    """How often that event is in the history."""
    history = ledger.history("A")
    return sum(one.event == "unknown" for one in history.entries) if history else 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "marker", [b"BEGIN", b"UPDATE writer", b"FOR UPDATE", b"FROM STDIN", b"COMMIT"]
)
def test_a_batch_whose_connection_is_lost_is_applied_once(
    proxy: CuttingProxy, postgres_address: LedgerAddress, marker: bytes, when: str
) -> None:
    """Wherever it is cut, before a statement or before its answer, nothing is lost or doubled."""
    with open_ledger(through(proxy, postgres_address), ACCOUNT) as ledger:
        ledger.apply([sent("B")], [], run_id="r", now=1.0)
        proxy.cuts = [Cut(marker, when)]
        assert batch(ledger) == [None, None, None]
        assert not proxy.cuts
        assert set(ledger.states(["A", "B", "C"])) == {"A", "B", "C"}
        assert ledger.totals() == {"sent": 2, "done": 1}
        assert events(ledger) == 1


def test_without_reading_back_a_lost_answer_doubles_what_it_wrote(
    proxy: CuttingProxy, postgres_address: LedgerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above notice if a commit whose answer was lost is assumed to have failed."""
    with open_ledger(through(proxy, postgres_address), ACCOUNT) as ledger:
        ledger.apply([sent("B")], [], run_id="r", now=1.0)
        proxy.cuts = [Cut(b"COMMIT", "after")]
        monkeypatch.setattr(module.PostgresDatabase, "_took_place", lambda *_: False)
        monkeypatch.setattr(module.PostgresDatabase, "_sign", lambda *_: None)
        assert batch(ledger) != [None, None, None]
        assert events(ledger) == 2


def test_a_commit_that_arrives_late_is_waited_for(
    proxy: CuttingProxy, postgres_address: LedgerAddress
) -> None:
    """The lost connection's transaction is open still: whether it commits is asked, not guessed."""
    with open_ledger(through(proxy, postgres_address), ACCOUNT) as ledger:
        ledger.apply([sent("B")], [], run_id="r", now=1.0)
        proxy.cuts = [Cut(b"COMMIT", "late")]
        found: list[object] = []
        working = threading.Thread(target=lambda: found.extend(batch(ledger)))
        working.start()
        with open_ledger(postgres_address, ACCOUNT, read_only=True) as other:
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not other._db.read(waiting):
                assert working.is_alive()
                time.sleep(0.001)
            assert events(other) == 0
        proxy.release()
        working.join()
        assert found == [None, None, None]
        assert events(ledger) == 1


def test_a_transaction_that_dies_with_its_connection_is_done_again(
    proxy: CuttingProxy, postgres_address: LedgerAddress
) -> None:
    """Twice in succession, and once more while it looks what became of the first."""
    with open_ledger(through(proxy, postgres_address), ACCOUNT) as ledger:
        ledger.apply([sent("B")], [], run_id="r", now=1.0)
        proxy.cuts = [
            Cut(b"COMMIT", "before"),
            Cut(b"SELECT commits", "after"),
            Cut(b"COMMIT", "before"),
            Cut(b"COMMIT", "after"),
        ]
        assert batch(ledger) == [None, None, None]
        assert not proxy.cuts
        assert events(ledger) == 1


def test_a_transaction_that_slept_too_long_is_done_again(postgres_address: LedgerAddress) -> None:
    """The server ends such a session, so that nobody waits for its rows; nothing of it is left."""
    tries: list[object] = []

    def work(db: PostgresTransaction) -> None:
        tries.append(db)
        db.execute("UPDATE account SET plan = plan || 'x'")
        if len(tries) == 1:
            db.execute("SET idle_in_transaction_session_timeout TO '20ms'")
            time.sleep(0.3)
            db.read("SELECT 1")

    with open_ledger(postgres_address, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
        ledger._db.transact(work)
        assert len(tries) == 2
        assert ledger._db.read("SELECT plan FROM account") == [("x",)]


def test_reads_go_on_after_a_lost_connection(
    proxy: CuttingProxy, postgres_address: LedgerAddress
) -> None:
    """States, versions and walks come whole, whichever connection they come by."""
    with open_ledger(through(proxy, postgres_address), ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
        for marker, ask in (
            (b"ANY", lambda: ledger.states(["A"])),
            (b"TO STDOUT", lambda: [one.rows() for one in ledger.versions(["A"])]),
            (b"ORDER BY", lambda: list(ledger.iter_states())),
        ):
            before = ask()
            for when in ("before", "after"):
                proxy.cuts = [Cut(marker, when)]
                assert ask() == before
                assert not proxy.cuts


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back_lost_nothing(
    postgres_server: PostgresServer, postgres_address: LedgerAddress
) -> None:
    """Every batch that was reported is there, and each once, after kill -9 of the whole server."""
    with open_ledger(postgres_address, ACCOUNT) as ledger:
        applied: list[int] = []

        def work() -> None:
            for number in range(40):
                changes = [sent(f"R{number}-{one}") for one in range(3)]
                ledger.apply(changes, [attempt(f"R{number}-0")], run_id="r", now=1.0)
                applied.append(number)

        working = threading.Thread(target=work)
        working.start()
        for reached in (8, 20):
            while len(applied) < reached and working.is_alive():
                time.sleep(0.001)
            postgres_server.kill_nine()
            postgres_server.restart()
        working.join()
        assert applied == list(range(40))
        assert ledger.totals() == {"sent": 120}
        assert all(ledger.history(f"R{number}-0").requests == 1 for number in applied)  # type: ignore[union-attr]


def test_a_server_that_stays_away_stops_the_run_in_words(
    postgres_address: LedgerAddress, monkeypatch: pytest.MonkeyPatch, proxy: CuttingProxy
) -> None:
    """After a bounded time; nothing of the batch is there, and no password in the message."""
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    address = through(proxy, postgres_address)
    with open_ledger(address, ACCOUNT) as ledger:
        ledger._db._patience = 0.2  # type: ignore[attr-defined]
        ledger.apply([sent("B")], [], run_id="r", now=1.0)
        proxy.cuts = [Cut(b"", "before")] * 100
        with pytest.raises(LedgerFailed) as caught:
            batch(ledger)
        proxy.cuts = []
        assert PASSWORD not in caught.value.message + caught.value.hint
        assert "same command again" in caught.value.hint
        assert ledger.states(["A", "B"]) == {"B": SENT}
        # The same ledger goes on once the server is back.
        assert batch(ledger) == [None, None, None]
        assert ledger.states(["B"])["B"] != DONE


def test_a_server_that_is_not_there_is_said_at_once(postgres_server: PostgresServer) -> None:
    """Nothing is tried for long before anything was open; a reader says the same."""
    nowhere = LedgerAddress.parse(postgres_server.url(port=1))
    for read_only in (True, False):
        with pytest.raises(LedgerFailed, match="cannot be reached"):
            open_ledger(nowhere, ACCOUNT, read_only=read_only)
    with pytest.raises(NoLedger):
        open_ledger(
            LedgerAddress.parse(postgres_server.url(schema="nobody")), ACCOUNT, read_only=True
        )


def test_a_server_that_hangs_is_given_up(
    postgres_server: PostgresServer,
    postgres_address: LedgerAddress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It neither answers nor closes: an error ends it, and what follows is applied once."""
    monkeypatch.setattr(module, "SILENCE", 0.2)
    monkeypatch.setattr(module, "_DEFAULTS", module._DEFAULTS | {"connect_timeout": 1})
    with open_ledger(postgres_address, ACCOUNT) as ledger:
        monkeypatch.setattr(ledger._db, "_patience", 0.0)
        ledger.apply([sent("B")], [], run_id="r", now=1.0)
        with postgres_server.frozen(), pytest.raises(LedgerFailed, match="connection was lost"):
            batch(ledger)
        assert batch(ledger) == [None, None, None]
        assert events(ledger) == 1


def test_a_server_that_hangs_for_a_while_is_waited_for(
    postgres_server: PostgresServer,
    postgres_address: LedgerAddress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A commit that it still makes when it goes on is not made a second time."""
    monkeypatch.setattr(module, "SILENCE", 0.2)
    monkeypatch.setattr(module, "_DEFAULTS", module._DEFAULTS | {"connect_timeout": 1})
    with open_ledger(postgres_address, ACCOUNT) as ledger:
        ledger.apply([sent("B")], [], run_id="r", now=1.0)
        found: list[object] = []
        dropped = threading.Event()
        db = ledger._db
        assert isinstance(db, module.PostgresDatabase)
        drop = db.drop

        def lost() -> None:
            drop()
            dropped.set()

        monkeypatch.setattr(db, "drop", lost)
        working = threading.Thread(target=lambda: found.extend(batch(ledger)))
        with postgres_server.frozen():
            working.start()
            assert dropped.wait(30)
        working.join()
        assert found == [None, None, None]
        assert events(ledger) == 1
