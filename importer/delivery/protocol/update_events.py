"""The vocabulary of updates: what Moment answered, events in, commands out (updating.py).

What updates share with creating (``Begin``, ``Committed``, ``Woken``, ``Wait``, ``Settle``,
``Halt`` and most answers) is in events.py and answers.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.delivery.protocol import answers as a
from importer.delivery.protocol.events import Begin, Committed, Halt, Settle, Wait, Woken

if TYPE_CHECKING:
    from importer.delivery.protocol.update_states import Hashes, UpdateState, UpdateTransition

Metadata = tuple[tuple[str, str], ...]
"""(key, value as JSON text), sorted by key."""

# Answers ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """200 to a GET by id: a well-formed customer with our id and our reference."""

    seen: Hashes
    """Of every field that the answer holds, those of other writers and metadata keys included."""
    metadata: Metadata = ()
    """What Moment holds, for the union of a PATCH."""
    etag: str = ""
    """For ``If-Match``, "" without one (RFC 9110 section 8.8.3)."""


@dataclass(frozen=True, slots=True)
class Patched:
    """2xx to a PATCH: a well-formed customer with our id and our reference."""

    seen: Hashes
    """Of every field that the answer holds; optional ones may be missing."""
    http_status: int = 200


@dataclass(frozen=True, slots=True)
class Gone:
    """404 by id from the API itself."""


@dataclass(frozen=True, slots=True)
class Clashed:
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


@dataclass(frozen=True, slots=True)
class UpdateLost:
    """The compare-and-set lost: the ledger holds ``actual`` instead."""

    actual: UpdateState


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The GET by id has an answer, or will never have one."""

    answer: ReadAnswer


@dataclass(frozen=True, slots=True)
class PatchAnswered:
    """The PATCH has an answer, or will never have one."""

    answer: PatchAnswer


@dataclass(frozen=True, slots=True)
class SoughtAgain:
    """The GET by reference, after a 404 by id, has an answer, or will never have one."""

    answer: a.LookUpAnswer


UpdateEvent = Begin | Committed | UpdateLost | ReadBack | PatchAnswered | SoughtAgain | Woken


# Commands ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommitUpdate:
    """Make this transition durable before anything else happens to the customer."""

    transition: UpdateTransition


@dataclass(frozen=True, slots=True)
class Read:
    """GET the customer by its id."""

    customer_id: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Seek:
    """GET the customer by its reference: its id answered 404."""


@dataclass(frozen=True, slots=True)
class SettleUpdate:
    """The run is done with this customer; each field by what became of it."""

    settle: Settle
    updated: tuple[str, ...] = ()
    """Written by this run, or by an earlier one that could not know."""
    conflicts: tuple[str, ...] = ()
    """Not written: Moment holds what somebody else wrote."""
    otherwise: tuple[str, ...] = ()
    """Of ``updated``: Moment stored them in another form than they were sent."""
    left: tuple[str, ...] = ()
    """Differ in the source, and their policy is ``never``."""


UpdateCommand = CommitUpdate | Read | Patch | Seek | Wait | SettleUpdate | Halt
