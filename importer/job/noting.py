"""Hands the ledger the field hashes of the rows on their way, with their changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from importer.delivery.protocol.flight import Planned
    from importer.delivery.protocol.states import Attempt, State, Transition
    from importer.ledger.interface import LedgerWriter


class NotingLedger:
    """A ``LedgerWriter`` that knows the hashes of the rows in flight; it holds no others."""

    def __init__(self, ledger: LedgerWriter) -> None:
        self._ledger = ledger
        self._fields: dict[str, bytes | None] = {}

    def passing(self, rows: Iterable[Planned]) -> Iterator[Planned]:
        """The same rows, each remembered before it is handed on."""
        for row in rows:
            self._fields[row.reference] = row.fields
            yield row

    def forget(self, reference: str) -> None:
        """The row is settled, or left for another run."""
        self._fields.pop(reference, None)

    def apply(
        self,
        transitions: Sequence[Transition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
    ) -> list[State | None]:
        """As ``LedgerWriter.apply``; may run in another thread than the rest."""
        told = [replace(one, fields=self._fields.get(one.reference)) for one in transitions]
        return self._ledger.apply(told, attempts, run_id=run_id, now=now)
