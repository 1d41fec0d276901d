"""A plan shows what a run would do, and sends nothing."""

from __future__ import annotations

import json
import sqlite3
import stat
from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import ExitCode, SourceError, UsageError
from importer.job.limit import parse_limit
from importer.job.plan_guard import load_plan
from importer.ledger.sqlite.lock import RunLock
from importer.ledger.sqlite.migrations import STEPS, migrate
from importer.outcomes import OnDuplicate
from tests.job.conftest import HEADER, customers, outcomes
from tests.job.planning import Heard, Planner

if TYPE_CHECKING:
    from pathlib import Path


def test_a_plan_says_what_the_run_then_does(planner: Planner) -> None:
    """Every record is in the plan with what becomes of it, and nothing is sent by planning."""
    job = planner.job
    job.run(customers(range(4)))
    text = (
        customers(range(6)).replace(",ZAR,3\n", ",ZAR,33\n") + "C 9,x,,,,\nC-0,y,,,,\nC-0,y,,,,\n"
    )
    sent = job.state()["requests"]
    made = planner.plan(text, on_duplicate=OnDuplicate.FIRST)
    assert job.state()["requests"] == sent
    assert made.records == 9
    assert made.forecast.outcomes == {
        "would_create": 2,
        "unchanged": 3,
        "changed": 1,
        "duplicate": 2,
        "invalid": 1,
    }
    assert made.forecast.changed_fields == {"balance": 1}
    assert made.exit_code is ExitCode.ROWS_LEFT
    done = planner.follow(on_duplicate=OnDuplicate.FIRST)
    expected = dict(made.forecast.outcomes)
    expected["created"] = expected.pop("would_create")
    assert outcomes(done) == expected
    assert json.loads((done.results / "summary.json").read_text())["plan"] == made.saved.digest  # type: ignore[union-attr]


def test_a_plan_leaves_nothing_behind(offline: Planner) -> None:
    """No results, no scratch, no ledger; only the plan itself, for its owner alone."""
    offline.plan(customers(range(3)))
    assert {path.name for path in offline.job.folder.iterdir()} == {"customers.csv", "plan.json"}
    assert stat.S_IMODE(offline.file.stat().st_mode) == 0o600
    (offline.job.folder / "results").mkdir()
    offline.plan(customers(range(3)))
    assert list((offline.job.folder / "results").iterdir()) == []


def test_a_plan_holds_no_personal_data(offline: Planner) -> None:
    """The file has counts and digests, no row."""
    offline.plan(customers(range(2), name="Zaphod Example"))
    shown = offline.file.read_text()
    assert "Zaphod" not in shown
    assert "c1@example.com" not in shown
    assert "C-1" not in shown


def test_the_same_plan_has_the_same_digest(offline: Planner) -> None:
    """Made again it can be compared; any other input gives another one."""
    first = offline.plan(customers(range(3))).saved
    again = offline.plan(customers(range(3))).saved
    other = offline.plan(customers(range(4))).saved
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.digest == again.digest != other.digest
    assert load_plan(offline.file) == other


def test_a_source_that_is_no_customer_file_is_an_error(offline: Planner) -> None:
    """As for a run, and no plan is written."""
    with pytest.raises(SourceError, match="external_reference"):
        offline.plan("name\nAda\n")
    assert not offline.file.exists()


def test_a_ledger_of_another_account_is_pointed_out(planner: Planner) -> None:
    """Who forgets --live or --account must not believe that everything is new."""
    planner.job.run(customers(range(2)))
    heard = Heard()
    made = planner.plan(customers(range(2)), save=False, observer=heard, account="other")
    assert made.forecast.outcomes == {"would_create": 2}
    assert len(heard.warnings) == 1
    assert heard.warnings[0].startswith("other_account: ")
    assert "account default" in heard.warnings[0]


def test_a_ledger_of_an_older_version_is_brought_up_to_date(planner: Planner) -> None:
    """Planning comes before the first run of a new version; fields are then not known yet."""
    job = planner.job
    job.run(customers(range(2)))
    _downgrade(job.folder / "ledger.db")
    with RunLock(job.folder / "ledger.db", run_id="busy"), pytest.raises(Exception, match="busy"):
        planner.plan(customers(range(2)))
    made = planner.plan(customers(range(2)).replace(",ZAR,1\n", ",ZAR,2\n"))
    assert made.forecast.outcomes == {"unchanged": 1, "changed": 1}
    assert made.forecast.unknown_fields == 1
    assert outcomes(planner.follow()) == {"unchanged": 1, "changed": 1}


def _downgrade(path: Path) -> None:
    """Make the ledger one of the first version, with the rows that it has."""
    db = sqlite3.connect(path, isolation_level=None)
    for table, names in {
        "customer": ["fields", "hashes", "base", "synced"],
        "attempt": ["detail", "request_id", "seconds"],
        "account": ["version", "plan", "plan_base", "salt", "copying"],
        "run": ["plan", "series", "volume", "stopped_by", "input"],
    }.items():
        for name in names:
            db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    for table in ("total", "sync", "news"):
        db.execute(f"DROP TABLE {table}")
    db.execute("PRAGMA user_version = 1")
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    migrate(fresh, STEPS[:1])
    columns = (
        "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
        " WHERE m.type = 'table' ORDER BY 1, 2"
    )
    assert db.execute(columns).fetchall() == fresh.execute(columns).fetchall()
    db.close()


def test_a_plan_made_while_a_run_works_is_not_saved(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would rest on a ledger that nobody saw as a whole."""
    planner.job.run(customers(range(2)))

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        from importer.plan.forecast import forecast

        monkeypatch.undo()
        planner.job.run(sources=(planner.job.write(customers(range(70, 71)), "more.csv"),))
        return forecast(*args, **kwargs)

    monkeypatch.setattr("importer.job.planning.forecast", meanwhile)
    with pytest.raises(UsageError, match="the ledger moved while the plan was made"):
        planner.plan(customers(range(3)))
    assert not planner.file.exists()


def test_a_run_notes_fields_so_that_the_next_plan_can_name_them(planner: Planner) -> None:
    """Whoever settled a row, on the straight path or by a look-up, its fields are known."""
    job = planner.job
    job.run(customers(range(3)))
    (job.folder / "ledger.db").unlink()
    job.fault("stored500=1")
    job.run(customers(range(3)))
    text = HEADER + "".join(f"C-{n},New Name,c{n}@example.com,,ZAR,{n}\n" for n in range(3))
    made = planner.plan(text)
    assert made.forecast.changed_fields == {"name": 3, "phone": 3}
    assert made.forecast.unknown_fields == 0


def test_a_plan_that_would_send_nothing_is_not_saved(offline: Planner) -> None:
    """Where the stop rule of a run would strike, the plan says so; the limit is held to."""
    text = customers(range(40)) + "C 9,x,,,,\n" * 20
    made = offline.plan(text)
    assert made.stopped_by is not None
    assert "20 of 60 rows" in made.stopped_by.message
    assert made.forecast.outcomes == {"would_create": 40, "invalid": 20}
    assert not offline.file.exists()
    made = offline.plan(text, max_errors=parse_limit("1000"))
    assert made.stopped_by is None
    held = load_plan(offline.file).settings["max_errors"]
    assert parse_limit(held) == parse_limit("1000")
    with pytest.raises(UsageError, match="settings: max_errors was '1000' and is '40 %'"):
        offline.follow(max_errors=parse_limit("40%"))
