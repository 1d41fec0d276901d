"""What the pool is given and what it gives back, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importer.delivery.events import Settle
    from importer.delivery.states import State


class Planned(NamedTuple):
    """One row to deliver."""

    position: int
    """Identifies the input record; handed back with the result."""
    reference: str
    fingerprint: bytes
    payload: str
    """Canonical JSON body."""
    state: State
    """What the ledger held when the plan was made."""


class Settled(NamedTuple):
    """What became of one planned row in this run."""

    planned: Planned
    settle: Settle
    idempotency_key: str
    """Of the latest request, "" if none was sent."""
    attempts: int
    """POSTs sent by this run."""
