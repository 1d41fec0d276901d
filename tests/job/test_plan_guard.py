"""A run that follows a plan does exactly that, or nothing, and says what has moved."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from importer.errors import UsageError
from importer.job.job_settings import DeliverySettings, InputSettings
from importer.job.plan_guard import DECIDING, FREE, PlanGuard, load_plan, settings_of
from importer.job.planning import plan
from importer.outcomes import OnDuplicate
from tests.job.conftest import customers, outcomes
from tests.job.planning import Heard, Planner


def test_a_plan_that_is_done_can_be_run_again(planner: Planner) -> None:
    """The ledger has moved by this plan alone: nothing is left, and nothing is sent."""
    planner.plan(customers(range(5)))
    heard = Heard()
    assert outcomes(planner.follow(observer=heard)) == {"created": 5}
    sent = planner.job.state()["requests"]
    assert outcomes(planner.follow(observer=heard)) == {"unchanged": 5}
    assert planner.job.state()["requests"] == sent
    assert heard.begun == [False, True]


def test_a_plan_can_be_followed_in_parts(planner: Planner) -> None:
    """--limit sends some of it, the next run of the plan the rest, whatever the pace."""
    planner.plan(customers(range(9)))
    assert outcomes(planner.follow(limit=4)) == {"created": 4, "unsettled": 5}
    assert outcomes(planner.follow(limit=4, dry_run=True)) == {"unchanged": 4, "would_create": 5}
    assert outcomes(planner.follow(concurrency=2)) == {"unchanged": 4, "created": 5}
    assert len(planner.job.held()) == 9


def test_a_plan_ends_when_another_run_moves_the_ledger(planner: Planner) -> None:
    """Also half-way: what another run changed was not in the plan."""
    planner.plan(customers(range(6)))
    planner.follow(limit=2)
    other = planner.job.run(sources=(planner.job.write(customers(range(50, 51)), "other.csv"),))
    sent = planner.job.state()["requests"]
    with pytest.raises(UsageError) as caught:
        planner.follow()
    assert "What moved: the ledger" in caught.value.message
    assert other.summary.run_id in caught.value.message
    assert planner.job.state()["requests"] == sent


def test_a_restored_ledger_is_another_one(planner: Planner) -> None:
    """An older copy in its place is noticed, although it was this very ledger once."""
    ledger, copy = (planner.job.folder / name for name in ("ledger.db", "copy.db"))
    planner.job.run(customers(range(2)))
    shutil.copy(ledger, copy)
    planner.job.run(customers(range(3)))
    planner.plan(customers(range(5)))
    shutil.copy(copy, ledger)
    with pytest.raises(UsageError, match="What moved: the ledger"):
        planner.follow()
    ledger.unlink()
    with pytest.raises(UsageError, match="What moved: the ledger"):
        planner.follow()


def test_a_row_that_was_altered_behind_our_back_is_noticed(planner: Planner) -> None:
    """Decisions are held against the plan as well, whatever the ledger's version says."""
    planner.job.run(customers(range(3)))
    planner.plan(customers(range(5)))
    db = sqlite3.connect(planner.job.folder / "ledger.db")
    db.execute("DELETE FROM customer WHERE reference = 'C-1'")
    db.commit()
    db.close()
    with pytest.raises(UsageError, match="What moved: the ledger: it calls for other decisions"):
        planner.follow()


def test_a_source_that_moved_is_named(offline: Planner) -> None:
    """One byte is enough, and the ledger is not even opened."""
    offline.plan(customers(range(3)))
    path = offline.job.write(customers(range(3)).replace(",ZAR,2", ",ZAR,3"))
    with pytest.raises(UsageError) as caught:
        offline.follow()
    assert f"What moved: the input: {path} was " in caught.value.message
    assert not (offline.job.folder / "ledger.db").exists()
    Path(path).unlink()
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        offline.follow()


def test_rows_that_are_judged_otherwise_are_noticed(
    offline: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes under other rules, such as those of a newer version, are another plan."""
    offline.plan(customers(range(3)))
    monkeypatch.setattr("importer.job.source_reading.judge_batch", _all_invalid)
    with pytest.raises(UsageError, match="What moved: the input: its records are judged"):
        offline.follow()


def _all_invalid(batch: Any, columns: Any) -> Any:
    from importer.rows.judged import judge_batch

    broken = batch.frame.with_columns(external_reference=None)
    return judge_batch(
        replace(batch, frame=broken.cast(dict.fromkeys(broken.columns, str))), columns
    )


OTHER_SETTINGS = {
    "account": "other",
    "base_url": "https://other.example.com",
    "ledger": Path("other.db"),
    "retry_rejected": True,
    "strict": True,
    "on_duplicate": OnDuplicate.LAST,
    "delimiter": ";",
}


def test_a_setting_that_decides_is_held_to_the_plan(offline: Planner) -> None:
    """It is named with both values, before anything is read or sent."""
    offline.plan(customers(range(2)))
    for option, value in OTHER_SETTINGS.items():
        with pytest.raises(UsageError) as caught:
            offline.follow(**{option: value})
        assert f"What moved: the settings: {option} was " in caught.value.message
        assert not (offline.job.folder / "ledger.db").exists()


def test_a_key_of_the_other_mode_does_not_fit_the_plan(offline: Planner) -> None:
    """A plan for test mode is not followed with a live key."""
    offline.plan(customers(range(2)))
    offline.job.key = replace(offline.job.key, mode="live")
    with pytest.raises(UsageError, match="settings: mode was 'test' and is 'live'"):
        offline.follow()


def test_other_sources_do_not_fit_the_plan(offline: Planner) -> None:
    """Sources may be named again, but only the same in the same order."""
    offline.plan(customers(range(2)))
    path = offline.job.write(customers(range(2)), "more.csv")
    with pytest.raises(UsageError, match="settings: the sources were "):
        offline.follow(sources=(path,))


def test_every_setting_is_held_or_free_on_purpose() -> None:
    """A new setting must say whether it decides what a run does."""
    delivery = {one.name for one in fields(DeliverySettings)}
    free = {"concurrency", "rate", "limit", "dry_run", "live", "key_changed", "engine"}
    # The volume guard may stop a run of a plan, and never lets it send anything else.
    free |= {"series", "incremental", "accept_drift", "accept_new_account"}
    # What the exit code says, and how long is waited or kept, sends nothing.
    free |= {"fail_on", "keep_history", "patience"}
    free |= {"max_fewer", "max_changed", "max_new", "max_vanished", "max_older"}
    assert delivery == {*DECIDING, *free}
    inputs = InputSettings(sources=("a.csv",))
    held = settings_of(inputs, DeliverySettings(base_url="https://api.example.com/"), "live")
    assert held.keys() == {*DECIDING, "mode"} | ({one.name for one in fields(inputs)} - FREE)
    assert json.loads(json.dumps(held)) == held
    assert not held.keys() & {"out", "no_report", "ca_bundle"}, (
        "what writes or trusts, sends nothing"
    )


def test_a_mapping_file_is_held_by_its_contents(offline: Planner) -> None:
    """The file that was planned with must be there, and the same."""
    job = offline.job
    mapping = job.write("version = 1\n", "import.toml")
    inputs, delivery = offline.settings((job.write(customers(range(2))),), config=Path(mapping))
    plan(inputs, delivery, "test", save=offline.file)
    guard = PlanGuard(load_plan(offline.file), offline.file)
    guard.check_files(inputs, delivery, "test")
    with pytest.raises(UsageError, match=r"What moved: the mapping: it was .*toml and is none"):
        guard.check_files(replace(inputs, config=None), delivery, "test")
    job.write("version = 1\n# changed\n", "import.toml")
    with pytest.raises(UsageError, match=r"What moved: the mapping: .*import.toml was 12 bytes"):
        guard.check_files(inputs, delivery, "test")
