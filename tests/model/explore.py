"""Breadth-first search of every reachable world, so the first violation has the shortest trace."""

from __future__ import annotations

import gc
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator


class Steps(Protocol):
    """Everything that can happen, and what must not; ``Any`` is the world, a hashable value."""

    def first(self) -> Any:
        """Nothing has happened yet."""
        ...

    def of(self, world: Any, /) -> Iterable[tuple[str, Any]]:
        """Every next event in words, with the world after it."""
        ...

    def broken(self, world: Any, /) -> str:
        """The safety property that this world breaks, "" if none."""
        ...

    def broken_by(self, before: Any, after: Any, /) -> str:
        """The safety property that this step breaks, "" if none."""
        ...

    def settled(self, world: Any, /) -> bool:
        """Nothing is left to be done."""
        ...

    def at_the_bound(self, world: Any, /) -> bool:
        """What follows was cut off."""
        ...


class Scene(Protocol):
    """What can happen in one variant."""

    def steps(self) -> Steps:
        """Everything that can happen in it."""
        ...


@dataclass(slots=True)
class Report:
    """What one exploration found."""

    states: int = 0
    violations: dict[str, list[str]] = field(default_factory=dict)
    """Property -> shortest trace in words."""
    stuck: int = 0
    """States from which the row can never be settled."""
    stuck_trace: list[str] = field(default_factory=list)
    complete: bool = True
    """False where the search ended at its limit or at the violation asked for."""


def explore(scene: Scene, *, until: str = "", limit: int = 5_000_000) -> Report:
    """Visit every world of the scene.

    Args:
        scene: what can happen.
        until: end where this property breaks (liveness is then not judged).
        limit: the most states to visit.
    """
    # Worlds hold no cycles, and they are millions: nothing of them is looked at for some.
    gc.disable()
    try:
        return _explored(scene.steps(), until, limit)
    finally:
        gc.enable()


def _explored(steps: Steps, until: str, limit: int) -> Report:
    first = steps.first()
    worlds: list[Hashable] = [first]
    numbers: dict[Hashable, int] = {first: 0}
    parents = [-1]
    following: list[list[int]] = []
    report = Report()
    for at in _walk(worlds):
        world = worlds[at]
        wrong = steps.broken(world)
        if wrong and wrong not in report.violations:
            report.violations[wrong] = _trace(steps, worlds, parents, at)
        if until in report.violations or len(worlds) > limit:
            report.complete = False
            break
        after = []
        for words, next_world in steps.of(world):
            number = numbers.get(next_world)
            if number is None:
                number = numbers[next_world] = len(worlds)
                worlds.append(next_world)
                parents.append(at)
            after.append(number)
            wrong = steps.broken_by(world, next_world)
            if wrong and wrong not in report.violations:
                report.violations[wrong] = [*_trace(steps, worlds, parents, at), words]
        following.append(after)
    report.states = len(worlds)
    if report.complete:
        stuck = _stuck(steps, worlds, following)
        report.stuck = len(stuck)
        if stuck:
            report.stuck_trace = _trace(steps, worlds, parents, stuck[0])
    return report


def _walk(worlds: list[Hashable]) -> Iterator[int]:
    """Numbers of all worlds, also of those that are added on the way."""
    at = 0
    while at < len(worlds):
        yield at
        at += 1


def _trace(steps: Steps, worlds: list[Hashable], parents: list[int], at: int) -> list[str]:
    """The way to a world, in words, found again along the parents."""
    words: list[str] = []
    while parents[at] >= 0:
        before = worlds[parents[at]]
        words.append(next(text for text, after in steps.of(before) if after == worlds[at]))
        at = parents[at]
    return words[::-1]


def _stuck(steps: Steps, worlds: list[Hashable], following: list[list[int]]) -> list[int]:
    """Worlds below the generation bound from which no settled world can be reached."""
    leading: list[list[int]] = [[] for _ in worlds]
    for at, after in enumerate(following):
        for number in after:
            leading[number].append(at)
    hopeful = [steps.settled(world) for world in worlds]
    queue = deque(at for at, hope in enumerate(hopeful) if hope)
    while queue:
        for before in leading[queue.popleft()]:
            if not hopeful[before]:
                hopeful[before] = True
                queue.append(before)
    return [
        at for at, hope in enumerate(hopeful) if not hope and not steps.at_the_bound(worlds[at])
    ]
