"""The end of a job: outcomes that only the ledger knows, exit code, and the results files."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from importer.delivery.protocol.creating import STORED_OTHERWISE
from importer.delivery.protocol.states import (
    SHARED_ID,
    Done,
    Origin,
    Rejected,
    State,
    Synced,
    UpdateState,
)
from importer.errors import BugFound, ExitCode, LedgerFailed, UsageError
from importer.job.world import iso
from importer.ledger.run_table import LONGEST_TRY, MOST_TRIES, SETTLED
from importer.outcomes import NOT_FAILED, Outcome
from importer.plan.decide import differing
from importer.results.record_files import errors_name, write_errors, write_results, write_vanished
from importer.results.summary import report, write_summary
from importer.results.timeline import write_pace
from importer.values import value

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from importer.clock import Clock
    from importer.job.observer import Observer
    from importer.job.source_reading import Input
    from importer.ledger.interface import LedgerReader
    from importer.ledger.ledger import Ledger, SharedId
    from importer.plan.frames import Page, Pending
    from importer.plan.staging import Staging
    from importer.results.summary import Summary
    from importer.results.timeline import Interval, Timeline
    from importer.results.workspace import Workspace


def fill_in_from_ledger(staging: Staging, ledger: LedgerReader, *, why: str) -> LedgerFailed | None:
    """Give the rows that delivery did not report on their outcome, from what the ledger holds.

    A row may be settled in the ledger although its worker was stopped before it could say so.
    ``why`` tells why the others were not reached.

    Returns:
        Why the ledger could not be asked, if it could not: such rows are ``unsettled``, because
        nobody can tell, and those that delivery did report on keep their outcomes.
    """
    failed: LedgerFailed | None = None
    for chunk in staging.pending():
        known: dict[str, State] = {}
        updates: dict[str, UpdateState] = {}
        if failed is None:
            try:
                references = [row.reference for row in chunk]
                known, updates = ledger.states(references), ledger.updates(references)
            except LedgerFailed as error:
                failed = error
        staging.settle(
            (
                row.position,
                *(
                    _unread()
                    if failed
                    else _outcome(row, known.get(row.reference), updates.get(row.reference), why)
                ),
            )
            for row in chunk
        )
    return failed


def _unread() -> tuple[Outcome, str, str, str]:
    text = "the ledger cannot be read, so nobody can tell whether this row is in Moment"
    return Outcome.UNSETTLED, "", "ledger_unreadable", text


def _outcome(
    row: Pending, state: State | None, update: UpdateState | None, why: str
) -> tuple[Outcome, str, str, str]:
    if update is not None and update.serial and isinstance(state, Done):
        if isinstance(update, Synced) and update.version == row.fingerprint:
            return Outcome.UPDATED, update.customer_id, "", ""
        # Also where it is the version that was created: Moment holds a later one.
        return Outcome.UNSETTLED, update.customer_id, "not_reached", why
    match state:
        case Done() if state.fingerprint != row.fingerprint and not state.differs:
            # It is there, and the update of it was not reached.
            return Outcome.UNSETTLED, state.customer_id, "not_reached", why
        case Done():
            outcome = Outcome.FOUND if state.origin is Origin.FOUND else Outcome.CREATED
            code, text = ("differs", differing(state.differs)) if state.differs else ("", "")
            return outcome, state.customer_id, code, text
        case Rejected() if state.fingerprint == row.fingerprint:
            return Outcome.REJECTED, "", state.error_code, f"HTTP {state.http_status}"
        case _:
            # A refusal of another version says nothing about this one, which was never sent.
            return Outcome.UNSETTLED, "", "not_reached", why


_FEW = 50_000
"""Ids that are looked for among all; of more, all that the account has are grouped."""


def doubt_shared_ids(
    staging: Staging, reader: Ledger, ledger: Ledger, run_id: str, now: float
) -> str:
    """Make conflicts of rows whose ids are others' too; what is to be said of it, "" for nothing.

    Two references with one id are one customer at Moment: at least one of them is not there, and
    what is written for one of them changes the other. ``ledger`` notes it, for the nights to come.

    Raises:
        LedgerFailed: the ledger cannot be read, or written.
    """
    settled = staging.ids_settled(_FEW)
    if settled == [] and not reader.follows_a_cut(run_id):
        return ""
    found = reader.shared_ids(run_id, settled)
    shared = [
        (one.customer_id, f"Moment gave the id of this row to {_sharers(one)}") for one in found
    ]
    if not shared:
        return ""
    ledger.doubt([customer_id for customer_id, _ in shared], run_id=run_id, now=now)
    rows, number = staging.doubt(shared, SHARED_ID), len(shared)
    ids = "1 id" if number == 1 else f"{number:,} ids"
    told = "1 row" if rows == 1 else f"{rows:,} rows"
    return (
        f"Moment gave {ids} to several references each, which cannot all be in Moment: {told} of"
        f" this input ({SHARED_ID} in results.csv); nothing is sent again by itself, ask Moment"
        " (--retry-rejected asks it whose they are)"
    )


def _sharers(shared: SharedId) -> str:
    if shared.references == 2:  # noqa: PLR2004 - both are named
        return f"{shared.first} and {shared.last}"
    return f"{shared.references:,} references, {shared.first} to {shared.last}"


def exit_code(
    outcomes: dict[str, int], fail_on: Iterable[str] = (), *, goes_on: bool = True
) -> ExitCode:
    """0 if every record is in Moment and in step (or would be), else 75 or 1.

    75 where only unsettled records are left, with which the same command goes on by itself.

    Args:
        outcomes: records by outcome.
        fail_on: further outcomes that count as not done; ``unsettled`` asks for 1.
        goes_on: whether the same command is to go on by itself; not where ``--limit`` ended it.
    """
    told = {*fail_on}
    left = {one for one, number in outcomes.items() if number and one not in NOT_FAILED - told}
    if not left:
        return ExitCode.OK
    waits = goes_on and left == {Outcome.UNSETTLED} and Outcome.UNSETTLED not in told
    return ExitCode.TEMPFAIL if waits else ExitCode.ROWS_LEFT


_AT_ONCE = 1000
"""Rows of which the ledger is asked how often they were tried."""


def tried_in_vain(
    ledger: Ledger, staging: Staging, counts: dict[str, int], now: float, *, stopped: bool
) -> str:
    """Why a person is needed although what is in the way may pass by itself; "" where none is.

    Nobody is to type a command for ever that never gets on. So rows that are left unsettled must
    not all have been tried in vain, and a run that was stopped, or left marks alone, must have
    settled something, or others before it.
    """
    try:
        if counts.get(Outcome.UNSETTLED) and not stopped:
            if not _rows_in_vain(ledger, staging, now):
                return ""
            rows = counts[Outcome.UNSETTLED]
            what = f"{rows:,} {'row has' if rows == 1 else 'rows have'} been unsettled"
            hint = "importer why REFERENCE says what is known of one"
        else:
            settled = any(counts.get(one) for one in SETTLED)
            if settled or not ledger.stops_in_vain(now):
                return ""
            what, hint = "no run has settled anything", "importer runs shows how they ended"
    except LedgerFailed:
        return ""  # Nobody can tell; and what cannot be read may pass, too.
    hours = LONGEST_TRY / 3600
    tries = f"for {hours:.0f} hours or more, in {MOST_TRIES} runs or more"
    return f"{what} {tries}: trying again does not help by itself ({hint})"


def _rows_in_vain(ledger: Ledger, staging: Staging, now: float) -> bool:
    unsettled = (
        row.reference for row in staging.failed() if row.outcome == Outcome.UNSETTLED.value
    )
    while some := list(islice(unsettled, _AT_ONCE)):
        if not ledger.is_tried_in_vain(some, now):
            return False
    return True


@value
class Typed:
    """What the results tell of the command that was typed; nothing where none was."""

    settings: Sequence[tuple[str, str, str]] = ()
    """Name, value and where from; no key, no password."""
    next_commands: Callable[[Summary, str], list[str]] = lambda _summary, _results: []
    """What may be typed next, by the summary and the folder with the results."""


NOT_TYPED = Typed()
REPORT_FAILED = "report_failed"
MOST_FIELDS = 50
"""Fields that a summary counts; of metadata there may be any number."""


def by_field(**counted: Counter[str]) -> dict[str, dict[str, int]]:
    """Records by outcome and field, as a summary holds them."""
    return {name: dict(one.most_common(MOST_FIELDS)) for name, one in counted.items() if one}


def write_all(
    workspace: Workspace,
    staging: Staging,
    read: Input,
    summary: Summary,
    clock: Clock,
    *,
    elapsed: Callable[[], float],
    observer: Observer,
    typed: Typed = NOT_TYPED,
    vanished: Iterable[tuple[str, str, str]] | None = None,
    timeline: Timeline | None = None,
    with_report: bool = True,
) -> Path:
    """Write and publish the results; fills in the summary's counts and its end.

    Args:
        workspace: where they are written.
        staging: the records and their outcomes.
        read: what was read.
        summary: how the job went.
        clock: tells when it ended.
        elapsed: seconds since it began, by a watch that nobody sets.
        observer: hears of a report that could not be written; the results are published then, too.
        typed: what they tell of the command.
        vanished: (reference, customer id, marked), if there are any to be written.
        timeline: how delivery went.
        with_report: whether they have a page to look at.

    Raises:
        UsageError: the results could not be written; the ledger holds everything all the same.
    """
    summary.records = read.records
    summary.outcomes = {outcome: n for outcome, n in staging.counts().items() if outcome}
    summary.errors = [
        {"outcome": outcome, "error_code": code, "rows": rows}
        for outcome, code, rows in staging.figures.error_codes()
    ]
    otherwise = sum(one["rows"] for one in summary.errors if one["error_code"] == STORED_OTHERWISE)
    if otherwise:
        rows = "1 row" if otherwise == 1 else f"{otherwise:,} rows"
        text = (
            f"Moment stored other values than it was sent in {rows}:"
            f" results.csv names the fields where error_code is {STORED_OTHERWISE}"
        )
        summary.warnings.append(text)
        observer.warning(STORED_OTHERWISE, text)
    names = [layout.name for layout in read.layouts]
    read.groups.add_failures(staging.figures.failures())
    told = report(read.groups.ranked(), names)
    summary.groups, summary.groups_found, summary.toml = told.groups, told.count, told.toml
    try:
        write_results(workspace, _counted(staging.pages(), read.records), names)
        extra = [staging.figures.has_extra(source) for source in range(len(read.layouts))]
        for row in write_errors(workspace, staging.failed(), read.layouts, extra):
            held = summary.errors_files.setdefault(errors_name(row.source), {})
            held[row.outcome or ""] = held.get(row.outcome or "", 0) + 1
        if vanished is not None:
            write_vanished(workspace, vanished)
        intervals = timeline.intervals() if timeline is not None else []
        if intervals:
            write_pace(workspace, intervals)
        ended = clock.now()
        summary.ended_at = iso(ended)
        summary.seconds["total"] = round(elapsed(), 3)
        summary.settings = list(typed.settings)
        summary.next = typed.next_commands(summary, str(workspace.final))
        if with_report:
            _write_report(workspace, summary, intervals, observer)
        write_summary(workspace, summary)
        staging.close()
        return workspace.publish()
    except OSError as error:
        raise UsageError(
            f"the results could not be written to {workspace.final}: {error.strerror or error}",
            hint="nothing is lost: the same command again writes the results, and"
            " `importer export ids.csv` every id that the ledger has",
        ) from None


def _write_report(
    workspace: Workspace, summary: Summary, intervals: Sequence[Interval], observer: Observer
) -> None:
    """Write the page; whatever is wrong with it is a warning: results come first."""
    from importer.results.html_report import REPORT, render_run  # noqa: PLC0415 - loads jinja2

    try:
        page = render_run(summary, intervals)
        with workspace.open_text(REPORT) as file:
            file.write(page)
    except Exception as error:  # noqa: BLE001 - what it is says its type; it must not stop a run
        (workspace.partial / REPORT).unlink(missing_ok=True)
        said = error.strerror if isinstance(error, OSError) else None
        text = (
            f"{REPORT} could not be written ({said or type(error).__name__});"
            f" `importer report {summary.run_id}` tries again"
        )
        summary.warnings.append(text)
        observer.warning(REPORT_FAILED, text)


def _counted(pages: Iterable[Page], expected: int) -> Iterator[Page]:
    """Pass the pages through and make sure that no row is missing: none is dropped silently."""
    seen = 0
    for page in pages:
        seen += page.frame.height
        yield page
    if seen != expected:
        what = f"{expected:,} records were read, and {seen:,} have an outcome"
        raise BugFound(what, safe="everything that was sent is in the ledger")
