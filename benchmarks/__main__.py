"""Runs the benchmarks: python -m benchmarks [PART ...]. See benchmarks/README.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.bench import Bench
from benchmarks.machine import machine, versions
from benchmarks.process import ROOT, BenchmarkError
from benchmarks.profile import profile

_STANDARD = tuple(name for name in report.PARTS if name != "memory")
_QUICK = {"rounds": 1, "seconds": 0.2, "rows": 2000, "many": 4000, "levels": (32,), "quick": True}


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parts = ", ".join(report.PARTS)
    parser.add_argument("part", nargs="*", help=f"{parts}; all but memory by default")
    parser.add_argument("--json", type=Path, default=report.FIGURES, help="figures go here")
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md")
    parser.add_argument("--docs-only", action="store_true", help="the same, nothing measured")
    parser.add_argument("--quick", action="store_true", help="does it run? figures mean nothing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one adaptive run")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large files")
    parser.add_argument("--many", type=int, default=10_000_000, help="of the largest files")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="py-spy profile of posting")
    parser.add_argument("--py-spy", help="where py-spy is, if not on the PATH")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / ".work")
    options = parser.parse_args(words)
    for name in options.part:
        if name not in report.PARTS:
            parser.error(f"no part {name}; there are {parts}")
    if options.quick and (options.write_docs or options.json == report.FIGURES):
        parser.error("--quick needs --json FILE, and goes without --write-docs")
    return options


def campaign(bench: Bench, names: list[str], path: Path) -> dict[str, Any]:
    """Measure the parts; each is written as it ends, beside those measured before."""
    figures = report.read(path)
    about = {"machine": machine(bench.cores), "versions": versions(), "rounds": bench.rounds}
    for name in names:
        bench.say(f"{name} ...")
        began = time.monotonic()
        measured = report.PARTS[name].measure(bench)
        seconds = round(time.monotonic() - began)
        at = datetime.now(UTC).strftime("%Y-%m-%d")
        figures["parts"][name] = {"figures": measured, "at": at, "seconds": seconds, **about}
        report.write(path, figures)
        print(f"\n{name} ({seconds} s)\n{report.plain(report.PARTS[name].table(measured))}\n")
    return figures


def main(words: list[str] | None = None) -> int:
    """Run what was asked for; 1 if something that was to be measured does not run."""
    options = arguments(words)
    try:
        if not options.docs_only:
            options.work.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=options.work))
            try:
                _measure(options, folder)
            finally:
                shutil.rmtree(folder)
        if options.write_docs or options.docs_only:
            report.write_page(report.read(options.json))
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(options: argparse.Namespace, folder: Path) -> None:
    settings: dict[str, Any] = {
        "rounds": options.rounds,
        "seconds": options.seconds,
        "rows": options.rows,
        "many": options.many,
    }
    bench = Bench(folder, **(_QUICK if options.quick else settings))
    if options.profile is not None:
        print(profile(bench, options.profile, options.py_spy))
        return
    figures = campaign(bench, options.part or list(_STANDARD), options.json)
    print(report.plain(report.verdicts(figures)))


if __name__ == "__main__":
    sys.exit(main())
