"""What the ledger knows of one row, and the compare-and-set changes between those states.

Creating: ``New`` -> ``Sent`` -> ``Done`` or ``Rejected`` (docs/delivery.md). Keeping in step with
the source: ``Synced`` (no PATCH is open) <-> ``Updating`` (one may have left), beside the
customer's ``Done``, which stays final (docs/syncing.md); of fields only hashes are here, no value.

All values are immutable and free of I/O; times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from importer.outcomes import Outcome
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.delivery.protocol.safeguards import Safeguards


class Origin(StrEnum):
    """How an id was learned."""

    CREATED = "created"
    """A fresh 201 to our request."""
    REPLAYED = "replayed"
    """The stored 201 to one of our earlier requests with the same key."""
    FOUND = "found"
    """A look-up by reference: created by someone else, or by us with the answer lost."""


@value
class New:
    """Nothing is known of the row."""

    kind: ClassVar[str] = "new"
    """The state's name as stored in the ledger."""
    generation: ClassVar[int] = -1
    """Before the first, so that a compare-and-set can name it."""


@value
class Sent:
    """A request of this generation may have left. Write-once per generation."""

    kind: ClassVar[str] = "sent"
    generation: int
    fingerprint: bytes
    first_sent_at: float


@value
class Done:
    """The customer is in Moment under this id. Final."""

    kind: ClassVar[str] = "done"
    generation: int
    fingerprint: bytes
    """The version of the row that this customer stands for."""
    customer_id: str
    origin: Origin
    differs: tuple[str, ...] = ()
    """Names of fields whose values at Moment differed from the row when the id was learned."""


@value
class Rejected:
    """Moment refused this version of the row."""

    kind: ClassVar[str] = "rejected"
    generation: int
    fingerprint: bytes
    http_status: int
    error_code: str


State = New | Sent | Done | Rejected

NEW = New()


@value
class Transition:
    """A change of one row, applied only if the ledger still holds ``expected``.

    Compare-and-set is on (state, generation). A ``Done`` is the exception: a found id wins over
    every state but an earlier ``Done``.
    """

    reference: str
    expected: State
    new: State
    http_status: int = 0
    """The answer that caused it, 0 if none."""
    fields: Hashes | None = None
    """Of the version that ``new`` stands for (``Planned.fields``); None where nobody knows them, or
    the ledger has them already."""
    seen: Hashes = ()
    """With a ``Done``: of every field that Moment's answer showed. Those that we sent are the base
    of updates; the ledger knows what was sent (``rules.base_of``)."""


@value
class Attempt:
    """One thing that happened to a row, for its history. Holds no payload."""

    reference: str
    at: float
    event: str
    """``answered``, ``looked_up``, ``not_sent``, ``unknown``, ``advanced``, ``unsettled`` ..."""
    generation: int
    http_status: int = 0
    error_code: str = ""
    detail: str = ""
    """Names of fields, where it is about some of them."""
    request_id: str = ""
    """What the answer calls itself, for who runs the API; "" if nothing."""
    seconds: float | None = None
    """How long the exchange took; None where there was none."""


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


SHARED_ID = "shared_id"
"""Error code of a customer whose id Moment gave to another reference of the account as well."""


class Memory(NamedTuple):
    """What is remembered of earlier nights, so that none of it is sent again unchanged."""

    otherwise: Hashes = ()
    """Source values that Moment took and stored in another form (its form is the base)."""
    conflicts: tuple[Conflict, ...] = ()
    """Sorted by field, one a field."""
    verdict: Verdict | None = None


NOTHING = Memory()


@value
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


@value
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


def shares_id(state: UpdateState) -> bool:
    """Whether its id is known to be another reference's, too: a conflict, whatever is wanted.

    What is written for one of them changes the other, so nothing is until Moment was asked again.
    """
    return state.memory.verdict == _SHARED


_SHARED = Verdict(Outcome.CONFLICT, (), 0, SHARED_ID)


def doubted(state: UpdateState) -> UpdateState:
    """The same with that known; no version of the source is in step with such a customer."""
    memory = state.memory._replace(verdict=_SHARED)
    new = replace(state, serial=state.serial + 1, memory=memory)
    return replace(new, version=b"") if isinstance(new, Synced) else new


@value
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
