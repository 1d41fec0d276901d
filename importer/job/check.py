"""``check``: reads and validates offline and writes the same results files. No key, no network."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from importer.errors import InvalidFound, RunStopped
from importer.job.finish import NOT_TYPED, exit_code
from importer.job.limit import DEFAULT_LIMIT, too_many
from importer.job.observer import Observer
from importer.job.run import TOO_MANY_INVALID, Finished, Job
from importer.job.volume import SPELT_ALIKE, VOLUME_GUARD
from importer.job.world import World
from importer.plan.make import settle_duplicates, would_create
from importer.plan.volume_guard import empty_input, of_twins, twins_within
from importer.results.summary import report

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
    job = Job("check", inputs, world=world, observer=observer)
    summary = job.summary
    with ExitStack() as stack:
        job.open(stack)
        started = time.perf_counter()
        read, staging = job.read(), job.staging
        settle_duplicates(staging, inputs.shown_sources, inputs.on_duplicate)
        observer.verified(read.records, staging.counts().get("invalid", 0))
        if alike := of_twins(twins_within(staging.references)):
            job.warn(SPELT_ALIKE, alike)
        would_create(staging)
        if not read.records:
            job.warn(VOLUME_GUARD, empty_input().text)
        summary.seconds["read"] = round(time.perf_counter() - started, 3)
        stopped = _first_invalid(read) or _stop_rule(job, read)
        summary.exit_code = stopped.exit_code if stopped else exit_code(staging.counts())
        if stopped is not None:
            summary.stopped_by = stopped.reason
            summary.stop_message, summary.stop_hint = stopped.message, stopped.hint
        results = job.write(read, typed)
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


def _stop_rule(job: Job, read: Input) -> RunStopped | None:
    """Whether a run would send nothing; it is an error here where ``--max-errors`` was given."""
    asked = job.inputs.max_errors
    trouble = too_many(
        asked or DEFAULT_LIMIT, read.tallies(job.staging.figures.invalid_by_source())
    )
    if not trouble:
        return None
    if asked is not None:
        hint = "a run with this --max-errors would send nothing; see the groups of errors"
        return RunStopped(trouble, reason=TOO_MANY_INVALID, hint=hint)
    job.warn(TOO_MANY_INVALID, f"{trouble}: a run would send nothing (run --max-errors 100% would)")
    return None
