"""Simulate the whole job: ``python -m tests.simulation --seeds N``; ``--help`` tells the rest.

Exit code 0 without a violation, 1 with one. With ``--ablate`` the other way round.
"""

from __future__ import annotations

import argparse
import sys

from importer.delivery.protocol.safeguards import ALL_ON
from tests.simulation.ablations import ABLATIONS
from tests.simulation.campaign import Figures, campaign, version
from tests.simulation.history import play
from tests.simulation.scene import ENGINES, LIMITS, LIVELY, NIGHTS, THEMES
from tests.simulation.sweep import sweep

SAY_EVERY = 1000


def main(arguments: list[str]) -> int:
    """Run what the command line asks for."""
    asked = _parser().parse_args(arguments)
    ablation = ABLATIONS[asked.ablate] if asked.ablate and asked.ablate != "all" else None
    theme = asked.theme or (ablation.theme if ablation else "")
    if asked.replay is not None:
        return _replay(asked.replay, theme, asked.ablate or "")
    if asked.sweep is not None:
        return _sweep(asked.sweep)
    if asked.ablate:
        names = list(ABLATIONS) if asked.ablate == "all" else [asked.ablate]
        return max(_ablate(name, asked.jobs) for name in names)
    return _campaign(asked.start, asked.seeds, asked.jobs, theme)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories")
    parser.add_argument("--from", type=int, default=0, dest="start", help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument(
        "--theme", choices=[*THEMES, *LIVELY, *NIGHTS, *ENGINES, *LIMITS], help="of every history"
    )
    parser.add_argument("--replay", type=int, metavar="SEED", help="tell one history in words")
    parser.add_argument("--sweep", type=int, metavar="SEED", help="die at every step and commit")
    parser.add_argument("--ablate", choices=[*ABLATIONS, "all"], help="switch a safeguard off")
    return parser


def _campaign(start: int, seeds: int, jobs: int, theme: str) -> int:
    _say(f"importer {version()}, seeds {start} to {start + seeds - 1}, {jobs} processes")

    def progress(figures: Figures) -> None:
        if figures.histories % SAY_EVERY == 0:
            _say(f"  {figures.histories:,} histories, {len(figures.violations)} violations")

    figures = campaign(range(start, start + seeds), jobs=jobs, theme=theme, on_outcome=progress)
    _say(
        f"{figures.histories:,} histories, {figures.runs:,} runs, {figures.days:,.0f} simulated"
        f" days, {figures.requests:,} requests, {figures.steps:,} steps,"
        f" {figures.crashes:,} crashes; {figures.took:.0f} s"
    )
    for kind, count in sorted(figures.faults.items()):
        _say(f"  {kind:<32}{count:>10,}")
    _say(f"digest of all histories: {figures.digest}")
    for seed, text in sorted(figures.violations.items()):
        option = f" --theme '{theme}'" if theme else ""
        _say(f"VIOLATION, seed {seed}: {text}")
        _say(f"  replay: python -m tests.simulation --replay {seed}{option}")
    _say(f"{len(figures.violations)} violations")
    return min(len(figures.violations), 1)


def _ablate(name: str, jobs: int) -> int:
    """Play until the checkers notice that the safeguard is off."""
    ablation = ABLATIONS[name]
    figures = campaign(
        range(ablation.seeds),
        jobs=jobs,
        theme=ablation.theme,
        safeguards=ablation.without,
        stop_at=1,
    )
    line = f"{name:<22}off, theme '{ablation.theme}'"
    for seed, text in figures.violations.items():
        _say(f"{line}: noticed at seed {seed} of at most {ablation.seeds}: {text}")
    if not figures.violations:
        _say(f"{line}: NOT NOTICED within {ablation.seeds} seeds")
    return int(not figures.violations)


def _replay(seed: int, theme: str, ablate: str) -> int:
    safeguards = ABLATIONS[ablate].without if ablate else ALL_ON
    told = play(seed, theme=theme, safeguards=safeguards)
    _say(f"importer {version()}, seed {seed}")
    for at, text in told.lines:
        _say(f"{at:14.3f} s  {text}")
    _say(f"digest {told.digest}, {len(told.violations)} violations")
    return min(len(told.violations), 1)


def _sweep(seed: int) -> int:
    swept = sweep(seed)
    _say(
        f"importer {version()}, seed {seed}: the first importer died at each of"
        f" {swept.steps:,} steps and before and after each of {swept.commits} commits;"
        f" {len(swept.violations)} violations"
    )
    for where, text in swept.violations:
        _say(f"VIOLATION, {where}: {text}")
    return min(len(swept.violations), 1)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
