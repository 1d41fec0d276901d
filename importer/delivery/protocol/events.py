"""The vocabulary of the protocol: events in, commands out (protocol.py).

Times are seconds since the epoch and come from outside; nothing here reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from importer.outcomes import Outcome  # noqa: TC001 - part of this vocabulary at run time too

if TYPE_CHECKING:
    from importer.delivery.protocol.answers import Answer, LookUpAnswer
    from importer.delivery.protocol.states import State, Transition


class WaitCause(StrEnum):
    """Why a row waits before its next request."""

    FAULT = "fault"
    """Network failure or 5xx: exponential backoff by the row's failures."""
    CONFLICT = "conflict"
    """409 and nothing found: the first request is still running."""
    THROTTLED = "throttled"
    """429: the whole run slows down; not a failure of the row."""
    CONFIRM = "confirm"
    """A 404 is asked again later, because a replica may lag behind."""


class Why(StrEnum):
    """Why a row is looked up; decides what a 404 means."""

    STALE = "stale"
    """Sent long ago, or with another payload."""
    REPLAYED = "replayed"
    """A stored answer of a finished request came back."""
    CONFLICT = "conflict"
    REFUSED = "refused"
    BLOCKED = "blocked"
    """Turned away by something that is not the API."""
    UNSURE = "unsure"
    """A 2xx that cannot be believed."""
    EAGER = "eager"
    """Only with ``advance_on_proof`` switched off."""


# Events -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The row is taken up."""

    now: float


@dataclass(frozen=True, slots=True)
class Committed:
    """The transition that was asked for is durable."""

    now: float


@dataclass(frozen=True, slots=True)
class Lost:
    """The compare-and-set lost: the ledger holds ``actual`` instead."""

    actual: State
    now: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The POST has an answer, or will never have one."""

    answer: Answer
    now: float


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The GET has an answer, or will never have one."""

    answer: LookUpAnswer
    now: float


@dataclass(frozen=True, slots=True)
class Woken:
    """The wait is over."""

    now: float


Event = Begin | Committed | Lost | Answered | LookedUp | Woken


# Commands ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Commit:
    """Make this transition durable before anything else happens to the row."""

    transition: Transition


@dataclass(frozen=True, slots=True)
class Send:
    """POST the row's payload under the idempotency key of this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class LookUp:
    """GET the customer by the row's reference."""

    why: Why


@dataclass(frozen=True, slots=True)
class Wait:
    """Come back not before ``floor`` seconds; the driver adds backoff by ``failures``."""

    cause: WaitCause
    floor: float
    failures: int


@dataclass(frozen=True, slots=True)
class Settle:
    """The run is done with this row."""

    outcome: Outcome
    customer_id: str = ""
    http_status: int = 0
    error_code: str = ""
    message: str = ""
    """For the results file; redacted, never stored in the ledger."""


@dataclass(frozen=True, slots=True)
class Halt:
    """A stop rule: the run is wrong, not the row. The row keeps its state."""

    reason: str
    http_status: int = 0
    detail: str = ""


Command = Commit | Send | LookUp | Wait | Settle | Halt
