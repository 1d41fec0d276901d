"""What travels between the run and its workers: a batch of rows out, their outcomes back.

Both may be written to a worker's log by the machinery that carries them, so neither shows a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, NamedTuple

from importer.delivery.protocol.flight import Settled
from importer.delivery.protocol.states import Updating
from importer.errors import BugFound, ExitCode, ImporterError, RunStopped

if TYPE_CHECKING:
    from importer.delivery.protocol.events import Settle
    from importer.delivery.protocol.flight import Planned
    from importer.delivery.protocol.states import Hashes

CREATING = -1
"""The serial of a customer that is to be created."""


class CarriedRow(NamedTuple):
    """One planned row without what the ledger holds of it: that is read where it is delivered."""

    position: int
    reference: str
    fingerprint: bytes
    payload: str
    fields: Hashes | None
    serial: int
    """Of the customer's record when the run planned to update it, else ``CREATING``."""
    was_open: bool
    """An update of it was open then."""


def carried(planned: Planned) -> CarriedRow:
    """The row as it travels."""
    update = planned.update
    return CarriedRow(
        planned.position,
        planned.reference,
        planned.fingerprint,
        planned.payload,
        planned.fields,
        CREATING if update is None else update.serial,
        isinstance(update, Updating),
    )


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows that are delivered together. One number is one batch, however often it is carried."""

    number: int
    rows: tuple[CarriedRow, ...] = field(repr=False)


class Told(NamedTuple):
    """The outcome of one row of a batch."""

    position: int
    settle: Settle
    idempotency_key: str
    attempts: int

    def of(self, planned: Planned) -> Settled:
        """The same as an engine reports it."""
        return Settled(planned, self.settle, self.idempotency_key, self.attempts)


class Stop(NamedTuple):
    """Why a worker takes no more rows, as data: exceptions do not travel well."""

    message: str
    hint: str
    reason: str
    """"" for a bug."""
    exit_code: ExitCode

    @classmethod
    def of(cls, error: Exception) -> Stop:
        """What an error says; of one that is not ours where it was: its words may quote values."""
        if isinstance(error, BugFound):
            return cls(error.message, error.hint, "", error.exit_code)
        if isinstance(error, ImporterError):
            reason = getattr(error, "reason", "worker_failed")
            return cls(error.message, error.hint, reason, error.exit_code)
        if isinstance(error, OSError):
            said = error.strerror or type(error).__name__
            return cls(said, "", "worker_failed", ExitCode.STOPPED)
        place = extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        return cls.of(BugFound(where, safe="everything that was sent is in the ledger"))

    def error(self) -> ImporterError:
        """The error again, for who started the run."""
        if not self.reason:
            bug = BugFound("", safe="")
            ImporterError.__init__(bug, self.message, hint=self.hint)
            return bug
        stopped = RunStopped(self.message, reason=self.reason, hint=self.hint)
        stopped.exit_code = self.exit_code
        return stopped


class Standing(NamedTuple):
    """How the delivery in one worker stands."""

    requests: tuple[int, int, int] = (0, 0, 0)
    """POSTs, GETs and PATCHes that have left since it began."""
    in_flight: int = 0
    waiting: int = 0
    holding: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a batch: one outcome a row, fewer only where the delivery stopped."""

    number: int
    told: tuple[Told, ...] = field(repr=False)
    standing: Standing
    stop: Stop | None = None
    """Why rows were left, where it is a reason for all workers to stop."""
