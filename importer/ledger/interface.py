"""What the rest of the program may ask of a ledger, and nothing of how it is stored.

``importer.ledger.Ledger`` is the one that runs use; a simulation or a test brings its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.delivery.protocol.states import Attempt, State, Transition


class LedgerReader(Protocol):
    """The states of one account's customers. Every method may raise ``LedgerFailed``."""

    def states(self, references: Sequence[str]) -> dict[str, State]:
        """What is known of these references; one that is missing is ``New``."""
        ...

    def versions(self, references: Sequence[str]) -> Iterator[tuple[int, str]]:
        """(start, lines ``INDEX,FINGERPRINT,CUSTOMER_ID,RUN``) of those that are known."""
        ...

    def fields(self, references: Sequence[str]) -> dict[str, bytes]:
        """Hashes of the fields of the version that is known of each; unknown ones are missing."""
        ...

    def fields_of(self, payload: str) -> bytes:
        """The same of a row's canonical JSON."""
        ...


class LedgerWriter(Protocol):
    """Where delivery makes its changes durable."""

    def apply(
        self,
        transitions: Sequence[Transition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
    ) -> list[State | None]:
        """Apply in one transaction that is durable when this returns.

        Returns:
            For each transition None if it was applied, else the state that the ledger holds.

        Raises:
            LedgerFailed: nothing of it was applied.
        """
        ...
