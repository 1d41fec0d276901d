"""The end of a job: outcomes that only the ledger knows, exit code, and the results files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.delivery.protocol.states import Done, Origin, Rejected, State, Synced, UpdateState
from importer.errors import BugFound, ExitCode, LedgerFailed, UsageError
from importer.job.world import iso
from importer.outcomes import NOT_FAILED, Outcome
from importer.plan.decide import differing
from importer.results import (
    errors_name,
    report,
    write_errors,
    write_results,
    write_summary,
    write_vanished,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from importer.clock import Clock
    from importer.job.source_reading import Input
    from importer.ledger.interface import LedgerReader
    from importer.plan import Page, Staging
    from importer.plan.frames import Pending
    from importer.results import Summary, Workspace


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


def exit_code(outcomes: dict[str, int], fail_on: Iterable[str] = ()) -> ExitCode:
    """0 if every record is in Moment and in step (or would be), else 1.

    ``fail_on`` are further outcomes that count as not done.
    """
    done = NOT_FAILED - {*fail_on}
    left = sum(number for outcome, number in outcomes.items() if outcome not in done)
    return ExitCode.ROWS_LEFT if left else ExitCode.OK


def write_all(
    workspace: Workspace,
    staging: Staging,
    read: Input,
    summary: Summary,
    clock: Clock,
    *,
    vanished: Iterable[tuple[str, str, str]] | None = None,
) -> Path:
    """Write and publish the results; fills in the summary's counts and its end.

    ``vanished`` are (reference, customer id, marked), if there are any to be written.

    Raises:
        UsageError: the results could not be written; the ledger holds everything all the same.
    """
    summary.records = read.records
    summary.outcomes = {outcome: n for outcome, n in staging.counts().items() if outcome}
    summary.errors = [
        {"outcome": outcome, "error_code": code, "rows": rows}
        for outcome, code, rows in staging.figures.error_codes()
    ]
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
        ended = clock.now()
        summary.ended_at = iso(ended)
        summary.seconds["total"] = round(ended - summary.began, 3)
        write_summary(workspace, summary)
        staging.close()
        return workspace.publish()
    except OSError as error:
        raise UsageError(
            f"the results could not be written to {workspace.final}: {error.strerror or error}",
            hint="nothing is lost: `importer export` writes every id from the ledger,"
            " and the same command again writes the results",
        ) from None


def _counted(pages: Iterable[Page], expected: int) -> Iterator[Page]:
    """Pass the pages through and make sure that no row is missing: none is dropped silently."""
    seen = 0
    for page in pages:
        seen += page.frame.height
        yield page
    if seen != expected:
        what = f"{expected:,} records were read, and {seen:,} have an outcome"
        raise BugFound(what, safe="everything that was sent is in the ledger")
