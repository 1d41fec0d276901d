"""report.html without a browser: what it says, and what it may hold."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import re
import shutil
import stat
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import Environment

from importer.outcomes import Outcome
from importer.results import html_report
from importer.results.chart import bar, ceiling, ticks
from importer.results.html_report import (
    MARKS,
    TEMPLATES,
    _templates,
    compile_templates,
    in_one_sentence,
    render_run,
    render_runs,
)
from importer.results.timeline import MOST, Interval
from tests.results.pages import LONG, day_two, delivery, group, hostile, runs, summary

if TYPE_CHECKING:
    from pathlib import Path

FETCHES = {"action", "background", "cite", "data", "formaction", "poster", "src", "srcset", "style"}


class Tags(HTMLParser):
    """Every tag with its attributes, and each heading's rank."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect it."""
        self.tags.append((tag, dict(attrs)))


def pages() -> list[str]:
    """A page of each kind, at its worst."""
    return [
        render_run(hostile(), delivery()),
        render_run(day_two(), []),
        render_runs("l.db", runs(), "2026-11-26T05:00:00Z"),
    ]


@pytest.mark.parametrize("which", range(3))
def test_a_page_fetches_and_runs_nothing(which: int) -> None:
    """No script, no handler, no address but those of files beside it, and a policy that says so."""
    page = pages()[which]
    tags = Tags(page).tags
    names = {tag for tag, _ in tags}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
    for tag, attributes in tags:
        assert not {one for one in attributes if one in FETCHES or one.startswith("on")}, tag
    links = {attributes["href"] for tag, attributes in tags if tag == "a"}
    for link in links:
        assert re.fullmatch(
            r"(errors|results|vanished|pace)\.csv|summary\.json|[0-9TZ]+-[0-9a-f]{6}/report\.html",
            link or "",
        )
    [policy] = [of["content"] for _, of in tags if of.get("http-equiv")]
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_a_page_has_a_size_that_no_run_can_change() -> None:
    """A hundred thousand causes, long names and a delivery of a year make no large page."""
    worst = hostile()
    worst.groups *= 5000
    worst.warnings *= 5000
    worst.transforms *= 5000
    worst.fields["updated"] |= {f"metadata.{n}": 1 for n in range(5000)}
    worst.next = [f"importer run {LONG * 100}  # too long to be pasted whole", *worst.next]
    long = [Interval(n * 9e4, 9e4, 9.0, 1, 2, 3, n % 2, 1.0, LONG[: n % 9]) for n in range(MOST)]
    page = render_run(worst, long)
    assert len(page) < 300_000
    assert LONG * 20 not in page


def facts(**fields: Any) -> str:
    """The sentence for a run of 1,000 records, but for ``fields``."""
    return in_one_sentence(summary(**{"records": 1000, **fields}))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"outcomes": {"created": 990, "found": 10}},
            "All 1,000 records are in Moment: 990 created, 10 found.",
        ),
        ({"records": 1, "outcomes": {"created": 1}}, "The only record is in Moment (created)."),
        (
            {"outcomes": {"created": 997, "skipped": 3}},
            "997 of 1,000 records are in Moment (created); 3 were skipped.",
        ),
        (
            {"outcomes": {"created": 900, "invalid": 99, "rejected": 1}},
            (
                "900 of 1,000 records are in Moment (created);"
                " 100 are left over: 99 invalid, 1 rejected."
            ),
        ),
        (
            {"outcomes": {"updated": 999, "conflict": 1}},
            "999 of 1,000 records are settled (updated); 1 is left over (conflict).",
        ),
        (
            {"outcomes": {"invalid": 1000}},
            "No record is in Moment; 1,000 are left over (invalid).",
        ),
        ({"records": 0, "outcomes": {}}, "The input held no record, so there was nothing to do."),
        (
            {
                "outcomes": {"unsettled": 1000},
                "requests": {"post": 0, "get": 0},
                "stopped_by": "too_many_invalid",
                "stop_message": "12 % are invalid: nothing was sent",
            },
            (
                "It was stopped: 12 % are invalid: nothing was sent. No record is in Moment;"
                " 1,000 are left over (unsettled)."
            ),
        ),
        (
            {"outcomes": {"unsettled": 1000}, "requests": {"post": 0}, "stopped_by": "tls_failed"},
            (
                "It was stopped before anything was sent: tls failed. No record is in Moment;"
                " 1,000 are left over (unsettled)."
            ),
        ),
        (
            {
                "outcomes": {"created": 400, "unsettled": 600},
                "stopped_by": "signal 2",
                "stop_message": "interrupted by SIGINT",
            },
            (
                "It was stopped: interrupted by SIGINT. 400 of 1,000 records are in Moment"
                " (created); 600 are left over (unsettled)."
            ),
        ),
        (
            {"command": "check", "outcomes": {"would_create": 988, "invalid": 12}},
            "988 of 1,000 records are valid; 12 invalid.",
        ),
        ({"command": "check", "outcomes": {"would_create": 1000}}, "All 1,000 records are valid."),
        (
            {"dry_run": True, "outcomes": {"would_create": 2, "would_update": 3, "unchanged": 995}},
            "A run would create 2 and update 3 of 1,000 records. Nothing was sent.",
        ),
        (
            {"dry_run": True, "outcomes": {"unchanged": 1000}},
            "A run would send nothing of 1,000 records. Nothing was sent.",
        ),
    ],
)
def test_what_happened_in_one_sentence(fields: dict[str, Any], told: str) -> None:
    """Somebody who has a minute reads what became of the records, and why it ended early."""
    assert facts(**fields) == told


def test_what_hides_or_turns_text_around_is_shown() -> None:
    """Control characters, bidirectional overrides and halves of characters are escaped."""
    page = render_run(summary(warnings=["a\u202eb\u0000c\ud800d"], sources=["x\u2066y\x1b[2J"]), [])
    page.encode()
    assert "a\\u202eb\\x00c\\ud800d" in page
    assert "x\\u2066y\\x1b[2J" in page


def test_headings_and_tables_are_what_they_look_like() -> None:
    """Ranks of headings are never skipped, each table names its columns, each chart its content."""
    for page in pages():
        tags = Tags(page).tags
        ranks = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
        assert ranks[0] == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(ranks))
        ids = [of["id"] for _, of in tags if "id" in of]
        assert len(ids) == len({*ids})
        assert all(of.get("scope") in {"row", "col"} for tag, of in tags if tag == "th")
        for tag, of in tags:
            if tag == "svg" and not of.get("aria-hidden"):
                assert {*str(of["aria-labelledby"]).split()} <= {*ids}


# Colours ------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definitions)."""
    text = colour.removeprefix("#")
    text = "".join(2 * one for one in text) if len(text) == 3 else text
    parts = [int(text[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_can_be_told_from_what_is_behind_them() -> None:
    """WCAG AA in light, dark and print: text 4.5 to 1 (1.4.3), marks 3 to 1 (1.4.11)."""
    style = (TEMPLATES / "style.css").read_text()
    schemes = re.findall(r":root \{([^}]*)\}", style)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", scheme))
        for name, colour in colours.items():
            least = {"page": 1.0, "sheet": 1.0, "line": 1.0, "text": 7.0}.get(name, 4.5)
            if name in {*MARKS.values()} - {"good", "warn", "bad"}:
                least = 3.0
            for behind in ("page", "sheet"):
                light, dark = sorted((luminance(colour), luminance(colours[behind])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= least, (name, behind, colour)


def test_every_outcome_has_a_colour_and_a_place() -> None:
    """A new outcome is not forgotten on the page."""
    assert MARKS.keys() == {one.value for one in Outcome}
    page = render_run(summary(outcomes=dict.fromkeys(MARKS, 1), groups=[group("x")]), [])
    for one in Outcome:
        assert f">{one.value}</th>" in page


# Marks of charts ----------------------------------------------------------------------------------


def test_one_row_in_a_million_is_seen_and_the_bar_is_as_long_as_ever() -> None:
    """The smallest parts get some room from the largest."""
    parts = bar([("created", 1_000_000), ("invalid", 1), ("found", 0), ("rejected", 3)])
    assert [one.name for one in parts] == ["created", "invalid", "rejected"]
    assert min(one.width for one in parts) >= 4
    assert parts[-1].x + parts[-1].width == pytest.approx(1000, abs=0.1)
    assert bar([("created", 1)])[0].width == 1000


def test_axes_end_at_round_numbers() -> None:
    """An axis holds its data, and few labels tell where it stands."""
    for most, end in ((0, 1), (0.3, 0.3), (1, 1), (7, 8), (183, 200), (5100, 6000)):
        assert ceiling(most) == pytest.approx(end)
    for seconds in (0.25, 1, 31, 119, 3600, 50_000, 3e7):
        labels = ticks(seconds)
        assert 2 <= len(labels) <= 6
        assert labels[0] == (0, "0")
        assert all(0 <= one.percent <= 100 for one in labels)
        assert len({one.label for one in labels}) == len(labels)


def test_templates_are_compiled_once_and_what_is_damaged_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Kept compiled as modules are; where nothing can be kept, or was damaged, nobody notices."""
    compiled: list[str] = []
    real = Environment.compile

    def compile_(self: Environment, *given: Any, **named: Any) -> Any:
        compiled.append(given[1])
        return real(self, *given, **named)

    def renders(*, compiles: bool) -> None:
        _templates.cache_clear()
        compiled.clear()
        assert render_run(day_two(), []) == page
        assert bool(compiled) is compiles

    page = render_run(day_two(), [])
    umask, real_file = os.umask(0o022), html_report.__file__
    os.umask(umask)
    monkeypatch.setattr(Environment, "compile", compile_)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "kept"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    renders(compiles=True)
    renders(compiles=True)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    renders(compiles=True)
    renders(compiles=False)
    kept = [one for one in (tmp_path / "kept").rglob("*") if one.is_file()]
    assert {one.suffix for one in kept} == {".pyc"}
    # Who installed it may be another user than who runs it.
    assert {stat.S_IMODE(one.stat().st_mode) for one in kept} == {0o666 & ~umask}
    for one in kept:
        one.write_bytes(one.read_bytes()[:100])
    renders(compiles=True)
    renders(compiles=False)
    # A layer of a container's image keeps times in whole seconds.
    monkeypatch.setattr(html_report, "__file__", str(tmp_path / "in_a_layer.py"))
    shutil.copy(real_file, tmp_path / "in_a_layer.py")
    for digits in (999_999_999, 0):
        os.utime(tmp_path / "in_a_layer.py", ns=(0, 10**18 + digits))
        renders(compiles=digits > 0)
    # As an image is made by one user, and used by another who may write nothing.
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "image"))
    _templates.cache_clear()
    compile_templates()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    renders(compiles=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(kept[0]))
    renders(compiles=True)
    _templates.cache_clear()
