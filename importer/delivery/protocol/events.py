"""The vocabulary of the protocol: events in, commands out (creating.py, updating.py).

Updates share with creating ``Begin``, ``Committed``, ``Woken``, ``Wait``, ``Settle``, ``Halt`` and
most answers (answers.py); what only they have stands after it. Times are seconds since the epoch
and come from outside; nothing here reads a clock.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from importer.delivery.protocol import answers as a
from importer.outcomes import Outcome  # noqa: TC001 - part of this vocabulary at run time too
from importer.values import value

if TYPE_CHECKING:
    from importer.delivery.protocol.answers import Answer, LookUpAnswer
    from importer.delivery.protocol.states import (
        Hashes,
        State,
        Transition,
        UpdateState,
        UpdateTransition,
    )


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


@value
class Begin:
    """The row is taken up."""

    now: float


@value
class Committed:
    """The transition that was asked for is durable."""

    now: float


@value
class Lost:
    """The compare-and-set lost: the ledger holds ``actual`` instead."""

    actual: State
    now: float


@value
class Answered:
    """The POST has an answer, or will never have one."""

    answer: Answer
    now: float


@value
class LookedUp:
    """The GET has an answer, or will never have one."""

    answer: LookUpAnswer
    now: float


@value
class Woken:
    """The wait is over."""

    now: float


Event = Begin | Committed | Lost | Answered | LookedUp | Woken


# Commands ---------------------------------------------------------------------------------------


@value
class Commit:
    """Make this transition durable before anything else happens to the row."""

    transition: Transition


@value
class Send:
    """POST the row's payload under the idempotency key of this generation."""

    generation: int


@value
class LookUp:
    """GET the customer by the row's reference."""

    why: Why


@value
class Wait:
    """Come back not before ``floor`` seconds; the driver adds backoff by ``failures``."""

    cause: WaitCause
    floor: float
    failures: int


@value
class Settle:
    """The run is done with this row."""

    outcome: Outcome
    customer_id: str = ""
    http_status: int = 0
    error_code: str = ""
    message: str = ""
    """For the results file; redacted, never stored in the ledger."""


@value
class Halt:
    """A stop rule: the run is wrong, not the row. The row keeps its state."""

    reason: str
    http_status: int = 0
    detail: str = ""


Command = Commit | Send | LookUp | Wait | Settle | Halt

Metadata = tuple[tuple[str, str], ...]
"""(key, value as JSON text), sorted by key."""

# Answers ----------------------------------------------------------------------------------------


@value
class Shown:
    """200 to a GET by id: a well-formed customer with our id and our reference."""

    seen: Hashes
    """Of every field that the answer holds, those of other writers and metadata keys included."""
    metadata: Metadata = ()
    """What Moment holds, for the union of a PATCH."""
    etag: str = ""
    """For ``If-Match``, "" without one (RFC 9110 section 8.8.3)."""


@value
class Patched:
    """2xx to a PATCH: a well-formed customer with our id and our reference."""

    seen: Hashes
    """Of every field that the answer holds; optional ones may be missing."""
    http_status: int = 200


@value
class Gone(a.Identified):
    """404 by id from the API itself."""


@value
class Clashed(a.Identified):
    """409 or 412 (somebody changed the customer since it was read, RFC 9110 section 15.5.13)."""

    http_status: int
    error_code: str = "conflict"


# A GET that failed is ``LookUpFailed``; a 2xx without our id and reference is ``Unbelievable``
# of a PATCH, and ``LookUpFailed`` of a GET. ``Refused`` is the API's own 400, 402 or 422; any
# other refusal, and each that is no problem document of the API, is ``Blocked``.


ReadAnswer = Shown | Gone | a.LookUpFailed | a.RunWrong

PatchAnswer = (
    Patched
    | Gone
    | Clashed
    | a.Unbelievable
    | a.NotSent
    | a.Unknown
    | a.Refused
    | a.ServerFault
    | a.Throttled
    | a.Blocked
    | a.RunWrong
)


# Events -----------------------------------------------------------------------------------------


@value
class UpdateLost:
    """The compare-and-set lost: the ledger holds ``actual`` instead."""

    actual: UpdateState


@value
class ReadBack:
    """The GET by id has an answer, or will never have one."""

    answer: ReadAnswer


@value
class PatchAnswered:
    """The PATCH has an answer, or will never have one."""

    answer: PatchAnswer


@value
class SoughtAgain:
    """The GET by reference, after a 404 by id, has an answer, or will never have one."""

    answer: a.LookUpAnswer


UpdateEvent = Begin | Committed | UpdateLost | ReadBack | PatchAnswered | SoughtAgain | Woken


# Commands ---------------------------------------------------------------------------------------


@value
class CommitUpdate:
    """Make this transition durable before anything else happens to the customer."""

    transition: UpdateTransition


@value
class Read:
    """GET the customer by its id."""

    customer_id: str


@value
class Patch:
    """PATCH these fields of the customer to the source's values."""

    customer_id: str
    fields: tuple[str, ...]
    """Sorted. With ``balance`` there is always ``currency``, where the source gives one."""
    metadata: Metadata = ()
    """What Moment held when it was read: where a ``metadata.KEY`` is in ``fields``, the body's
    metadata is this with the source's values of those keys over it, whole."""
    etag: str = ""
    """For ``If-Match``, where the GET gave one."""


@value
class Seek:
    """GET the customer by its reference: its id answered 404."""


@value
class SettleUpdate:
    """The run is done with this customer; each field by what became of it."""

    settle: Settle
    updated: tuple[str, ...] = ()
    """Written by this run, or by an earlier one that could not know."""
    conflicts: tuple[str, ...] = ()
    """Not written: Moment holds what somebody else wrote, or the field waits for another one."""
    waits: tuple[str, ...] = ()
    """Those of them that nobody else caused: an amount and its currency go together."""
    otherwise: tuple[str, ...] = ()
    """Of ``updated``: Moment stored them in another form than they were sent."""
    left: tuple[str, ...] = ()
    """Differ in the source, and their policy is ``never``."""


UpdateCommand = CommitUpdate | Read | Patch | Seek | Wait | SettleUpdate | Halt
