"""A night whose file is not like the last one: nothing is sent, and somebody is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from importer.errors import ExitCode
from importer.job import planning
from importer.job import run as running
from importer.job.limit import parse_bound
from importer.shard import Shard
from tests.job.conftest import HEADER, Job, customers, outcomes
from tests.job.planning import Heard
from tests.job.test_updates import held

if TYPE_CHECKING:
    import pytest

    from importer.job.run import Finished
    from tests.job.planning import Planner


def stopped(finished: Finished) -> str:
    """What the guard said; "" if it said nothing."""
    if finished.stopped_by is None:
        return ""
    assert finished.exit_code is ExitCode.STOPPED
    assert finished.stopped_by.reason == "volume_guard"
    assert "--accept-drift" in finished.stopped_by.hint
    return finished.stopped_by.message


def test_a_usual_night_goes_through_and_lists_who_is_gone(job: Job) -> None:
    """Three customers, then one of them is missing: it stays in Moment, and is named."""
    job.run(customers(range(3)), sources=())
    finished = job.run(customers(range(2)))
    assert finished.exit_code is ExitCode.OK
    assert finished.summary.vanished == 1
    listed = (finished.results / "vanished.csv").read_text().splitlines()
    assert listed[0] == "external_reference,bcus_id,marked"
    assert listed[1] == f"C-2,{job.held()['C-2']},"
    assert json.loads((finished.results / "summary.json").read_text())["vanished"] == 1
    again = job.run(customers(range(3)))
    assert again.summary.vanished == 0
    assert not (again.results / "vanished.csv").exists()


def test_the_dates_of_a_name_make_no_other_series(job: Job) -> None:
    """Another file of the same account knows nothing of these customers."""
    job.run(sources=(job.write(customers(range(3)), "crm_2026-11-25.csv"),))
    night = job.run(sources=(job.write(customers(range(2)), "crm_2026-11-26.csv"),))
    assert night.summary.vanished == 1
    other = job.run(sources=(job.write(customers(range(7, 9)), "shop.csv"),))
    assert other.summary.vanished == 0


def test_a_record_that_cannot_be_read_has_not_vanished(job: Job) -> None:
    """It is in the input, and invalid."""
    job.run(customers(range(3)))
    finished = job.run(customers(range(3)).replace(",ZAR,1\n", ",ZAR,lots\n"))
    assert outcomes(finished) == {"unchanged": 2, "invalid": 1}
    assert finished.summary.vanished == 0


def test_far_fewer_records_stop_the_run_until_somebody_accepts(job: Job) -> None:
    """What was accepted is what the next night is compared with."""
    job.run(customers(range(40)))
    posts = job.state()["requests"]
    half = customers(range(15)) + customers(range(50, 52)).removeprefix(HEADER)
    assert "17 records where the last good run had 40" in stopped(job.run(half))
    assert job.state()["requests"] == posts
    assert not stopped(job.run(half, accept_drift=True))
    assert not stopped(job.run(half))


def test_a_first_file_says_which_references_are_spelt_alike(job: Job) -> None:
    """They are customers of their own, told once: the next night has nothing new."""
    rows = "external_reference,name\n007,Ada\n7,Ada\nA,Ada\n"
    told = "1 reference differs from another one of the input only in capitals"
    for night in (True, False):
        finished = job.run(rows)
        assert any(told in text for text in finished.summary.warnings) is night
    assert set(job.held()) == {"007", "7", "A"}


def test_lost_zeros_make_no_second_customers(job: Job) -> None:
    """A spreadsheet was there in between: 40 of 40 references are another text."""
    rows = [f"{n:05d},Ada {n}" for n in range(1, 41)]
    job.run("external_reference,name\n" + "\n".join(rows) + "\n")
    lost = "external_reference,name\n" + "\n".join(row.lstrip("0") for row in rows) + "\n"
    finished = job.run(lost)
    told = stopped(finished)
    assert "40 new references are known ones in another spelling" in told
    assert finished.summary.volume["respelt"] == 40
    assert "1 (known as 00001)" in told
    assert len(job.held()) == 40
    assert stopped(job.run(lost, incremental=True))


def test_a_lost_column_stops_the_run(job: Job) -> None:
    """A file without its balances is no night on which nobody owes anything."""
    job.run(customers(range(3)))
    lost = "external_reference,name\nC-0,Ada Example 0\nC-1,Ada Example 1\nC-2,Ada Example 2\n"
    finished = job.run(lost)
    told = stopped(finished)
    assert finished.summary.volume["lost_fields"] == 4
    assert "no record has a balance" in told
    assert "no record has a currency" in told


def test_a_stopped_or_dry_run_is_no_measure(job: Job) -> None:
    """Else the second try of the same wrong file would go through."""
    job.run(customers(range(40)))
    job.run(customers(range(5)), dry_run=True, accept_drift=True)
    assert stopped(job.run(customers(range(5))))
    assert stopped(job.run(customers(range(5))))


def test_a_canary_is_no_measure_and_the_rest_follows_it(job: Job) -> None:
    """Ten of ninety were sent first: that the others are new to the ledger is no news."""
    assert outcomes(job.run(customers(range(90)), limit=10))["created"] == 10
    rest = job.run(customers(range(90)))
    assert not stopped(rest)
    assert outcomes(rest) == {"created": 80, "unchanged": 10}
    many = job.run(customers(range(90)) + customers(range(100, 190)).removeprefix(HEADER))
    assert "90 of 180 references are new" in stopped(many)


def test_a_fed_back_errors_file_is_a_part_of_its_night(job: Job) -> None:
    """Its few rows are not compared, and who is not in it has not vanished."""
    broken = customers(range(30)).replace(",ZAR,7\n", ",ZAR,7.x\n")
    first = job.run(broken)
    corrected = (first.results / "errors.csv").read_text().replace("7.x", "7")
    fed = job.run(sources=(str(_corrected(first, corrected)),))
    assert fed.exit_code is ExitCode.OK
    assert fed.summary.vanished == 0
    assert outcomes(fed) == {"created": 1}
    without = "".join(
        line for line in customers(range(30)).splitlines(keepends=True) if "C-7," not in line
    )
    assert job.run(without).summary.vanished == 1


def owing(balance: int, numbers: range = range(4)) -> str:
    """A night on which each of these customers owes so much."""
    rows = (line.rsplit(",", 1)[0] for line in customers(numbers).splitlines()[1:])
    return HEADER + "".join(f"{row},{balance}\n" for row in rows)


UPDATES: dict[str, Any] = {"update": "balance=source", "max_changed": parse_bound("100%")}
"""Where every balance moves each night."""


def night(
    job: Job, day: int, text: str, name: str = "crm_2026-11-{}.csv", **options: Any
) -> Finished:
    """The run of one night's file."""
    return job.run(sources=(job.write(text, name.format(day)),), **{**UPDATES, **options})


def balances(job: Job) -> set[int]:
    """What the customers owe by the sandbox."""
    return {held(job, reference)["balance"] for reference in job.held()}


def test_yesterdays_file_again_is_no_silent_step_back(job: Job) -> None:
    """It is refused with the run that had it until somebody accepts it: tonight's is older then."""
    first = night(job, 20, owing(100))
    night(job, 21, owing(250))
    again = night(job, 20, owing(100))
    told = stopped(again)
    assert f"this is the input of run {first.summary.run_id} of 2" in told
    assert "(crm_2026-11-20.csv), and run" in told
    assert "(crm_2026-11-21.csv) brought another input since: 4 customers" in told
    assert again.summary.input_of == first.summary.run_id
    assert again.summary.volume["older"] == 4
    assert again.stopped_by is not None
    assert "import the newest file" in again.stopped_by.hint
    assert stopped(night(job, 20, owing(100), incremental=True))
    assert stopped(night(job, 20, owing(100), dry_run=True))
    assert balances(job) == {250}
    accepted = night(job, 20, owing(100), accept_drift=True)
    assert outcomes(accepted) == {"updated": 4}
    assert accepted.summary.warnings == [f"{told.removesuffix(': nothing was sent')}: accepted"]
    assert not stopped(night(job, 20, owing(100)))
    assert stopped(night(job, 21, owing(250)))
    assert balances(job) == {100}


def test_an_older_file_that_changes_nothing_is_no_news(job: Job) -> None:
    """Nothing would be written: not where nothing may be, and not where all is as it was."""
    night(job, 20, owing(100), update="")
    night(job, 21, owing(250), update="")
    assert outcomes(night(job, 20, owing(100), update="")) == {"unchanged": 4}
    assert not stopped(night(job, 21, owing(250), update=""))


def test_a_night_that_is_what_another_one_was_by_chance_goes_through(job: Job) -> None:
    """Few customers under a name that tells nothing: it is done, and said; many are refused."""
    for number, text in enumerate([owing(0), owing(100), owing(0)]):
        last = night(job, 20 + number, text)
    assert not stopped(last)
    assert balances(job) == {0}
    assert "4 customers would be changed back" in last.summary.warnings[0]
    for text in (owing(0, range(11)), owing(100, range(11))):
        night(job, 0, text, "customers.csv", series="all")
    other = night(job, 0, owing(0, range(11)), "put_back.csv")
    assert "11 customers would be changed back" in stopped(other)
    bound = parse_bound("100%")
    assert not stopped(night(job, 0, owing(0, range(11)), "put_back.csv", max_older=bound))


def test_a_night_that_was_not_finished_goes_on(job: Job) -> None:
    """Also beside errors files that were fed back, and runs that sent nothing."""
    night(job, 20, owing(100))
    assert outcomes(night(job, 21, owing(250), limit=2))["updated"] == 2
    assert stopped(night(job, 22, HEADER))
    night(job, 22, owing(300), dry_run=True)
    assert outcomes(night(job, 21, owing(250))) == {"unchanged": 2, "updated": 2}


def test_an_errors_file_of_an_older_night_is_told(job: Job) -> None:
    """Its rows may still be right, so it is sent; and it is no later input than its night's."""
    broken = owing(100).replace("0001,ZAR,100", "0001,ZAR,1x")
    first = night(job, 20, broken)
    path = _corrected(first, (first.results / "errors.csv").read_text().replace("1x", "100"))
    fed = job.run(sources=(str(path),), **UPDATES)
    assert outcomes(fed) == {"created": 1}
    assert not stopped(night(job, 20, broken))
    night(job, 21, owing(250))
    late = job.run(sources=(str(path),), **UPDATES)
    assert not stopped(late)
    assert f"this is the errors file of run {first.summary.run_id}" in late.summary.warnings[0]
    assert "1 customer would be updated from it" in late.summary.warnings[0]


def test_an_errors_file_is_no_way_round_the_guard(job: Job) -> None:
    """In that of a run that was stopped for its input stands all that was not to be sent."""
    night(job, 20, owing(100))
    night(job, 21, owing(250))
    refused = night(job, 20, owing(100))
    assert stopped(refused)
    fed = {"sources": (str(refused.results / "errors.csv"),), **UPDATES}
    told = stopped(job.run(**fed))
    assert f"errors file of run {refused.summary.run_id} of" in told
    assert "which was stopped for its input" in told
    assert balances(job) == {250}
    assert outcomes(job.run(**fed, accept_drift=True)) == {"updated": 4}
    assert not stopped(job.run(**fed))


def test_shards_of_a_night_are_one_input(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second shard of an input is no older than the first, and each of an older one is."""
    for module in (running, planning):
        monkeypatch.setattr(module, "refuse_alone", lambda *_: None)
    for day, owed in ((20, 100), (21, 250)):
        for index in (1, 2):
            assert not stopped(night(job, day, owing(owed), shard=Shard(index, 2)))
    for index in (1, 2):
        assert "4 customers" in stopped(night(job, 20, owing(100), shard=Shard(index, 2)))
    assert balances(job) == {250}


def test_a_plan_of_an_older_input_says_so(planner: Planner) -> None:
    """In the words of a run, before there is one."""
    job, heard = planner.job, Heard()
    first = night(job, 20, owing(100))
    night(job, 21, owing(250))
    made = planner.plan(owing(100), save=False, observer=heard, **UPDATES)
    assert not made.drifts
    assert f"older_input: this is the input of run {first.summary.run_id}" in heard.warnings[0]
    made = planner.plan(
        owing(100), save=False, observer=heard, **{**UPDATES, "max_older": parse_bound("3")}
    )
    assert made.drifts
    assert heard.warnings[1] == heard.warnings[0].replace("older_input", "volume_guard")


def _corrected(finished: Finished, text: str) -> object:
    path = finished.results / "errors.csv"
    path.write_text(text)
    return path
