"""The suite runs, and its page says what was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import __main__ as suite
from benchmarks import report
from benchmarks.parts import posting
from benchmarks.process import BenchmarkError, run

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
    path = tmp_path / "figures.json"
    words = ["posting", "--quick", "--json", str(path), "--work", str(tmp_path)]
    assert suite.main(words) == 0
    part = json.loads(path.read_text())["parts"]["posting"]
    assert part["figures"]["contenders"]["importer"]["rows"] >= 200
    assert part["figures"]["contenders"]["importer"]["rows_per_second"][0] > 0
    assert "importer" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == [path], "the work folder is gone"


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
