"""What happened to one customer, when, in which run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import importer.ledger.ledger as module
from importer.delivery.protocol.states import NEW, Attempt, Done, Origin, Rejected, Sent, Transition
from importer.ledger.opening import open_ledger
from importer.ledger.run_table import Entry
from tests.ledger.samples import (
    ACCOUNT,
    DONE,
    PRINT_A,
    PRINT_B,
    SENT,
    Place,
    attempt,
    done,
    raw,
    sent,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_straight_path_costs_one_row_and_is_told_all_the_same(tmp_path: Path) -> None:
    """Sent and created are told by the customer's row, without a row of attempts."""
    path = tmp_path / "ledger.db"
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r1", now=100.0)
        ledger.apply([done("A")], [], run_id="r1", now=101.0)
        history = ledger.history("A")
    assert raw(path).execute("SELECT COUNT(*) FROM attempt").fetchone() == (0,)
    assert history is not None
    assert history.state == DONE
    assert (history.first_sent_at, history.settled_at, history.http_status) == (100.0, 101.0, 201)
    assert history.requests == 1
    assert history.entries == (
        Entry(100.0, "sent", 0, 0, "", "r1"),
        Entry(101.0, "created", 0, 201, "", "r1"),
    )


def test_a_long_story_is_told_in_order(place: Place) -> None:
    """Refused, corrected, lost and created: every step with its time, generation and run."""
    corrected = Sent(1, PRINT_B, 200.0)
    created = Done(1, PRINT_B, "bcus_9", Origin.REPLAYED, ("name",))
    refused = Rejected(0, PRINT_A, 400, "bad_phone")
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r1", now=100.0)
        ledger.apply(
            [Transition("A", SENT, refused)],
            [Attempt("A", 101.0, "refused", 0, 400, "bad_phone")],
            run_id="r1",
            now=101.5,
        )
        ledger.apply([Transition("A", refused, corrected)], [], run_id="r2", now=200.0)
        noted = [
            Attempt("A", 201.0, "unknown", 1, 0, "read_timeout"),
            Attempt("A", 202.0, "not_sent", 1, 0, "connect_failed"),
            Attempt("A", 203.0, "created_replayed", 1, 201, ""),
        ]
        change = Transition("A", corrected, created, 201)
        ledger.apply([change], noted, run_id="r3", now=203.5)
        history = ledger.history("A")
    assert history is not None
    assert [(one.at, one.event, one.generation, one.run_id) for one in history.entries] == [
        (100.0, "sent", 0, "r1"),
        (101.0, "refused", 0, "r1"),
        (200.0, "advanced", 1, "r2"),
        (201.0, "unknown", 1, "r3"),
        (202.0, "not_sent", 1, "r3"),
        (203.0, "created_replayed", 1, "r3"),
    ]
    assert history.state == created
    assert history.requests == 3
    assert (history.first_run, history.last_run) == ("r1", "r3")
    assert history.first_sent_at == 200.0


def test_a_noted_creation_is_told_once(place: Place) -> None:
    """When the creation is an attempt of its own, the row does not tell it again."""
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([sent("A")], [Attempt("A", 100.5, "unknown", 0)], run_id="r", now=100.0)
        ledger.apply([done("A")], [Attempt("A", 101.0, "created", 0, 201)], run_id="r", now=101.0)
        history = ledger.history("A")
    assert history is not None
    assert [one.event for one in history.entries] == ["sent", "unknown", "created"]
    assert history.requests == 2


def test_an_unknown_customer_has_no_history(place: Place) -> None:
    """Before and after the account exists, an unknown reference answers None."""
    with open_ledger(place(), ACCOUNT) as ledger:
        assert ledger.history("A") is None
        ledger.apply([Transition("B", NEW, SENT)], [], run_id="r", now=1.0)
        assert ledger.history("A") is None


def test_an_old_history_is_dropped_and_the_row_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happened before a time goes, a page at a time; state, times and requests stay."""
    monkeypatch.setattr(module, "PAGE", 2)
    with open_ledger(place(), ACCOUNT) as ledger:
        for day in range(1, 8):
            names = [f"R{number}" for number in range(day)]
            noted = [attempt(name, at=float(day)) for name in names]
            ledger.apply([sent(name) for name in names], noted, run_id="r", now=float(day))
        assert ledger.forget_attempts(before=6.0) == 15
        assert ledger.forget_attempts(before=6.0) == 0
        history = ledger.history("R0")
        assert history is not None
        assert [one.at for one in history.entries if one.event == "unknown"] == [6.0, 7.0]
        assert (history.requests, history.state) == (7, SENT)
        assert ledger.forget_attempts(before=99.0) == 13
