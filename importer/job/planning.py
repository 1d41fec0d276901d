"""``plan``: what a run would do against this ledger. No key, no network, nothing is sent."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from importer import __version__
from importer.errors import UsageError
from importer.job.finish import exit_code
from importer.job.observer import Observer
from importer.job.plan_guard import (
    SavedPlan,
    contents_of,
    refuse_to_replace,
    save_plan,
    settings_of,
)
from importer.job.run import memo_for, refuse_alone, stop_rule
from importer.job.signals import leave_at_once, watch
from importer.job.source_reading import read_sources
from importer.job.volume import SPELT_ALIKE, VOLUME_GUARD, VolumeCheck
from importer.job.world import World, iso, new_run_id
from importer.ledger.account import NOTHING_YET, Account
from importer.ledger.interface import NoLedger, OlderLedger
from importer.ledger.opening import hold, open_ledger
from importer.ledger.renamed import NEW_ACCOUNT, doubt
from importer.plan.decide import Sending
from importer.plan.forecast import Forecast, forecast
from importer.plan.make import settle_duplicates
from importer.plan.plan_digest import digest_of
from importer.plan.staging import Staging
from importer.plan.volume_guard import OLDER_INPUT, empty_input, of_twins, twins_within
from importer.results.workspace import Workspace
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.errors import ExitCode, RunStopped
    from importer.job.job_settings import DeliverySettings, InputSettings
    from importer.job.source_reading import Input
    from importer.ledger.address import LedgerAddress
    from importer.ledger.ledger import Ledger
    from importer.mapping.transform_report import Transformed


@value
class Planning:
    """A plan that was made."""

    account: str
    """In words."""
    sources: tuple[str, ...]
    records: int
    forecast: Forecast
    errors: tuple[tuple[str, str, int], ...]
    """The most frequent (outcome, error code, rows)."""
    exit_code: ExitCode
    """``OK`` if every record is in Moment or would be, else ``ROWS_LEFT``."""
    input_sha256: str = ""
    rows_sha256: str = ""
    ledger_version: str = ""
    transforms: tuple[Transformed, ...] = ()
    vanished: int = 0
    """Customers of this series that the input no longer has."""
    to_mark: int = 0
    """Of them, those that a run would mark."""
    drifts: bool = False
    """The input is unlike the last one: a run sends nothing without ``--accept-drift``."""
    stopped_by: RunStopped | None = None
    """Why a run would send nothing; such a plan is not saved."""
    saved: SavedPlan | None = None


def plan(
    inputs: InputSettings,
    delivery: DeliverySettings,
    mode: str,
    *,
    save: Path | None = None,
    world: World | None = None,
    observer: Observer | None = None,
) -> Planning:
    """Read and verify the sources, and say what a run would do with every record.

    Args:
        inputs: what to read; ``out`` holds scratch files meanwhile.
        delivery: ledger and account; the pace does not matter.
        mode: ``test`` or ``live``, the kind of key that the run would have.
        save: where the plan is written for ``run --plan``.
        world: clock and standard input; the real ones by default.
        observer: hears of progress.

    Raises:
        UsageError: a setting or an input is wrong, or the ledger moved meanwhile.
        LedgerInUse: the ledger must be upgraded first, and a run holds it.
        Interrupted: a signal came.
    """
    world, observer = world or World(), observer or Observer()
    refuse_alone(inputs.shard, delivery.ledger)
    if save is not None and not inputs.shard.is_whole:
        raise UsageError(
            "a saved plan is of the whole input, not of one shard",
            hint="leave --shard out here; every shard may follow the plan: run --plan FILE --shard",
        )
    if save is None:
        return _look(inputs, delivery, mode, world, observer, digests=False)
    mapping = str(inputs.config or "")
    keep = [Path(name) for name in (*inputs.sources, mapping) if name]
    keep += [delivery.ledger.path] if delivery.ledger.path is not None else []
    refuse_to_replace(save, keep)
    # Before they are read: if one moves meanwhile, the plan is refused later, and not followed.
    sources = tuple(contents_of(name) for name in inputs.sources)
    mapped = contents_of(mapping) if mapping else None
    made = _look(inputs, delivery, mode, world, observer, digests=True)
    if made.stopped_by is not None:
        return made
    saved = SavedPlan(
        importer=__version__,
        sources=sources,
        settings=settings_of(inputs, delivery, mode),
        ledger_version=made.ledger_version,
        records=made.records,
        outcomes=made.forecast.outcomes,
        input_sha256=made.input_sha256,
        rows_sha256=made.rows_sha256,
        changed_fields=dict(made.forecast.changed_fields),
        mapping=mapped,
    )
    save_plan(saved, save, made_at=iso(world.clock.now()), keep=keep)
    return replace(made, saved=saved)


def _look(
    inputs: InputSettings,
    delivery: DeliverySettings,
    mode: str,
    world: World,
    observer: Observer,
    *,
    digests: bool,
) -> Planning:
    account = Account(delivery.base_url, mode, delivery.account)
    run_id = new_run_id(world.clock.now())
    observer.started(run_id, "plan", account.label)
    with ExitStack() as stack:
        stack.enter_context(watch(leave_at_once))
        stack.enter_context(_as_it_was(inputs.out))
        workspace = stack.enter_context(Workspace(inputs.out, run_id))
        ledger = _open(delivery.ledger, account, world, observer)
        if ledger is not None:
            stack.enter_context(ledger)
        version = ledger.version() if ledger is not None else NOTHING_YET
        staging = Staging(workspace.partial / "staging.db")
        stack.callback(staging.close)
        memo = memo_for(inputs, delivery, stack, world, writes=False)
        read = read_sources(inputs, staging, world, observer, workspace.partial, memo=memo)
        settle_duplicates(staging, inputs.shown_sources, inputs.on_duplicate)
        observer.verified(read.records, staging.counts().get("invalid", 0))
        stopped_by = stop_rule(inputs, read, staging)
        input_sha256 = digest_of(staging) if digests else ""
        read, volume = _compare(inputs, delivery, ledger, staging, read, observer)
        rows_sha256 = digest_of(staging) if digests else ""
        made = forecast(staging, ledger)
        errors = tuple(staging.figures.error_codes())
        if digests and ledger is not None and ledger.version() != version:
            raise UsageError(
                "the ledger moved while the plan was made: a run is working on it",
                hint="plan again when that run has ended",
            )
    settled = {name: n for name, n in made.outcomes.items() if name not in set(Sending)}
    observer.planned(settled, made.to_deliver)
    return Planning(
        account.label,
        tuple(inputs.shown_sources),
        read.records,
        made,
        errors,
        exit_code(settled),
        input_sha256,
        rows_sha256,
        version,
        stopped_by=stopped_by,
        transforms=read.transforms,
        vanished=volume.vanished,
        to_mark=volume.to_mark,
        drifts=volume.drifts,
    )


class _Volume(NamedTuple):
    """The input beside the last one; the fields are those of ``Planning``."""

    drifts: bool
    vanished: int = 0
    to_mark: int = 0


def _compare(  # noqa: PLR0917
    inputs: InputSettings,
    delivery: DeliverySettings,
    ledger: Ledger | None,
    staging: Staging,
    read: Input,
    observer: Observer,
) -> tuple[Input, _Volume]:
    """Note what is to be done with each row, and ask the volume guard; of a shard, its share."""
    shard = inputs.shard
    if ledger is None:
        drifts = not read.records and not delivery.incremental
        if drifts:
            observer.warning(VOLUME_GUARD, empty_input().text)
        _warn_of_alike(of_twins(twins_within(staging.references)), observer)
        if not shard.is_whole:
            read = replace(read, records=staging.keep(shard))
        return read, _Volume(drifts)
    check = VolumeCheck(ledger, inputs, delivery)
    look = check.plan(staging, read)
    vanished = look.vanished
    if look.drifts:
        observer.warning(VOLUME_GUARD, look.words)
    if look.remark:
        observer.warning(OLDER_INPUT, look.remark)
    _warn_of_alike(look.alike, observer)
    if not shard.is_whole:
        read = replace(read, records=staging.keep(shard))
        vanished = check.keep(shard, staging, look)
    to_mark = check.marking.open if check.marking is not None else 0
    return read, _Volume(bool(look.drifts), vanished, to_mark)


def _warn_of_alike(text: str, observer: Observer) -> None:
    if text:
        observer.warning(SPELT_ALIKE, text)


def _open(
    address: LedgerAddress, account: Account, world: World, observer: Observer
) -> Ledger | None:
    """The ledger to read, brought up to this version if need be; None where there is none yet."""
    try:
        ledger = open_ledger(address, account, read_only=True, connect=world.connect)
    except NoLedger:
        return None
    except OlderLedger:
        with hold(address, account, run_id="plan", started_at=world.clock.now()):
            open_ledger(address, account, connect=world.connect).close()
        ledger = open_ledger(address, account, read_only=True, connect=world.connect)
    open_other = partial(open_ledger, address, read_only=True, connect=world.connect)
    others = ledger.accounts()
    if (doubted := doubt(ledger, open_other, None)) is not None:
        text = f"{doubted.message}; a run would stop ({doubted.hint})"
        observer.warning(NEW_ACCOUNT, text)
    elif others and account not in others:
        known = "; ".join(one.label for one in others)
        observer.warning(
            "other_account",
            f"the ledger {address} holds nothing of {account.label}, but of {known}",
        )
    return ledger


@contextmanager
def _as_it_was(folder: Path) -> Iterator[None]:
    """Leave no empty folder behind: a plan has no results."""
    existed = folder.exists()
    yield
    if not existed:
        with suppress(OSError):
            folder.rmdir()
