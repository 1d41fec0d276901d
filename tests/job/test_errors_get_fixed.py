"""Too many invalid rows stop the job before anything is sent; errors are told by their cause."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import ExitCode, InvalidFound, RunStopped
from importer.job.check import check
from importer.job.job_settings import InputSettings
from importer.job.limit import parse_limit
from importer.job.observer import Observer
from tests.job.conftest import HEADER, Job, customers, outcomes, results

if TYPE_CHECKING:
    from pathlib import Path

    from importer.job.run import Finished


def customers_with(wrong: int, *, good: int) -> str:
    """So many rows with a wrong currency after so many good ones."""
    rows = (f"W-{n},Ada Example,,,UK,{n}\n" for n in range(wrong))
    return customers(range(good)) + "".join(rows)


def summary(finished: Finished) -> dict[str, Any]:
    """The document summary.json."""
    document: dict[str, Any] = json.loads((finished.results / "summary.json").read_text())
    return document


class _Planned(Observer):
    """Keeps what was planned."""

    def __init__(self) -> None:
        self.found: list[tuple[dict[str, int], int]] = []

    def planned(self, outcomes: dict[str, int], to_deliver: int) -> None:
        self.found.append((dict(outcomes), to_deliver))


class _Warned(Observer):
    """Keeps the codes of warnings."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def warning(self, code: str, text: str) -> None:
        del text
        self.codes.append(code)


def checked(tmp_path: Path, text: str, *, observer: Observer | None = None, **options: Any) -> Any:
    """A check of one CSV text."""
    source = tmp_path / "in.csv"
    source.write_text(text)
    inputs = InputSettings(sources=(str(source),), out=tmp_path / "results", **options)
    return check(inputs, observer=observer)


def test_nothing_is_sent_where_too_many_rows_are_invalid(job: Job) -> None:
    """Exit code 3, no request, and every valid row says why it was not sent."""
    observer = _Planned()
    finished = job.run(customers_with(12, good=20), observer=observer)
    assert observer.found == [({"invalid": 12}, 0)]
    assert finished.exit_code is ExitCode.STOPPED
    assert finished.summary.stopped_by == "too_many_invalid"
    assert isinstance(finished.stopped_by, RunStopped)
    assert "12 of 32 rows (37.5 %)" in finished.stopped_by.message
    assert "--max-errors 100%" in finished.stopped_by.hint
    assert outcomes(finished) == {"invalid": 12, "unsettled": 20}
    assert "too many other rows are invalid" in results(finished)[0]["error"]
    assert job.state()["requests"] == {}
    assert finished.summary.requests == {"post": 0, "get": 0}


def test_the_same_command_goes_on_once_the_rows_are_right(job: Job) -> None:
    """A stopped run leaves nothing behind that the next one would trip over."""
    job.run(customers_with(12, good=20))
    finished = job.run(customers_with(12, good=20).replace(",UK,", ",GBP,"))
    assert finished.exit_code is ExitCode.OK
    assert outcomes(finished) == {"created": 32}


def test_the_limit_can_be_lifted(job: Job) -> None:
    """--max-errors 100% sends the valid rows, however many others are invalid."""
    finished = job.run(customers_with(12, good=20), max_errors=parse_limit("100%"))
    assert outcomes(finished) == {"created": 20, "invalid": 12}
    assert finished.exit_code is ExitCode.ROWS_LEFT


def test_a_small_file_is_not_stopped_by_default(job: Job) -> None:
    """Ten invalid rows are corrected by hand: the others are sent."""
    assert outcomes(job.run(customers_with(10, good=2))) == {"created": 2, "invalid": 10}


def test_a_limit_that_was_given_is_exact(job: Job) -> None:
    """One invalid row is too many for --max-errors 0."""
    finished = job.run(customers_with(1, good=5), max_errors=parse_limit("0"))
    assert outcomes(finished) == {"invalid": 1, "unsettled": 5}
    assert finished.exit_code is ExitCode.STOPPED


def test_settled_rows_stay_settled_in_a_stopped_run(job: Job) -> None:
    """What the ledger knows already is told as ever: only what would be sent is left."""
    job.run(customers(range(5)))
    finished = job.run(customers_with(12, good=8))
    assert outcomes(finished) == {"unchanged": 5, "invalid": 12, "unsettled": 3}


def test_rows_that_contradict_each_other_count_as_invalid(job: Job) -> None:
    """A wrong reference column shows as conflicts, which must stop the run as well."""
    rows = "".join(f"SAME,Ada Example {n},,,,\n" for n in range(12))
    finished = job.run(customers(range(5)) + rows)
    assert finished.summary.stopped_by == "too_many_invalid"
    assert finished.summary.groups[0].error_code == "duplicate_conflict"
    assert "--on-duplicate" in finished.summary.groups[0].fix


def test_a_dry_run_says_what_the_run_would_do(job: Job) -> None:
    """A run would send nothing, so a dry run promises nothing."""
    finished = job.run(customers_with(12, good=20), dry_run=True)
    assert outcomes(finished) == {"invalid": 12, "unsettled": 20}
    assert finished.exit_code is ExitCode.STOPPED


def test_the_limit_holds_for_a_fed_back_errors_file(job: Job) -> None:
    """Feeding back what a stopped run left does not send it by a detour."""
    first = job.run(customers_with(30, good=100))
    assert first.summary.stopped_by == "too_many_invalid"
    errors = (first.results / "errors.csv").read_text()
    assert job.run(errors).summary.stopped_by == "too_many_invalid"
    corrected = errors.replace(",UK,", ",GBP,", 20)
    assert outcomes(job.run(corrected)) == {"created": 120, "invalid": 10}


def test_check_says_that_a_run_would_stop(tmp_path: Path) -> None:
    """Without a limit of its own, check warns and keeps its exit code."""
    observer = _Warned()
    finished = checked(tmp_path, customers_with(12, good=20), observer=observer)
    assert finished.exit_code is ExitCode.ROWS_LEFT
    assert observer.codes == ["too_many_invalid"]
    assert "a run would send nothing" in finished.summary.warnings[0]


@pytest.mark.parametrize(
    ("limit", "code"), [("20%", ExitCode.STOPPED), ("50%", ExitCode.ROWS_LEFT)]
)
def test_check_with_a_limit_answers_for_the_run(tmp_path: Path, limit: str, code: ExitCode) -> None:
    """Exit code 3 where a run with this limit would send nothing, else 1; all rows are judged."""
    finished = checked(tmp_path, customers_with(12, good=20), max_errors=parse_limit(limit))
    assert finished.exit_code is code
    assert outcomes(finished) == {"invalid": 12, "would_create": 20}


def test_fail_fast_stops_at_the_first_invalid_record(tmp_path: Path) -> None:
    """The message names line and fix; the results end with that record, and hold all before it."""
    text = (
        customers(range(3))
        + "C-3,Zaphod Example,,0829999999,,\n"
        + customers_with(5, good=0).removeprefix(HEADER)
    )
    finished = checked(tmp_path, text, fail_fast=True)
    assert finished.exit_code is ExitCode.ROWS_LEFT
    assert isinstance(finished.stopped_by, InvalidFound)
    assert "in.csv: line 5: phone is not in E.164 format" in finished.stopped_by.message
    assert "region" in finished.stopped_by.hint
    assert "9999" not in finished.stopped_by.message + finished.stopped_by.hint
    assert [(row["line"], row["outcome"]) for row in results(finished)] == [
        ("2", "would_create"),
        ("3", "would_create"),
        ("4", "would_create"),
        ("5", "invalid"),
    ]
    assert summary(finished)["stopped_by"] == "invalid_found"
    assert finished.summary.records == 4


def test_fail_fast_stops_at_a_broken_record(tmp_path: Path) -> None:
    """A record that cannot be framed is an invalid one, wherever it stands."""
    text = customers(range(3)) + "C-3,too few\n" + customers_with(1, good=0).removeprefix(HEADER)
    finished = checked(tmp_path, text, fail_fast=True)
    assert "line 5" in str(finished.stopped_by)
    assert finished.summary.records == 4


def test_fail_fast_reads_no_later_source(tmp_path: Path) -> None:
    """A later source is not even opened: it may be missing."""
    bad = tmp_path / "bad.csv"
    bad.write_text(customers_with(1, good=0))
    sources = (str(bad), str(tmp_path / "missing.csv"))
    inputs = InputSettings(sources=sources, out=tmp_path / "results", fail_fast=True)
    assert "bad.csv: line 2" in str(check(inputs).stopped_by)


def test_fail_fast_on_a_clean_file_is_a_check(tmp_path: Path) -> None:
    """Where nothing is wrong the whole file is read and the exit code is 0."""
    finished = checked(tmp_path, customers(range(30)), fail_fast=True)
    assert finished.exit_code is ExitCode.OK
    assert finished.stopped_by is None
    assert outcomes(finished) == {"would_create": 30}


def test_the_summary_groups_errors_and_says_what_fixes_them(tmp_path: Path) -> None:
    """Most frequent first, with lines, words and TOML; nothing personal is in it."""
    rows = (
        "A-1,Zaphod Example,,082 999 9999,UK,1\n"
        "A-2,Zaphod Example,,083 999 9999,UK,2.50\n"
        "A-3,Zaphod Example,zaphod@exam ple.com,,Zaphod,\n"
        "Z 9,Zaphod Example,,,UK,\n"
    )
    finished = checked(tmp_path, HEADER + rows)
    document = summary(finished)
    told = [(one["rows"], one["error_code"], one["detail"]) for one in document["groups"]]
    assert told == [
        (3, "currency_unknown", "UK"),
        (2, "phone_not_e164", "in national form"),
        (1, "balance_not_integer", "an amount with decimals"),
        (1, "email_syntax", "a character that is not allowed"),
        (1, "currency_unknown", ""),
        (1, "reference_charset", ""),
    ]
    assert document["groups"][0]["lines"] == [2, 3, 5]
    assert document["groups"][0]["source"].endswith("in.csv")
    assert tomllib.loads(document["toml"]) == {
        "fields": {
            "currency": {"values": {"UK": "GBP"}},
            "phone": {"region": "ZA"},
            "balance": {"unit": "major"},
            "external_reference": {"sanitise": "escape"},
        }
    }
    shown = json.dumps(document["groups"])
    for personal in ("Zaphod", "zaphod", "9999", "Z 9"):
        assert personal not in shown


def test_refusals_of_moment_are_grouped(job: Job) -> None:
    """What Moment refused stands in the summary with status and code, and its lines."""
    job.fault("ref:C-1=refused,ref:C-3=refused")
    finished = job.run(customers(range(5)))
    [group] = finished.summary.groups
    assert (group.outcome, group.rows, group.http_status, group.lines) == (
        "rejected",
        2,
        400,
        [3, 5],
    )
    assert "customer refused" in group.text
    again = job.run(customers(range(5)))
    assert [(one.outcome, one.rows) for one in again.summary.groups] == [("rejected", 2)]


def test_rows_that_were_not_reached_are_no_group(job: Job) -> None:
    """--limit leaves rows, but nothing is wrong with them."""
    assert job.run(customers(range(10)), limit=4).summary.groups == []
