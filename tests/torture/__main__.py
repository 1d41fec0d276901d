"""``make torture``: every scenario in turn, with new seeds, for so many minutes; then a table.

python -m tests.torture [--minutes 10] [--seed 1] [--only NAME] [--short]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import defaultdict
from pathlib import Path

from importer import __version__
from tests.torture.scenarios import SCENARIOS, Round, play

WIDTHS = (22, 7, 6, 6, 7, 11, 9)
COLUMNS = ("scenario", "rounds", "runs", "kills", "audits", "violations", "seconds")


def main() -> int:
    """Torture; 0 if nothing was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="of the whole campaign")
    parser.add_argument("--only", choices=sorted(SCENARIOS), action="append")
    parser.add_argument("--short", action="store_true", help="few rows, no long waits")
    parser.add_argument("--folder", type=Path, default=Path("rehearsal/torture"))
    parser.add_argument("--replay", help="play one round of --only with exactly this seed")
    arguments = parser.parse_args()
    if arguments.replay:
        [name] = arguments.only
        one = play(
            SCENARIOS[name], arguments.replay, arguments.folder, thorough=not arguments.short
        )
        return _report({name: [(one, 0.0)]})
    campaign = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    _say(f"importer {__version__}, campaign seed {campaign}, {arguments.minutes:g} minutes")
    names = arguments.only or list(SCENARIOS)
    rounds = _campaign(
        names, campaign, arguments.minutes * 60, arguments.folder, short=arguments.short
    )
    return _report(rounds)


def _campaign(
    names: list[str], campaign: int, seconds: float, folder: Path, *, short: bool
) -> dict[str, list[tuple[Round, float]]]:
    rounds: dict[str, list[tuple[Round, float]]] = defaultdict(list)
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        for name in names:
            if time.monotonic() >= end:
                break
            began = time.monotonic()
            # The first pass is the short form, so that every scenario has its turn early.
            thorough = not short and number > 0
            one = play(SCENARIOS[name], f"{campaign}/{number}", folder, thorough=thorough)
            took = time.monotonic() - began
            rounds[name].append((one, took))
            verdict = one.skipped or (f"{len(one.violations)} VIOLATIONS" * bool(one.violations))
            _say(f"{name:22} seed {one.seed:16} {took:6.1f} s  {verdict or 'ok'}")
            for violation in one.violations[:10]:
                _say(f"    {violation}")
        number += 1
    return rounds


def _report(rounds: dict[str, list[tuple[Round, float]]]) -> int:
    _line(COLUMNS)
    total = [0, 0, 0, 0, 0, 0.0]
    for name, played in rounds.items():
        done = [(one, took) for one, took in played if not one.skipped]
        figures = [
            len(done),
            sum(one.runs for one, _ in done),
            sum(one.kills for one, _ in done),
            sum(one.audits for one, _ in done),
            sum(len(one.violations) for one, _ in played),
            sum(took for _, took in played),
        ]
        total = [have + more for have, more in zip(total, figures, strict=True)]
        note = "" if done else f"  skipped: {played[0][0].skipped}"
        _line((name, *(f"{figure:,.0f}" for figure in figures)), note)
    _line(("total", *(f"{figure:,.0f}" for figure in total)))
    return 1 if total[4] else 0


def _line(cells: tuple[str, ...], note: str = "") -> None:
    first, *others = zip(cells, WIDTHS, strict=True)
    text = f"{first[0]:{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)
    _say(text + note)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
