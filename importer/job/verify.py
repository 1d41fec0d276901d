"""``verify``: asks Moment for every customer that the ledger knows, and says what is not as it was.

Read-only: GETs by id, at a modest rate, through the same valve as a run. It is the sign-off of a
migration, and the way to find what no protocol can exclude (docs/syncing.md): a customer that is
gone, an edit, a late update that brought an old value back.

What was found is on disk page by page, with the last reference that was asked for; the same command
goes on after it.
"""

from __future__ import annotations

import csv
import json
import os
import random
from collections import Counter
from contextlib import ExitStack, aclosing, suppress
from dataclasses import field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Self

import anyio

from importer import __version__
from importer.delivery.around import loop_options
from importer.delivery.http.client import MomentClient
from importer.delivery.pacing.pace import PaceSettings
from importer.delivery.pacing.valve import ToldToWait, Trail, Valve
from importer.delivery.pool import full_jitter
from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as u
from importer.delivery.protocol.states import SHARED_ID, shares_id
from importer.delivery.stopping import one_cause, stop_error
from importer.errors import ExitCode, RunStopped, UsageError
from importer.job.run import check_key
from importer.job.signals import Interrupted, watched
from importer.job.source_reading import read_sources
from importer.job.world import World, iso, new_run_id, real_world
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.plan.staging import Staging
from importer.results.workspace import PRIVATE_DIR, PRIVATE_FILE, Workspace
from importer.source.fed_back import escape_formula
from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from importer.delivery.credentials import ApiKey
    from importer.delivery.protocol.states import Hashes, UpdateState
    from importer.job.job_settings import DeliverySettings, InputSettings
    from importer.ledger.ledger import Ledger

MODEST_RATE = 50.0
"""GETs a second unless ``--rate`` says otherwise: others need the API more."""
MODEST_CONCURRENCY = 8
PAGE = 200
"""Customers whose findings are made durable together."""
TRIES = 5
"""GETs of one customer before it counts as not checked."""
COLUMNS = ("external_reference", "bcus_id", "finding", "fields")
NOT_CHECKED = "not_checked"
WORDS = {
    "in_step": "is in Moment, and holds what was last confirmed",
    "drift": "holds another value in some field than was last confirmed",
    "balance_moved": "differs in its balance only: a payment, or somebody's edit",
    "another_id": "its reference belongs to another bcus_ id now",
    SHARED_ID: "has the id of another reference, which Moment shows under it",
    "missing": "is not in Moment any more",
    "no_base": "is in Moment; nothing is known of its fields to compare them with",
    NOT_CHECKED: "no answer that can be believed; type the same command again",
}
"""The findings, and what each says of a customer."""
FINE = frozenset({"in_step", "no_base"})


class Finding(NamedTuple):
    """What was found of one customer."""

    reference: str
    customer_id: str
    finding: str
    """A key of ``WORDS``."""
    fields: tuple[str, ...] = ()


@record
class Verified:
    """How a verify ended."""

    account: str
    results: Path
    """The folder of ``verify.csv``."""
    found: Counter[str] = field(default_factory=Counter)
    """Customers by finding, those of an earlier, interrupted verify included."""
    gone_on_after: str = ""
    """The reference after which this one went on, "" if it began anew."""
    stopped_by: RunStopped | None = None
    signum: int | None = None

    @property
    def exit_code(self) -> ExitCode:
        """0 if all is as it was last confirmed, 1 if something is not, or why it ended early.

        75 where all that is left is what could not be checked.
        """
        if self.signum is not None:
            return ExitCode(128 + self.signum)
        if self.stopped_by is not None:
            return self.stopped_by.exit_code
        left = {finding for finding, number in self.found.items() if number} - FINE
        if left == {NOT_CHECKED}:
            return ExitCode.TEMPFAIL
        return ExitCode.ROWS_LEFT if left else ExitCode.OK


def compare(state: UpdateState, seen: Hashes) -> tuple[str, tuple[str, ...]]:
    """The finding of a customer that Moment shows, and the fields that differ. Pure.

    Only what was confirmed to be there once is compared: others may write what we never wrote.
    """
    if not state.base:
        return "no_base", ()
    held = dict(seen)
    differ = tuple(name for name, value in state.base if held.get(name) != value)
    if not differ:
        return "in_step", ()
    return ("balance_moved" if differ == ("balance",) else "drift"), differ


def _nobody(ledger: Ledger, delivery: DeliverySettings) -> UsageError:
    """Nothing to ask for is no good news: a forgotten ``--account`` would look like it."""
    others = [one.label for one in ledger.accounts() if one != ledger.account]
    known = f"; it knows {', '.join(others)}" if others else ""
    return UsageError(
        f"the ledger {delivery.ledger} knows no customer of {ledger.account.label}{known}",
        hint="--account, --base-url and the key's mode say whose customers are meant",
    )


def verify(
    inputs: InputSettings,
    delivery: DeliverySettings,
    key: ApiKey,
    *,
    sample: int | None = None,
    world: World | None = None,
    tell: Callable[[Counter[str]], None] = lambda _: None,
) -> Verified:
    """Ask for every customer of the account, those of the sources, or a sample.

    Args:
        inputs: ``sources`` may be empty: then all customers of the ledger are asked for.
        delivery: ledger, account and pace.
        key: the API key; its merchant must be the ledger's.
        sample: so many customers, drawn by chance.
        world: clock, chance, network; the real ones by default.
        tell: hears of the findings so far, every now and then.

    Raises:
        UsageError: there is no ledger, it knows nobody of the account, or the key is another
            merchant's.
    """
    world = world or real_world(inputs.ca_bundle)
    account = Account(delivery.base_url, key.mode, delivery.account)
    with ExitStack() as stack:
        ledger = stack.enter_context(
            open_ledger(
                delivery.ledger, account, create=False, read_only=True, connect=world.connect
            )
        )
        check_key(ledger, key, delivery, lambda: False)
        wanted = None
        if not inputs.sources and not sum(ledger.totals().values()):
            raise _nobody(ledger, delivery)
        if inputs.sources:
            wanted = _references_of(inputs, world)
        is_whole = wanted is None and sample is None
        book = stack.enter_context(_Book(inputs.out, account.label, world, goes_on=is_whole))
        customers = _customers(ledger, wanted, book.after)
        if sample is not None:
            customers = iter(_drawn(customers, sample, world.draw))
        work = _Verify(ledger, customers, book, delivery=delivery, key=key, world=world, tell=tell)
        anyio.run(work.run, backend_options=loop_options())
        verified = Verified(account.label, book.folder, book.found, book.after)
        verified.stopped_by, verified.signum = work.stopped_by, work.signum
        if verified.stopped_by is None and verified.signum is None:
            verified.results = book.publish()
        return verified


class _Verify:
    """One verify: pages of customers, each asked for by a few workers."""

    def __init__(
        self,
        ledger: Ledger,
        customers: Iterator[tuple[str, str]],
        book: _Book,
        *,
        delivery: DeliverySettings,
        key: ApiKey,
        world: World,
        tell: Callable[[Counter[str]], None],
    ) -> None:
        self._ledger = ledger
        self._customers = customers
        self._book = book
        self._world = world
        self._tell = tell
        self._places = min(delivery.concurrency, MODEST_CONCURRENCY)
        self._valve = Valve(
            PaceSettings(
                max_in_flight=self._places, rate_ceiling=min(delivery.rate or MODEST_RATE, 1e6)
            ),
            patience=delivery.patience,
            now=world.monotonic,
        )
        self._transport = world.network(self._places)
        self._client = MomentClient(
            base_url=delivery.base_url,
            api_key=key.secret,
            transport=self._transport,
            clock=world.clock,
            user_agent=f"importer/{__version__}",
            hashes=ledger.hasher(),
        )
        self._findings: list[Finding] = []
        self._troubled: set[str] = set()
        self.stopped_by: RunStopped | None = None
        self.signum: int | None = None

    async def run(self) -> None:
        """Until all were asked for, or it is stopped."""
        self._valve.start()
        try:
            async with aclosing(self._transport), anyio.create_task_group() as tasks:
                tasks.start_soon(self._heed_signals)
                while self.stopped_by is None and self.signum is None:
                    page = list(islice(self._customers, PAGE))
                    if not page:
                        break
                    await self._page(page)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise one_cause(group) from None

    async def _page(self, page: list[tuple[str, str]]) -> None:
        states = self._ledger.updates([reference for reference, _ in page])
        self._findings = []
        waiting = iter(enumerate(page))
        async with anyio.create_task_group() as workers:
            for _ in range(self._places):
                workers.start_soon(self._work, waiting, states)
        if self.stopped_by is None and self.signum is None:
            self._book.write(sorted(self._findings))
            self._tell(self._book.found)

    async def _work(
        self, waiting: Iterator[tuple[int, tuple[str, str]]], states: dict[str, UpdateState]
    ) -> None:
        for at, (reference, customer_id) in waiting:
            if self.stopped_by is not None or self.signum is not None:
                return
            try:
                self._findings.append(await self._ask(at, reference, customer_id, states))
            except RunStopped as stopped:
                self.stopped_by = stopped

    async def _ask(
        self, at: int, reference: str, customer_id: str, states: dict[str, UpdateState]
    ) -> Finding:
        trail = Trail(at)
        failures = 0
        began = self._world.monotonic()
        while True:
            answer = await self._read(trail, customer_id, reference)
            match answer:
                case u.Shown(seen):
                    self._troubled.discard(reference)
                    return Finding(reference, customer_id, *compare(states[reference], seen))
                case u.Gone() | a.LookUpFailed("not_our_customer"):
                    # Gone, or another reference's now.
                    other = await self._by_reference(trail, reference, customer_id)
                    if other is None and shares_id(states[reference]):
                        other = SHARED_ID
                    if other is not None:
                        return Finding(reference, customer_id, other)
                    failures += 1
                case a.RunWrong(reason, status):
                    raise stop_error(reason, detail=f"HTTP {status}" * bool(status))
                case a.LookUpFailed(throttled=throttled):
                    failures += not throttled
                    self._troubled.add(reference)
            if self._world.monotonic() - began > self._valve.patience:
                raise stop_error("unreachable")
            if failures >= TRIES:
                return Finding(reference, customer_id, NOT_CHECKED)
            await anyio.sleep(full_jitter(max(1, failures), self._world.draw()))

    async def _by_reference(self, trail: Trail, reference: str, customer_id: str) -> str | None:
        """What a look-up by reference says of a customer that is not there by its id."""
        sent_at = await self._enter(trail)
        answer, hint = await self._client.look_up(reference, "{}")
        self._leave(trail, sent_at, answer, hint)
        match answer:
            case a.Found(other) if other != customer_id:
                return "another_id"
            case a.Absent():
                return "missing"
            case a.RunWrong(reason, status):
                raise stop_error(reason, detail=f"HTTP {status}" * bool(status))
            case _:
                return None

    async def _read(self, trail: Trail, customer_id: str, reference: str) -> u.ReadAnswer:
        sent_at = await self._enter(trail)
        answer, hint = await self._client.read(customer_id, reference)
        match answer:
            case u.Shown():
                told: a.LookUpAnswer = a.Found(customer_id, ())
            case u.Gone():
                told = a.Absent()
            case _:
                told = answer
        self._leave(trail, sent_at, told, hint)
        return answer

    async def _enter(self, trail: Trail) -> float:
        try:
            return await self._valve.enter(trail)
        except ToldToWait as told:
            raise stop_error("unreachable", detail=f"asked to wait {told.seconds:.0f} s") from None

    def _leave(self, trail: Trail, sent_at: float, answer: a.LookUpAnswer, hint: object) -> None:
        rows = max(1, len(self._troubled))
        if self._valve.leave(trail, sent_at, answer, hint, rows=rows):  # type: ignore[arg-type]
            raise stop_error(self._valve.trouble or "unreachable")

    async def _heed_signals(self) -> None:
        with anyio.open_signal_receiver(*watched()) as signals:
            async for signum in signals:
                if self.signum is not None:
                    raise Interrupted(signum)
                self.signum = int(signum)


class _Book:
    """The findings on disk, and how far a verify of the whole account has come."""

    def __init__(self, out: Path, account: str, world: World, *, goes_on: bool) -> None:
        began = world.clock.now()
        self._final = out / f"verify-{new_run_id(began)}"
        self.folder = out / ("verify.partial" if goes_on else f"{self._final.name}.partial")
        self._state = self.folder / "progress.json"
        self._account = account
        self._began = iso(began)
        self.found: Counter[str] = Counter()
        self.after = ""
        self._last = ""
        self._size = 0

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            self._resume()
            flags = os.O_CREAT | os.O_RDWR
            self._file = os.fdopen(os.open(self.folder / "verify.csv", flags, PRIVATE_FILE), "r+")
            self._file.seek(self._size)
            self._file.truncate()
        except OSError as error:
            raise UsageError(
                f"{self.folder} cannot be written: {error.strerror}", hint="choose another --out"
            ) from None
        if not self._size:
            csv.writer(self._file, lineterminator="\n").writerow(COLUMNS)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _resume(self) -> None:
        """Go on where an interrupted verify of this account stopped; anything else begins anew."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads(self._state.read_text())
            if state["account"] == self._account:
                self.found = Counter(state["found"])
                self.after = self._last = str(state["after"])
                self._size = int(state["size"])
                self._began = str(state["began"])

    def write(self, findings: Iterable[Finding]) -> None:
        """Make a page of findings durable."""
        writer = csv.writer(self._file, lineterminator="\n")
        for one in findings:
            self.found[one.finding] += 1
            self._last = max(self._last, one.reference)
            if one.finding not in FINE:
                fields = " ".join(one.fields)
                writer.writerow(
                    (escape_formula(one.reference), one.customer_id, one.finding, fields)
                )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._size = self._file.tell()
        state = {
            "account": self._account,
            "began": self._began,
            "after": self._last,
            "found": dict(self.found),
            "size": self._size,
        }
        partial = self._state.with_suffix(".new")
        handle = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, PRIVATE_FILE)
        with os.fdopen(handle, "w") as file:
            json.dump(state, file)
        partial.replace(self._state)

    def publish(self) -> Path:
        """Move the findings into place; the next verify begins anew."""
        self._file.flush()
        self._state.unlink(missing_ok=True)
        self.folder.rename(self._final)
        return self._final


def _customers(
    ledger: Ledger, wanted: frozenset[str] | None, after: str
) -> Iterator[tuple[str, str]]:
    """(reference, customer id) in the order of references."""
    for one in ledger.mapping():
        if one.reference > after and (wanted is None or one.reference in wanted):
            yield one.reference, one.customer_id


def _drawn(
    customers: Iterator[tuple[str, str]], size: int, draw: Callable[[], float]
) -> list[tuple[str, str]]:
    """So many of them, each with the same chance (reservoir sampling), in their order."""
    chance = random.Random(draw())  # noqa: S311 - a sample, no secret
    kept: list[tuple[str, str]] = []
    for seen, one in enumerate(customers):
        if seen < size:
            kept.append(one)
        elif (place := chance.randrange(seen + 1)) < size:
            kept[place] = one
    return sorted(kept)


def _references_of(inputs: InputSettings, world: World) -> frozenset[str]:
    """Every reference that the sources have a valid record of."""
    from importer.job.observer import Observer  # noqa: PLC0415

    with Workspace(inputs.out, new_run_id(world.clock.now())) as workspace:
        staging = Staging(workspace.partial / "staging.db")
        try:
            read_sources(inputs, staging, world, Observer(), workspace.partial)
            return frozenset(
                reference
                for page in staging.pages()
                for reference in page.frame["reference"].drop_nulls()
            )
        finally:
            staging.close()
