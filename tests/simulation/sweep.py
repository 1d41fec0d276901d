"""Crash the first importer of one history at every await point and at every commit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from tests.simulation.history import play
from tests.simulation.process import CrashPlan

Violation = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did and found."""

    steps: int
    commits: int
    violations: list[Violation]
    """(where it crashed, what was broken)."""


def sweep(seed: int) -> Swept:
    """Play one seed once for each place where its first importer can die."""
    steps, found = die_at(seed, "step")
    before, found_before = die_at(seed, "before commit")
    after, found_after = die_at(seed, "after commit")
    return Swept(steps, max(before, after), found + found_before + found_after)


def die_at(seed: int, kind: str, *, first: int = 1, every: int = 1) -> tuple[int, list[Violation]]:
    """Play one seed once for each place of a kind: how many there are, and what was broken.

    The history up to the crash is always the same, so the places are complete: the sweep of a kind
    ends where the importer finishes before it comes to that place.

    Args:
        seed: of the history.
        kind: ``step``, ``before commit`` or ``after commit``.
        first: the place to begin at, from 1.
        every: 1 for each place, 4 for each fourth one.
    """
    found: list[Violation] = []
    for number in count(first, every):
        if kind == "step":
            plan = CrashPlan(step=number)
        else:
            plan = CrashPlan(commit=number, before=kind == "before commit")
        told = play(seed, crash=plan)
        found += [(f"{kind} {number}", f"{name}: {text}") for name, text in told.violations]
        if not any(text.startswith("importer 1 crashes") for _, text in told.lines):
            return (number - first) // every, found
    raise AssertionError("a history without end")
