"""``importer runs``: the runs of a ledger, the newest first, in a table that fits a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from importer.cli.json_output import emit
from importer.errors import UsageError, printable
from importer.job.world import iso
from importer.ledger.opening import open_ledger, read_accounts
from importer.ledger.run_table import series_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from importer.ledger.account import Account
    from importer.ledger.address import LedgerAddress
    from importer.ledger.run_table import Run

USUAL_LIMIT = 20
_WIDE = 110
"""Columns of a terminal from which on times and sources have columns of their own."""
_AGO = re.compile(r"([0-9]+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EXACT = 10
"""Seconds up to which tenths are told."""
RUNS, KILLED = "runs, or was killed", "was killed"


class Wanted(NamedTuple):
    """Which runs are listed."""

    account: str | None = None
    """The name of an account; None for all of them."""
    series: str | None = None
    """A series, or a file of one."""
    failed: bool = False
    """Only those that did not end with 0."""
    since: float | None = None
    """Epoch seconds; those that began then or later."""
    limit: int = USUAL_LIMIT

    def takes(self, run: Run) -> bool:
        """Whether a run is listed."""
        if self.failed and run.exit_code == 0:
            return False
        if self.series is None:
            return True
        own = run.series or series_of(run.sources)
        return own in {self.series, series_of((self.series,))}


def parse_since(text: str, now: float) -> float:
    """The time that ``--since`` names: a date or time in UTC, or so long ago (``36h``, ``7d``).

    Raises:
        UsageError: it names none.
    """
    try:
        if ago := _AGO.fullmatch(text.strip()):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds()
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {text!r} is no time",
            hint="a date (2026-11-26), a time in UTC (2026-11-26T05:30), or so long ago: 36h, 7d",
        ) from None


class Listed(NamedTuple):
    """A run of the list."""

    account: Account
    run: Run
    killed: bool
    """It never ended, and another run has had the account since."""


def listed(account: Account, runs: Iterable[Run]) -> list[Listed]:
    """Runs of an account, of which the first is its newest; shards of one job run together."""
    found: list[Listed] = []
    for run in runs:
        alone = "/" not in run.command
        found.append(Listed(account, run, bool(found) and alone and run.ended_at is None))
    return found


def runs_of(address: LedgerAddress, wanted: Wanted) -> list[Listed]:
    """The runs of all accounts that are wanted, the newest first.

    Raises:
        UsageError: there is no ledger, or no account of that name in it.
    """
    accounts = read_accounts(address, wanted.account)
    each = [_of_account(address, account, wanted) for account in accounts]
    both = merge(*each, key=lambda one: -one.run.started_at)
    return list(islice(both, wanted.limit))


def _of_account(address: LedgerAddress, account: Account, wanted: Wanted) -> list[Listed]:
    with open_ledger(address, account, read_only=True) as ledger:
        every = listed(account, ledger.every_run(wanted.since or 0.0))
        return list(islice((one for one in every if wanted.takes(one.run)), wanted.limit))


def run_document(one: Listed) -> dict[str, Any]:
    """A run as scripts get it."""
    run = one.run
    return {
        "run_id": run.run_id,
        "account": account_document(one.account),
        "command": run.command,
        "version": run.version,
        "started_at": iso(run.started_at),
        "ended_at": None if run.ended_at is None else iso(run.ended_at),
        "seconds": None if run.ended_at is None else round(run.ended_at - run.started_at, 3),
        "exit_code": run.exit_code,
        "killed": one.killed,
        "stopped_by": run.stopped_by,
        "series": run.series or series_of(run.sources),
        "sources": list(run.sources),
        "outcomes": {outcome: n for outcome, n in run.counts.items() if n},
    }


def account_document(account: Account) -> dict[str, str]:
    """An account as scripts get it."""
    return {"base_url": account.base_url, "mode": account.mode, "name": account.name}


def show_runs(address: LedgerAddress, wanted: Wanted, *, as_json: bool) -> None:
    """Print the runs that are wanted."""
    found = runs_of(address, wanted)
    if as_json:
        emit(
            "runs",
            {"ledger": str(address), "runs": [run_document(one) for one in found]},
        )
        return
    console = Console(highlight=False)
    if not found:
        console.print(escape(printable(f"the ledger {address} has no such run")))
        return
    console.print(runs_table(found, width=console.width))
    if len(found) == wanted.limit:
        console.print(f"the newest {wanted.limit}; --limit shows more")


def runs_table(found: Sequence[Listed], *, width: int, title: str | None = None) -> Table:
    """The runs as a table for a terminal of that width."""
    accounts = {one.account for one in found}
    alike = len({(one.base_url, one.mode) for one in accounts}) == 1
    wide = width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("run", no_wrap=True)
    if wide:
        table.add_column("began", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("exit", justify="right", no_wrap=True)
    table.add_column("what became of it", overflow="fold", ratio=3)
    if wide:
        table.add_column("sources", overflow="fold", ratio=2)
    for account, run, killed in found:
        told = _told(run, killed=killed)
        sources = ", ".join(run.sources)
        if len(accounts) > 1:
            sources = f"{sources} ({f'account {account.name}' if alike else account.label})"
        cells = [run.run_id, duration_of(run), "" if run.exit_code is None else str(run.exit_code)]
        if wide:
            cells.insert(1, iso(run.started_at))
            cells += [told, sources]
        else:
            cells.append(f"{told}\n{sources}")
        table.add_row(*(escape(printable_lines(one)) for one in cells))
    return table


def _told(run: Run, *, killed: bool) -> str:
    parts = [] if run.command in {"run", ""} else [run.command]
    counts = sorted(run.counts.items(), key=lambda pair: -pair[1])
    if outcomes := ", ".join(f"{n:,} {outcome}" for outcome, n in counts if n):
        parts.append(outcomes)
    if run.stopped_by:
        parts.append(f"stopped: {run.stopped_by}")
    if run.ended_at is None:
        parts.append(KILLED if killed else RUNS)
    return "; ".join(parts)


def duration_of(run: Run) -> str:
    """How long a run took: ``0.4s``, ``12s``, ``3m 20s``, ``2h 05m``."""
    if run.ended_at is None:
        return ""
    seconds = max(0.0, run.ended_at - run.started_at)
    if seconds < _EXACT:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours}h {minutes_left:02}m" if hours else f"{minutes}m {rest:02}s"


def printable_lines(text: str) -> str:
    """Printable, with its line ends kept."""
    return "\n".join(map(printable, text.split("\n")))
