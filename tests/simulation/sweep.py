"""Crash the first importer of one history at every await point and at every commit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from tests.simulation.history import play
from tests.simulation.process import CrashPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

Violation = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did and found."""

    steps: int
    commits: int
    violations: list[Violation]
    """(where it crashed, what was broken)."""


def sweep(seed: int) -> Swept:
    """Play one seed once for each place where its first importer can die.

    The history up to the crash is always the same, so the places are complete: the sweep of a kind
    ends where the importer finishes before it comes to that place.
    """
    found: list[Violation] = []
    at_steps = sum(1 for _ in _each(seed, "step", found))
    before = sum(1 for _ in _each(seed, "before commit", found))
    after = sum(1 for _ in _each(seed, "after commit", found))
    return Swept(at_steps, max(before, after), found)


def _each(seed: int, kind: str, found: list[Violation]) -> Iterator[int]:
    for number in count(1):
        if kind == "step":
            plan = CrashPlan(step=number)
        else:
            plan = CrashPlan(commit=number, before=kind == "before commit")
        told = play(seed, crash=plan)
        found += [(f"{kind} {number}", f"{name}: {text}") for name, text in told.violations]
        if not any(text.startswith("importer 1 crashes") for _, text in told.lines):
            return
        yield number
