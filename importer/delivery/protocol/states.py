"""What the ledger knows of one row, and the compare-and-set changes between those states.

States: ``New`` -> ``Sent`` -> ``Done`` or ``Rejected`` (docs/delivery.md). All values here are
immutable and free of I/O; times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importer.delivery.protocol.update_states import Hashes


class Origin(StrEnum):
    """How an id was learned."""

    CREATED = "created"
    """A fresh 201 to our request."""
    REPLAYED = "replayed"
    """The stored 201 to one of our earlier requests with the same key."""
    FOUND = "found"
    """A look-up by reference: created by someone else, or by us with the answer lost."""


@dataclass(frozen=True, slots=True)
class New:
    """Nothing is known of the row."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of this generation may have left. Write-once per generation."""

    generation: int
    fingerprint: bytes
    first_sent_at: float


@dataclass(frozen=True, slots=True)
class Done:
    """The customer is in Moment under this id. Final."""

    generation: int
    fingerprint: bytes
    """The version of the row that this customer stands for."""
    customer_id: str
    origin: Origin
    differs: tuple[str, ...] = ()
    """Names of fields whose values at Moment differed from the row when the id was learned."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Moment refused this version of the row."""

    generation: int
    fingerprint: bytes
    http_status: int
    error_code: str


State = New | Sent | Done | Rejected

NEW = New()


def kind(state: State) -> str:
    """The state's name as stored in the ledger: ``new``, ``sent``, ``done`` or ``rejected``."""
    return type(state).__name__.lower()


def generation(state: State) -> int:
    """The state's generation; -1 for ``New``, so that a compare-and-set can name it."""
    return -1 if isinstance(state, New) else state.generation


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
