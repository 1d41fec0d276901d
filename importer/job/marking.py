"""Marks customers that are gone from their source, by metadata: ``[vanished]`` of a mapping file.

A mark is an update like any other, of exactly these metadata keys, in which the source wins.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from importer.delivery.protocol.updating import METADATA, Rule, UpdatePolicy, foresee
from importer.job.deliver import Work
from importer.outcomes import Outcome
from importer.plan.frames import Pending
from importer.plan.make import with_states

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from importer.delivery.protocol.flight import Planned, Settled
    from importer.ledger.interface import LedgerReader

WOULD_MARK = "would_mark"
MARKED = frozenset({"yes", "already", WOULD_MARK})
"""What ``marked`` of ``vanished.csv`` says of customers with which all is well."""
_WORDS = {Outcome.UPDATED: "yes", Outcome.UNCHANGED: "already"}
_PAGE = 5000
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
        while page := list(islice(customers, _PAGE)):
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
