"""A plan shows what a run would do; a run that follows it does that, or nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import ExitCode, SourceError, UsageError
from importer.job.limit import parse_limit
from importer.job.observer import Observer
from importer.job.plan import Planning, plan
from importer.job.plan_file import load_plan
from importer.job.plan_guard import DECIDING, FREE, PlanGuard, settings_of
from importer.job.settings import DeliverySettings, InputSettings
from importer.ledger import RunLock
from importer.ledger.migrations import STEPS, migrate
from importer.rows import OnDuplicate
from tests.job.conftest import HEADER, Job, customers, outcomes

if TYPE_CHECKING:
    from importer.job.run import Finished


@dataclass
class Planner:
    """Plans, and follows plans, with the files of a job."""

    job: Job

    @property
    def file(self) -> Path:
        """Where the plan is saved."""
        return self.job.folder / "plan.json"

    def settings(self, sources: tuple[str, ...], **options: Any) -> tuple[Any, Any]:
        """Input and delivery settings of the job."""
        inputs = InputSettings(sources=sources, out=self.job.folder / "results")
        delivery = DeliverySettings(
            ledger=self.job.folder / "ledger.db", base_url=self.job.base_url
        )
        for name, value in options.items():
            if hasattr(inputs, name):
                inputs = replace(inputs, **{name: value})
            else:
                delivery = replace(delivery, **{name: value})
        return inputs, delivery

    def plan(
        self,
        text: str,
        *,
        save: bool = True,
        observer: Observer | None = None,
        **options: Any,
    ) -> Planning:
        """Plan this text, in test mode."""
        inputs, delivery = self.settings((self.job.write(text),), **options)
        path = self.file if save else None
        return plan(inputs, delivery, "test", save=path, observer=observer)

    def follow(self, **options: Any) -> Finished:
        """Run with the saved plan."""
        saved = load_plan(self.file)
        sources = tuple(one.name for one in saved.sources)
        return self.job.run(
            sources=options.pop("sources", sources), plan=PlanGuard(saved, self.file), **options
        )


@pytest.fixture
def planner(job: Job) -> Planner:
    """A planner with a fresh sandbox and ledger."""
    return Planner(job)


@pytest.fixture
def offline(tmp_path: Path) -> Planner:
    """A planner whose API nobody answers for: what is refused or planned asks nobody."""
    return Planner(Job(tmp_path, "http://127.0.0.1:9"))


class Heard(Observer):
    """Remembers warnings, and how plans were followed."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.begun: list[bool] = []

    def warning(self, code: str, text: str) -> None:
        """As Observer."""
        self.warnings.append(f"{code}: {text}")

    def following(self, digest: str, *, begun: bool) -> None:
        """As Observer."""
        assert len(digest) == 64
        self.begun.append(begun)


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
    monkeypatch.setattr("importer.job.judging.judge_batch", _all_invalid)
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
    free = {"concurrency", "rate", "limit", "dry_run", "live", "key_changed"}
    assert delivery == {*DECIDING, *free}
    inputs = InputSettings(sources=("a.csv",))
    held = settings_of(inputs, DeliverySettings(base_url="https://api.example.com/"), "live")
    assert held.keys() == {*DECIDING, "mode"} | ({one.name for one in fields(inputs)} - FREE)
    assert json.loads(json.dumps(held)) == held


def test_a_mapping_file_is_held_by_its_contents(offline: Planner) -> None:
    """The file that was planned with must be there, and the same."""
    job = offline.job
    mapping = job.write("version = 1\n", "import.toml")
    inputs, delivery = offline.settings((job.write(customers(range(2))),), config=Path(mapping))
    plan(inputs, delivery, "test", save=offline.file)
    guard = PlanGuard(load_plan(offline.file), offline.file)
    guard.check_files(inputs, delivery, "test", mapping)
    with pytest.raises(UsageError, match=r"What moved: the mapping: it was .*toml and is none"):
        guard.check_files(inputs, delivery, "test")
    job.write("version = 1\n# changed\n", "import.toml")
    with pytest.raises(UsageError, match=r"What moved: the mapping: .*import.toml was 12 bytes"):
        guard.check_files(inputs, delivery, "test", mapping)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no plan"),
        ("[]", "is no plan"),
        ('{"kind": "other"}', "is no plan"),
        ('{"kind": "importer plan", "format": 99}', "another version"),
        ('{"kind": "importer plan", "format": 1, "sources": 5}', "was changed"),
        ("[" * 100_000, "is no plan"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Anything else, or a plan from another version, gets a clear word and never a traceback."""
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_plan(path)


def test_a_missing_plan_says_how_to_make_one(tmp_path: Path) -> None:
    """The message names the file, the hint the command."""
    with pytest.raises(UsageError) as caught:
        load_plan(tmp_path / "none.json")
    assert "none.json" in caught.value.message
    assert "--save" in caught.value.hint


def test_an_edited_plan_is_refused(offline: Planner) -> None:
    """Every value that counts is covered by the digest; the time it was made is for people."""
    offline.plan(customers(range(2)))
    intact = json.loads(offline.file.read_text())
    for name in set(intact) - {"kind", "format", "made_at"}:
        edited = {**intact, name: {"a": 1} if isinstance(intact[name], dict) else 7}
        offline.file.write_text(json.dumps(edited))
        with pytest.raises(UsageError, match="was changed since it was made"):
            load_plan(offline.file)
    offline.file.write_text(json.dumps({**intact, "made_at": "later"}))
    load_plan(offline.file)


@pytest.mark.parametrize("name", ["customers.csv", "ledger.db", "notes.txt"])
def test_saving_never_costs_another_file(planner: Planner, name: str) -> None:
    """A slip of the hand must not put the plan in the place of the source or the ledger."""
    job = planner.job
    job.run(customers(range(2)))
    job.write("keep me", "notes.txt")
    path = job.folder / name
    before = path.read_bytes()
    inputs, delivery = planner.settings((job.write(customers(range(2))),))
    with pytest.raises(UsageError, match="is no plan and would be lost"):
        plan(inputs, delivery, "test", save=path)
    assert path.read_bytes() == before


def test_what_cannot_be_read_again_is_not_saved(offline: Planner) -> None:
    """Standard input, a pipe and a URL may be planned, but not written down."""
    pipe = offline.job.folder / "pipe"
    os.mkfifo(pipe)
    for name in ("-", str(pipe), "https://files.example.com/customers.csv"):
        inputs, delivery = offline.settings((name,))
        with pytest.raises(UsageError, match="could not read the same again"):
            plan(inputs, delivery, "test", save=offline.file)
    assert not offline.file.exists()


def test_a_plan_in_a_folder_that_is_missing_is_an_error(offline: Planner) -> None:
    """The message names the path."""
    inputs, delivery = offline.settings((offline.job.write(customers(range(2))),))
    with pytest.raises(UsageError, match=r"nowhere/plan.json cannot be written: No such file"):
        plan(inputs, delivery, "test", save=offline.job.folder / "nowhere" / "plan.json")


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
        "customer": ["fields"],
        "account": ["version", "plan", "plan_base"],
        "run": ["plan"],
    }.items():
        for name in names:
            db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    db.execute("PRAGMA user_version = 1")
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    migrate(fresh, STEPS[:1])
    columns = "SELECT name FROM pragma_table_info('customer')"
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

    monkeypatch.setattr("importer.job.plan.forecast", meanwhile)
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
