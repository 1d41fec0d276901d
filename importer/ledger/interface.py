"""What the rest of the program may ask of a ledger, and nothing of how it is stored.

``importer.ledger.Ledger`` is the one that runs use; a simulation or a test brings its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from importer.delivery.protocol.states import Hashes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.delivery.protocol.states import (
        Attempt,
        State,
        Transition,
        UpdateState,
        UpdateTransition,
    )

Hasher = Callable[[str, Mapping[str, Any]], Hashes]
"""(reference, payload or customer as Moment answered it) -> its fields' hashes; asks no file."""


class LedgerReader(Protocol):
    """The states of one account's customers. Every method may raise ``LedgerFailed``."""

    def states(self, references: Sequence[str]) -> dict[str, State]:
        """What is known of these references; one that is missing is ``New``."""
        ...

    def updates(self, references: Sequence[str]) -> dict[str, UpdateState]:
        """How those that are ``Done`` are kept in step; the others are missing."""
        ...

    def versions(self, references: Sequence[str]) -> Iterator[tuple[int, str]]:
        """(start, lines ``INDEX,FINGERPRINT,CUSTOMER_ID,RUN``) of those that are known."""
        ...

    def hasher(self) -> Hasher:
        """Makes field hashes as this ledger keeps them."""
        ...

    def changed_fields(self, payloads: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """In which fields each payload differs from the version that is known of its reference.

        Args:
            payloads: canonical JSON by reference; one whose fields nobody noted is missing in
                what is returned.
        """
        ...


class LedgerWriter(Protocol):
    """Where delivery makes its changes durable."""

    def apply(
        self,
        transitions: Sequence[Transition | UpdateTransition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
    ) -> list[State | UpdateState | None]:
        """Apply in one transaction that is durable when this returns.

        Returns:
            For each transition None if it was applied, else the state that the ledger holds.

        Raises:
            LedgerFailed: nothing of it was applied.
            BugFound: an invariant does not hold; nothing of it was applied.
        """
        ...
