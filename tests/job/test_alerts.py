"""What is news, and what a message says."""

from __future__ import annotations

import pytest

from importer.errors import RunStopped, SourceError
from importer.job.alerts import WELL, Change, RunEnd, State, body, change, scope, title
from importer.job.run_news import masked, ping_url
from importer.job.volume import VOLUME_GUARD
from importer.results.summary import GroupReport, Summary

BAD = State(1, "", ("rejected: email_taken",))
STOPPED = State(3, "unauthorised")
ALARMED = State(alarms=("clock_wrong",))
RETRIED = State(75, "unreachable", ("unsettled",))


@pytest.mark.parametrize(
    ("told", "now", "news"),
    [
        (WELL, WELL, None),
        (WELL, BAD, Change.FAILED),
        (BAD, BAD, None),
        (BAD, STOPPED, Change.OTHERWISE),
        (STOPPED, State(3, "redirected"), Change.OTHERWISE),
        (BAD, State(1, "", (*BAD.causes, "unsettled")), Change.OTHERWISE),
        (BAD, WELL, Change.RECOVERED),
        (WELL, ALARMED, Change.ALARMED),
        (ALARMED, ALARMED, None),
        (ALARMED, State(alarms=("clock_wrong", "older_input")), Change.ALARMED),
        (ALARMED, WELL, None),
        (ALARMED, BAD, Change.FAILED),
        (BAD, ALARMED, Change.RECOVERED),
        (WELL, RETRIED, Change.WAITS),
        (BAD, RETRIED, Change.WAITS),
        (RETRIED, RETRIED, None),
        (RETRIED, State(75, "no_progress"), None),
        (RETRIED, STOPPED, Change.OTHERWISE),
        (RETRIED, WELL, Change.RECOVERED),
        (WELL, State(130, "signal 2"), None),
        (BAD, State(130, "signal 2"), None),
        (WELL, State(143, "signal 15"), Change.FAILED),
    ],
)
def test_only_a_change_is_news(told: State, now: State, news: Change | None) -> None:
    """The last that was told, and how the run ended, say what is told; no clock and no count."""
    assert change(told, now) is news
    assert State.of(str(now)) == now


@pytest.mark.parametrize("text", ["", "{", "[]", '{"exit_code": "x"}', '{"exit_code": 1}'])
def test_a_note_that_cannot_be_read_is_none(text: str) -> None:
    """Then the next trouble is told, once too often at worst."""
    assert State.of(text) == WELL


def group(outcome: str, code: str) -> GroupReport:
    """A group of errors; its words are nobody's business here."""
    return GroupReport(outcome, 3, "crm.csv", "email", code, "", 0, [2], "", "", "")


def test_a_state_is_exit_code_reason_and_causes() -> None:
    """Counts, lines and tonight's file name make no difference, and neither does chance."""
    summary = Summary("r", "run", "", 0.0, "", ["crm_2026-11-26.csv"], series="crm.csv")
    summary.groups = [
        group("unsettled", "read_timeout"),
        group("invalid", "phone_not_e164"),
        group("unsettled", "server_fault"),
    ]
    end = RunEnd(1, 0.0, 1.0, summary=summary)
    assert end.state == State(1, "", ("invalid: phone_not_e164", "unsettled"))
    for name in ("crm_2026-11-26.csv", "crm_2026-11-27.csv"):
        early = RunEnd(2, 0.0, 1.0, error=SourceError(f"{name} cannot be read"))
        assert early.state == State(2, "SourceError")
    assert scope("crm.csv", "1/2") != scope("crm.csv", "2/2") != scope("crm.csv", "")


def test_a_message_says_what_whose_how_many_and_what_next() -> None:
    """The first line is a sentence; control characters of a file's name do nothing."""
    summary = Summary(
        "20261126T043000Z-1f3a9c",
        "run",
        "",
        0.0,
        "",
        ["crm.csv"],
        series="crm\x1b[2J.csv",
        records=5000,
        outcomes={"created": 4990, "unsettled": 10},
        stopped_by="unauthorised",
        next=["importer run crm.csv  # goes on"],
    )
    error = RunStopped("Moment does not accept the key", reason="unauthorised", hint="check it")
    end = RunEnd(
        3,
        0.0,
        1.0,
        account="shop",
        mode="live",
        series=summary.series,
        error=error,
        summary=summary,
        results="/results/1",
        host="batch-1",
    )
    assert title(Change.FAILED, end) == "importer failed: crm\\x1b[2J.csv (account shop, live)"
    assert body(end, BAD).splitlines() == [
        "Moment does not accept the key (exit code 3).",
        "5,000 records: 4,990 created, 10 unsettled",
        "before: exit code 1 (rejected: email_taken)",
        "fix: check it",
        "results: /results/1",
        "run: 20261126T043000Z-1f3a9c",
        "on: batch-1",
        "next: importer run crm.csv  # goes on",
    ]
    summary.stopped_by, summary.volume = VOLUME_GUARD, {"records": 9, "before": 90}
    twins = RunStopped("C-0042 is known as C-42", reason=VOLUME_GUARD)
    shown = body(RunEnd(3, 0.0, 1.0, error=twins, summary=summary)).splitlines()[0]
    told = "the input is unlike the last good one (9 records, 90 before)"
    assert shown == f"Nothing was sent: {told} (exit code 3)."
    summary.alarms, summary.warnings = {"clock_wrong": "the clock is ahead"}, ["C-0042 is odd"]
    assert "\nwarning: the clock is ahead\n" in body(RunEnd(0, 0.0, 1.0, summary=summary))
    assert RunEnd(0, 0.0, 1.0, summary=summary).state.alarms == ("clock_wrong",)
    before = RunEnd(3, 0.0, 1.0, error=twins, summary=summary).state
    summary.volume |= {"respelt": 9}
    end = RunEnd(3, 0.0, 1.0, error=twins, summary=summary)
    assert end.state != before
    shown = body(end).splitlines()[0]
    assert "(9 references in another spelling that would become second customers, 9 rec" in shown
    assert "goes on by itself" in body(RunEnd(75, 0.0, 1.0, summary=summary))


@pytest.mark.parametrize(
    ("base", "end", "url"),
    [
        ("https://hc-ping.com/uuid", "", "https://hc-ping.com/uuid?rid=R"),
        ("https://hc-ping.com/uuid/", "start", "https://hc-ping.com/uuid/start?rid=R"),
        (
            "https://h.example/ping/key/slug?create=1",
            "75",
            "https://h.example/ping/key/slug/75?create=1&rid=R",
        ),
    ],
)
def test_a_ping_goes_where_the_service_documents_it(base: str, end: str, url: str) -> None:
    """The end is a part of the path, and a query stays behind it."""
    assert ping_url(base, end, "R") == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("slack://TokenA/TokenB/TokenC/#nightly", "slack://..."),
        ("mailto://user:password@example.com", "mailto://..."),
        ("https://user:password@hc-ping.com/uuid?x=y", "https://hc-ping.com/..."),
        ("no address", "..."),
    ],
)
def test_an_address_shows_nothing_that_may_be_a_token(url: str, shown: str) -> None:
    """Of most services every part but its kind may be one."""
    assert masked(url) == shown
