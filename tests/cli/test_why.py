"""``importer why`` and ``runs``: what a person reads."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from importer.cli.runs_command import (
    KILLED,
    RUNS,
    Wanted,
    duration_of,
    listed,
    parse_since,
    runs_of,
    runs_table,
)
from importer.cli.status_command import Known
from importer.cli.why_command import (
    _PHRASES,
    next_for,
    next_for_unknown,
    phrase,
    seen_in,
    sentences,
    similar_references,
    standing,
)
from importer.delivery.history import attempt_of, attempt_of_update
from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as e
from importer.delivery.protocol.creating import Flight
from importer.delivery.protocol.states import (
    NEW,
    Conflict,
    Done,
    Memory,
    Origin,
    Rejected,
    Sent,
    State,
    Synced,
    UpdateState,
    Updating,
    Verdict,
    doubted,
)
from importer.errors import UsageError
from importer.ledger.account import Account
from importer.ledger.address import LedgerAddress
from importer.ledger.opening import open_ledger
from importer.ledger.run_table import Entry, History, Run
from importer.outcomes import Outcome
from importer.results.sightings import Sighting, sightings
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running
from tests.job.conftest import HEADER, Job, customers
from tests.ledger.samples import ACCOUNT, done, sent
from tests.ledger.test_copying import fill

DAY = 86_400.0
RESULTS = Path("results")
RUN = Run("r1", 1.0, 2.0, "run", "1", "", ("crm.csv",), 75, {}, "crm.csv", "")
LEDGER = LedgerAddress.parse("importer-ledger.db")
PRINT = b"A" * 16


def known(
    state: State,
    *entries: Entry,
    update: UpdateState | None = None,
    account: Account = ACCOUNT,
    run: Run | None = RUN,
) -> Known:
    """A customer."""
    history = History(account, "C-1", state, 1e6, None, 0, 1, "r1", "r1", entries)
    return Known(account, history, update, run)


def event(name: str, run: str = "r1", at: float = 1e6, **more: Any) -> Entry:
    """One entry of generation 0."""
    return Entry(at, name, 0, more.pop("status", 0), more.pop("code", ""), run, **more)


def test_the_story_is_told_in_sentences() -> None:
    """In order, each run named once, what repeats told once, with the last request id."""
    fault: dict[str, Any] = {"status": 503, "code": "http_503", "seconds": 0.25}
    told = known(
        Done(0, PRINT, "bcus_1", Origin.REPLAYED),
        event("sent"),
        event("server_fault", at=1e6 + 1, request_id="req-1", **fault),
        event("server_fault", at=1e6 + 9, request_id="req-2", **fault),
        event("unknown", "r2", 1e6 + 60, code="read_timeout", seconds=30.04),
        event("created_replayed", "r2", 1e6 + 61, status=201),
    )
    faults = "Moment failed (HTTP 503, after 250 ms): nobody can tell whether it was created"
    assert [line.text for line in sentences(told)] == [
        "Run r1: it was sent for the first time.",
        f"{faults}; 2 times until 1970-01-12T13:46:49Z; request id req-2.",
        "Run r2: no answer came (read_timeout, after 30.0 s): Moment may have created it.",
        "Moment said that an earlier request had created it (HTTP 201).",
    ]
    [now] = standing(told, 1e6 + 99)
    assert now.startswith("It is in Moment as bcus_1, created by importer")


FLIGHT = Flight("C-1", PRINT, Sent(0, PRINT, 1.0), sends=2)
ANSWERS: list[a.Answer] = [
    a.Created("bcus_1"),
    a.Created("bcus_1", replayed=True),
    a.Unbelievable(200, "not_json"),
    a.NotSent("connect_timeout"),
    a.Unknown("read_timeout"),
    a.Refused(400, "x"),
    a.Refused(400, "x", replayed=True),
    a.Conflicted(),
    a.Conflicted(replayed=True),
    a.ServerFault(503, "http_503"),
    a.ServerFault(500, "x", replayed=True),
    a.Throttled(),
    a.Throttled(replayed=True),
    a.Blocked(403, of_api=True),
    a.Blocked(403, of_api=True, replayed=True),
    a.RunWrong("unauthorised", 401),
]
LOOK_UPS: list[a.LookUpAnswer] = [
    a.Found("bcus_1"),
    a.Absent(),
    a.LookUpFailed("http_503", 503),
    a.RunWrong("unauthorised", 401),
]
PATCHES: list[e.PatchAnswer] = [
    e.Gone(),
    e.Clashed(412),
    *(one for one in ANSWERS if not isinstance(one, a.Created | a.Conflicted)),
]


def test_every_event_of_a_history_has_words() -> None:
    """Whatever delivery notes is told in a sentence, and nothing is told that it never notes."""
    noted = [attempt_of(FLIGHT, e.Answered(one, 1.0)) for one in ANSWERS]
    noted += [attempt_of(FLIGHT, e.LookedUp(one, 1.0)) for one in LOOK_UPS]
    noted += [attempt_of_update("C-1", "look_up", one, 1.0) for one in LOOK_UPS]
    noted += [attempt_of_update("C-1", "read", one, 1.0) for one in (e.Gone(), *LOOK_UPS[2:])]
    noted += [attempt_of_update("C-1", "patch", one, 1.0) for one in PATCHES]
    names = {one.event for one in noted if one is not None}
    names -= {one for one in names if one.startswith("patch_") and one.endswith("_replayed")}
    for name in names:
        assert name in _PHRASES, name
    of_the_ledger = {"sent", "advanced", "updating", "updated", "in_step", "conflict", "shared_id"}
    assert {*_PHRASES} - names - of_the_ledger <= {
        *("missing", "rejected", "look_up_gone", "read_found", "read_absent"),
    }
    assert phrase(event("something_new", status=418)) == "something new (HTTP 418)"


@pytest.mark.parametrize(
    ("entries", "age", "words"),
    [
        ([event("sent")], 60, ["about to leave when the run ended", "same idempotency key"]),
        ([event("sent"), event("unknown")], 60, ["may have been created: at least one"]),
        ([event("sent"), event("server_fault_replayed")], 60, ["may have been created"]),
        ([event("sent"), event("throttled")], 60, ["no request of it was carried out"]),
        ([event("sent"), event("not_sent")], 60, ["no request of it was carried out"]),
        ([event("sent"), event("unknown")], DAY, ["older than 20 hours", "asks Moment for it"]),
        (
            [event("unknown"), event("unknown", "r2", 1e6 + 9)],
            60,
            ["2 runs have tried it since 1970-01-12T13:46:40Z"],
        ),
    ],
)
def test_what_is_known_of_the_last_request(
    entries: list[Entry], age: float, words: list[str]
) -> None:
    """It says whether the customer may have been created, and what the next run does then."""
    told = known(Sent(0, PRINT, 1e6), *entries)
    text = " ".join(standing(told, 1e6 + age))
    for one in words:
        assert one in text, text
    following = next_for(told, [], LEDGER, RESULTS, ACCOUNT.base_url)
    assert following.command == "importer run crm.csv"


def memory(**more: Any) -> Synced:
    """A customer that was updated, and what is remembered of it."""
    return Synced("bcus_1", 3, memory=Memory(**more))


DONE = Done(0, PRINT, "bcus_1", Origin.CREATED)
WANTED = (("balance", b"1"),)


@pytest.mark.parametrize(
    ("state", "update", "words", "command"),
    [
        (DONE, None, "created by importer", "status C-1"),
        (Done(0, PRINT, "bcus_1", Origin.FOUND, ("name",)), None, "else in name", "status C-1"),
        (DONE, Synced("bcus_1", 3), "in step with its source", "status C-1"),
        (
            DONE,
            Updating("bcus_1", 3, (), WANTED, PRINT, Memory()),
            "An update of balance was sent",
            "run crm.csv",
        ),
        (
            DONE,
            memory(conflicts=(Conflict("name", b"1", b"2"), Conflict("phone", b"1", b"2"))),
            "Somebody else wrote name, phone at Moment",
            "plan crm.csv --update name=source,phone=source",
        ),
        (
            DONE,
            memory(verdict=Verdict(Outcome.MISSING, WANTED, 404, "")),
            "does not have it any more",
            "verify crm.csv",
        ),
        (
            DONE,
            memory(verdict=Verdict(Outcome.CONFLICT, WANTED, 0, "")),
            "belongs to another id",
            "verify crm.csv",
        ),
        (
            DONE,
            doubted(Synced("bcus_1", 0)),
            "Moment gave this id to C-2, C-3 as well",
            "run crm.csv --retry-rejected",
        ),
        (
            DONE,
            memory(verdict=Verdict(Outcome.REJECTED, WANTED, 422, "bad_phone")),
            "refuses the update of balance (HTTP 422, bad_phone)",
            "run crm.csv",
        ),
        (Rejected(0, PRINT, 400, "bad"), None, "refuses this row (HTTP 400, bad)", "run crm.csv"),
        (NEW, None, "Nothing of it has been sent", "run crm.csv"),
        (Sent(0, PRINT, 1e6 - 2 * DAY), None, "asks Moment for it first", "run crm.csv"),
        (Sent(0, PRINT, 1e6 + 9 * DAY), None, "it was sent in 9 days: the clock is", "run crm.csv"),
    ],
)
def test_how_it_stands_and_what_to_type(
    state: State, update: UpdateState | None, words: str, command: str
) -> None:
    """Each state ends with the command that goes on with it."""
    told = known(state, update=update)._replace(shares_with=("C-2", "C-3"))
    assert words in " ".join(standing(told, 1e6))
    following = next_for(told, [], LEDGER, RESULTS, ACCOUNT.base_url)
    assert following.command == f"importer {command}"
    assert following.why


def test_results_from_before_a_customer_was_settled_are_no_news() -> None:
    """A later run settled it, and its results are gone: nothing is to be done."""
    settled = Run("r2", 9.0, 9.5, "run", "1", "", ("crm.csv",), 0, {}, "crm.csv", "")
    for run, command in ((settled, "status C-1"), (RUN, "run crm.csv --config map.toml")):
        told = known(DONE, run=run)
        following = next_for(told, [sighting("unsettled")], LEDGER, RESULTS, ACCOUNT.base_url)
        assert following.command == f"importer {command}"


def sighting(outcome: str, errors_file: str = "", account: Account = ACCOUNT) -> Sighting:
    """A line of results."""
    said = ("3", outcome, "bad_phone", "phone: no", "")
    folder = RESULTS / "r1"
    return Sighting("r1", folder, account.label, "crm.csv", *said, "map.toml", errors_file)


def test_the_command_means_the_account_of_the_customer() -> None:
    """Another name, host and mode are said; a row that can be corrected in a file is, there."""
    other = Account("https://api.example", "live", "shop")
    refused = known(Rejected(0, PRINT, 400, "bad"), account=other)
    seen = [sighting("rejected", "errors.csv", other)]
    following = next_for(refused, seen, LEDGER, RESULTS, ACCOUNT.base_url)
    more = "--account shop --base-url https://api.example --live"
    assert following.command == f"importer run results/r1/errors.csv --config map.toml {more}"
    # What the results of another account say is not about this customer.
    following = next_for(refused, [sighting("rejected")], LEDGER, RESULTS, ACCOUNT.base_url)
    assert following.command == f"importer run crm.csv {more}"
    piped = known(Sent(0, PRINT, 1e6), run=RUN.__class__(**{**as_dict(RUN), "sources": ("-",)}))
    assert (
        "pipe the same input in again"
        in next_for(piped, [], LEDGER, RESULTS, ACCOUNT.base_url).command
    )
    nobody = next_for(known(NEW, run=None), [], LEDGER, RESULTS, ACCOUNT.base_url)
    assert nobody.command == "importer run FILE"


def as_dict(run: Run) -> dict[str, Any]:
    """The fields of a run."""
    return {one.name: getattr(run, one.name) for one in fields(run)}


@pytest.mark.parametrize(
    ("seen", "similar", "command"),
    [
        ([], [], "check FILE"),
        ([], ["c-1"], "why c-1"),
        (["invalid"], [], "run results/r1/errors.csv --config map.toml"),
        (["unsettled"], [], "run crm.csv --config map.toml"),
        (["would_create"], [], "run crm.csv --config map.toml"),
    ],
)
def test_what_to_type_of_a_row_that_the_ledger_does_not_know(
    seen: list[str], similar: list[str], command: str
) -> None:
    """It was never sent: because it is invalid, was stopped, or is not there at all."""
    found = [sighting(one, "errors.csv" * (one == "invalid")) for one in seen]
    assert next_for_unknown(found, similar, LEDGER).command == f"importer {command}"
    for one in found:
        assert seen_in(one).startswith(f"crm.csv, line 3, was {one.outcome} (bad_phone)")


def test_the_newest_results_that_have_a_row_are_found(tmp_path: Path) -> None:
    """Also one that was invalid, which no ledger knows; other rows and folders are passed over."""
    bad = f"{customers(range(3))}BAD-1,Ada,nobody,,ZAR,1\n"
    with running(SandboxConfig()) as base_url:
        job = Job(tmp_path, base_url)
        first = job.run(bad)
        second = job.run(customers(range(2)))
    out = tmp_path / "results"
    (out / "20990101T000000Z-aaaaaa").mkdir()
    (out / "notes").mkdir()
    [found] = sightings(out, "BAD-1")
    assert (found.run_id, found.outcome, found.line) == (first.summary.run_id, "invalid", "5")
    assert (found.errors_file, found.mapping) == ("errors.csv", "")
    assert found.error
    assert sightings(out, "C-0")[0].run_id == second.summary.run_id
    assert sightings(out, "C-2")[0].run_id == first.summary.run_id
    assert sightings(out, "C") == sightings(tmp_path / "none", "C-0") == []


def test_similar_references_are_offered(tmp_path: Path) -> None:
    """Other letters, a blank too many, and the id in place of the reference."""
    path = tmp_path / "ledger.db"
    with open_ledger(path, ACCOUNT) as ledger:
        ledger.apply([sent("A-1"), done("A-1")], [], run_id="r", now=1.0)
        [customer_id] = [one.customer_id for one in ledger.mapping()]
    address = LedgerAddress.parse(path)
    for asked in ("a-1", " A-1 ", customer_id):
        assert similar_references(address, asked) == ["A-1"], asked
    assert similar_references(address, "B-1") == []


# Runs --------------------------------------------------------------------------------------------


def test_runs_are_filtered_and_merged(tmp_path: Path) -> None:
    """By account, series (or a file of it), outcome and time; the newest of all accounts first."""
    path = tmp_path / "ledger.db"
    for name in ("default", "shop"):
        fill(path, Account("https://a.example", "test", name), customers=1)
    address = LedgerAddress.parse(path)

    def found(**wanted: Any) -> list[tuple[str, str]]:
        return [(one.account.name, one.run.run_id) for one in runs_of(address, Wanted(**wanted))]

    every = found()
    assert len(every) == 2 * len(found(account="shop"))
    starts = [one.run.started_at for one in runs_of(address, Wanted())]
    assert starts == sorted(starts, reverse=True)
    assert found(limit=1) == every[:1]
    assert found(series="crm.csv") == found(series="crm_2026-12-24.csv.gz") == every
    assert found(series="other.csv") == found(since=1e12) == []
    failed = found(failed=True)
    assert {run for _, run in failed} < {run for _, run in every}
    with pytest.raises(UsageError, match="no account called nobody"):
        found(account="nobody")


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("2026-11-26", 1795651200.0),
        ("2026-11-26T05:30", 1795671000.0),
        ("2026-11-26T05:30+02:00", 1795663800.0),
        ("36h", 2e9 - 129_600),
        ("7d", 2e9 - 604_800),
    ],
)
def test_since(text: str, since: float) -> None:
    """A date, a time in UTC or with its offset, or so long ago."""
    assert parse_since(text, 2e9) == since
    for wrong in ("yesterday", "7 days", "99999999999w", ""):
        with pytest.raises(UsageError, match="is no time"):
            parse_since(wrong, 2e9)


@pytest.mark.parametrize("width", [80, 130])
def test_the_table_of_runs_fits_a_terminal(width: int) -> None:
    """No line is longer, and no run id, code or outcome is cut."""
    from io import StringIO

    from rich.console import Console

    ended = Run(
        "20261126T051446Z-cbd0e8-2of8",
        1.795e9,
        1.795e9 + 7505,
        "run 2/8",
        "1",
        "",
        ("/srv/exports/2026/11/26/customers_of_all_branches_2026-11-26.csv.gz",),
        75,
        {"created": 1_234_567, "unchanged": 12_345, "unsettled": 1},
        "customers",
        "no_progress",
    )
    killed = Run("r2", 1.795e9, None, "run", "1", "", ("-",), None, {}, "", "")
    console = Console(file=StringIO(), width=width, highlight=False)
    console.print(runs_table(listed(ACCOUNT, [killed, ended, killed]), width=width))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.splitlines())) <= width
    for text in (ended.run_id, "2h 05m", "75", "1,234,567 created", "no_progress"):
        assert text in shown, shown
    assert re.findall("runs, or was killed|was killed", shown) == [RUNS, KILLED]
    assert ("2026-11-18T" in shown) == (width > 100)
    assert [duration_of(Run("r", 0.0, end, *[None] * 8)) for end in (0.42, 59.6, 200.0)] == [  # type: ignore[arg-type]
        *("0.4s", "1m 00s", "3m 20s"),
    ]
    assert HEADER not in shown
    assert not re.search("…", shown)
