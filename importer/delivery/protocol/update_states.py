"""What the ledger knows of a customer that is kept in step with its source, and its changes.

``Synced`` (no PATCH is open) <-> ``Updating`` (one may have left), beside the customer's ``Done``,
which stays final (docs/syncing.md). Immutable, free of I/O, and of hashes only: no value is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from importer.outcomes import Outcome  # noqa: TC001 - part of these states at run time too

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.delivery.protocol.safeguards import Safeguards

Hashes = tuple[tuple[str, bytes], ...]
"""(field, hash) pairs, sorted: 8 bytes of a hash keyed by ledger and reference.

A field is ``name email phone currency balance`` or one metadata key, ``metadata.KEY``. A field
that holds nothing has no pair.
"""


class Conflict(NamedTuple):
    """A field that was not written, because Moment holds what somebody else wrote there."""

    field: str
    seen: bytes
    """Hash of what Moment held, b"" for nothing."""
    wanted: bytes
    """Hash of what the source wanted; while it wants that, nothing is asked again."""


class Verdict(NamedTuple):
    """Why these values cannot be written at all; remembered, so that no night asks again."""

    outcome: Outcome
    """``rejected`` (Moment refused them), ``missing`` (no such customer any more), or
    ``conflict`` (the reference belongs to another id now)."""
    wanted: Hashes
    """What the source wanted to be written; another value or field is tried again."""
    http_status: int
    error_code: str


class Memory(NamedTuple):
    """What is remembered of earlier nights, so that none of it is sent again unchanged."""

    otherwise: Hashes = ()
    """Source values that Moment took and stored in another form (its form is the base)."""
    conflicts: tuple[Conflict, ...] = ()
    """Sorted by field, one a field."""
    verdict: Verdict | None = None


NOTHING = Memory()


@dataclass(frozen=True, slots=True)
class Synced:
    """No PATCH is open."""

    customer_id: str
    serial: int
    """0 before the first change of this customer, then one more with each; for compare-and-set."""
    base: Hashes = ()
    """Values that Moment last confirmed to hold through us, at most one a field."""
    version: bytes = b""
    """Fingerprint of the source's version whose every field is in step with ``base``, else b""."""
    memory: Memory = NOTHING


@dataclass(frozen=True, slots=True)
class Updating:
    """A PATCH for ``version`` may have left. Written ahead of it."""

    customer_id: str
    serial: int
    base: Hashes
    ours: Hashes
    """Every value sent since ``base``, also of earlier versions: any number a field."""
    version: bytes
    """Fingerprint of the source's version that was sent last."""
    memory: Memory = NOTHING


UpdateState = Synced | Updating


@dataclass(frozen=True, slots=True)
class UpdateTransition:
    """A change of one customer, applied only if the ledger still holds ``expected``."""

    reference: str
    expected: UpdateState
    new: UpdateState
    http_status: int = 0
    """The answer that caused it, 0 if none."""


def takes_update(held: UpdateState, transition: UpdateTransition, safeguards: Safeguards) -> bool:
    """Whether ``transition`` may change a customer whose state is ``held``.

    Compare-and-set is on (customer id, serial); each change takes the next serial.
    """
    expected = transition.expected
    return not safeguards.compare_and_set or (
        (held.customer_id, held.serial) == (expected.customer_id, expected.serial)
    )


def hashes(pairs: Iterable[tuple[str, bytes]]) -> Hashes:
    """The pairs in their stored order, each once."""
    return tuple(sorted(set(pairs)))
