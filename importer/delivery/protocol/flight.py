"""What the pool is given and what it gives back, row by row.

One row on its way through the protocol: what is known between two events, and its limits.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from importer.values import new, quick, value

if TYPE_CHECKING:
    from importer.delivery.protocol.answers import Refused
    from importer.delivery.protocol.events import Settle, Why
    from importer.delivery.protocol.states import Hashes, State, UpdateState


@value
class Policy:
    """The protocol's numbers. Times in seconds."""

    stale_after: float = 20 * 3600
    """A ``Sent`` this old is looked up first; Moment forgets a key after 24 hours (API page)."""
    clock_slack: float = 300
    """A ``first_sent_at`` further than this in the future is not trusted either."""
    max_failures: int = 8
    """Failed requests of one row in one run before it is left unsettled."""
    max_advances: int = 3
    """Generations one row may advance in one run; bounds a server that replays everything."""
    max_blocked: int = 3
    """Times that something other than the API may turn one row away before it is set aside."""
    settle_delay: float = 5.0
    """Seconds between the two look-ups that together prove absence."""
    retry_rejected: bool = False
    safeguards: Safeguards = ALL_ON


class Phase(StrEnum):
    """What the machine is waiting for."""

    READY = "ready"
    COMMITTING = "committing"
    SENDING = "sending"
    LOOKING_UP = "looking_up"
    WAITING = "waiting"
    OVER = "over"


class ProtocolError(Exception):
    """The driver broke the order of events: a programming error, never a user's."""


Note = tuple[int, str, str]
"""Status, code and message of the latest trouble."""


@quick
class Flight(NamedTuple):
    """One row on its way in one run."""

    reference: str
    fingerprint: bytes
    """Of the row as the source has it now."""
    state: State
    """What the ledger durably holds."""
    phase: Phase = Phase.READY
    pending: State | None = None
    """The state being committed."""
    note: Note = (0, "", "")
    sends: int = 0
    """POSTs of this run, for the results file."""
    why: Why | None = None
    """The reason of the look-up under way or to be repeated."""
    refusal: Refused | None = None
    absences: int = 0
    """404s in a row for the present refusal."""
    failures: int = 0
    advances: int = 0
    suspect: bool = False
    """An earlier request of this row may have been processed, in this run or before."""
    blocked: int = 0
    """Times that something other than the API turned the row away."""
    second_key: bool = False
    """A 422 has been tried again under the next key."""
    fields: Hashes | None = None
    """Hashes of the payload's fields, which go to the ledger with each change."""

    # The two changes that every row goes through, by place: names cost three times as much.

    def committing(self, wanted: State, note: Note) -> Flight:
        """The same while ``wanted`` is being committed."""
        return new(Flight, (*self[:3], _COMMITTING, wanted, note, *self[6:]))

    def holding(self, held: State, phase: Phase, refusal: Refused | None, more: int = 0) -> Flight:
        """The same once the ledger holds ``held``: no look-up is under way. ``more`` sends."""
        latest = (held, phase, None, self.note, self.sends + more, None, refusal, 0)
        return new(Flight, (*self[:2], *latest, *self[10:]))


_COMMITTING = Phase.COMMITTING


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
    fields: Hashes | None = None
    """Of the payload; None where nobody needs them."""
    update: UpdateState | None = None
    """How the customer is kept in step; None where it is to be created."""


_AT_FIRST = tuple(Flight._field_defaults.values())[:-1]
"""Of a flight all but the first three and the last field."""


def begun(planned: Planned) -> Flight:
    """A row before its first event."""
    own = planned.reference, planned.fingerprint, planned.state
    return new(Flight, (*own, *_AT_FIRST, planned.fields))


class Settled(NamedTuple):
    """What became of one planned row in this run."""

    planned: Planned
    settle: Settle
    idempotency_key: str
    """Of the latest request, "" if none was sent."""
    attempts: int
    """POSTs sent by this run."""
    updated: tuple[str, ...] = ()
    """Fields of an update that Moment holds now as the source says, by this run's doing."""
