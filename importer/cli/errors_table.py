"""The groups of errors as a person reads them: rows, cause, lines, fix, and what to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from importer.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

    from importer.results import GroupReport, Summary

SHOWN = 8
"""Groups that a terminal shows; summary.json holds more."""
LINES_SHOWN = 5


def print_groups(console: Console, summary: Summary) -> None:
    """Print the most frequent groups, and the TOML that would fix them; nothing without errors."""
    if not summary.groups:
        return
    several = len(summary.sources) > 1
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for group in summary.groups[:SHOWN]:
        plural = "row" if group.rows == 1 else "rows"
        place = f"{printable(group.source)}: " if several else ""
        grid.add_row(
            Text(f"{group.rows:,} {plural}"), Text(f"{place}{printable(group.text)}", style="bold")
        )
        grid.add_row("", Text(lines_of(group), style="dim"))
        grid.add_row("", Text(f"fix: {printable(group.fix)}"))
    console.print("errors by cause:")
    console.print(grid)
    more = summary.groups_found - SHOWN
    if more > 0:
        console.print(f"and {more:,} more groups, in summary.json")
    if summary.toml:
        console.print("for the mapping file (--config), in these sections:")
        for line in summary.toml.splitlines():
            console.print(Text(f"  {printable(line)}"), soft_wrap=True)


def lines_of(group: GroupReport) -> str:
    """``line 14``, ``lines 14 and 73``, ``lines 14, 73, 90, 91, 92 …``."""
    shown = [str(line) for line in group.lines[:LINES_SHOWN]]
    if len(shown) == 1 and group.rows == 1:
        return f"line {shown[0]}"
    more = " …" if group.rows > len(shown) else ""
    return f"lines {', '.join(shown)}{more}"
