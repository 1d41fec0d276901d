"""Hands the ledger the payloads of the rows on their way, of which it notes a few bits a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from importer.delivery.protocol.flight import Planned
    from importer.delivery.protocol.states import Attempt, State, Transition


class FieldsWriter(Protocol):
    """The part of the ledger that delivery writes to (importer.ledger.Ledger)."""

    def apply(
        self,
        transitions: Sequence[Transition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
        payloads: Mapping[str, str],
    ) -> list[State | None]:
        """As ``LedgerWriter``; ``payloads`` by reference, for what is kept of the fields."""
        ...


class NotingLedger:
    """A ``LedgerWriter`` that knows the payloads in flight; it holds those and no others."""

    def __init__(self, ledger: FieldsWriter) -> None:
        self._ledger = ledger
        self._payloads: dict[str, str] = {}

    def passing(self, rows: Iterable[Planned]) -> Iterator[Planned]:
        """The same rows, each remembered before it is handed on."""
        for row in rows:
            self._payloads[row.reference] = row.payload
            yield row

    def forget(self, reference: str) -> None:
        """The row is settled, or left for another run."""
        self._payloads.pop(reference, None)

    def apply(
        self,
        transitions: Sequence[Transition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
    ) -> list[State | None]:
        """As ``LedgerWriter.apply``; may run in another thread than the rest."""
        return self._ledger.apply(
            transitions, attempts, run_id=run_id, now=now, payloads=self._payloads
        )
