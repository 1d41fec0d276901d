"""``check``: reads and validates offline and writes the same results files. No key, no network."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from importer.errors import InvalidFound, RunStopped
from importer.job.finish import NOT_TYPED, exit_code, write_all
from importer.job.limit import DEFAULT_LIMIT, too_many
from importer.job.observer import Observer
from importer.job.run import TOO_MANY_INVALID, Finished
from importer.job.signals import leave_at_once, watch
from importer.job.source_reading import mapping_file, read_sources
from importer.job.volume import VOLUME_GUARD
from importer.job.world import World, iso, new_run_id
from importer.plan.make import settle_duplicates, would_create
from importer.plan.staging import Staging
from importer.plan.volume_guard import empty_input
from importer.results.summary import Summary, report
from importer.results.workspace import Workspace

if TYPE_CHECKING:
    from importer.job.finish import Typed
    from importer.job.job_settings import InputSettings
    from importer.job.source_reading import Input


def check(
    inputs: InputSettings,
    *,
    world: World | None = None,
    observer: Observer | None = None,
    typed: Typed = NOT_TYPED,
) -> Finished:
    """Validate the sources; a row that a first run would send has the outcome ``would_create``.

    Args:
        inputs: what to read and where to write.
        world: clock and standard input; the real ones by default.
        observer: hears of progress.
        typed: what the results tell of the command.

    Raises:
        UsageError: a setting or an input is wrong.
        Interrupted: a signal came.
    """
    world, observer = world or World(), observer or Observer()
    began, since = world.clock.now(), world.monotonic()
    run_id = new_run_id(began)
    summary = Summary(run_id, "check", "", began, iso(began), inputs.shown_sources)
    summary.mapping = mapping_file(inputs.config)
    observer.started(run_id, "check", "")
    with ExitStack() as stack:
        stack.enter_context(watch(leave_at_once))
        workspace = stack.enter_context(Workspace(inputs.out, run_id))
        staging = Staging(workspace.partial / "staging.db")
        stack.callback(staging.close)
        started = time.perf_counter()
        read = read_sources(inputs, staging, world, observer, workspace.partial)
        summary.warnings += read.warnings
        summary.transforms = [one._asdict() for one in read.transforms]
        settle_duplicates(staging, inputs.shown_sources, inputs.on_duplicate)
        counts = staging.counts()
        observer.verified(read.records, counts.get("invalid", 0))
        would_create(staging)
        if not read.records:
            summary.warnings.append(empty_input().text)
            observer.warning(VOLUME_GUARD, empty_input().text)
        summary.seconds["read"] = round(time.perf_counter() - started, 3)
        stopped = _first_invalid(read) or _stop_rule(inputs, read, staging, observer, summary)
        summary.exit_code = stopped.exit_code if stopped else exit_code(staging.counts())
        if stopped is not None:
            summary.stopped_by = stopped.reason
            summary.stop_message, summary.stop_hint = stopped.message, stopped.hint
        results = write_all(
            workspace,
            staging,
            read,
            summary,
            world.clock,
            elapsed=lambda: world.monotonic() - since,
            observer=observer,
            typed=typed,
            with_report=not inputs.no_report,
        )
    observer.finished(summary, str(results))
    return Finished(summary, results, stopped)


def _first_invalid(read: Input) -> RunStopped | None:
    """What to say of the record that ended the reading (``--fail-fast``)."""
    first = read.first_invalid
    if first is None:
        return None
    told = report(read.groups.ranked(), [layout.name for layout in read.layouts]).groups
    place = f"{read.layouts[first.source].name}: line {first.line}"
    return InvalidFound(
        f"{place}: {'; '.join(one.text for one in told)}",
        hint="; ".join(dict.fromkeys(one.fix for one in told)),
    )


def _stop_rule(
    inputs: InputSettings, read: Input, staging: Staging, observer: Observer, summary: Summary
) -> RunStopped | None:
    """Whether a run would send nothing; it is an error here where ``--max-errors`` was given."""
    limit = inputs.max_errors or DEFAULT_LIMIT
    trouble = too_many(limit, read.tallies(staging.figures.invalid_by_source()))
    if not trouble:
        return None
    if inputs.max_errors is not None:
        hint = "a run with this --max-errors would send nothing; see the groups of errors"
        return RunStopped(trouble, reason=TOO_MANY_INVALID, hint=hint)
    text = f"{trouble}: a run would send nothing (run --max-errors 100% would)"
    summary.warnings.append(text)
    observer.warning(TOO_MANY_INVALID, text)
    return None
