"""``importer doctor`` for people: a line for each thing, and the fix under what is not right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from importer.job.doctor import FAIL, OK, SKIP, WARN

if TYPE_CHECKING:
    from importer.job.doctor import Examined

_STYLES = {OK: "green", WARN: "yellow", FAIL: "bold red", SKIP: "dim"}


def show_examined(found: Examined) -> None:
    """Print it."""
    console = Console(highlight=False)
    width = max(len(check.name) for check in found.checks)
    for check in found.checks:
        line = Text(f"{check.status:<4}", style=_STYLES[check.status])
        line.append(f"  {check.name:<{width}}  {check.said}", style="default not bold")
        console.print(line, soft_wrap=True)
        if check.fix:
            console.print(Text(f"{'':<{width + 8}}fix: {check.fix}"), soft_wrap=True)
    failed, warned = found.number(FAIL), found.number(WARN)
    words = "nothing failed" if not failed else f"{failed} failed"
    more = f", {warned} to look at" if warned else ""
    console.print(f"{words}{more}: " + ("a run can begin" if not failed else "a run would not do"))


def doctor_document(found: Examined) -> dict[str, Any]:
    """The same for scripts (docs/schemas/doctor.json)."""
    return {
        "fit": found.is_fit,
        "checks": [
            {"name": one.name, "status": one.status.lower(), "said": one.said, "fix": one.fix}
            for one in found.checks
        ],
    }
