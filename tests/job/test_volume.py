"""A night whose file is not like the last one: nothing is sent, and somebody is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from importer.errors import ExitCode
from tests.job.conftest import HEADER, Job, customers, outcomes

if TYPE_CHECKING:
    from importer.job.run import Finished


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


def _corrected(finished: Finished, text: str) -> object:
    path = finished.results / "errors.csv"
    path.write_text(text)
    return path
