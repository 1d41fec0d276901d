"""Search every variant and print what was found: ``python -m tests.model [--short]``.

Exit code 0 if every promise holds, every limit breaks as documented and every ablation is caught.
"""

from __future__ import annotations

import sys
import time

from tests.model.explore import Report, Scene, explore
from tests.model.sync_variants import SYNC_ABLATIONS, SYNC_LIMITS, SYNC_PROMISES, sync_named
from tests.model.sync_world import without_update
from tests.model.variants import ABLATIONS, LIMITS, PROMISES, named
from tests.model.world import without


def main(arguments: list[str]) -> int:
    """Run the variants; ``--short`` leaves the long ones out, ``--traces`` prints every trace."""
    judge = Judge(traces="--traces" in arguments)
    short = "--short" in arguments
    _say("Promises: no violation, no stuck state")
    for variant in PROMISES:
        if not (variant.long and short):
            judge.promise(variant.name, variant.scene)
    _say("\nPromises of updates: the same, creating and updating in one state space")
    for update in SYNC_PROMISES:
        if not (update.long and short):
            judge.promise(update.name, update.scene)
    _say("\nLimits: what the promises rest on; without it they break")
    for limit in LIMITS:
        judge.must_break(limit.name, limit.scene, limit.breaks)
    for edge in SYNC_LIMITS:
        judge.must_break(edge.name, edge.scene, edge.breaks)
    _say("\nAblations: one safeguard off; the checker must notice")
    for ablation in ABLATIONS:
        scene = without(named(ablation.variant).scene, ablation.safeguard)
        name = f"{ablation.safeguard} off: {ablation.variant}"
        judge.must_break(name, scene, ablation.breaks)
    for one in SYNC_ABLATIONS:
        sync_scene = without_update(sync_named(one.variant).scene, one.safeguard)
        judge.must_break(f"{one.safeguard} off: {one.variant}", sync_scene, one.breaks)
    _say(f"\n{judge.states:,} states of the full protocols; {judge.failed} failed")
    return min(judge.failed, 1)


class Judge:
    """Searches scenes, prints what it finds, and counts."""

    def __init__(self, *, traces: bool) -> None:
        self._traces = traces
        self.failed = 0
        self.states = 0
        """Of promises."""

    def promise(self, name: str, scene: Scene) -> None:
        """No violation, no stuck state."""
        began = time.perf_counter()
        report = explore(scene)
        clean = not report.violations and not report.stuck and report.complete
        self.failed += not clean
        self.states += report.states
        _line(name, report, began, "ok" if clean else "FAILED")
        if not clean:
            _traces(report)

    def must_break(self, name: str, scene: Scene, breaks: str) -> None:
        """This property breaks: a limit, or a checker that notices."""
        began = time.perf_counter()
        report = explore(scene, until=breaks)
        as_said = breaks in report.violations
        self.failed += not as_said
        _line(name, report, began, breaks if as_said else "DOES NOT BREAK")
        if self._traces or not as_said:
            _traces(report)


def _line(name: str, report: Report, began: float, verdict: str) -> None:
    took = time.perf_counter() - began
    figures = f"{report.states:>9,} states  {len(report.violations)} violations"
    _say(f"  {name:<76}{figures}  {report.stuck} stuck  {took:6.1f} s  {verdict}")


def _traces(report: Report) -> None:
    found = dict(report.violations)
    if report.stuck_trace:
        found["can never be settled"] = report.stuck_trace
    for name, trace in found.items():
        _say(f"    {name}:")
        for number, words in enumerate(trace, 1):
            _say(f"      {number}. {words}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
