"""Fuzz for some minutes: ``python -m tests.fuzz --minutes N``; ``--help`` tells the rest.

The targets take turns, on two processes, with fresh random inputs in every round. A failing input
is shrunk and printed with how to try it again. Exit code 0 without a failure, 1 with one.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tests.fuzz.targets import TARGETS, round_of

if TYPE_CHECKING:
    from concurrent.futures import Future

PROCESSES = 2


def main(arguments: list[str]) -> int:
    """Take turns until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=10, help="how long")
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--seed", type=int, help="one round of --target from this seed")
    asked = parser.parse_args(arguments)
    if asked.seed is not None:
        name, tried, failure = round_of(asked.target or "csv", asked.seed)
        _say(f"{name}, seed {asked.seed}: {tried:,} inputs\n{failure or 'no failure'}")
        return bool(failure)
    names = [asked.target] if asked.target else list(TARGETS)
    return _campaign(names, asked.minutes * 60)


def _campaign(names: list[str], seconds: float) -> int:
    until = time.monotonic() + seconds
    tried: Counter[str] = Counter()
    failed: dict[str, int] = {}
    # polars has threads, which do not survive a fork.
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        waiting: dict[Future[tuple[str, int, str]], int] = {}
        turn = 0
        while time.monotonic() < until or waiting:
            while time.monotonic() < until and len(waiting) < PROCESSES:
                number = random.SystemRandom().getrandbits(32)
                waiting[pool.submit(round_of, names[turn % len(names)], number)] = number
                turn += 1
            done = next(as_completed(waiting))
            number = waiting.pop(done)
            name, inputs, failure = done.result()
            tried[name] += inputs
            if failure and name not in failed:
                failed[name] = number
                _say(f"FAILURE in {name}:\n{failure}")
                _say(f"  again: python -m tests.fuzz --target '{name}' --seed {number}")
    for name in names:
        _say(f"  {name:<20}{tried[name]:>12,} inputs")
    _say(f"{tried.total():,} inputs tried, {len(failed)} targets failed")
    return min(len(failed), 1)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program that a make target runs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
