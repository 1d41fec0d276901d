"""``run``: the whole job, from sources to results, in one straight line."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from importer import __version__
from importer.clock import CLOCK_WRONG, behind, jumped
from importer.delivery.around import loop_options
from importer.errors import BugFound, ExitCode, ImporterError, LedgerFailed, RunStopped, UsageError
from importer.job.deliver import Delivered, Delivery
from importer.job.finish import (
    NOT_TYPED,
    SHARED_ID,
    by_field,
    doubt_shared_ids,
    exit_code,
    fill_in_from_ledger,
    tried_in_vain,
    write_all,
)
from importer.job.job_settings import VANISHED
from importer.job.limit import DEFAULT_LIMIT, too_many
from importer.job.observer import Observer, Progress
from importer.job.plan_guard import NoPlan
from importer.job.signals import exit_code_of, leave_at_once, watch
from importer.job.source_reading import mapping_file, read_sources
from importer.job.volume import VOLUME_GUARD, VolumeCheck
from importer.job.world import iso, new_run_id, real_world
from importer.ledger.account import Account
from importer.ledger.interface import Share
from importer.ledger.opening import hold, open_ledger, open_rate
from importer.ledger.renamed import NEW_ACCOUNT, doubt
from importer.plan.forecast import conflicts_by_field, forecast
from importer.plan.make import make_plan, settle_duplicates, would_deliver
from importer.plan.plan_digest import digest_of
from importer.plan.staging import Staging
from importer.plan.volume_guard import OLDER_INPUT
from importer.results.summary import Summary
from importer.results.timeline import Timeline
from importer.results.workspace import Workspace

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from importer.clock import Clock
    from importer.delivery.credentials import ApiKey
    from importer.job.deliver import MakeEngine
    from importer.job.finish import Typed
    from importer.job.job_settings import DeliverySettings, InputSettings
    from importer.job.source_reading import Input
    from importer.job.volume import Look
    from importer.job.world import World
    from importer.ledger.address import LedgerAddress
    from importer.ledger.interface import Lease, LedgerReader
    from importer.ledger.ledger import Ledger
    from importer.rows.memo import Memo
    from importer.shard import Shard

_DAY = 86_400.0
TOO_MANY_INVALID = "too_many_invalid"
"""The reason of a run that ``--max-errors`` stopped before it sent anything."""


class Finished:
    """How a job ended: its summary, and the folder with its results."""

    def __init__(
        self, summary: Summary, results: Path, stopped_by: RunStopped | None = None
    ) -> None:
        self.summary = summary
        self.results = results
        self.stopped_by = stopped_by

    @property
    def exit_code(self) -> ExitCode:
        """The process exit code."""
        return ExitCode(self.summary.exit_code)


def run(  # noqa: PLR0915 - the whole job in one straight line
    inputs: InputSettings,
    delivery: DeliverySettings,
    key: ApiKey,
    *,
    world: World | None = None,
    observer: Observer | None = None,
    confirm_key: Callable[[], bool] = lambda: False,
    confirm_account: Callable[[str], bool] = lambda _: False,
    plan: NoPlan | None = None,
    typed: Typed = NOT_TYPED,
) -> Finished:
    """Import the sources: read, validate, plan, deliver, write results.

    Args:
        inputs: what to read and where to write.
        delivery: ledger, account and pace.
        key: the API key.
        world: clock, chance, network; the real ones by default.
        observer: hears of progress.
        confirm_key: asked when another key than last time is used on this ledger.
        confirm_account: asked, with the reason, where this account looks like another one.
        plan: a saved plan to follow; the run does exactly that, or nothing.
        typed: what the results tell of the command.

    Raises:
        UsageError: a setting or an input is wrong, or the plan does not hold; nothing was sent.
        LedgerInUse: another run holds the ledger.
        Interrupted: a signal ended the run at once.
    """
    world, observer = world or real_world(inputs.ca_bundle), observer or Observer()
    account = Account(delivery.base_url, key.mode, delivery.account)
    began, since = world.clock.now(), world.monotonic()
    shard = inputs.shard
    refuse_alone(shard, delivery.ledger)
    run_id = new_run_id(began, shard)
    summary = Summary(run_id, "run", account.label, began, iso(began), inputs.shown_sources)
    summary.shard = "" if shard.is_whole else str(shard)
    summary.mapping = mapping_file(inputs.config)
    summary.dry_run = delivery.dry_run
    observer.started(run_id, "run", account.label)
    plan = plan or NoPlan()
    summary.plan = plan.digest
    plan.check_files(inputs, delivery, key.mode, str(inputs.config or ""))
    check_engine(delivery)
    with ExitStack() as stack:
        stack.enter_context(watch(leave_at_once))
        workspace = stack.enter_context(Workspace(inputs.out, run_id))
        staging = Staging(workspace.partial / "staging.db")
        stack.callback(staging.close)
        remembers = delivery.ledger.path if shard.is_whole else None
        stack.enter_context(_forgetting_bugs(remembers))
        # Shards share a ledger because they have one input: that is known once it was read.
        reading = partial(
            _read,
            inputs,
            staging,
            workspace,
            summary,
            world=world,
            observer=observer,
            ledger=remembers,
        )
        read = None if shard.is_whole else reading()
        common = "" if read is None else digest_of(staging)
        share = None if shard.is_whole else Share(common, shard.index, shard.of)
        lease = stack.enter_context(
            hold(delivery.ledger, account, run_id=run_id, started_at=began, share=share)
        )
        ledger = stack.enter_context(
            open_ledger(
                delivery.ledger,
                account,
                safeguards=world.safeguards,
                connect=world.connect,
                lease=lease,
            )
        )
        digest = check_key(ledger, key, delivery, confirm_key)
        reader = stack.enter_context(
            open_ledger(delivery.ledger, account, read_only=True, connect=world.connect)
        )
        open_other = partial(open_ledger, delivery.ledger, read_only=True, connect=world.connect)
        if (doubted := doubt(ledger, open_other, key.secret)) is not None:
            _settle(doubted, delivery, confirm_account, observer)
        plan.check_ledger(ledger, observer)
        last_began = max((one.started_at for one in ledger.runs(1)), default=began)
        _tell_clock(summary, observer, behind(began, last_began))
        read = read or reading()
        with _timed(summary, "plan"):
            settle_duplicates(staging, inputs.shown_sources, inputs.on_duplicate)
            observer.verified(read.records, staging.counts().get("invalid", 0))
            plan.check_input(staging)
            delivered = Delivered(stopped_by=stop_rule(inputs, read, staging))
            volume = VolumeCheck(reader, inputs, delivery)
            met = make_plan(
                staging,
                reader,
                retry_rejected=delivery.retry_rejected,
                series=volume.runs,
                updates=delivery.updates,
            )
            plan.check_rows(staging, reader)
            look = volume.look(staging, read, met)
            summary.vanished = _guard(look, volume, delivered, summary, observer)
            summary.series, summary.volume = volume.series, look.figures
            summary.input_of = look.input_of
            if not shard.is_whole:
                # Of the whole input all is known by now; what is told from here on is the share.
                read = replace(read, records=staging.keep(shard))
                summary.vanished = volume.keep(shard, staging, look, common)
            if delivery.dry_run and delivered.stopped_by is None:
                if delivery.updates.rules:
                    foreseen = forecast(staging, reader).updated_fields
                    summary.fields = by_field(would_update=foreseen)
                would_deliver(staging, reader)
            counts = staging.counts()
            undecided = counts.pop("", 0)
            delivers = delivered.stopped_by is None and not delivery.dry_run
            to_deliver = undecided if delivered.stopped_by is None else 0
            observer.planned(counts, to_deliver)
        ledger.begin_run(
            run_id,
            started_at=began,
            command=("dry run" if delivery.dry_run else "run") + f" {summary.shard}".rstrip(),
            version=__version__,
            key_digest=digest,
            sources=inputs.shown_sources,
            series=volume.series,
            content=volume.content if delivers else "",
            plan=plan.begins,
        )
        stack.enter_context(_noting_failure(ledger, run_id, world.clock))
        timeline = Timeline()
        pipeline = partial(
            Delivery,
            staging,
            ledger,
            reader,
            run_id=run_id,
            base_url=delivery.base_url,
            api_key=key.secret,
            settings=delivery,
            world=world,
            observer=observer,
            timeline=timeline,
            user_agent=f"importer/{__version__}",
            engine=_engine(
                delivery,
                bundle=inputs.ca_bundle,
                account=account,
                lease=lease,
                key_digest=digest,
                reader=reader,
                world=world,
                observer=observer,
            ),
            shared=stack.enter_context(open_rate(delivery.ledger, account.base_url, key.secret)),
        )
        if to_deliver:
            total = min(to_deliver, delivery.limit or to_deliver)
            with _timed(summary, "deliver"), _not_in_vain():
                delivered = _deliver(pipeline(progress=Progress(total=total)))
        is_whole = delivery.limit is None or to_deliver <= delivery.limit
        if (marking := volume.marking) is not None:
            if marking.open and is_whole and not delivery.dry_run and _went_through(delivered):
                work = marking.work(volume.vanished(staging))
                marks = pipeline(progress=Progress(total=marking.open), work=work)
                with _timed(summary, "mark"), _not_in_vain():
                    delivered = delivered.and_then(_deliver(marks))
            summary.marked = {word: number for word, number in marking.counts.items() if number}
        summary.stages["results"] = time.time()
        stack.enter_context(watch(partial(_second_leaves, delivered)))
        stack.enter_context(_not_in_vain())
        wall, steady = world.clock.now() - began, world.monotonic() - since
        _tell_clock(summary, observer, jumped(wall, steady))
        _fill_in(staging, reader, delivered, delivery.limit)
        with suppress(LedgerFailed):  # Told by then: it cannot be read at all.
            if to_deliver and (shared := doubt_shared_ids(staging, reader, run_id)):
                summary.warnings.append(shared)
                observer.warning(SHARED_ID, shared)
        _note_end(
            ledger,
            summary,
            delivered,
            staging.counts(),
            now=world.clock.now(),
            # A clock that is years ahead once must not take the history away.
            keep_since=min(began, last_began) - delivery.keep_history * _DAY,
            delivery=delivery,
            # After a canary (--limit) most references are still new: it is no measure.
            measure=volume.measure if is_whole and not delivery.dry_run else None,
            marks=marking.failures if marking is not None else {},
            cut=delivery.limit is not None and to_deliver > delivery.limit,
            in_vain=partial(tried_in_vain, ledger, staging),
            observer=observer,
        )
        with suppress(LedgerFailed):
            summary.ledger = reader.totals()
        conflicts = partial(conflicts_by_field, staging, reader, delivery.updates)
        _tell_delivery(summary, delivered, timeline, conflicts)
        results = write_all(
            workspace,
            staging,
            read,
            summary,
            world.clock,
            elapsed=lambda: world.monotonic() - since,
            observer=observer,
            typed=typed,
            vanished=volume.listed(staging) if summary.vanished else None,
            timeline=timeline,
            with_report=not inputs.no_report,
        )
    observer.finished(summary, str(results))
    return Finished(summary, results, delivered.stopped_by)


def _tell_clock(summary: Summary, observer: Observer, text: str) -> None:
    """Warn of the clock, where there is something to be said."""
    if text:
        summary.warnings.append(text)
        observer.warning(CLOCK_WRONG, text)


def _read(
    inputs: InputSettings,
    staging: Staging,
    workspace: Workspace,
    summary: Summary,
    *,
    world: World,
    observer: Observer,
    ledger: Path | None,
) -> Input:
    """Read the sources; ``ledger`` is the file beside which lies what is remembered of them."""
    with _timed(summary, "read"), ExitStack() as stack:
        memo = None if ledger is None else partial(open_memo, ledger, stack, world, writes=True)
        read = read_sources(inputs, staging, world, observer, workspace.partial, memo=memo)
        summary.warnings += read.warnings
        summary.transforms = [one._asdict() for one in read.transforms]
    return read


@contextmanager
def _forgetting_bugs(ledger: Path | None) -> Iterator[None]:
    """Where importer is wrong, what it remembers may be: the next run judges every row."""
    try:
        yield
    except BugFound:
        if ledger is not None:
            from importer.job.memo_file import memo_of  # noqa: PLC0415 - as below

            with suppress(OSError):
                memo_of(ledger).unlink(missing_ok=True)
        raise


def open_memo(ledger: Path, stack: ExitStack, world: World, *, writes: bool) -> Memo:
    """What the run before remembers; closed with the stack. Who holds the ledger writes."""
    # Only a large input has one.
    from importer.job.memo_file import MemoFile  # noqa: PLC0415
    from importer.rows.memo import Memo  # noqa: PLC0415

    return Memo(stack.enter_context(MemoFile(ledger, writes=writes)), world.draw)


def _deliver(delivery: Delivery) -> Delivered:
    return anyio.run(delivery.run, backend_options=loop_options())


def _went_through(delivered: Delivered) -> bool:
    return delivered.stopped_by is None and delivered.signum is None


def check_engine(delivery: DeliverySettings) -> None:
    """Make sure that rows can be delivered where the user wants that, before anything is read.

    Raises:
        UsageError: the ledger is a file, which workers do not reach, or Dask is not installed,
            or has no certificates where they are wanted.
    """
    if not delivery.engine:
        return
    if not delivery.ledger.is_shared:
        raise UsageError(
            f"--engine needs a ledger that every worker reaches, and {delivery.ledger} is a file",
            hint="--ledger postgresql://HOST/DATABASE; `importer ledger copy` takes a file along",
        )
    from importer.engine.dask_carrier import check_cluster  # noqa: PLC0415 - an extra

    check_cluster(delivery.engine)


def _engine(
    delivery: DeliverySettings,
    *,
    bundle: Path | None,
    account: Account,
    lease: Lease,
    key_digest: str,
    reader: Ledger,
    world: World,
    observer: Observer,
) -> MakeEngine | None:
    """What makes the engine of a delivery; None for this process."""
    if not delivery.engine:
        return None
    from importer.engine.dask_carrier import dask_engine  # noqa: PLC0415 - an extra

    return partial(
        dask_engine,
        delivery.engine,
        ledger=delivery.ledger,
        account=account,
        lease=lease.number,
        key_digest=key_digest,
        bundle=bundle,
        reader=reader,
        around=world,
        warn=partial(observer.warning, "worker_left_out"),
    )


def refuse_alone(shard: Shard, ledger: LedgerAddress) -> None:
    """Refuse a shard on a ledger that the others cannot have.

    Raises:
        UsageError: the ledger is a file.
    """
    if not shard.is_whole and not ledger.is_shared:
        raise UsageError(
            f"--shard {shard} needs a ledger that all shards share, and {ledger} is a file",
            hint="--ledger postgresql://USER@HOST/DATABASE (docs/many-machines.md)",
        )


def check_key(
    ledger: Ledger, key: ApiKey, delivery: DeliverySettings, confirm: Callable[[], bool]
) -> str:
    """The key's digest, once it is sure that this key may write to this ledger.

    Another merchant's key on this ledger would skip every row as already settled.

    Raises:
        UsageError: another key than last time, and nobody said that this is meant.
    """
    if ledger.same_key(key.secret) or delivery.key_changed or confirm():
        return ledger.key_digest(key.secret)
    raise UsageError(
        f"the API key is not the one that this ledger was last used with ({ledger.label})",
        hint="a rotated key of the same merchant: add --key-changed;"
        " another merchant: add --account NAME, or use another --ledger",
    )


def _settle(
    doubted: UsageError,
    delivery: DeliverySettings,
    confirm: Callable[[str], bool],
    observer: Observer,
) -> None:
    """Go on with an account that looks like another one, or raise the doubt."""
    if delivery.dry_run or delivery.accept_new_account:
        observer.warning(NEW_ACCOUNT, doubted.message)
    elif not confirm(doubted.message):
        raise doubted


def stop_rule(inputs: InputSettings, read: Input, staging: Staging) -> RunStopped | None:
    """Why nothing may be sent, after the whole input was read; None where nothing is wrong."""
    limit = inputs.max_errors or DEFAULT_LIMIT
    trouble = too_many(limit, read.tallies(staging.figures.invalid_by_source()))
    if not trouble:
        return None
    return RunStopped(
        f"{trouble}: nothing was sent",
        reason=TOO_MANY_INVALID,
        hint="the mapping is more likely wrong than the rows: see the groups of errors;"
        " --max-errors 100% sends the valid rows all the same",
    )


def _guard(
    look: Look, volume: VolumeCheck, delivered: Delivered, summary: Summary, observer: Observer
) -> int:
    """Ask the volume guard, unless the run is stopped already; how many customers vanished."""
    if delivered.stopped_by is None:
        delivered.stopped_by = volume.stop_rule(look)
        accepted = f"{look.words}: accepted" if look.drifts else ""
        told = [(VOLUME_GUARD, accepted)] if delivered.stopped_by is None else []
        for code, text in [*told, (OLDER_INPUT, look.remark)]:
            if text:
                summary.warnings.append(text)
                observer.warning(code, text)
    return look.vanished


@contextmanager
def _timed(summary: Summary, stage: str) -> Iterator[None]:
    summary.stages[stage], began = time.time(), time.perf_counter()
    yield
    summary.seconds[stage] = round(time.perf_counter() - began, 3)


@contextmanager
def _not_in_vain() -> Iterator[None]:
    """From the first request on, trouble with our own files is no usage error any more."""
    try:
        yield
    except UsageError as error:
        raise RunStopped(error.message, reason="results_failed", hint=error.hint) from None


@contextmanager
def _noting_failure(ledger: Ledger, run_id: str, clock: Clock) -> Iterator[None]:
    """Let the ledger's list of runs say the exit code that the process will have."""
    try:
        yield
    except BaseException as error:
        code = error.exit_code if isinstance(error, ImporterError) else ExitCode.INTERNAL
        with suppress(LedgerFailed):
            reason = getattr(error, "reason", "")
            ledger.end_run(run_id, ended_at=clock.now(), exit_code=code, stopped_by=reason)
        raise


def _second_leaves(delivered: Delivered, signum: int) -> None:
    """While results are written: the first signal is noted, the second leaves."""
    if delivered.signum is not None:
        leave_at_once(signum)
    delivered.signum = signum


def _fill_in(
    staging: Staging, reader: LedgerReader, delivered: Delivered, limit: int | None
) -> None:
    """Give every row its outcome, whatever ended the delivery."""
    unread = fill_in_from_ledger(staging, reader, why=_why_not_reached(delivered, limit))
    delivered.stopped_by = delivered.stopped_by or unread


def _why_not_reached(delivered: Delivered, limit: int | None) -> str:
    if delivered.signum is not None:
        return "the run was interrupted before this row was settled"
    if delivered.stopped_by is not None:
        if delivered.stopped_by.reason == TOO_MANY_INVALID:
            return "valid, but nothing was sent: too many other rows are invalid (--max-errors)"
        if delivered.stopped_by.reason == VOLUME_GUARD:
            return "valid, but nothing was sent: the input is unlike the last one (--accept-drift)"
        return "the run was stopped before this row was settled"
    return f"beyond --limit {limit}" if limit is not None else "the run ended before this row"


def _note_end(
    ledger: Ledger,
    summary: Summary,
    delivered: Delivered,
    counts: dict[str, int],
    *,
    now: float,
    keep_since: float,
    delivery: DeliverySettings,
    measure: dict[str, Any] | None,
    marks: dict[str, int],
    cut: bool,
    in_vain: Callable[..., str],
    observer: Observer,
) -> None:
    """Tell the ledger how the run ended; where it cannot be told, the results are owed still."""
    fail_on = [one for one in delivery.fail_on.split(",") if one]
    # A mark that is not there counts as a row does that is not in step.
    outcomes = {**counts, **({VANISHED: summary.vanished} if VANISHED in fail_on else {})}
    outcomes |= {word: number + counts.get(word, 0) for word, number in marks.items()}
    code = _exit_code(delivered, outcomes, fail_on, cut=cut)
    if code is ExitCode.TEMPFAIL:
        stopped = delivered.stopped_by
        if why := in_vain(counts, now, stopped=stopped is not None):
            code = ExitCode.ROWS_LEFT if stopped is None else ExitCode.STOPPED
            if stopped is not None:
                stopped.exit_code = code
            summary.warnings.append(why)
            observer.warning("tried_in_vain", why)
    summary.requests = {"post": delivered.posts, "get": delivered.gets}
    if delivered.patches:
        summary.requests["patch"] = delivered.patches
    try:
        ledger.end_run(
            summary.run_id,
            ended_at=now,
            exit_code=code,
            counts=counts,
            volume=measure if _went_through(delivered) else None,
            stopped_by=_stopped_by(delivered),
        )
        ledger.forget_attempts(keep_since)
    except LedgerFailed as failed:
        delivered.stopped_by = delivered.stopped_by or failed
        code = _exit_code(delivered, outcomes, fail_on, cut=cut)
    summary.exit_code = code
    summary.stopped_by = _stopped_by(delivered)
    if delivered.signum is not None:
        summary.stop_message = f"interrupted by {signal.Signals(delivered.signum).name}"
        summary.stop_hint = "type the same command again: it goes on, and nothing is sent twice"
    elif (stopped := delivered.stopped_by) is not None:
        summary.stop_message, summary.stop_hint = stopped.message, stopped.hint


def _tell_delivery(
    summary: Summary,
    delivered: Delivered,
    timeline: Timeline,
    conflicts: Callable[[], Counter[str]],
) -> None:
    """Put into the summary how delivery went: answers, waits, and what was written by field."""
    for (method, status), number in sorted(delivered.answers.items()):
        summary.answers.setdefault(method, {})[str(status)] = number
    summary.waits = {why: round(seconds, 2) for why, seconds in timeline.held.items()}
    summary.fields |= by_field(updated=delivered.updated)
    with suppress(LedgerFailed):  # Figures; what is wrong with it has been told.
        summary.fields |= by_field(conflict=conflicts())


def _exit_code(
    delivered: Delivered, outcomes: dict[str, int], fail_on: Sequence[str], *, cut: bool
) -> ExitCode:
    if delivered.signum is not None:
        return exit_code_of(delivered.signum)
    if delivered.stopped_by is not None:
        return delivered.stopped_by.exit_code
    return exit_code(outcomes, fail_on, goes_on=not cut)


def _stopped_by(delivered: Delivered) -> str:
    if delivered.signum is not None:
        return f"signal {delivered.signum}"
    return delivered.stopped_by.reason if delivered.stopped_by is not None else ""
