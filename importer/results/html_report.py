"""``report.html``: a run on one page, and all runs of a ledger on another. Pure but for templates.

A page stands alone: no script, no address that is fetched, a policy that forbids both. What it
says comes from ``summary.json`` and ``pace.csv``, so it can be written again, and as they hold no
personal data, it holds none. Its size is bounded whatever the run was like.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import re
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from importer import __version__
from importer.errors import ExitCode, printable
from importer.outcomes import (
    IN_MOMENT,
    MARK_WORDS,
    NOT_FAILED,
    OUTCOME_WORDS,
    VANISHED_WORDS,
    Outcome,
)
from importer.results.chart import area, bar, ceiling, in_words, longest, steps, strip, ticks
from importer.results.timeline import PACE_FILE, coarser
from importer.values import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jinja2 import BytecodeCache, Environment
    from jinja2.bccache import Bucket

    from importer.results.chart import Part
    from importer.results.summary import GroupReport, Summary
    from importer.results.timeline import Interval

REPORT = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
MARKS = {
    "created": "good",
    "updated": "teal",
    "found": "info",
    "unchanged": "gray",
    "changed": "warn",
    "duplicate": "pale",
    "skipped": "pale",
    "would_create": "good",
    "would_update": "teal",
    "conflict": "violet",
    "missing": "earth",
    "invalid": "bad",
    "rejected": "rose",
    "unsettled": "warn",
}
"""The colour of each outcome; its name always stands beside it."""
_HELD = ("warn", "violet", "info", "earth", "teal", "gray")
"""The colours of what held the pace, the longest first; the last one is of all others."""
_OUTSIDE = frozenset({Outcome.INVALID, Outcome.REJECTED, Outcome.UNSETTLED})
_CAUSES = 10
"""Causes that are open to see; the others of the summary unfold."""
_MOST_CAUSES = 50
_LINES = 10
_WARNINGS = 20
_FIELDS = 40
_SOURCES = 20
_ROWS_OF_PACE = 24
_FEW = 4
"""Intervals; fewer make no chart."""
_TEXT = 400
"""Characters of a text that is no command: a column's name may have a million."""
_COMMAND = 4000
_ERRORS_FILE = re.compile(r"errors(?:-[1-9][0-9]*)?\.csv", re.ASCII)
# Hebrew, Arabic, Syriac, Thaana, N'Ko ... (the right-to-left blocks of Unicode's roadmap).
_RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_RUN = pattern(rf"[{_RTL}](?:[{_RTL}\s\d.,'-]*[{_RTL}])?")
_FILE_WORDS = {
    "results.csv": "one line per record",
    "errors.csv": "the rows that need somebody, to be corrected and fed back",
    "vanished.csv": "who was delivered before, and is not in the input any more",
    PACE_FILE: "requests and pace over time",
    "summary.json": "all of this for scripts",
}


# Templates ---------------------------------------------------------------------------------------


@functools.cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - see below

    # Loaded when a page is written: most commands write none.
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        bytecode_cache=_compiled(),
        autoescape=True,
        optimized=False,  # Each template is used once: what it would save costs more.
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"n": "{:,}".format, "axis": _axis, "text": _text}
    return made


def compile_templates() -> None:
    """Keep all of them compiled, where whoever runs importer later may not write."""
    for one in TEMPLATES.glob("*.jinja"):
        _templates().get_template(one.name)


def _compiled() -> BytecodeCache:
    """Keeps compiled templates where Python keeps compiled modules, and under the same conditions.

    To compile them is a twentieth of a run of ten rows.
    """
    from jinja2 import BytecodeCache, compiler  # noqa: PLC0415 - as above

    folder = Path(cache_from_source(str(TEMPLATES / Path(__file__).name))).parent
    # Jinja2 looks whether a template has changed, and not whether it or our settings of it have.
    # Whole seconds and sizes, as Python does: a container's image keeps no more.
    made_by = [Path(one).stat() for one in (compiler.__file__, __file__)]
    ending = "".join(f"-{one.st_mtime_ns // 10**9}-{one.st_size}" for one in made_by) + ".pyc"

    class Cache(BytecodeCache):
        def load_bytecode(self, bucket: Bucket) -> None:
            # Damaged or not ours to read: the template is compiled.
            with suppress(Exception), (folder / f"{bucket.key}{ending}").open("rb") as kept:
                bucket.load_bytecode(kept)

        def dump_bytecode(self, bucket: Bucket) -> None:
            if not sys.dont_write_bytecode:
                kept = folder / f"{bucket.key}{ending}"
                with suppress(OSError):
                    folder.mkdir(parents=True, exist_ok=True)
                    # Jinja2's own cache of files keeps them from every other user.
                    whole = kept.with_suffix(f".{os.getpid()}")
                    whole.write_bytes(bucket.bytecode_to_string())
                    whole.replace(kept)

    return Cache()


def _shown(value: Any) -> Any:
    """What an expression puts on the page: nothing that hides itself or turns the text around."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value)
    return value


def _text(value: str) -> Any:
    """A text with what runs from right to left set apart, so that it cannot reorder the rest."""
    from markupsafe import Markup, escape  # noqa: PLC0415 - comes with jinja2

    shown = str(escape(printable(value)))
    return Markup(shown if shown.isascii() else _RUN.sub(r"<bdi>\g<0></bdi>", shown))  # noqa: S704 - escaped


def _page(name: str, facts: Mapping[str, Any]) -> str:
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    style = (TEMPLATES / "style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _templates()
        .get_template(name)
        .render(
            **facts,
            style=Markup(style),  # noqa: S704 - our own file
            style_hash=f"sha256-{digest}",
            version=__version__,
        )
    )


def _axis(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,g}"


def _cut(text: str, most: int = _TEXT) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


# One run -----------------------------------------------------------------------------------------


def render_run(summary: Summary, pace: Sequence[Interval]) -> str:
    """The page of one run or check.

    Args:
        summary: as ``summary.json`` holds it.
        pace: the intervals of ``pace.csv``; empty where nothing was delivered.
    """
    failed = _failed(summary.outcomes)
    counts = _in_order(summary.outcomes)
    held = sorted(summary.waits.items(), key=lambda one: -one[1])
    colours = {why: _HELD[min(at, len(_HELD) - 1)] for at, (why, _) in enumerate(held)}
    own, defaults = _settings(summary)
    return _page(
        "run.html.jinja",
        {
            "run": _verdict(summary),
            "figures": _figures(summary, failed),
            "marks": MARKS,
            "outcomes": [
                {"name": name, "number": number, "words": OUTCOME_WORDS[name]}
                for name, number in counts
            ],
            "bar": bar(counts) if counts else [],
            "vanished": list(_vanished(summary)),
            "next": list(_next(summary.next)),
            "warnings": [_cut(one) for one in summary.warnings[:_WARNINGS]],
            "more_warnings": max(0, len(summary.warnings) - _WARNINGS),
            "causes": [_cause(one, summary) for one in summary.groups[:_CAUSES]],
            "folded_causes": [_cause(one, summary) for one in summary.groups[_CAUSES:_MOST_CAUSES]],
            "more_causes": max(0, summary.groups_found - _MOST_CAUSES),
            "several": len(summary.sources) > 1,
            "toml": summary.toml.splitlines(),
            "fields": _fields(summary.fields),
            "pace": _pace(pace, colours) if len(pace) >= _FEW else None,
            "waits": [
                (why, in_words(seconds), colours[why]) for why, seconds in held if seconds > 0
            ],
            "requests": list(_requests(summary)),
            "transforms": [
                {
                    "name": _cut(str(one["name"])),
                    "column": _cut(str(one["column"])),
                    "changed": one["changed"],
                    "examples": [(_cut(str(a)), _cut(str(b))) for a, b in one["examples"][:3]],
                }
                for one in summary.transforms[:_FIELDS]
            ],
            "settings": own,
            "defaults": defaults,
            "files": list(_files(summary, has_pace=bool(pace))),
        },
    )


def _in_order(outcomes: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(name, outcomes[name]) for name in OUTCOME_WORDS if outcomes.get(name)]


def _failed(outcomes: Mapping[str, int]) -> int:
    return sum(number for name, number in outcomes.items() if name not in NOT_FAILED)


def _level(exit_code: int) -> tuple[str, str]:
    """(class, word) of an exit code."""
    if exit_code == ExitCode.OK:
        return "good", "Done"
    if exit_code == ExitCode.TEMPFAIL:
        return "left", "Not finished: the same command goes on by itself"
    if exit_code == ExitCode.ROWS_LEFT:
        return "left", "Rows are left over"
    if exit_code in {ExitCode.SIGHUP, ExitCode.SIGINT, ExitCode.SIGTERM}:
        return "bad", "Interrupted"
    return "bad", "Stopped"


def _verdict(summary: Summary) -> dict[str, str]:
    level, word = _level(summary.exit_code)
    if summary.command == "check" and summary.exit_code == ExitCode.ROWS_LEFT:
        word = "Rows to correct"
    what = "Dry run" if summary.dry_run else summary.command.capitalize()
    if summary.shard:
        what += f", shard {summary.shard}"
    return {
        "id": summary.run_id,
        "what": what,
        "account": _cut(summary.account),
        "level": level,
        "word": word,
        "told": _cut(in_one_sentence(summary), 2 * _TEXT),
        "hint": _cut(summary.stop_hint),
    }


def in_one_sentence(summary: Summary) -> str:
    """What happened, for somebody who has a minute."""
    outcomes, records = summary.outcomes, summary.records
    sent = sum(summary.requests.values())
    if not records and not summary.stopped_by:
        return "The input held no record, so there was nothing to do."
    stopped = ""
    if summary.stopped_by:
        # The message of a stop rule may say itself that nothing was sent.
        why = summary.stop_message or summary.stopped_by.replace("_", " ")
        stopped = f"It was stopped: {why}. "
        if not sent and summary.command != "check" and "nothing was sent" not in why:
            stopped = f"It was stopped before anything was sent: {why}. "
    if summary.command == "check" or summary.dry_run:
        return stopped + _would(outcomes, records, is_check=summary.command == "check")
    counts = _in_order(outcomes)
    good = [one for one in counts if one[0] in IN_MOMENT]
    wrong = [one for one in counts if one[0] not in NOT_FAILED]
    there = sum(number for _, number in good)
    # A customer that is in conflict is in Moment as well.
    where = "in Moment" if _OUTSIDE.issuperset(name for name, _ in wrong) else "settled"
    told = f"{_of(there, records)} {where}"
    if there == records:
        told = _all_of(records, "is in Moment", "are in Moment")
    told += _listed(good)
    if skipped := outcomes.get(Outcome.SKIPPED):
        told += f"; {skipped:,} {'was' if skipped == 1 else 'were'} skipped"
    if failed := _failed(outcomes):
        told += f"; {failed:,} {'is' if failed == 1 else 'are'} left over{_listed(wrong)}"
    return f"{stopped}{told}."


def _would(outcomes: Mapping[str, int], records: int, *, is_check: bool) -> str:
    failed = _failed(outcomes)
    counts = _in_order(outcomes)
    wrong = f"; {_names([one for one in counts if one[0] not in NOT_FAILED])}" * bool(failed)
    if is_check:
        if not failed:
            return f"{_all_of(records, 'is valid', 'are valid')}."
        return f"{_of(records - failed, records)} valid{wrong}."
    creates, updates = outcomes.get("would_create", 0), outcomes.get("would_update", 0)
    would = f"would create {creates:,} and update {updates:,}" if updates else f"{creates:,}"
    if not updates:
        would = f"would create {creates:,}" if creates else "would send nothing"
    return f"A run {would} of {_plural(records, 'record')}{wrong}. Nothing was sent."


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _all_of(records: int, one: str, many: str) -> str:
    return f"The only record {one}" if records == 1 else f"All {records:,} records {many}"


def _of(number: int, records: int) -> str:
    if number == 0:
        return "No record is"
    verb = "is" if number == 1 else "are"
    return f"{number:,} of {_plural(records, 'record')} {verb}"


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    """What a number is made of: ``: 3 created, 1 found``, or `` (created)`` for all of it."""
    if len(counts) == 1:
        return f" ({counts[0][0].replace('_', ' ')})"
    return f": {_names(counts)}" if counts else ""


def _names(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts)


def _figures(summary: Summary, failed: int) -> list[tuple[str, str]]:
    what = "to correct" if summary.command == "check" else "left over"
    found = [("records", f"{summary.records:,}"), (what, f"{failed:,}")]
    if summary.vanished:
        found.append(("vanished", f"{summary.vanished:,}"))
    if summary.requests:
        found.append(("requests", f"{sum(summary.requests.values()):,}"))
    if refused := _answered(summary.answers, 429):
        found.append(("answered 429", f"{refused:,}"))
    found.append(("took", in_words(summary.seconds.get("total", 0.0))))
    found.append(("exit code", str(int(summary.exit_code))))
    return found


def _answered(answers: Mapping[str, Mapping[str, int]], status: int) -> int:
    return sum(of.get(str(status), 0) for of in answers.values())


def _vanished(summary: Summary) -> Iterator[tuple[str, int, str]]:
    if summary.vanished:
        yield "vanished", summary.vanished, VANISHED_WORDS
    for word, number in sorted(summary.marked.items()):
        words = MARK_WORDS.get(word, "of the vanished could not be marked")
        yield f"marked: {_cut(word)}", number, words


def _next(commands: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(command, why) of each."""
    for one in commands:
        command, mark, why = one.rpartition("  # ")
        text = (command if mark else one).rstrip()
        # A command that was cut would be another one.
        if len(text) <= _COMMAND:
            yield text, why if mark else ""


def _cause(group: GroupReport, summary: Summary) -> dict[str, Any]:
    lines = [f"{line:,}" for line in group.lines[:_LINES]]
    more = " …" if group.rows > len(lines) else ""
    noun = "line" if len(lines) == 1 and not more else "lines"
    return {
        "rows": group.rows,
        "outcome": group.outcome,
        "text": _cut(group.text),
        "fix": _cut(group.fix),
        "lines": f"{noun} {', '.join(lines)}{more}",
        "source": _cut(group.source) if len(summary.sources) > 1 else "",
    }


def _fields(fields: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """A table of fields by what became of them."""
    wanted = [name for name in ("would_update", "updated", "conflict") if fields.get(name)]
    names = {field: None for name in wanted for field in fields[name]}
    ranked = sorted(names, key=lambda one: -sum(fields[name].get(one, 0) for name in wanted))
    return {
        "columns": [name.replace("_", " ") for name in wanted],
        "rows": [
            (_cut(field), [fields[name].get(field, 0) for name in wanted])
            for field in ranked[:_FIELDS]
        ],
    }


def _requests(summary: Summary) -> Iterator[dict[str, Any]]:
    for method, sent in summary.requests.items():
        of = summary.answers.get(method, {})
        statuses = sorted(of.items(), key=lambda one: (-one[1], one[0]))
        told = [f"{'no answer' if one == '0' else one}: {n:,}" for one, n in statuses]
        if sent:
            yield {"method": method.upper(), "sent": sent, "answers": ", ".join(told)}


def _settings(summary: Summary) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]]]:
    """(what, value, from) of what this run was given, and (what, value) of the defaults."""
    own = [("started", summary.started_at, ""), ("ended", summary.ended_at, "")]
    own += [("source", _cut(source), "") for source in summary.sources[:_SOURCES]]
    if more := len(summary.sources) - _SOURCES:
        own += [("source", f"and {more:,} more", "")] * (more > 0)
    if summary.mapping:
        file, digest = summary.mapping.get("file", ""), summary.mapping.get("sha256", "")
        own.append(("mapping file", _cut(file), f"sha256 {digest}"))
    if summary.plan:
        own.append(("plan", summary.plan, "its digest, as importer plan printed it"))
    defaults = []
    for name, value, origin in summary.settings:
        if origin == "default":
            defaults.append((name, _cut(value) or "not set"))
        else:
            own.append((name, _cut(value), _cut(origin)))
    return own, defaults


def _files(summary: Summary, *, has_pace: bool) -> Iterator[tuple[str, str]]:
    words = _FILE_WORDS
    for name, rows in sorted(summary.errors_files.items()):
        # A summary that somebody changed leads nowhere else.
        if _ERRORS_FILE.fullmatch(name) and any(rows.values()):
            told = f"{_plural(sum(rows.values()), 'row')} that need somebody"
            yield name, told if sum(rows.values()) != 1 else "1 row that needs somebody"
    yield "results.csv", words["results.csv"]
    if summary.vanished:
        yield "vanished.csv", words["vanished.csv"]
    if has_pace:
        yield PACE_FILE, words[PACE_FILE]
    yield "summary.json", words["summary.json"]


def _pace(pace: Sequence[Interval], colours: Mapping[str, str]) -> dict[str, Any]:
    end = pace[-1].begin + pace[-1].seconds
    rates = [one.requests_per_second for one in pace]
    flights = [one.in_flight for one in pace]
    waiting = [one.waiting for one in pace]
    rate_top = ceiling(max(rates))
    flight_top = ceiling(max(*flights, *waiting, 1))
    rate = steps([(one.begin, one.seconds, one.requests_per_second) for one in pace], end, rate_top)
    sent = sum(one.requests_per_second * one.seconds for one in pace)
    return {
        "rate": rate,
        "rate_area": area(rate),
        "rate_top": rate_top,
        "rate_told": f"{sent:,.0f} requests in {in_words(end)}: {sent / end:,.1f} a second in the"
        f" mean, {max(rates):,.1f} at most.",
        "flight": steps([(one.begin, one.seconds, one.in_flight) for one in pace], end, flight_top),
        "waiting": steps([(one.begin, one.seconds, one.waiting) for one in pace], end, flight_top),
        "flight_top": flight_top,
        "flight_told": f"At most {max(flights):,} requests in flight, and at most"
        f" {max(waiting):,} rows that waited for their next request.",
        "lanes": list(_lanes(pace, end, colours)),
        "ticks": ticks(end),
        "table": [
            {
                "begin": in_words(one.begin) if one.begin else "0 s",
                "rate": f"{one.requests_per_second:,.1f}",
                "in_flight": one.in_flight,
                "waiting": one.waiting,
                "answers_429": one.answers_429,
                "settled": one.settled,
                "why": one.why,
            }
            for one in coarser(pace, _ROWS_OF_PACE)
        ],
    }


def _lanes(
    pace: Sequence[Interval], end: float, colours: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    refused = [one for one in pace if one.answers_429]
    if refused:
        total = sum(one.answers_429 for one in refused)
        parts = [
            {
                "x": part.x,
                "width": part.width,
                "mark": "bad",
                "told": f"{one.answers_429:,} from {in_words(one.begin)} on",
            }
            for one in refused
            for part, _ in strip([(one.begin, one.seconds, "")], end)
        ]
        told = f"{_plural(total, 'answer')} of 429, in {len(refused)} of {len(pace)} intervals."
        yield {"title": "429 answers", "parts": parts, "told": told}
    held = [(one.begin, one.seconds, one.why) for one in pace if one.why]
    if held:
        parts = [
            {**_held(part, long), "mark": colours.get(part.name, _HELD[-1])}
            for part, long in strip(held, end)
        ]
        told = f"Held for {in_words(sum(one.held_seconds for one in pace))} of {in_words(end)}."
        yield {"title": "Held (colours: below)", "parts": parts, "told": told}


def _held(part: Part, seconds: float) -> dict[str, Any]:
    told = f"{part.name}, for {in_words(seconds)} from {in_words(part.number)} on"
    return {"x": part.x, "width": part.width, "told": told}


# All runs ----------------------------------------------------------------------------------------


class RunLine(NamedTuple):
    """One run of the ledger, as the page of all runs shows it."""

    run_id: str
    command: str
    started_at: str
    """In words."""
    seconds: float | None
    """None while it runs, or for ever."""
    exit_code: int | None
    outcomes: Mapping[str, int]
    sources: str
    has_page: bool
    """Its report stands beside this page, in its results folder."""


class AccountLines(NamedTuple):
    """The runs of an account, newest first."""

    label: str
    runs: Sequence[RunLine]
    trouble: str = ""
    """Why they cannot be read."""


RUNS_SHOWN = 100
"""Runs in a table; more are counted."""
_TREND = 90
"""Runs in a chart."""


def render_runs(ledger: str, accounts: Iterable[AccountLines], made_at: str) -> str:
    """The page of all runs of a ledger: a table of each account, and trends."""
    told = [_account(one) for one in accounts]
    return _page("runs.html.jinja", {"ledger": _cut(ledger), "accounts": told, "made_at": made_at})


def _account(account: AccountLines) -> dict[str, Any]:
    shown = account.runs[:RUNS_SHOWN]
    good = sum(run.exit_code == ExitCode.OK for run in account.runs)
    trend = [run for run in reversed(account.runs[:_TREND]) if run.exit_code is not None]
    return {
        "label": _cut(account.label),
        "trouble": _cut(account.trouble),
        "told": f"{_plural(len(account.runs), 'run')}, {good:,} of them with nothing left over.",
        "charts": _trends(trend) if len(trend) > 1 else None,
        "runs": [_run(run) for run in shown],
        "more": max(0, len(account.runs) - RUNS_SHOWN),
    }


def _mark(exit_code: int | None) -> str:
    if exit_code is None:
        return "gray"
    level, _ = _level(exit_code)
    return "warn" if level == "left" else level


def _run(run: RunLine) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "href": f"{quote(run.run_id)}/{REPORT}" if run.has_page else "",
        "command": run.command,
        "started": run.started_at,
        "mark": _mark(run.exit_code),
        "code": "none" if run.exit_code is None else run.exit_code,
        "took": "runs, or was killed" if run.seconds is None else in_words(run.seconds),
        "records": sum(run.outcomes.values()),
        "outcomes": _names(_in_order(run.outcomes)),
        "sources": _cut(run.sources),
    }


_GRAVITY = {"good": 0.12, "warn": 0.5, "bad": 1.0}
"""How high a run stands by how it ended."""


def _trends(runs: Sequence[RunLine]) -> dict[str, Any]:
    width = 1000 / max(len(runs), 20)
    records = [sum(run.outcomes.values()) for run in runs]
    left = [_failed(run.outcomes) for run in runs]
    seconds = [run.seconds or 0.0 for run in runs]
    most, most_seconds = ceiling(max(records)), longest(max(seconds))
    bars: list[dict[str, Any]] = []
    for at, (run, all_, failed) in enumerate(zip(runs, records, left, strict=True)):
        told = f"{run.run_id}: {_plural(all_, 'record')}, {failed:,} left over"
        bars += _column(at, width, (all_ - failed) / most, failed / most, told)
    codes = [_mark(run.exit_code) for run in runs]
    return {
        "records": bars,
        "records_top": f"{most:,.0f}",
        "records_told": f"The last {len(runs)} runs had {min(records):,} to {max(records):,}"
        f" records, and left {min(left):,} to {max(left):,} over.",
        "seconds": [
            _rectangle(
                at, width, (0.0, one / most_seconds), "info", f"{run.run_id}: {in_words(one)}"
            )
            for at, (run, one) in enumerate(zip(runs, seconds, strict=True))
        ],
        "seconds_top": in_words(most_seconds),
        "seconds_told": f"They took {in_words(min(seconds))} to {in_words(max(seconds))}.",
        "codes": [
            _rectangle(
                at, width, (0.0, _GRAVITY[mark]), mark, f"{run.run_id}: exit {run.exit_code}"
            )
            for at, (run, mark) in enumerate(zip(runs, codes, strict=True))
        ],
        "codes_told": f"{codes.count('good')} ended with 0, {codes.count('warn')} with rows left"
        f" over, and {codes.count('bad')} were stopped.",
    }


def _column(at: int, width: float, good: float, bad: float, told: str) -> list[dict[str, Any]]:
    found = [_rectangle(at, width, (0.0, good), "good", told)] if good else []
    # So small that nobody sees it would be as if there were none.
    return (
        [*found, _rectangle(at, width, (good, good + max(bad, 0.03)), "bad", told)]
        if bad
        else found
    )


def _rectangle(
    at: int, width: float, reach: tuple[float, float], mark: str, told: str
) -> dict[str, Any]:
    low, high = reach
    top = min(100.0, 100 * high)
    return {
        "x": round(at * width + width * 0.1, 2),
        "width": round(width * 0.8, 2),
        "y": round(100 - top, 2),
        "height": round(max(1.0, top - 100 * low), 2),
        "mark": mark,
        "told": told,
    }
