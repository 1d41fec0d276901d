"""Gathers the figures of the volume guard, and what vanished; plan.volume_guard decides.

Customers that are gone from their source are marked by metadata (``[vanished]`` of a mapping file).
A mark is an update like any other, of exactly these metadata keys, in which the source wins.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import field
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import polars as pl

from importer.delivery.protocol.updating import METADATA, Rule, UpdatePolicy, foresee
from importer.errors import RunStopped
from importer.job.deliver import Work
from importer.job.world import iso
from importer.ledger.run_table import series_of
from importer.outcomes import Outcome
from importer.plan.frames import Pending
from importer.plan.make import make_plan, with_states
from importer.plan.volume_guard import (
    FIELD_LOST,
    NO_TWINS,
    OLDER_INPUT,
    Bounds,
    Drift,
    Older,
    Twins,
    Volume,
    drifts,
    find_twins,
    in_words,
    missing_of,
    of_twins,
    twins_within,
)
from importer.shard import WHOLE
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from importer.delivery.protocol.flight import Planned, Settled
    from importer.job.job_settings import DeliverySettings, InputSettings
    from importer.job.source_reading import Input
    from importer.ledger.interface import LedgerReader
    from importer.ledger.ledger import Ledger
    from importer.ledger.run_table import Run
    from importer.plan.make import Met
    from importer.plan.staging import Staging
    from importer.shard import Shard


WOULD_MARK = "would_mark"
MARKED = frozenset({"yes", "already", WOULD_MARK})
"""What ``marked`` of ``vanished.csv`` says of customers with which all is well."""
_WORDS = {Outcome.UPDATED: "yes", Outcome.UNCHANGED: "already"}
_MARK_PAGE = 5000
_NO_VERSION = b""
"""A mark is no version of the row: a row that comes back is compared field by field."""

Customer = tuple[str, str]
"""(reference, customer id)."""


class Marking:
    """The marking of one run: who is still to be marked, and what became of each."""

    def __init__(
        self,
        ledger: LedgerReader,
        metadata: Mapping[str, str],
        *,
        retry_rejected: bool,
        dry_run: bool,
    ) -> None:
        self._ledger = ledger
        self._metadata = dict(metadata)
        rules = tuple((METADATA + key, Rule.SOURCE) for key in self._metadata)
        self._policy = UpdatePolicy(rules=rules, retry_rejected=retry_rejected)
        self._open = WOULD_MARK if dry_run else Outcome.UNSETTLED.value
        self._settled: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        """Customers by the word that ``vanished.csv`` has for them."""

    def look(self, vanished: Iterable[Customer]) -> int:
        """Count, by what the ledger knows, who is to be marked and who is done; how many in all."""
        self.counts = Counter(word for _, _, word in self.words(vanished))
        return self.counts.total()

    @property
    def open(self) -> int:
        """Customers that a run would mark, or did not get to."""
        return self.counts[self._open]

    @property
    def failures(self) -> dict[str, int]:
        """Those that are not in order, by word."""
        return {word: number for word, number in self.counts.items() if word not in MARKED}

    def words(self, vanished: Iterable[Customer]) -> Iterator[tuple[str, str, str]]:
        """(reference, customer id, what became of the mark) of each."""
        for page in self._pages(vanished):
            for one in page:
                customer_id = "" if one.update is None else one.update.customer_id
                word = self._settled.get(one.reference) or self._word(self._foreseen(one))
                yield one.reference, customer_id, word

    def work(self, vanished: Iterable[Customer]) -> Work:
        """What delivery is given: an update of each customer that has no mark yet."""
        # One that is not there to be updated would be created, of metadata alone.
        known = (one for page in self._pages(vanished) for one in page if one.update is not None)
        rows = (one for one in known if self._foreseen(one) is None)
        return Work(rows, self._record, self._policy)

    def _record(self, settled: Sequence[Settled]) -> None:
        for one in settled:
            word = self._word(one.settle.outcome)
            self._settled[one.planned.reference] = word
            self.counts[self._open] -= 1
            self.counts[word] += 1

    def _pages(self, vanished: Iterable[Customer]) -> Iterator[list[Planned]]:
        customers, at = iter(vanished), 0
        while page := list(islice(customers, _MARK_PAGE)):
            rows = [
                Pending(number, reference, _NO_VERSION, self._payload(reference))
                for number, (reference, _) in enumerate(page, at)
            ]
            yield list(with_states(rows, self._ledger))
            at += len(page)

    def _payload(self, reference: str) -> str:
        return json.dumps({"external_reference": reference, "metadata": self._metadata})

    def _foreseen(self, one: Planned) -> Outcome | None:
        if one.update is None:
            return None
        return foresee(one.update, _NO_VERSION, one.fields or (), self._policy).outcome

    def _word(self, outcome: Outcome | None) -> str:
        return self._open if outcome is None else _WORDS.get(outcome, outcome.value)


SPELT_ALIKE = "spelt_alike"
"""The warning of references of one input that are spelt nearly alike."""
VOLUME_GUARD = "volume_guard"
"""The reason of a run that was stopped because its input is unlike the last good one."""
_PAGE = 5000
_CUSTOMER = {"reference": pl.String, "customer_id": pl.String}


@value
class Look:
    """What the guard saw."""

    drifts: tuple[Drift, ...]
    vanished: int = 0
    """Customers of this series that the input no longer has."""
    figures: dict[str, int] = field(default_factory=dict)
    """What was counted, as ``Summary.volume`` has it."""
    input_of: str = ""
    """As ``Summary.input_of``."""
    remark: str = ""
    """What is odd, and does not stop the run; "" for nothing."""
    alike: str = ""
    """What is said of references of this input that are spelt nearly alike."""

    @property
    def words(self) -> str:
        """What is unlike the last good run; "" where nothing is."""
        return in_words(self.drifts)


class VolumeCheck:
    """The volume of one input against one ledger."""

    def __init__(self, ledger: Ledger, inputs: InputSettings, delivery: DeliverySettings) -> None:
        self._ledger = ledger
        self._delivery = delivery
        # A fed-back errors file lies in the folder of the run that wrote it, and is of its series.
        folders = {PurePath(one).parent.name for one in inputs.sources}
        self._folder = folders.pop() if len(folders) == 1 else ""
        before = ledger.series_of_run(self._folder)
        self._names = frozenset(map(_file_name, inputs.shown_sources))
        self.series = series_of(inputs.sources, delivery.series or before)
        self._runs = ledger.series_runs(self.series)
        rule = inputs.mapping.vanished.metadata if inputs.mapping is not None else {}
        self.marking: Marking | None = None
        """What marks vanished customers; None where nobody asked for it."""
        if rule:
            retry, dry_run = delivery.retry_rejected, delivery.dry_run
            self.marking = Marking(ledger, rule, retry_rejected=retry, dry_run=dry_run)
        self._shard = WHOLE
        self.content = ""
        """What ``begin_run`` notes of this input, once ``plan`` knows it."""
        self.measure: dict[str, Any] | None = None
        """The figures that the next run is compared with, once ``plan`` has gathered them."""

    def plan(self, staging: Staging, read: Input) -> Look:
        """Note what is to be done with each row, and compare that with the last good run."""
        delivery = self._delivery
        met = make_plan(
            staging,
            self._ledger,
            retry_rejected=delivery.retry_rejected,
            series=self._runs,
            updates=delivery.updates,
        )
        return self._look(staging, read, met)

    def _look(self, staging: Staging, read: Input, met: Met) -> Look:
        fed_back = bool(read.layouts) and all(one.fed_back for one in read.layouts)
        partial = self._delivery.incremental or (fed_back and read.records > 0)
        volume = Volume(read.records, met.known, met.to_update, met.new, dict(read.carried))
        before = self._ledger.last_volume(self.series)
        delivered = 0 if partial else self._delivered(met)
        # As many as runs of this series made are in the input: then none is missing.
        vanished = 0
        if delivered > met.of_series:
            if self.marking is not None:
                vanished = self.marking.look(self.vanished(staging))
            else:
                vanished = sum(1 for _ in self.vanished(staging))
        twins = self._twins(staging) if met.new else NO_TWINS
        # Rows that wait in an errors file are no later version of anything.
        self.content = "" if fed_back else staging.digest
        # Who is marked already stays so: only what would be done now is measured.
        to_mark = self.marking.open if self.marking is not None else 0
        back = met.to_update + to_mark
        older, input_of = self._older(fed_back=fed_back) if back else (None, "")
        found = drifts(
            volume,
            Volume.of_json(before) if before is not None else None,
            self._bounds(incremental=partial),
            twins=twins,
            vanished=vanished if self.marking is None else to_mark,
            delivered=delivered,
            marks=self.marking is not None,
            older=older,
        )
        if fed_back and (back or met.new):
            found += self._stopped_before()
        # A fed-back errors file, or a part of the customers, is no measure of the next night.
        self.measure = None if partial or fed_back else volume.as_json()
        figures = {
            "records": read.records,
            "new": met.new,
            "changed": met.to_update,
            "vanished": vanished,
        }
        if before is not None:
            was = Volume.of_json(before).records
            figures |= {"before": was, "fewer": max(0, was - read.records)}
        graver = {
            "older": back if older is not None and not older.is_part else 0,
            "respelt": twins.number,
            "lost_fields": sum(one.code == FIELD_LOST for one in found),
        }
        figures |= {name: number for name, number in graver.items() if number}
        alike = of_twins(twins_within(lambda: _waiting(staging))) if met.new else ""
        is_told = older is None or any(one.code == OLDER_INPUT for one in found)
        remark = "" if older is None or is_told else older.text(back)
        return Look(tuple(found), vanished, figures, input_of, remark, alike)

    def _older(self, *, fed_back: bool) -> tuple[Older | None, str]:
        """Whether this is an input that a later one has replaced; the run that had it."""
        run_id = self._folder if fed_back else ""
        found = self._ledger.superseded(self.series, content=self.content, run_id=run_id)
        if found is None:
            return None, ""
        then, since = (frozenset(map(_file_name, one.sources)) for one in found)
        is_named = self._names == then != since
        words = (_in_words(found.run), _in_words(found.since))
        older = Older(*words, is_named=is_named, is_part=fed_back)
        return older, "" if fed_back else found.run.run_id

    def _stopped_before(self) -> list[Drift]:
        """The errors file of a run that was stopped here holds all that was not to be sent."""
        run = self._ledger.find_run(self._folder)
        if run is None or run.stopped_by != VOLUME_GUARD:
            return []
        text = f"this is the errors file of {_in_words(run)}, which was stopped for its input"
        return [Drift("stopped_before", text)]

    def _delivered(self, met: Met) -> int:
        """How many customers runs of this series made; counted only if that is not known by now."""
        # Where the input has as many of them as the account has in all, no other is left.
        if met.of_series == self._ledger.totals().get("done", 0):
            return met.of_series
        return self._ledger.delivered_by(self._runs)

    def keep(self, shard: Shard, staging: Staging, look: Look, input_sha256: str = "") -> int:
        """List and mark only what falls to this shard, of which ``staging`` has the input.

        How many vanished customers that is; ``look`` has all of them.
        """
        self._shard = shard
        if self.measure is not None:
            self.measure |= {"input": input_sha256, "shard": [shard.index, shard.of]}
        if not look.vanished:
            return 0
        if self.marking is not None:
            return self.marking.look(self.vanished(staging))
        return sum(1 for _ in self.vanished(staging))

    def stop_rule(self, look: Look) -> RunStopped | None:
        """Why nothing may be sent; None where nothing is unlike, or somebody accepts it."""
        if not look.drifts or self._delivery.accept_drift:
            return None
        is_older = bool(look.figures.get("older"))
        what = (
            "import the newest file; if this one is" if is_older else "look at the input; if it is"
        )
        return RunStopped(
            f"{look.words}: nothing was sent",
            reason=VOLUME_GUARD,
            hint=f"{what} right, the same command with --accept-drift sends"
            " it this once (docs/syncing.md)",
        )

    def listed(self, staging: Staging) -> Iterator[tuple[str, str, str]]:
        """Lines of ``vanished.csv``: ``vanished``, and what became of the mark; "" for no rule."""
        if self.marking is None:
            return ((reference, one, "") for reference, one in self.vanished(staging))
        return self.marking.words(self.vanished(staging))

    def vanished(self, staging: Staging) -> Iterator[tuple[str, str]]:
        """(reference, customer id) of the series' customers that the input has no record of."""
        gone = missing_of(
            self._customers, lambda: (page.frame["reference"] for page in staging.pages())
        )
        return (row for page in gone for row in page.iter_rows())

    def _customers(self) -> Iterator[pl.DataFrame]:
        every = self._ledger.customers_of(self._runs)
        rows = (one for one in every if self._shard.holds(one[0]))
        while page := list(islice(rows, _PAGE)):
            yield pl.DataFrame(page, schema=_CUSTOMER, orient="row")

    def _twins(self, staging: Staging) -> Twins:
        if not sum(self._ledger.totals().values()):
            return NO_TWINS
        return find_twins(
            lambda: _waiting(staging),
            self._ledger.references,
            self._ledger.states,
        )

    def _bounds(self, *, incremental: bool) -> Bounds:
        asked = self._delivery
        return Bounds(
            fewer=asked.max_fewer,
            changed=asked.max_changed,
            new=asked.max_new,
            vanished=asked.max_vanished,
            older=asked.max_older,
            incremental=incremental,
        )


def _waiting(staging: Staging) -> Iterator[pl.Series]:
    return (one.frame["reference"] for one in staging.waiting())


def _file_name(source: str) -> str:
    return source.split("?", 1)[0].rstrip("/").rpartition("/")[2]


_NAMED = 2
"""Files of a run that a sentence names."""


def _in_words(run: Run) -> str:
    names = sorted(map(_file_name, run.sources))
    shown = ", ".join(names[:_NAMED]) + ", ..." * (len(names) > _NAMED)
    return f"run {run.run_id} of {iso(run.started_at)} ({shown})"
