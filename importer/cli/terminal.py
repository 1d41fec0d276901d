"""What a person sees on a terminal: progress while it runs, a table and the next commands after.

With it stand the groups of errors as a person reads them (rows, cause, lines, fix, what to paste),
and the outcomes in words (held against the docs by a test).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from importer.errors import printable
from importer.job.observer import Observer, Progress
from importer.outcomes import MARK_WORDS, OUTCOME_WORDS, VANISHED_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType
    from rich.progress import TaskID

    from importer.results.summary import GroupReport, Summary


SENDING_WORDS: dict[str, str] = {
    "would_create": "is new here; would be sent",
    "in_flight": "was sent by an earlier run, outcome unknown; would be asked for again",
    "corrected": "was refused by Moment and differs now; would be sent",
    "retried": "was refused by Moment; would be sent again, as asked",
    "would_update": "differs, and would be changed in Moment, as asked",
}
"""Why a plan would send a row, in words."""

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


class _Bar(Bar):
    """A progress bar with a line of text below it, cut to the terminal's width."""

    line = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.line:
            yield Text(f"  {self.line}", no_wrap=True, overflow="ellipsis")


class TerminalObserver(Observer):
    """Draws progress with rich on standard error, and the summary on standard output."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        tells_end: bool = True,
        next_commands: Callable[[Summary, str], list[str]],
    ) -> None:
        """``tells_end``: whether standard output is for people."""
        self._quiet = quiet
        self._tells_end = tells_end
        self._err = Console(stderr=True, highlight=False)
        self._out = Console(highlight=False)
        self._next = next_commands
        self._bar: _Bar | None = None
        self._task: TaskID | None = None

    def started(self, run_id: str, command: str, account: str) -> None:
        """Name the run."""
        if not self._quiet:
            about = f" for {account}" if account else ""
            self._err.print(f"[bold]{command}[/] {run_id}{escape(printable(about))}")

    def warning(self, code: str, text: str) -> None:
        """Warnings are shown even when quiet."""
        del code
        self._stop_bar()
        self._err.print(f"[yellow]warning[/] {escape(printable(text))}")

    def reading(self, source: str, records: int) -> None:
        """Count records while reading."""
        if self._quiet:
            return
        bar = self._show(TextColumn("{task.description}"))
        shown = f"reading {escape(printable(source))}: {records:,} records"
        if self._task is None:
            self._task = bar.add_task(shown, total=None)
        bar.update(self._task, description=shown)

    def verified(self, records: int, invalid: int) -> None:
        """Say that everything was read before anything is sent."""
        self._stop_bar()
        if not self._quiet:
            self._err.print(f"read and verified {records:,} records, {invalid:,} invalid")

    def following(self, digest: str, *, begun: bool) -> None:
        """Say that the plan holds."""
        if not self._quiet:
            how = "goes on with" if begun else "follows"
            self._err.print(f"{how} the plan {digest[:12]}: nothing else has moved")

    def planned(self, outcomes: dict[str, int], to_deliver: int) -> None:
        """Say what is about to happen."""
        if not self._quiet:
            known = outcomes.get("unchanged", 0) + outcomes.get("changed", 0)
            self._err.print(f"{known:,} are in Moment already, {to_deliver:,} to deliver")

    def delivering(self, progress: Progress) -> None:
        """Update the bar."""
        if self._quiet:
            return
        bar = self._show(
            BarColumn(bar_width=30),
            TextColumn("{task.completed:>9,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[speed]:>6.0f} rows/s"),
            TimeRemainingColumn(),
        )
        if self._task is None:
            self._task = bar.add_task("", total=progress.total, speed=0.0)
        task = bar.tasks[self._task]
        counts = ", ".join(f"{n:,} {outcome}" for outcome, n in progress.outcomes.most_common())
        parts = [counts, f"{progress.waiting} waiting" * (progress.waiting > 0), progress.holding]
        bar.line = " · ".join(part for part in parts if part)
        speed = task.speed or 0.0
        bar.update(self._task, completed=progress.done, total=progress.total, speed=speed)

    def interrupted(self, name: str, in_flight: int) -> None:
        """Tell the person that the signal was heard."""
        self._stop_bar()
        self._err.print(
            f"[yellow]{name}[/]: no new rows; {in_flight} requests in flight may finish"
            " (again: leave at once)"
        )

    def finished(self, summary: Summary, results: str) -> None:
        """The table, and what to type next."""
        from importer.results.html_report import REPORT  # noqa: PLC0415 - the job has loaded it

        self._stop_bar()
        if self._quiet or not self._tells_end:
            return
        table = Table(title=f"{summary.command} {summary.run_id}", title_justify="left")
        table.add_column("outcome")
        table.add_column("records", justify="right")
        table.add_column("meaning")
        for outcome, words in OUTCOME_WORDS.items():
            if number := summary.outcomes.get(outcome):
                table.add_row(outcome, f"{number:,}", escape(words))
        table.add_section()
        table.add_row("total", f"{summary.records:,}", _requests(summary))
        if summary.vanished:
            table.add_section()
            table.add_row("vanished", f"{summary.vanished:,}", VANISHED_WORDS)
            for word, number in sorted(summary.marked.items()):
                words = MARK_WORDS.get(word, "of the vanished could not be marked")
                table.add_row(f"marked: {word}", f"{number:,}", words)
        self._out.print(table)
        print_groups(self._out, summary)
        self._out.print(f"results: {escape(printable(results))}")
        if (page := Path(results) / REPORT).is_file():
            self._out.print(f"report: {escape(printable(str(page)))}", soft_wrap=True)
        self._out.print("next:")
        for command in self._next(summary, results):
            self._out.print(f"  {escape(printable(command))}", soft_wrap=True)

    def _show(self, *columns: ProgressColumn) -> _Bar:
        if self._bar is None:
            self._bar = _Bar(SpinnerColumn(), *columns, console=self._err, transient=True)
            self._bar.start()
        return self._bar

    def _stop_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._task = None, None


def _requests(summary: Summary) -> str:
    if not summary.requests:
        return ""
    posts, gets = summary.requests.get("post", 0), summary.requests.get("get", 0)
    patches = summary.requests.get("patch", 0)
    writes = f"{posts:,} POST, {patches:,} PATCH" if patches else f"{posts:,} POST"
    return f"{writes} and {gets:,} look-up requests were sent"
