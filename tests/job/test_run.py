"""The whole job against the sandbox, over a real socket."""

from __future__ import annotations

import json
import stat
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from importer.clock import CLOCK_WRONG
from importer.delivery.credentials import ApiKey
from importer.delivery.protocol.states import Attempt
from importer.errors import ExitCode, LedgerFailed, LedgerInUse, SourceError, UsageError
from importer.job.job_settings import DeliverySettings, InputSettings
from importer.job.run import LEDGER_LOST
from importer.job.verify import verify
from importer.job.world import real_world
from importer.ledger.account import Account
from importer.ledger.address import LedgerAddress
from importer.ledger.ledger import Ledger
from importer.ledger.opening import open_ledger
from importer.ledger.sqlite.lock import RunLock
from importer.sandbox import customers as sandbox_customers
from importer.sandbox import store as sandbox_store
from tests import plain_http
from tests.job.conftest import AT_ONCE, HEADER, Job, customers, outcomes, results
from tests.ledger.samples import raw

if TYPE_CHECKING:
    from pathlib import Path


def test_every_row_becomes_one_customer_and_a_second_run_sends_nothing(job: Job) -> None:
    """The first run creates all; the same run again finds all settled and sends no request."""
    first = job.run(customers(range(300)))
    assert first.exit_code is ExitCode.OK
    assert outcomes(first) == {"created": 300}
    assert {row["external_reference"]: row["bcus_id"] for row in results(first)} == job.held()
    second = job.run(customers(range(300)))
    assert outcomes(second) == {"unchanged": 300}
    assert second.summary.requests == {"post": 0, "get": 0}
    assert {row["external_reference"]: row["bcus_id"] for row in results(second)} == job.held()


def test_only_new_rows_are_sent_on_the_next_night(job: Job) -> None:
    """A file that grew costs one request per new row."""
    job.run(customers(range(50)))
    grown = job.run(customers(range(60)))
    assert outcomes(grown) == {"unchanged": 50, "created": 10}
    assert grown.summary.requests == {"post": 10, "get": 0}


def test_a_changed_row_is_counted_and_not_sent(job: Job) -> None:
    """A settled row that differs now is reported as changed; nothing is sent for it."""
    job.run(customers(range(5)))
    changed = job.run(customers(range(5), name="Another Name"))
    assert outcomes(changed) == {"changed": 5}
    assert changed.summary.requests == {"post": 0, "get": 0}
    assert changed.exit_code is ExitCode.OK


def test_results_have_a_line_for_every_record_in_input_order(job: Job) -> None:
    """Invalid, duplicate and good records all stand in results.csv, with their lines."""
    text = HEADER + (
        "C-1,Ada,ada@example.com,,,\n"
        "C 2,Bram,bram@example.com,,,\n"
        "C-3,Cleo\n"
        "C-1,Ada,ada@example.com,,,\n"
        '"C-5","two\nlines",,,,\n'
        "C-6,,,0821234567,,12.5\n"
    )
    finished = job.run(text)
    rows = results(finished)
    assert [(row["line"], row["outcome"]) for row in rows] == [
        ("2", "created"),
        ("3", "invalid"),
        ("4", "invalid"),
        ("5", "duplicate"),
        ("6", "created"),
        ("8", "invalid"),
    ]
    assert "line 2" in rows[3]["error"]
    assert len(rows[5]["error_code"].split("; ")) == 3
    assert finished.exit_code is ExitCode.ROWS_LEFT


def test_the_errors_file_can_be_corrected_and_fed_back(job: Job) -> None:
    """errors.csv keeps columns, order and delimiter; corrected rows are imported from it."""
    text = "name;phone;external_reference;balance\nAda;+27820000001;A 1;\n=1+1;;B-2;x\n-5;;C-3;\n"
    first = job.run(text)
    errors = (first.results / "errors.csv").read_text().splitlines()
    assert errors[0] == "name;phone;external_reference;balance;_line;_error_code;_error;_digest"
    assert errors[1].startswith("Ada;'+27820000001;A 1;;2;reference_charset;")
    assert errors[2].startswith("'=1+1;;B-2;x;3;")
    corrected = "\n".join(errors).replace("A 1", "A-1").replace(";x;", ";;") + "\n"
    second = job.run(corrected)
    assert outcomes(second) == {"created": 2}
    assert job.held().keys() == {"A-1", "B-2", "C-3"}


def test_results_are_private(job: Job) -> None:
    """Results may hold personal data: the folder is 0700, its files are 0600."""
    finished = job.run(customers(range(1)))
    assert stat.S_IMODE(finished.results.stat().st_mode) == 0o700
    for path in finished.results.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((job.folder / "ledger.db").stat().st_mode) == 0o600


def test_no_personal_data_in_results_and_summary(job: Job) -> None:
    """Names, addresses and numbers stand in errors.csv only."""
    text = HEADER + "C-1,Zaphod Example,zaphod@exa mple.com,0829999999,ZAR,1\n"
    finished = job.run(text)
    for name in ("results.csv", "summary.json", "report.html"):
        shown = (finished.results / name).read_text()
        assert "Zaphod" not in shown
        assert "zaphod" not in shown
        assert "0829999999" not in shown
    assert "Zaphod" in (finished.results / "errors.csv").read_text()


def test_nothing_is_sent_when_a_later_source_cannot_be_read(job: Job) -> None:
    """Every source is read before the first request leaves."""
    good = job.write(customers(range(5)), "good.csv")
    bad = job.write("name,email\nAda,a@example.com\n", "bad.csv")
    with pytest.raises(SourceError) as caught:
        job.run(sources=(good, bad))
    assert "external_reference" in caught.value.message
    assert job.state()["requests"] == {}


def test_a_dry_run_sends_nothing(job: Job) -> None:
    """--dry-run says what would be created, and no request leaves."""
    job.run(customers(range(2)))
    finished = job.run(customers(range(5)), dry_run=True)
    assert outcomes(finished) == {"unchanged": 2, "would_create": 3}
    assert job.state()["customers"] == 2


def test_a_limit_leaves_the_rest_unsettled(job: Job) -> None:
    """--limit N delivers N rows; the others say why they were not reached."""
    finished = job.run(customers(range(10)), limit=4)
    assert outcomes(finished) == {"created": 4, "unsettled": 6}
    assert "--limit 4" in results(finished)[9]["error"]
    assert finished.exit_code is ExitCode.ROWS_LEFT


def test_lost_answers_never_make_a_second_customer(job: Job) -> None:
    """Half of the answers are lost; each row still becomes one customer, with its id."""
    job.fault("lost=0.3,reset_before=0.1,503=0.1")
    finished = job.run(customers(range(60)), world=AT_ONCE)
    assert sum(outcomes(finished).values()) == 60
    assert job.state()["max_creations_per_reference"] == 1
    job.fault("")
    assert job.run(customers(range(60)), world=AT_ONCE).exit_code is ExitCode.OK
    held = job.held()
    assert len(held) == 60


@pytest.mark.parametrize("kind", ["stored500", "stored500_created", "garbage", "cut"])
def test_a_stored_failure_does_not_stick(job: Job, kind: str) -> None:
    """A stored 500, with or without a customer, and a bad body are settled in the same run."""
    job.fault(f"ref:C-1={kind}")
    finished = job.run(customers(range(3)))
    assert finished.exit_code is ExitCode.OK
    assert {row["external_reference"]: row["bcus_id"] for row in results(finished)} == job.held()
    assert job.state()["max_creations_per_reference"] == 1


def test_a_lost_ledger_finds_every_customer_again(job: Job, tmp_path: Path) -> None:
    """Without the ledger, within 24 hours or after, no customer is created twice."""
    job.run(customers(range(5)))
    held = job.held()
    (tmp_path / "ledger.db").unlink()
    again = job.run(customers(range(5)))
    assert outcomes(again) == {"created": 5}
    job.advance(25 * 3600)
    (tmp_path / "ledger.db").unlink()
    later = job.run(customers(range(5)))
    assert outcomes(later) == {"found": 5}
    assert {row["external_reference"]: row["bcus_id"] for row in results(later)} == held
    assert job.state()["max_creations_per_reference"] == 1


def test_a_customer_that_differs_at_moment_is_found_and_never_overwritten(job: Job) -> None:
    """A foreign creator's customer is found; the fields that differ are named."""
    headers = {"Authorization": f"Bearer {job.key.secret}", "Idempotency-Key": "foreign"}
    body = {"external_reference": "C-1", "name": "Somebody Else"}
    plain_http.post(f"{job.base_url}/billing/customers", json=body, headers=headers)
    finished = job.run(customers(range(3)))
    assert outcomes(finished) == {"created": 2, "found": 1}
    row = results(finished)[1]
    assert row["bcus_id"] == job.held()["C-1"]
    assert "name" in row["error"]
    assert job.state()["requests"].get("PATCH 200") is None


def test_a_refused_key_stops_after_six_requests(job: Job) -> None:
    """403 on the first row and five others is the run's fault; rows keep their state."""
    job.key = ApiKey("sk_test_expired_key", "test")
    finished = job.run(customers(range(40)))
    assert finished.exit_code is ExitCode.STOPPED
    assert finished.summary.stopped_by == "forbidden"
    assert finished.summary.requests == {"post": 6, "get": 0}
    assert outcomes(finished) == {"unsettled": 40}


def test_a_wrong_base_url_stops_after_six_rows(job: Job) -> None:
    """404 on POST means that there is no such API at this address."""
    finished = job.run(customers(range(40)), base_url=job.base_url + "/nowhere")
    assert finished.exit_code is ExitCode.STOPPED
    assert finished.summary.stopped_by == "no_such_endpoint"
    assert finished.summary.requests["post"] <= 18


def test_another_key_on_the_ledger_is_noticed(job: Job) -> None:
    """Another merchant's key would find every row settled; it needs a word first."""
    job.run(customers(range(2)))
    job.key = ApiKey("sk_test_another_merchant", "test")
    with pytest.raises(UsageError) as caught:
        job.run(customers(range(2)))
    assert "--key-changed" in caught.value.hint
    assert job.run(customers(range(2)), key_changed=True).exit_code is ExitCode.OK


def test_test_and_live_never_mix(job: Job) -> None:
    """A live key on the same ledger sees none of the test rows."""
    job.run(customers(range(2)))
    job.key = ApiKey("sk_live_key_of_tests", "live")
    assert outcomes(job.run(customers(range(2)))) == {"created": 2}


def test_a_second_run_on_the_ledger_is_refused(job: Job) -> None:
    """While one run holds the ledger, another one ends with exit code 4 and sends nothing."""
    lock = RunLock(job.folder / "ledger.db", run_id="other", started_at=0)
    with lock, pytest.raises(LedgerInUse) as caught:
        job.run(customers(range(2)))
    assert caught.value.exit_code is ExitCode.LEDGER_IN_USE
    assert job.state()["requests"] == {}


def test_rejected_rows_are_not_sent_again_unless_forced(job: Job) -> None:
    """A refused row waits for a correction; --retry-rejected sends it as it is."""
    job.fault("ref:C-1=refused")
    text = customers(range(3))
    first = job.run(text)
    assert outcomes(first) == {"created": 2, "rejected": 1}
    assert results(first)[1]["error_code"] == "customer_refused"
    second = job.run(text)
    assert outcomes(second) == {"unchanged": 2, "rejected": 1}
    assert second.summary.requests == {"post": 0, "get": 0}
    forced = job.run(text, retry_rejected=True)
    assert outcomes(forced) == {"unchanged": 2, "created": 1}


def test_a_refused_row_is_sent_again_once_it_is_corrected(job: Job) -> None:
    """The stored refusal of the first version is never charged to the corrected one."""
    job.fault("ref:C-1=refused")
    job.run(customers(range(3)))
    corrected = job.run(customers(range(3)).replace("Ada Example 1,", "Ada Corrected,"))
    assert outcomes(corrected) == {"unchanged": 2, "created": 1}


def test_a_corrected_row_that_was_not_reached_is_not_called_refused(job: Job) -> None:
    """Moment never saw this version, so nobody can say that it was refused."""
    job.fault("ref:C-1=refused")
    job.run(customers(range(2)))
    corrected = customers(range(2)).replace("Ada Example 1,", "Ada Corrected,")
    header, *rows = corrected.splitlines(keepends=True)
    before_it = header + customers(range(5, 6)).splitlines(keepends=True)[1] + "".join(rows)
    finished = job.run(before_it, limit=1)
    told = [(row["outcome"], row["error_code"]) for row in results(finished)]
    assert told == [("created", ""), ("unchanged", ""), ("unsettled", "not_reached")]


def test_a_customer_that_was_found_otherwise_stays_told_of(job: Job) -> None:
    """Moment holds another balance: the night after that is no ``unchanged`` row."""
    job.run(customers(range(2)))
    (job.folder / "ledger.db").unlink()
    job.advance(25 * 3600)
    other = customers(range(2)).replace("ZAR,1\n", "ZAR,100\n")
    nights = [job.run(other), job.run(other)]
    told = [[(row["outcome"], row["error_code"]) for row in results(one)] for one in nights]
    assert told[0][1] == ("found", "differs")
    assert told[1] == [("unchanged", ""), ("changed", "differs")]
    assert results(nights[1])[1]["error"] == "Moment holds other values in: balance"


def test_a_customer_that_moment_stores_with_other_values_is_told_of(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is created, its line names the fields, and the run warns of such rows."""

    def in_dollars(fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "currency": "USD"} if fields["external_reference"] == "C-1" else fields

    monkeypatch.setattr(sandbox_customers, "as_stored_json", in_dollars)
    finished = job.run(customers(range(3)))
    told = [(row["outcome"], row["error_code"], row["error"]) for row in results(finished)]
    other = ("created", "stored_otherwise", "Moment stored other values in: currency")
    assert told == [("created", "", ""), other, ("created", "", "")]
    (warning,) = json.loads((finished.results / "summary.json").read_text())["warnings"]
    assert warning.startswith("Moment stored other values than it was sent in 1 row:")
    assert finished.exit_code is ExitCode.OK


class SetClock:
    """The machine's clock with somebody who sets it: so many seconds off, by the time of day."""

    def __init__(self, *off: float) -> None:
        self._off = [*off]

    def now(self) -> float:
        """The next of them, the last one for good."""
        return time.time() + (self._off.pop(0) if len(self._off) > 1 else self._off[0])


def test_a_clock_that_is_set_harms_nothing_and_is_told_of(job: Job) -> None:
    """Back, years ahead, during a run: the same outcomes, warnings, and true durations."""
    # The history is not taken for old by a clock that is ahead once. A clock is held against
    # Moment's by the dates of its answers, and against the last run.
    years = 10 * 365 * 86_400.0 + 3600  # Two clocks are never read at once.
    told = []
    for number, off in enumerate([(0.0,), (-years,), (0.0,), (years,), (0.0,), (0.0, years)]):
        finished = job.run(
            customers(range(number + 1)), world=replace(real_world(None), clock=SetClock(*off))
        )
        assert finished.exit_code is ExitCode.OK
        assert finished.summary.outcomes["created"] == 1
        assert 0 <= finished.summary.seconds["total"] < 600
        if not number:
            account = Account(job.base_url, "test")
            with open_ledger(job.folder / "ledger.db", account) as ledger:
                tried = Attempt("C-0", time.time(), "unknown", 0)
                ledger.apply([], [tried], run_id=finished.summary.run_id, now=time.time())
        told.append(
            [text.partition(":")[0].partition(";")[0] for text in finished.summary.warnings]
        )
    last = "by this machine's clock the last run begins in 3,6"
    assert [[text[: len(last)] for text in one] for one in told] == [
        [],
        [last, "this machine's clock is 3,650 days behind Moment's"],
        [],
        ["this machine's clock is 3,650 days ahead of Moment"],
        [last],
        [
            "this machine's clock is 3,650 days ahead of Moment",
            "this machine's clock was set ahead by 3,650 days w",
        ],
    ]
    assert finished.summary.alarms.keys() == {CLOCK_WRONG}
    assert finished.summary.clock_ahead == pytest.approx(years, abs=600)
    assert raw(job.folder / "ledger.db").execute("SELECT count(*) FROM attempt").fetchone() == (1,)


def test_a_ledger_that_is_not_there_any_more_is_told_of(job: Job) -> None:
    """Where results tell of one that knew customers of this account; nobody is created twice."""
    job.run(customers(range(2)), account="other", sources=())
    first = job.run(customers(range(3)))
    assert first.summary.alarms == {}
    job.folder.joinpath("results/20260101T000000Z-ab").mkdir()
    job.folder.joinpath("ledger.db").unlink()
    lost = job.run(customers(range(3)))
    text = lost.summary.alarms[LEDGER_LOST]
    assert f"results are in {first.results} left 3 customers" in text
    assert lost.summary.warnings == [text]
    assert len(job.held()) == 3
    assert job.run(customers(range(3))).summary.alarms == {}


def test_an_id_that_several_references_have_is_no_success(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows with one id, or with an earlier customer's, are conflicts: exit code 1, every night."""
    # Nothing is sent again, and nothing is written to such a customer; the others are what they
    # are. Asked again, Moment says whose the id is: that row is well then, and the other is not.
    ids = sandbox_store.Store.new_id

    def shared(store: sandbox_store.Store, account: sandbox_store.Account, reference: str) -> str:
        like = {"C-1": "C-2", "C-7": "C-0"}.get(reference, reference)
        return ids(store, account, like)

    monkeypatch.setattr(sandbox_store.Store, "new_id", shared)
    nights = [job.run(customers(range(n))) for n in (4, 4, 8)]
    moved = partial(job.run, customers(range(8), name="Bea Other"), update="name=source")
    nights += [moved(), moved(retry_rejected=True), moved(retry_rejected=True), moved()]
    told = [[(row["outcome"], row["error_code"]) for row in results(one)] for one in nights]
    created, doubtful, unchanged = ("created", ""), ("conflict", "shared_id"), ("unchanged", "")
    assert told[0] == [created, doubtful, doubtful, created]
    assert told[1] == [unchanged, doubtful, doubtful, unchanged]
    assert told[2] == [doubtful] * 3 + [unchanged] + [created] * 3 + [doubtful]
    assert told[3] == [doubtful] * 3 + [("updated", "")] * 4 + [doubtful]
    asked = [told[4][at] for at in (0, 1, 2, 7)]
    assert sorted(asked) == [doubtful, doubtful, ("updated", ""), ("updated", "")]
    assert told[4][3:7] == [unchanged] * 4
    assert told[5] == told[6] == [doubtful if one == doubtful else unchanged for one in told[4]]
    text = "Moment gave the id of this row to C-1 and C-2"
    assert {row["error"] for row in results(nights[0])} == {"", text}
    for at in (0, 7):
        assert results(nights[2])[at]["error"] == "Moment gave the id of this row to C-0 and C-7"
    assert [one.exit_code for one in nights] == [ExitCode.ROWS_LEFT] * 7
    (warning,) = nights[0].summary.warnings
    assert warning.startswith("Moment gave 1 id to several references each")
    assert "2 rows of this input" in warning
    assert "C-" not in warning, "a log names no reference"
    assert [one.summary.requests["post"] for one in nights] == [4, 0, 4, 0, 0, 0, 0]
    assert [one.summary.requests["get"] for one in nights] == [0, 0, 0, 0, 4, 2, 0]
    assert [one.summary.requests.get("patch", 0) for one in nights] == [0, 0, 0, 4, 2, 0, 0]
    with open_ledger(job.folder / "ledger.db", Account(job.base_url, "test")) as ledger:
        assert ledger.doubtful() == 2
    inputs = InputSettings(sources=(), out=job.folder / "results")
    settings = DeliverySettings(
        ledger=LedgerAddress.parse(job.folder / "ledger.db"), base_url=job.base_url
    )
    found = verify(inputs, settings, job.key).found
    assert (found["in_step"], found["shared_id"], found.total()) == (6, 2, 8)


@pytest.mark.parametrize(("fails", "codes"), [(True, [3, 1, 1]), (False, [1, 0, 0])])
def test_a_shared_id_that_could_not_be_noted_is_looked_for_again(
    job: Job, monkeypatch: pytest.MonkeyPatch, *, fails: bool, codes: list[int]
) -> None:
    """Such a run has not ended, and the next one notes it; without the note it is forgotten."""
    ids = sandbox_store.Store.new_id
    monkeypatch.setattr(
        sandbox_store.Store, "new_id", lambda store, account, _: ids(store, account, "C")
    )

    def doubt(*_: object, **__: object) -> None:
        if fails:
            raise LedgerFailed("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "doubt", doubt)
        first = job.run(customers(range(2)))
    assert [first.exit_code, *(job.run(customers(range(2))).exit_code for _ in "ab")] == codes


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes UTF-8 only")
def test_a_name_that_is_not_utf8_is_a_name(job: Job) -> None:
    """Archives leave names in other encodings behind: they are told of, counted and compared."""
    sources = [job.write(customers(range(n, n + 3)), f"{n}\udcfc.csv") for n in (0, 2)]
    for series in ("", "\udcfc"):
        finished = job.run(sources=tuple(sources), series=series)
        assert finished.summary.outcomes["duplicate"] == 1
    written = (finished.results / "results.csv").read_bytes()
    assert b"2\xfc.csv,2,C-2,duplicate" in written


def test_an_empty_file_is_never_a_success(job: Job) -> None:
    """No rows: nothing is sent, exit code 3, and the results say so; or somebody accepts it."""
    finished = job.run(HEADER)
    assert finished.exit_code is ExitCode.STOPPED
    assert finished.stopped_by is not None
    assert "no records" in finished.stopped_by.message
    assert job.run(HEADER, accept_drift=True).exit_code is ExitCode.OK
    assert job.run(HEADER, incremental=True).exit_code is ExitCode.OK
    assert outcomes(finished) == {}
