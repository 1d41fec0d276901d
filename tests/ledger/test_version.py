"""The ledger's version: moved by every change, and by whom it was moved."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from importer.delivery.protocol.states import NEW, Transition
from importer.ledger.account import Account, Standing
from importer.ledger.opening import open_ledger
from importer.ledger.sqlite.migrations import STEPS, migrate
from tests.ledger.samples import ACCOUNT, DONE, REJECTED, SENT, Place, attempt, done, raw, sent

if TYPE_CHECKING:
    from pathlib import Path

    from importer.ledger.ledger import Ledger

PLAN, OTHER_PLAN = "d" * 64, "e" * 64


def begin(ledger: Ledger, run_id: str, plan: tuple[str, str] | None = None) -> None:
    """Begin a run, which follows a plan or none."""
    ledger.begin_run(
        run_id, started_at=1.0, command="run", version="0", key_digest="", sources=[], plan=plan
    )


def move(ledger: Ledger, run_id: str, reference: str) -> None:
    """Change one customer in this run."""
    assert ledger.apply([sent(reference)], [], run_id=run_id, now=2.0) == [None]


def test_every_change_of_a_customer_gives_another_version(place: Place) -> None:
    """Sent, settled and refused move it, and no version comes twice; "" stands for nothing yet."""
    with open_ledger(place(), ACCOUNT) as ledger:
        seen = [ledger.version()]
        assert seen == [""]
        for change in (sent("A"), done("A"), sent("B"), Transition("B", SENT, REJECTED)):
            ledger.apply([change], [], run_id="r", now=1.0)
            seen.append(ledger.version())
    assert len(set(seen)) == len(seen)


def test_what_changes_no_customer_leaves_the_version(place: Place) -> None:
    """A run that begins and ends, a note and a refused change move nothing."""
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([sent("A"), done("A")], [], run_id="r", now=1.0)
        before = ledger.version()
        begin(ledger, "r2")
        ledger.apply([], [attempt("A")], run_id="r2", now=1.0)
        assert ledger.apply([Transition("A", NEW, SENT)], [], run_id="r2", now=1.0) == [DONE]
        ledger.end_run("r2", ended_at=2.0, exit_code=0, counts={})
        assert ledger.version() == before


def test_accounts_have_versions_of_their_own(place: Place) -> None:
    """A run for another merchant in the same file moves nothing here."""
    path = place()
    other = Account(ACCOUNT.base_url, "test", "other")
    with open_ledger(path, ACCOUNT) as ledger, open_ledger(path, other) as theirs:
        move(ledger, "r", "A")
        before = ledger.version()
        move(theirs, "r", "A")
        assert ledger.version() == before != theirs.version()


def test_an_older_copy_is_another_version_and_stays_one(tmp_path: Path) -> None:
    """A restored ledger has its old version, and never comes to the one that was lost."""
    path, copy = tmp_path / "ledger.db", tmp_path / "copy.db"
    with open_ledger(path, ACCOUNT) as ledger:
        move(ledger, "r", "A")
        old = ledger.version()
    shutil.copy(path, copy)
    with open_ledger(path, ACCOUNT) as ledger:
        move(ledger, "r", "B")
        lost = ledger.version()
    with open_ledger(copy, ACCOUNT) as ledger:
        assert ledger.version() == old
        assert ledger.standing(PLAN, lost) is Standing.MOVED
        move(ledger, "r", "B")
        assert ledger.version() not in {old, lost}
        assert ledger.standing(PLAN, lost) is Standing.MOVED


def test_a_plan_may_go_on_after_its_own_runs_alone(place: Place) -> None:
    """Runs of the plan move the ledger and the plan holds; any other change ends it."""
    with open_ledger(place(), ACCOUNT) as ledger:
        move(ledger, "before", "A")
        base = ledger.version()
        assert ledger.standing(PLAN, base) is Standing.AS_PLANNED
        for run_id, reference in (("p1", "B"), ("p2", "C")):
            begin(ledger, run_id, (PLAN, base))
            move(ledger, run_id, reference)
            assert ledger.standing(PLAN, base) is Standing.BEGUN
            assert ledger.standing(OTHER_PLAN, base) is Standing.MOVED
        begin(ledger, "other")
        assert ledger.standing(PLAN, base) is Standing.BEGUN
        move(ledger, "other", "D")
        assert ledger.standing(PLAN, base) is Standing.MOVED
        move(ledger, "p2", "E")
        assert ledger.standing(PLAN, base) is Standing.MOVED


def test_the_first_plan_that_moves_an_empty_ledger_wins(place: Place) -> None:
    """Two plans of nothing: the one that was begun goes on, the other does not hold."""
    with open_ledger(place(), ACCOUNT) as ledger:
        begin(ledger, "q", (OTHER_PLAN, ""))
        assert ledger.standing(PLAN, "") is Standing.AS_PLANNED
        begin(ledger, "p", (PLAN, ""))
        move(ledger, "p", "A")
        assert ledger.standing(PLAN, "") is Standing.BEGUN
        assert ledger.standing(OTHER_PLAN, "") is Standing.MOVED


def test_a_ledger_of_before_gets_a_version(tmp_path: Path) -> None:
    """Accounts of a ledger that is upgraded start with versions that differ from nothing."""
    path = tmp_path / "ledger.db"
    db = raw(path)
    migrate(db, STEPS[:1])
    for name in ("default", "other"):
        values = (ACCOUNT.base_url, ACCOUNT.mode, name)
        db.execute("INSERT INTO account (base_url, mode, name) VALUES (?, ?, ?)", values)
    db.close()
    other = Account(ACCOUNT.base_url, "test", "other")
    with open_ledger(path, ACCOUNT) as ledger, open_ledger(path, other) as theirs:
        assert len({"", ledger.version(), theirs.version()}) == 3
