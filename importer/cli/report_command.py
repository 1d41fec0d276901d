"""``importer report``: writes a run's page again, or the page of all runs of a ledger."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from importer.clock import WallClock
from importer.errors import UsageError, printable
from importer.job.world import iso
from importer.ledger.opening import open_ledger, read_accounts
from importer.results.html_report import (
    REPORT,
    AccountLines,
    RunLine,
    render_run,
    render_runs,
)
from importer.results.summary import SUMMARY, read_summary
from importer.results.timeline import PACE_FILE, read_pace
from importer.results.workspace import RUN_ID, results_folders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.ledger.account import Account
    from importer.ledger.address import LedgerAddress
    from importer.ledger.run_table import Run
    from importer.results.timeline import Interval

INDEX = "index.html"
MOST_RUNS = 10_000
"""Runs of an account that are read, the newest."""


def write_report(out: Path, run_id: str | None) -> Path:
    """Write the page of a run again, into its results folder; without an id, of the newest.

    ``run_id`` may be the path of a results folder, too.

    Raises:
        UsageError: there are no such results, or they cannot be read or written.
    """
    folder = _folder(out, run_id)
    try:
        summary = read_summary((folder / SUMMARY).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"{folder / SUMMARY} cannot be read: {why or error}",
            hint="the same command as then writes new results; nothing is sent twice",
        ) from None
    page = render_run(summary, _pace(folder / PACE_FILE))
    return _replace(folder / REPORT, page)


def write_index(out: Path, address: LedgerAddress) -> Path:
    """Write the page of all runs that a ledger knows of, into OUT.

    Raises:
        UsageError: there is no ledger, or the page cannot be written.
    """
    accounts = [_account(out, address, one) for one in read_accounts(address)]
    page = render_runs(str(address), accounts, iso(WallClock().now()))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(out, error) from None
    return _replace(out / INDEX, page)


def _folder(out: Path, run_id: str | None) -> Path:
    if run_id is None:
        if newest := next(_runs_in(out), None):
            return newest
        raise UsageError(
            f"there are no results in {out}", hint="--out names the folder that runs write to"
        )
    for folder in (out / run_id, Path(run_id)):
        if (folder / SUMMARY).is_file():
            return folder
    near = [one.name for one, _ in zip(_runs_in(out), range(3), strict=False)]
    hint = f"the newest there are {', '.join(near)}" if near else "--out names another folder"
    raise UsageError(f"there are no results of {run_id} in {out}", hint=hint)


def _runs_in(out: Path) -> Iterator[Path]:
    """The results folders in OUT that hold a summary, the newest first."""
    return (one for one in results_folders(out) if (one / SUMMARY).is_file())


def _pace(path: Path) -> list[Interval]:
    """The pace over time; none where nothing was delivered."""
    try:
        return read_pace(path.read_text("utf-8").splitlines())
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"{path} cannot be read: {why or error}", hint="remove it: the page will have no chart"
        ) from None


def _account(out: Path, address: LedgerAddress, account: Account) -> AccountLines:
    try:
        with open_ledger(address, account, read_only=True) as ledger:
            runs = ledger.runs(MOST_RUNS)
    except UsageError as error:
        # A half copy: the others are of use all the same.
        return AccountLines(account.label, (), f"{error.message} ({error.hint})")
    return AccountLines(account.label, [_line(out, one) for one in runs])


def _line(out: Path, run: Run) -> RunLine:
    return RunLine(
        run.run_id,
        run.command or "run",
        iso(run.started_at),
        None if run.ended_at is None else max(0.0, run.ended_at - run.started_at),
        run.exit_code,
        run.counts,
        ", ".join(run.sources),
        has_page=RUN_ID.fullmatch(run.run_id) is not None and (out / run.run_id / REPORT).is_file(),
    )


def _replace(path: Path, page: str) -> Path:
    """Put a private file in place, whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(page)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _not_written(path, error) from None
    return path


def _not_written(path: Path, error: OSError) -> UsageError:
    shown = printable(str(path))
    return UsageError(
        f"{shown} cannot be written: {error.strerror or error}", hint="make room, or choose --out"
    )
