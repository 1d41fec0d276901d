"""``summary.json``: the run in figures, for scripts and for the end of the night. Pure.

Groups of errors are plain values in it, most frequent first.
"""

from __future__ import annotations

import json
import platform
import sqlite3
from contextlib import suppress
from dataclasses import asdict, field
from importlib.metadata import distribution, version
from itertools import islice
from typing import TYPE_CHECKING, Any

from importer import __version__
from importer.results.advice import advice_on, as_toml
from importer.values import record, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from importer.results.advice import Setting
    from importer.results.groups import Group
    from importer.results.workspace import Workspace


SUMMARY = "summary.json"
MOST_GROUPS = 50
"""Groups that a summary holds."""


@value
class GroupReport:
    """One group of errors. No names, addresses, numbers or references are in it."""

    outcome: str
    rows: int
    source: str
    """As the user named it."""
    column: str
    error_code: str
    detail: str
    """The kind of mistake, the currency or the metadata key, "" where there is none."""
    http_status: int
    lines: list[int]
    """The first lines of the group, at most ten."""
    text: str
    """What is wrong, in words."""
    fix: str
    """What would fix the whole group, in words."""
    toml: str
    """Entries for the mapping file that would fix it, "" where there are none."""


@value
class ErrorReport:
    """What a run says of its errors."""

    groups: list[GroupReport]
    count: int
    """Groups found; only the most frequent ``MOST_GROUPS`` are in ``groups``."""
    toml: str
    """The entries of all these groups together, as one text to paste."""


def report(ranked: Sequence[Group], sources: Sequence[str]) -> ErrorReport:
    """Put the groups into words.

    Args:
        ranked: the groups, most frequent first.
        sources: the names of the sources, by index.
    """
    told: list[GroupReport] = []
    settings: list[Setting] = []
    for group in ranked[:MOST_GROUPS]:
        advice = advice_on(group.cause)
        settings += advice.settings
        told.append(
            GroupReport(
                outcome=group.cause.outcome,
                rows=group.rows,
                source=sources[group.cause.source],
                column=group.cause.column,
                error_code=group.cause.code,
                detail=group.cause.detail,
                http_status=group.cause.http_status,
                lines=list(group.lines),
                text=advice.text,
                fix=_fix(advice.fix, advice.settings),
                toml=as_toml(advice.settings),
            )
        )
    return ErrorReport(told, len(ranked), as_toml(settings))


def _fix(sentence: str, settings: Iterable[Setting]) -> str:
    entries = " and ".join(f"{one} in [{one.section}]" for one in settings)
    notes = "; ".join(one.note for one in settings if one.note)
    noted = f"{entries} ({notes})" if notes else entries
    return ": ".join(part for part in (sentence, noted) if part)


FORMAT = 1
"""Raised when a field changes its meaning."""


@record
class Summary:
    """Counts are records, times are seconds or ISO 8601 in UTC."""

    run_id: str
    command: str
    account: str
    began: float
    """Seconds since the epoch; ``started_at`` in words."""
    started_at: str
    sources: list[str]
    ended_at: str = ""
    series: str = ""
    """The nightly file that it is compared with, by its name without the date."""
    exit_code: int = 0
    plan: str = ""
    """Digest of the plan that the run followed, "" if none."""
    dry_run: bool = False
    """Nothing was sent, as asked."""
    stopped_by: str = ""
    """The stop rule or signal that ended the run early, "" if none did."""
    stop_message: str = ""
    """The same in words, with its figures."""
    stop_hint: str = ""
    """What to do about it."""
    shard: str = ""
    """Whose share of the input this is, as I/N; "" for all of it. Every figure is of the share."""
    records: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    vanished: int = 0
    """Customers that earlier runs of this series delivered and that the input no longer has."""
    marked: dict[str, int] = field(default_factory=dict)
    """Of them, by what became of their mark, as ``vanished.csv`` says it; empty for no rule."""
    requests: dict[str, int] = field(default_factory=dict)
    """Requests sent by this run: ``post`` and ``get``."""
    answers: dict[str, dict[str, int]] = field(default_factory=dict)
    """By the request's method, their answers by HTTP status; "0" for those that got none."""
    waits: dict[str, float] = field(default_factory=dict)
    """What held the pace down, and for how many seconds (``pace.csv`` says when)."""
    fields: dict[str, dict[str, int]] = field(default_factory=dict)
    """By outcome (``updated``, ``conflict``, ``would_update``) the fields, with their records."""
    volume: dict[str, int] = field(default_factory=dict)
    """What the volume guard counted: ``records``, ``before`` (of the last good run) and how many
    ``fewer`` that is, ``new``, ``changed``, ``vanished``; empty where the run did not get there."""
    input_of: str = ""
    """The earlier run that had this very input, where one of another came since; "" if none."""
    ledger: dict[str, int] = field(default_factory=dict)
    """Customers of the account in the ledger at the end, by state."""
    errors: list[dict[str, Any]] = field(default_factory=list)
    """The most frequent error codes: outcome, code, rows."""
    errors_files: dict[str, dict[str, int]] = field(default_factory=dict)
    """The errors files that hold rows: name, and their rows by outcome."""
    groups: list[GroupReport] = field(default_factory=list)
    """The errors by cause, most frequent first, at most 50, each with what would fix it."""
    groups_found: int = 0
    """All groups, those that are not in ``groups`` among them."""
    toml: str = ""
    """The entries of all groups for the mapping file, to paste as they are."""
    mapping: dict[str, str] = field(default_factory=dict)
    """The mapping file: its name (``file``) and the digest of its bytes (``sha256``)."""
    transforms: list[dict[str, Any]] = field(default_factory=list)
    """What the mapping changed: name, column, records and up to three masked examples."""
    warnings: list[str] = field(default_factory=list)
    alarms: dict[str, str] = field(default_factory=dict)
    """Of the warnings, those that people are told of also where all went well, by their code."""
    clock_ahead: float | None = None
    """Seconds that the clock is ahead of Moment's (``Date``); None where nothing was asked."""
    settings: list[tuple[str, str, str]] = field(default_factory=list)
    """What the command was given: name, value, and where from. No key, no password."""
    next: list[str] = field(default_factory=list)
    """The commands to type next, each with a word on why."""
    seconds: dict[str, float] = field(default_factory=dict)
    """``read``, ``plan``, ``deliver``, ``mark``, and ``total``, which includes the results."""
    stages: dict[str, float] = field(default_factory=dict)
    """When each of these began, and ``results``: seconds since the epoch."""


def versions() -> dict[str, str]:
    """Versions of what took part."""
    packages = ("anyio", "httpx", "polars", "pydantic")
    return {
        "importer": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    """As ``importlib.metadata.version``, which reads a package's whole description for it."""
    for line in (distribution(package).read_text("METADATA") or "").splitlines():
        if line.startswith("Version: "):
            return line.removeprefix("Version: ")
    return version(package)


def write_summary(workspace: Workspace, summary: Summary) -> None:
    """Write ``summary.json`` into the workspace."""
    document = {"format": FORMAT, **asdict(summary), "versions": versions()}
    with workspace.open_text(SUMMARY) as file:
        json.dump(document, file, indent=2)
        file.write("\n")


_LOOKED_AT = 20
"""Results folders that are looked at for an account's last run."""


def last_known(folders: Iterable[Path], account: str) -> tuple[Path, int] | None:
    """The newest of these results folders whose run left customers of the account in its ledger.

    And how many; None where none of the newest did. What cannot be read is left out.
    """
    for folder in islice(folders, _LOOKED_AT):
        with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            found = json.loads((folder / SUMMARY).read_text("utf-8"))
            known = sum(found["ledger"].values()) if found["account"] == account else 0
            if known:
                return folder, known
    return None


def read_summary(text: str) -> Summary:
    """The summary that ``summary.json`` holds; one of an older version has fewer fields.

    Raises:
        ValueError: it is none.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - only a report reads one

    document = json.loads(text)
    try:
        return TypeAdapter(Summary).validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise ValueError(f"{place}: {first['msg']}") from None
