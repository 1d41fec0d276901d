"""The suite runs, and its page says what was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import __main__ as suite
from benchmarks import report, then
from benchmarks.bench import Bench
from benchmarks.parts import posting
from benchmarks.process import BenchmarkError, run
from importer import __version__

if TYPE_CHECKING:
    from typing import Any

ROOT = Path(__file__).parents[2]


def test_posting_runs_without_any_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program alone is measured, and each row of its run was created at the target server."""
    monkeypatch.setattr(posting, "install", dict)
    monkeypatch.setattr(posting, "peers", lambda _: [])
    monkeypatch.setattr(posting, "MOST", 250)
    monkeypatch.setattr(then, "COMMIT", "0" * 40)
    path = tmp_path / "figures.json"
    words = ["posting", "--quick", "--json", str(path), "--work", str(tmp_path)]
    assert suite.main(words) == 0
    part = json.loads(path.read_text())["parts"]["posting"]
    assert set(part["figures"]["missing"]) == {then.THEN}, "there is no such commit"
    assert part["figures"]["contenders"]["importer"]["rows"] >= 200
    assert part["figures"]["contenders"]["importer"]["rows_per_second"][0] > 0
    assert "importer" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == [path], "the work folder is gone"


def test_the_version_of_the_targets_comes_from_the_history(tmp_path: Path) -> None:
    """Its package is laid beside what is measured, once, where this folder has its history."""
    bench = Bench(tmp_path)
    try:
        tree = then.checkout(bench)
    except BenchmarkError as error:
        pytest.skip(str(error))
    assert (tree / "importer" / "__main__.py").is_file()
    assert then.checkout(bench) == tree


def test_a_process_that_fails_is_no_figure() -> None:
    """Whatever ends with another code than 0 is an error that carries its last words."""
    with pytest.raises(BenchmarkError, match=r"ended with 3: no such thing"):
        run(["sh", "-c", "echo no such thing; exit 3"])
    with pytest.raises(BenchmarkError, match=r"No such file"):
        run(["/no/such/program"])


def test_quick_figures_never_replace_real_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """--quick refuses to write the published figures or the page."""
    with pytest.raises(SystemExit):
        suite.arguments(["--quick"])
    with pytest.raises(SystemExit):
        suite.arguments(["--quick", "--json", "x.json", "--write-docs"])
    with pytest.raises(SystemExit):
        suite.arguments(["no_such_part"])
    assert "posting" in capsys.readouterr().err


def test_the_page_is_written_from_the_figures() -> None:
    """docs/performance.md is what --docs-only writes from figures.json and the template."""
    written = report.page(report.read(report.FIGURES), report.TEMPLATE.read_text())
    assert report.PAGE.read_text() == written, "python -m benchmarks --docs-only"


def faults_of(figures: dict[str, Any], page: str) -> list[str]:
    """What is missing or out of date on a page that is to be published."""
    faults = [f"{name} was not measured" for name in report.PARTS if name not in figures["parts"]]
    major = __version__.partition(".")[0]
    for name, part in figures["parts"].items():
        measured = part["versions"]["importer"]
        if measured.partition(".")[0] != major:
            faults.append(f"{name} is of importer {measured}")
        if len(report.PARTS[name].table(part["figures"])) < 2:
            faults.append(f"the table of {name} is empty")
    faults += [words for words in ("Not measured yet", "(not measured)") if words in page]
    return faults


PUBLISHED = report.read(report.FIGURES)


@pytest.mark.skipif("posting" not in PUBLISHED["parts"], reason="make bench was not run yet")
def test_the_published_page_is_whole_and_of_this_version() -> None:
    """Every part was measured with this major version, and no table or figure is missing."""
    assert faults_of(PUBLISHED, report.PAGE.read_text()) == []


def test_what_is_published_is_of_this_version() -> None:
    """No figure of another major version, no empty table, whatever was measured so far."""
    faults = faults_of(PUBLISHED, report.PAGE.read_text())
    assert [one for one in faults if not one.endswith("was not measured")] == []


LATENCY = {
    "levels": {
        level: {
            "ideal_rows_per_second": 20.0 * int(level),
            "rows": {"importer": 100},
            "load_generator_share": 1.0,
            "share_whole_job": {"importer": [0.9, 0.9, 0.9]},
            "share_delivery": [0.96, 0.96, 0.96],
            "slower": [2.0, 2.0, 2.0],
            "share_like_there": [0.98 if level == "64" else 0.9] * 3,
            "share_then": [0.9, 0.9, 0.9],
        }
        for level in ("128", "256", "32", "64")
    },
    "missing": {},
}
"""As JSON has it: the keys sorted as texts."""


def test_a_page_with_a_gap_is_found() -> None:
    """A part that nobody measured, figures of another major version, an empty table, a gap."""
    empty = {"figures": {**LATENCY, "levels": {}}, "versions": {"importer": "99.1.0 (abc)"}}
    faults = faults_of({"parts": {"latency": empty}}, "Not measured yet")
    assert "posting was not measured" in faults
    assert faults[-3:] == [
        "latency is of importer 99.1.0 (abc)",
        "the table of latency is empty",
        "Not measured yet",
    ]
    whole = {"figures": LATENCY, "versions": {"importer": __version__}}
    assert (
        faults_of({"parts": dict.fromkeys(["latency"], whole)}, "")[-1] == "memory was not measured"
    )


def test_the_table_of_latency_is_sorted_by_number() -> None:
    """64 stands before 128, whatever the order of the keys; a target is met here or as there."""
    part, numbers = report.PARTS["latency"], ["32", "64", "128", "256"]
    assert [line[0] for line in part.table(LATENCY)[1:]] == numbers
    targets = part.targets(LATENCY)
    assert [words.split()[2] for words, *_ in targets] == numbers
    assert [met for *_, met in targets] == [False, True, False, True]


def test_a_target_of_another_machine_is_judged_by_the_version_it_was_set_for() -> None:
    """What is too slow here may be fast enough there, if it is so much faster than that version."""
    figures: dict[str, Any] = {
        "contenders": {
            "importer": {"rows_per_second": [3_000.0] * 3, "cpu_us_per_row": [250.0] * 3}
        },
        "server": {"requests_per_second": 90_000.0},
        "times_faster": {then.THEN: 1.7},
        "cpu_of_then": 0.6,
    }
    faster, cheaper, _ = posting.targets(figures)
    assert (faster[1], faster[2]) == (
        "3,000 rows/s; 1.70 times the version of the targets, 7,895 rows/s there",
        True,
    )
    assert (cheaper[1], cheaper[2]) == (
        "250 µs; 0.60 times the version of the targets, 128 µs there",
        True,
    )
    figures["cpu_of_then"] = 0.62
    assert not posting.targets(figures)[1][2]
    alone = {**figures, "times_faster": {}, "cpu_of_then": None}
    assert [met for *_, met in posting.targets(alone)] == [False, False, True]


def test_a_place_of_the_page_is_filled_with_its_figure() -> None:
    """Tables, dates and single figures come from the part that is named, rounded as asked for."""
    figures: dict[str, Any] = {
        "parts": {
            "check": {
                "figures": {
                    "rows": 1_000_000,
                    "formats": {
                        kind: {
                            name: [210_000.0, 200_000.0, 220_000.0]
                            for name in (
                                "rows_per_cpu_second",
                                "rows_per_second",
                                "read_rows_per_second",
                            )
                        }
                        for kind in ("csv", "parquet")
                    },
                },
                "at": "2026-01-01",
                "rounds": 5,
                "machine": dict.fromkeys(
                    ("processor", "cores", "memory", "system", "pinned"), "made up"
                ),
                "versions": {"python": "3.11"},
            }
        }
    }
    template = (
        "{{ targets }}\n## Check\n{{ table check }}\n{{ made check }}\n"
        "Of {{ check/rows|,d }}: {{ check/formats/csv/rows_per_second/0|.0f }}, {{ check/none }}.\n"
        "## Memory\n{{ table memory }}\n## Start-up\nIt takes {{ startup/help }}.\n"
    )
    page = report.page(figures, template)
    assert "| check: 200,000 rows/s on one core | 210,000 rows per CPU second | yes |" in page
    assert "| parquet | 210,000 | 210,000 | 210,000 |" in page
    assert "2026-01-01, 5 rounds" in page
    assert "Of 1,000,000: 210000, (not measured)." in page
    assert "## Memory" not in page
    assert "## Start-up" not in page
    with pytest.raises(BenchmarkError, match="nonsense"):
        report.page(figures, "{{ table nonsense }}\n")


def test_no_figure_stands_in_the_template() -> None:
    """The template's prose has no measured value of its own (units follow a place only)."""
    prose = re.sub(r"\{\{.*?\}\}", "", report.TEMPLATE.read_text())
    assert not re.findall(r"\d[\d,.]*\s*(?:rows/s|requests/s|µs|MB|%|times|x)\b", prose)


def test_the_peers_are_locked_with_hashes_and_without_an_index() -> None:
    """Every requirement has a hash, and no line says where to download from."""
    lock = (ROOT / "benchmarks" / "peers.lock").read_text()
    requirements = re.split(r"\n(?=[a-z])", lock.strip())
    assert len(requirements) > 20
    assert all("--hash=sha256:" in one for one in requirements)
    newman = (ROOT / "benchmarks" / "newman" / "package-lock.json").read_text()
    for text in (lock, newman):
        assert "index-url" not in text
        assert '"resolved"' not in text
    assert newman.count('"integrity"') > 50
