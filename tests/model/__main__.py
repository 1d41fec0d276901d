"""Search every variant and print what was found: ``python -m tests.model [--short]``.

Exit code 0 if every promise holds, every limit breaks as documented and every ablation is caught.
"""

from __future__ import annotations

import sys
import time

from tests.model.explore import Report, explore
from tests.model.variants import ABLATIONS, LIMITS, PROMISES, named
from tests.model.world import without


def main(arguments: list[str]) -> int:
    """Run the variants; ``--short`` leaves the long ones out, ``--traces`` prints every trace."""
    traces = "--traces" in arguments
    failed = states = 0
    _say("Promises: no violation, no stuck state")
    for variant in PROMISES:
        if variant.long and "--short" in arguments:
            continue
        began = time.perf_counter()
        report = explore(variant.scene)
        clean = not report.violations and not report.stuck and report.complete
        failed += not clean
        states += report.states
        _line(variant.name, report, began, "ok" if clean else "FAILED")
        if not clean:
            _traces(report)
    _say("\nLimits: what the promises rest on; without it they break")
    for variant in LIMITS:
        began = time.perf_counter()
        report = explore(variant.scene, until=variant.breaks)
        as_said = variant.breaks in report.violations
        failed += not as_said
        _line(variant.name, report, began, variant.breaks if as_said else "FAILED")
        if traces or not as_said:
            _traces(report)
    _say("\nAblations: one safeguard off; the checker must notice")
    for ablation in ABLATIONS:
        began = time.perf_counter()
        scene = without(named(ablation.variant).scene, ablation.safeguard)
        report = explore(scene, until=ablation.breaks)
        caught = ablation.breaks in report.violations
        failed += not caught
        name = f"{ablation.safeguard} off: {ablation.variant}"
        _line(name, report, began, ablation.breaks if caught else "NOT CAUGHT")
        if traces or not caught:
            _traces(report)
    _say(f"\n{states:,} states of the full protocol; {failed} failed")
    return min(failed, 1)


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
