"""``--shard I/N``: N commands deliver one input, and report each record once."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import pytest

from importer.errors import ExitCode, LedgerInUse, UsageError
from importer.job import planning, volume
from importer.job import run as running
from importer.ledger.account import Account
from importer.ledger.interface import Share
from importer.ledger.opening import hold
from importer.shard import Shard
from tests.job.conftest import KEY, Job, customers, outcomes, results
from tests.job.test_vanished import RULE, listed, marks, rule

if TYPE_CHECKING:
    from pathlib import Path

    from importer.job.run import Finished
    from importer.ledger.address import LedgerAddress
    from tests.job.planning import Planner

N = 3
BAD = "X,N,nobody,,ZAR,1\n,No Reference,b@example.com,,ZAR,1\n,Neither,c@example.com,,ZAR,2\n"
REPEATED = (
    "C-3,Ada Example 3,c3@example.com,+27820000003,ZAR,3\n"  # The same again.
    "C-4,Another,c4@example.com,,ZAR,4\nC-5,Another,c5@example.com,,ZAR,5\n"
)
MESSY = customers(range(30)) + BAD + REPEATED + "Y,N,nobody,,ZAR,1\n"


@pytest.fixture(autouse=True)
def _one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shards run one after the other here, so they may share a file."""
    for module in (running, planning):
        monkeypatch.setattr(module, "refuse_alone", lambda *_: None)


def shards(job: Job, text: str, **options: Any) -> list[Finished]:
    """All shards of one input, one after the other."""
    return [job.run(text, shard=Shard(index, N), **options) for index in range(1, N + 1)]


def lines(*finished: Finished) -> list[tuple[str, ...]]:
    """What all results say of the records, without what chance decides."""
    return sorted(
        (row["line"], row["external_reference"], row["outcome"], row["error_code"], row["error"])
        for one in finished
        for row in results(one)
    )


def summary(finished: Finished) -> dict[str, Any]:
    """summary.json."""
    document: dict[str, Any] = json.loads((finished.results / "summary.json").read_text())
    return document


def test_every_record_is_reported_by_one_shard(job: Job, tmp_path: Path) -> None:
    """Over all shards: the results, groups and errors of one run, and each customer once."""
    text = MESSY
    parts = shards(job, text)
    (tmp_path / "whole").mkdir()
    whole = Job(tmp_path / "whole", job.base_url).run(text, dry_run=True)
    told = [(*one[:2], one[2].replace("would_create", "created"), *one[3:]) for one in lines(whole)]
    assert lines(*parts) == sorted(told)
    assert set(job.held()) == {f"C-{n}" for n in range(30)} - {"C-4", "C-5"}
    groups: Counter[tuple[str, str]] = Counter()
    for one in parts:
        groups.update({(g["column"], g["error_code"]): g["rows"] for g in summary(one)["groups"]})
    assert groups == {(g["column"], g["error_code"]): g["rows"] for g in summary(whole)["groups"]}
    assert [summary(one)["shard"] for one in parts] == ["1/3", "2/3", "3/3"]
    assert sum(summary(one)["records"] for one in parts) == summary(whole)["records"]
    assert [one.results.name.rpartition("-")[2] for one in parts] == ["1of3", "2of3", "3of3"]
    files = [(one.results / "errors.csv").read_text().splitlines()[1:] for one in (whole, *parts)]
    assert len(files[0]) == sum(map(len, files[1:]))


def test_a_second_time_all_is_unchanged(job: Job) -> None:
    """The next night's shards, also of another number, find what the others made."""
    shards(job, customers(range(12)))
    counts: Counter[str] = Counter()
    for index in (1, 2):
        one = job.run(customers(range(12)), shard=Shard(index, 2))
        counts.update(outcomes(one))
        assert summary(one)["requests"] == {"post": 0, "get": 0}
    assert counts == {"unchanged": 12}


def test_the_guard_looks_at_the_whole_input(job: Job) -> None:
    """A shard of a broken file stops as the whole run would, and none sends anything."""
    shards(job, customers(range(100)))
    before = job.state()
    for finished in shards(job, customers(range(40))):
        assert finished.exit_code == ExitCode.STOPPED
        assert summary(finished)["stopped_by"] == "volume_guard"
        assert summary(finished)["records"] < 40
    too_bad = "".join(f"B-{n},N,nobody,,,\n" for n in range(60))
    for finished in shards(job, customers(range(100)) + too_bad):
        assert summary(finished)["stopped_by"] == "too_many_invalid"
    assert job.state() == before
    assert [one.stopped_by for one in shards(job, customers(range(100)))] == [None] * N


def test_a_night_is_a_measure_once_all_its_shards_went_through(job: Job) -> None:
    """Shards that begin when others have ended are compared with the night before."""
    text = customers(range(100))
    assert [one.stopped_by for one in shards(job, text)] == [None] * N  # 64 of 100 were new.
    more = customers(range(180))
    stopped = shards(job, more)
    assert [one.stopped_by is not None for one in stopped] == [True] * N
    first = job.run(more, shard=Shard(1, N), accept_drift=True)
    assert first.stopped_by is None
    again = job.run(customers(range(181)), shard=Shard(2, N))
    assert again.stopped_by is not None  # Compared with 100, not with 180.
    for index in (2, 3):
        assert job.run(more, shard=Shard(index, N), accept_drift=True).stopped_by is None
    assert [one.stopped_by for one in shards(job, customers(range(181)))] == [None] * N


def test_who_vanished_is_listed_and_marked_once(job: Job) -> None:
    """Each vanished customer is in the list of one shard, marked there; the next night is quiet."""
    asked = rule(job.folder, RULE)
    shards(job, customers(range(20)), **asked)
    parts = shards(job, customers(range(8, 20)), accept_drift=True, **asked)
    told: Counter[str] = Counter()
    for one in parts:
        if summary(one)["vanished"]:
            told.update(list(listed(one)))
            assert summary(one)["vanished"] == len(listed(one))
            assert set(listed(one).values()) == {"yes"}
    assert set(told) == {f"C-{n}" for n in range(8)}
    assert marks(job, range(20)) == ["inactive"] * 8 + [None] * 12
    patches = sum(summary(one)["requests"].get("patch", 0) for one in parts)
    assert patches == 8
    again = shards(job, customers(range(8, 20)), **asked)
    assert all("patch" not in summary(one)["requests"] for one in again)
    assert sum(summary(one)["vanished"] for one in again) == 8


def test_a_limit_is_each_shards_own(job: Job) -> None:
    """--limit 2 delivers two rows of each share."""
    parts = shards(job, customers(range(30)), limit=2)
    assert [outcomes(one)["created"] for one in parts] == [2, 2, 2]
    assert sum(outcomes(one)["unsettled"] for one in parts) == 24


def test_all_shards_follow_one_plan(planner: Planner) -> None:
    """A plan is made of the whole input; each shard follows it, whoever began."""
    job = planner.job
    planner.plan(customers(range(12)))
    counts: Counter[str] = Counter()
    for index in range(1, N + 1):
        counts.update(outcomes(planner.follow(shard=Shard(index, N))))
    assert counts == {"created": 12}
    with pytest.raises(UsageError, match="not of one shard"):
        planner.plan(customers(range(12)), shard=Shard(1, N))
    shown = [
        planner.plan(customers(range(15)), save=False, shard=Shard(index, N)).forecast.to_deliver
        for index in range(1, N + 1)
    ]
    assert sum(shown) == 3
    assert len(job.held()) == 12


def test_a_shard_that_began_later_knows_that_the_plan_was_begun(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another shard begins between this one's look at the ledger and its decisions: it goes on."""
    planner.plan(customers(range(12)))
    make_plan: Any = vars(volume)["make_plan"]
    others = [Shard(2, N)]

    def late(*arguments: Any, **options: Any) -> Any:
        if others:
            monkeypatch.setattr(running, "hold", lambda *_, **__: _Free())
            planner.follow(shard=others.pop())
        return make_plan(*arguments, **options)

    monkeypatch.setattr(volume, "make_plan", late)
    monkeypatch.setattr(running, "hold", lambda *_, **__: _Free())
    finished = planner.follow(shard=Shard(1, N))
    assert finished.stopped_by is None
    assert "created" in outcomes(finished)


class _Free:
    """A lock that keeps nobody away, as the shards of one run share theirs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check(self) -> None:
        """It is ours."""


def begin(job: Job, ledger: LedgerAddress, shard: Shard) -> subprocess.Popen[bytes]:
    """A process with one shard of the job's file."""
    words = ["run", job.folder / "customers.csv", "--out", job.folder / "results"]
    words += ["--ledger", ledger, "--base-url", job.base_url, "--shard", shard]
    own = {name: value for name, value in ledger.secrets if name == "password"}
    return subprocess.Popen(
        [sys.executable, "-m", "importer", *map(str, words)],
        env={**os.environ, "MOMENT_API_KEY": KEY.secret, "PGPASSWORD": own.get("password", "")},
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
def test_shards_work_at_the_same_time(job: Job, postgres_address: LedgerAddress) -> None:
    """On one database, in one OUT: each record in one line, each customer once, and nobody else."""
    text = customers(range(300)) + BAD + REPEATED
    job.write(text)
    processes = [begin(job, postgres_address, Shard(index, 2)) for index in (1, 2)]
    ended = [(one.communicate()[1], one.returncode) for one in processes]
    assert [code for _, code in ended] == [ExitCode.ROWS_LEFT] * 2, ended
    told: list[tuple[int, str]] = []
    for folder in (job.folder / "results").iterdir():
        with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
            told += [(int(row["line"]), row["outcome"]) for row in csv.DictReader(file)]
    assert sorted(line for line, _ in told) == list(range(2, 308))
    counts = Counter(outcome for _, outcome in told)
    # C-4 and C-5 stand twice with different values, C-3 with the same.
    assert counts == {"created": 298, "invalid": 3 + 4, "duplicate": 1}
    assert len(job.held()) == 298
    account = Account(job.base_url, "test")
    for share in (Share("another input", 2, 2), None):
        with (
            hold(postgres_address, account, run_id="other", started_at=0, share=share),
            pytest.raises(LedgerInUse, match="in use by run other"),
        ):
            job.run(text, shard=Shard(1, 2), ledger=postgres_address)


def test_a_file_is_no_ledger_for_shards(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the ledger and what is needed; one shard of one is the whole."""
    monkeypatch.undo()
    with pytest.raises(UsageError, match=r"--shard 1/3 needs a ledger that all shards share") as no:
        job.run(customers(range(3)), shard=Shard(1, 3))
    assert "postgresql://" in no.value.hint
    assert not job.held()
    whole = job.run(customers(range(3)), shard=Shard(1, 1))
    assert outcomes(whole) == {"created": 3}
    assert summary(whole)["shard"] == ""
