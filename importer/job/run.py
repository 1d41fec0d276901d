"""``run``: the whole job, from sources to results, in one straight line."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from importer import __version__
from importer.clock import CLOCK_WRONG, ahead, behind, jumped
from importer.delivery.around import loop_options
from importer.delivery.protocol.states import SHARED_ID
from importer.errors import BugFound, ExitCode, ImporterError, LedgerFailed, RunStopped, UsageError
from importer.job.deliver import Delivered, Delivery
from importer.job.finish import (
    NOT_TYPED,
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
from importer.job.volume import SPELT_ALIKE, VOLUME_GUARD, VolumeCheck
from importer.job.world import iso, new_run_id, real_world
from importer.ledger.account import Account
from importer.ledger.interface import Share
from importer.ledger.opening import hold, open_ledger, open_rate
from importer.ledger.renamed import NEW_ACCOUNT, doubt
from importer.ledger.run_table import series_of
from importer.plan.forecast import conflicts_by_field, forecast
from importer.plan.make import settle_duplicates, would_deliver
from importer.plan.plan_digest import digest_of
from importer.plan.staging import Staging
from importer.plan.volume_guard import OLDER_INPUT
from importer.results.summary import Summary, last_known
from importer.results.timeline import Timeline
from importer.results.workspace import Workspace, results_folders
from importer.shard import WHOLE, Shard
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from importer.clock import Clock
    from importer.delivery.credentials import ApiKey
    from importer.job.deliver import MakeEngine
    from importer.job.finish import Typed
    from importer.job.job_settings import DeliverySettings, InputSettings
    from importer.job.source_reading import Input
    from importer.job.world import World
    from importer.ledger.address import LedgerAddress
    from importer.ledger.interface import Lease
    from importer.ledger.ledger import Ledger
    from importer.rows.memo import Memo

_DAY = 86_400.0
LEDGER_LOST = "ledger_lost"
"""The code of a warning: this ledger knows nobody, and another one did."""
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


def run(
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
    refuse_alone(inputs.shard, delivery.ledger)
    plan = plan or NoPlan()
    world, observer = world or real_world(inputs.ca_bundle), observer or Observer()
    job = _Run(inputs, delivery, key, world=world, observer=observer, plan=plan)
    with ExitStack() as stack:
        job.open(stack)
        stack.enter_context(job.forgetting_bugs())
        # Shards share a ledger because they have one input: that is known once it was read.
        read = None if inputs.shard.is_whole else job.read_input()
        held = job.open_ledger(stack, confirm_key, confirm_account)
        plan.check_ledger(held.ledger, observer)
        job.alarm(CLOCK_WRONG, behind(job.began, held.last_began))
        read = read or job.read_input()
        with job.timed("plan"):
            planned = job.plan_rows(held, read)
        job.begin(held, planned)
        stack.enter_context(_noting_failure(held.ledger, job.summary.run_id, world.clock))
        timeline = Timeline()
        delivered = job.deliver(held, planned, timeline, stack)
        job.summary.stages["results"] = time.time()
        stack.enter_context(watch(partial(_second_leaves, delivered)))
        stack.enter_context(_not_in_vain())
        job.settle(held, planned, delivered, timeline)
        vanished = planned.volume.listed(job.staging) if job.summary.vanished else None
        results = job.write(planned.read, typed, vanished=vanished, timeline=timeline)
    observer.finished(job.summary, str(results))
    return Finished(job.summary, results, delivered.stopped_by)


class Job:
    """What the stages of a run, or of a check, share: what to read, and where results go."""

    def __init__(
        self,
        command: str,
        inputs: InputSettings,
        *,
        world: World,
        observer: Observer,
        account: str = "",
        shard: Shard = WHOLE,
    ) -> None:
        self.inputs = inputs
        self.world = world
        self.observer = observer
        self.began, self.since = world.clock.now(), world.monotonic()
        run_id = new_run_id(self.began, shard)
        began_at = iso(self.began)
        self.summary = Summary(run_id, command, account, self.began, began_at, inputs.shown_sources)
        self.summary.mapping = mapping_file(inputs.config)
        observer.started(run_id, command, account)

    def open(self, stack: ExitStack) -> None:
        """Have places for the results and for what is staged, until the stack is closed."""
        stack.enter_context(watch(leave_at_once))
        self.workspace = stack.enter_context(Workspace(self.inputs.out, self.summary.run_id))
        self.staging = Staging(self.workspace.partial / "staging.db")
        stack.callback(self.staging.close)

    def warn(self, code: str, text: str) -> None:
        """Tell of something odd, now and in the results."""
        self.summary.warnings.append(text)
        self.observer.warning(code, text)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note when this stage began, and how long it took."""
        self.summary.stages[stage], began = time.time(), time.perf_counter()
        yield
        self.summary.seconds[stage] = round(time.perf_counter() - began, 3)

    def read(self, memo: Callable[[], Memo] | None = None) -> Input:
        """Read all sources; ``memo`` as ``read_sources`` has it."""
        scratch = self.workspace.partial
        read = read_sources(
            self.inputs, self.staging, self.world, self.observer, scratch, memo=memo
        )
        self.summary.warnings += read.warnings
        self.summary.transforms = [one._asdict() for one in read.transforms]
        return read

    def write(
        self,
        read: Input,
        typed: Typed,
        *,
        vanished: Iterable[tuple[str, str, str]] | None = None,
        timeline: Timeline | None = None,
    ) -> Path:
        """Write and publish the results, as ``write_all`` does."""
        return write_all(
            self.workspace,
            self.staging,
            read,
            self.summary,
            self.world.clock,
            elapsed=lambda: self.world.monotonic() - self.since,
            observer=self.observer,
            typed=typed,
            vanished=vanished,
            timeline=timeline,
            with_report=not self.inputs.no_report,
        )


@value
class _Held:
    """The ledger of a run, which holds it."""

    ledger: Ledger
    """It alone writes."""
    reader: Ledger
    lease: Lease
    key_digest: str
    last_began: float
    """When the run before this one began, in seconds since the epoch."""


@value
class _Planned:
    """What is to be done with the input."""

    read: Input
    """Of a shard, its share."""
    volume: VolumeCheck
    to_deliver: int
    """Rows; none where a rule stopped the run."""
    is_cut: bool
    """``--limit`` leaves some of them for later."""
    stopped_by: RunStopped | None
    """Why nothing may be sent."""


class _Run(Job):
    """A run; each stage is a method, and they are called in the order in which they stand."""

    def __init__(
        self,
        inputs: InputSettings,
        delivery: DeliverySettings,
        key: ApiKey,
        *,
        world: World,
        observer: Observer,
        plan: NoPlan,
    ) -> None:
        self._delivery = delivery
        self._key = key
        self._plan = plan
        self._account = Account(delivery.base_url, key.mode, delivery.account)
        self._shard = shard = inputs.shard
        label = self._account.label
        super().__init__("run", inputs, world=world, observer=observer, account=label, shard=shard)
        self.summary.shard = "" if shard.is_whole else str(shard)
        self.summary.dry_run = delivery.dry_run
        self.summary.plan = plan.digest
        self._common = ""
        """Digest of the input that all shards have; "" for a run of the whole."""
        plan.check_files(inputs, delivery, key.mode)
        check_engine(delivery)

    @contextmanager
    def forgetting_bugs(self) -> Iterator[None]:
        """Where importer is wrong, what it remembers may be: the next run judges every row."""
        try:
            yield
        except BugFound:
            if (ledger := _remembering(self.inputs, self._delivery)) is not None:
                from importer.job.memo_file import memos_of  # noqa: PLC0415 - as in memo_for

                with suppress(OSError):
                    for one in memos_of(ledger):
                        one.unlink(missing_ok=True)
            raise

    def read_input(self) -> Input:
        """Read the sources."""
        with self.timed("read"), ExitStack() as stack:
            read = self.read(memo_for(self.inputs, self._delivery, stack, self.world, writes=True))
        if not self._shard.is_whole:
            self._common = digest_of(self.staging)
        return read

    def open_ledger(
        self,
        stack: ExitStack,
        confirm_key: Callable[[], bool],
        confirm_account: Callable[[str], bool],
    ) -> _Held:
        """Keep other runs away, and make sure that the ledger is this merchant's."""
        address, account, shard = self._delivery.ledger, self._account, self._shard
        run_id, connect = self.summary.run_id, self.world.connect
        share = None if shard.is_whole else Share(self._common, shard.index, shard.of)
        lease = stack.enter_context(
            hold(address, account, run_id=run_id, started_at=self.began, share=share)
        )
        safeguards = self.world.safeguards
        ledger = stack.enter_context(
            open_ledger(address, account, safeguards=safeguards, connect=connect, lease=lease)
        )
        digest = check_key(ledger, self._key, self._delivery, confirm_key)
        reader = stack.enter_context(open_ledger(address, account, read_only=True, connect=connect))
        open_other = partial(open_ledger, address, read_only=True, connect=connect)
        if (doubted := doubt(ledger, open_other, self._key.secret)) is not None:
            _settle(doubted, self._delivery, confirm_account, self.observer)
        self.alarm(LEDGER_LOST, self._lost(ledger))
        last_began = max((one.started_at for one in ledger.runs(1)), default=self.began)
        return _Held(ledger, reader, lease, digest, last_began)

    def _lost(self, ledger: Ledger) -> str:
        """What is said of a ledger that knows nobody, where there are results of one that did."""
        if sum(ledger.totals().values()):
            return ""
        found = last_known(results_folders(self.inputs.out), ledger.label)
        if found is None:
            return ""
        folder, known = found
        return (
            f"the ledger {self._delivery.ledger} knows nobody of this account, and a run whose"
            f" results are in {folder} left {known:,} customers of it in its ledger: if this is"
            " another one, or it was lost, put the right one, or a backup, in its place and type"
            " the same command again; else all are looked for at Moment anew"
        )

    def alarm(self, code: str, text: str) -> None:
        """Warn of what people are told also where all went well; of nothing where that is ""."""
        if text:
            self.summary.alarms[code] = text
            self.warn(code, text)

    def plan_rows(self, held: _Held, read: Input) -> _Planned:
        """Decide on every row; nothing is sent where a stop rule says so."""
        reader = held.reader
        inputs, delivery, staging, summary = self.inputs, self._delivery, self.staging, self.summary
        settle_duplicates(staging, inputs.shown_sources, inputs.on_duplicate)
        self.observer.verified(read.records, staging.counts().get("invalid", 0))
        self._plan.check_input(staging)
        volume = VolumeCheck(reader, inputs, delivery)
        stopped_by = stop_rule(inputs, read, staging)
        look = volume.plan(staging, read)
        self._plan.check_rows(staging, reader)
        if look.alike:
            self.warn(SPELT_ALIKE, look.alike)
        if stopped_by is None:
            stopped_by = volume.stop_rule(look)
            if look.drifts and stopped_by is None:
                self.warn(VOLUME_GUARD, f"{look.words}: accepted")
            self.alarm(OLDER_INPUT, look.remark)
        summary.vanished = look.vanished
        summary.series, summary.volume = volume.series, look.figures
        summary.input_of = look.input_of
        if not self._shard.is_whole:
            # Of the whole input all is known by now; what is told from here on is the share.
            read = replace(read, records=staging.keep(self._shard))
            summary.vanished = volume.keep(self._shard, staging, look, self._common)
        if delivery.dry_run and stopped_by is None:
            if delivery.updates.rules:
                foreseen = forecast(staging, reader).updated_fields
                summary.fields = by_field(would_update=foreseen)
            would_deliver(staging, reader)
        counts = staging.counts()
        undecided = counts.pop("", 0)
        to_deliver = undecided if stopped_by is None else 0
        self.observer.planned(counts, to_deliver)
        is_cut = delivery.limit is not None and to_deliver > delivery.limit
        return _Planned(read, volume, to_deliver, is_cut, stopped_by)

    def begin(self, held: _Held, planned: _Planned) -> None:
        """Note in the ledger that the run begins; from here on it says there how it ends."""
        command = "dry run" if self._delivery.dry_run else "run"
        delivers = planned.stopped_by is None and not self._delivery.dry_run
        held.ledger.begin_run(
            self.summary.run_id,
            started_at=self.began,
            command=f"{command} {self.summary.shard}".rstrip(),
            version=__version__,
            key_digest=held.key_digest,
            sources=self.inputs.shown_sources,
            series=planned.volume.series,
            content=planned.volume.content if delivers else "",
            plan=self._plan.begins,
        )

    def deliver(
        self, held: _Held, planned: _Planned, timeline: Timeline, stack: ExitStack
    ) -> Delivered:
        """Send what is to be sent; then, if all went through, mark who has vanished."""
        delivery, address = self._delivery, self._delivery.ledger
        rate = open_rate(address, self._account.base_url, self._key.secret)
        make = partial(
            Delivery,
            self.staging,
            held.ledger,
            held.reader,
            run_id=self.summary.run_id,
            base_url=delivery.base_url,
            api_key=self._key.secret,
            settings=delivery,
            world=self.world,
            observer=self.observer,
            timeline=timeline,
            user_agent=f"importer/{__version__}",
            engine=self._engine(held),
            shared=stack.enter_context(rate),
        )
        delivered = Delivered(stopped_by=planned.stopped_by)
        if rows := planned.to_deliver:
            progress = Progress(total=min(rows, delivery.limit or rows))
            with self.timed("deliver"), _not_in_vain():
                delivered = _deliver(make(progress=progress))
        if (marking := planned.volume.marking) is not None:
            through = not planned.is_cut and not delivery.dry_run and _went_through(delivered)
            if marking.open and through:
                work = marking.work(planned.volume.vanished(self.staging))
                progress = Progress(total=marking.open)
                with self.timed("mark"), _not_in_vain():
                    delivered = delivered.and_then(_deliver(make(progress=progress, work=work)))
            self.summary.marked = {
                word: number for word, number in marking.counts.items() if number
            }
        return delivered

    def _engine(self, held: _Held) -> MakeEngine | None:
        """What makes the engine of a delivery; None for this process."""
        delivery = self._delivery
        if not delivery.engine:
            return None
        from importer.engine.dask_carrier import dask_engine  # noqa: PLC0415 - an extra

        return partial(
            dask_engine,
            delivery.engine,
            ledger=delivery.ledger,
            account=self._account,
            lease=held.lease.number,
            key_digest=held.key_digest,
            bundle=self.inputs.ca_bundle,
            reader=held.reader,
            around=self.world,
            warn=partial(self.observer.warning, "worker_left_out"),
        )

    def settle(
        self, held: _Held, planned: _Planned, delivered: Delivered, timeline: Timeline
    ) -> None:
        """Give every row its outcome, and tell the ledger and the summary how the run ended."""
        delivery, staging, reader = self._delivery, self.staging, held.reader
        wall, steady = self.world.clock.now() - self.began, self.world.monotonic() - self.since
        whose = "the clock of a worker" if delivery.engine else "this machine's clock"
        for text in (ahead(delivered.clock_ahead, whose), jumped(wall, steady)):
            self.alarm(CLOCK_WRONG, text)
        self.summary.clock_ahead = delivered.clock_ahead
        why = _why_not_reached(delivered, delivery.limit)
        unread = fill_in_from_ledger(staging, reader, why=why)
        delivered.stopped_by = delivered.stopped_by or unread
        unlooked: LedgerFailed | None = None
        try:
            if not delivery.dry_run:
                run_id, now = self.summary.run_id, self.world.clock.now()
                if shared := doubt_shared_ids(staging, reader, held.ledger, run_id, now):
                    self.warn(SHARED_ID, shared)
        except LedgerFailed as failed:
            unlooked = failed
        self._note_end(held, planned, delivered, unlooked)
        with suppress(LedgerFailed):
            self.summary.ledger = reader.totals()
        _tell_delivery(self.summary, delivered, timeline)
        with suppress(LedgerFailed):  # Figures; what is wrong with it has been told.
            conflicts = conflicts_by_field(staging, reader, delivery.updates)
            self.summary.fields |= by_field(conflict=conflicts)

    def _note_end(
        self,
        held: _Held,
        planned: _Planned,
        delivered: Delivered,
        unlooked: LedgerFailed | None,
    ) -> None:
        """Tell the ledger how the run ended; a run that cannot do that has failed.

        ``unlooked`` is why nobody could tell whether ids are shared: to the ledger such a run has
        not ended, so the next one looks at what it settled.
        """
        summary, delivery, volume = self.summary, self._delivery, planned.volume
        now, counts = self.world.clock.now(), self.staging.counts()
        fail_on = [one for one in delivery.fail_on.split(",") if one]
        # A mark that is not there counts as a row does that is not in step.
        outcomes = {**counts, **({VANISHED: summary.vanished} if VANISHED in fail_on else {})}
        marks = volume.marking.failures if volume.marking is not None else {}
        outcomes |= {word: number + counts.get(word, 0) for word, number in marks.items()}
        code = _exit_code(delivered, outcomes, fail_on, cut=planned.is_cut)
        stopped = delivered.stopped_by
        if code is ExitCode.TEMPFAIL and (
            why := tried_in_vain(
                held.ledger, self.staging, counts, now, stopped=stopped is not None
            )
        ):
            code = ExitCode.ROWS_LEFT if stopped is None else ExitCode.STOPPED
            if stopped is not None:
                stopped.exit_code = code
            self.warn("tried_in_vain", why)
        # After a canary (--limit) most references are still new: it is no measure.
        is_measure = _went_through(delivered) and not planned.is_cut and not delivery.dry_run
        try:
            if unlooked is not None:
                raise unlooked
            held.ledger.end_run(
                summary.run_id,
                ended_at=now,
                exit_code=code,
                counts=counts,
                volume=volume.measure if is_measure else None,
                stopped_by=_stopped_by(delivered),
            )
            # A clock that is years ahead once must not take the history away.
            kept = delivery.keep_history * _DAY
            held.ledger.forget_attempts(min(self.began, held.last_began) - kept)
        except LedgerFailed as failed:
            delivered.stopped_by = delivered.stopped_by or failed
            code = _exit_code(delivered, outcomes, fail_on, cut=planned.is_cut)
        summary.exit_code = code


def _remembering(inputs: InputSettings, delivery: DeliverySettings) -> Path | None:
    """The ledger beside which lies what is remembered of rows; none of shards and databases."""
    return delivery.ledger.path if inputs.shard.is_whole else None


def memo_for(
    inputs: InputSettings,
    delivery: DeliverySettings,
    stack: ExitStack,
    world: World,
    *,
    writes: bool,
) -> Callable[[], Memo] | None:
    """What opens what the run before remembers, until the stack is closed; None where it cannot.

    ``writes`` is for who holds the ledger.
    """
    ledger = _remembering(inputs, delivery)
    if ledger is None:
        return None
    series = series_of(inputs.sources, delivery.series)

    def opened() -> Memo:
        # Only a large input has one.
        from importer.job.memo_file import MemoFile  # noqa: PLC0415
        from importer.rows.memo import Memo  # noqa: PLC0415

        return Memo(stack.enter_context(MemoFile(ledger, series, writes=writes)), world.draw)

    return opened


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


@contextmanager
def _not_in_vain() -> Iterator[None]:
    """From the first request on, trouble with our own files is no usage error any more."""
    try:
        yield
    except UsageError as error:
        again = "then type the same command again: it goes on, and nothing is sent twice"
        hint = error.hint if "same command" in error.hint else f"{error.hint}; {again}".lstrip("; ")
        raise RunStopped(error.message, reason="results_failed", hint=hint) from None


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


def _tell_delivery(summary: Summary, delivered: Delivered, timeline: Timeline) -> None:
    """Put into the summary how delivery went and ended: requests, answers, waits, fields."""
    summary.requests = {"post": delivered.posts, "get": delivered.gets}
    if delivered.patches:
        summary.requests["patch"] = delivered.patches
    for (method, status), number in sorted(delivered.answers.items()):
        summary.answers.setdefault(method, {})[str(status)] = number
    summary.waits = {why: round(seconds, 2) for why, seconds in timeline.held.items()}
    summary.fields |= by_field(updated=delivered.updated)
    summary.stopped_by = _stopped_by(delivered)
    if delivered.signum is not None:
        summary.stop_message = f"interrupted by {signal.Signals(delivered.signum).name}"
        summary.stop_hint = "type the same command again: it goes on, and nothing is sent twice"
    elif (stopped := delivered.stopped_by) is not None:
        summary.stop_message, summary.stop_hint = stopped.message, stopped.hint


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
