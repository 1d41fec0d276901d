"""What travels between the run and its workers: a batch of rows out, their outcomes back. Pure.

Both may be written to a worker's log by the machinery that carries them, so neither shows a value.

A batch may run twice. A row that an earlier execution of it has settled is told as that execution
would have told it (``created``), not as a later run would (``unchanged``). A row whose state
another run left is none of this module's.
"""

from __future__ import annotations

from dataclasses import field, replace
from pathlib import Path
from traceback import extract_tb
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from importer.delivery.protocol.events import Begin, Settle, SettleUpdate
from importer.delivery.protocol.flight import Settled
from importer.delivery.protocol.states import Done, Origin, Rejected, Synced, Updating
from importer.delivery.protocol.updating import UpdateFlight, step
from importer.errors import BugFound, ExitCode, ImporterError, RunStopped
from importer.outcomes import Outcome
from importer.plan.decide import differing
from importer.plan.update_words import told
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from importer.delivery.protocol.flight import Planned
    from importer.delivery.protocol.states import Hashes, State, UpdateState
    from importer.delivery.protocol.updating import UpdatePolicy
    from importer.ledger.interface import Hasher


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


@value
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
    updated: tuple[str, ...] = ()

    def of(self, planned: Planned) -> Settled:
        """The same as an engine reports it."""
        return Settled(planned, *self[1:])


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
    answers: tuple[tuple[str, int, int], ...] = ()
    """As ``Engine.answers``: (method, HTTP status, number)."""
    clock_ahead: float | None = None


@value
class Answer:
    """What became of a batch: one outcome a row, fewer only where the delivery stopped."""

    number: int
    told: tuple[Told, ...] = field(repr=False)
    standing: Standing
    stop: Stop | None = None
    """Why rows were left, where it is a reason for all workers to stop."""


class RunReader(Protocol):
    """What is asked of the ledger by who delivers a batch."""

    def states(self, references: Sequence[str]) -> dict[str, State]:
        """As ``LedgerReader.states``."""
        ...

    def updates(self, references: Sequence[str]) -> dict[str, UpdateState]:
        """As ``LedgerReader.updates``."""
        ...

    def settled_by(self, run_id: str, references: Sequence[str]) -> set[str]:
        """Those of them that this run created, found, or was refused."""
        ...

    def updated_by(self, run_id: str, references: Sequence[str]) -> set[str]:
        """Those of them whose last update is this run's."""
        ...

    def hasher(self) -> Hasher:
        """As ``LedgerReader.hasher``."""
        ...


class Known(NamedTuple):
    """What the ledger holds of some rows, by reference."""

    states: Mapping[str, State] = MappingProxyType({})
    updates: Mapping[str, UpdateState] = MappingProxyType({})
    settles: Mapping[str, Settle] = MappingProxyType({})
    """The outcomes of those that this run has settled already."""


class OwnDoing:
    """Tells what this run has done from what others did before it."""

    def __init__(self, reader: RunReader, run_id: str, policy: UpdatePolicy) -> None:
        self._reader = reader
        self._run_id = run_id
        self._policy = policy

    def known(self, rows: Sequence[CarriedRow]) -> Known:
        """What the ledger holds of these rows now.

        Raises:
            LedgerFailed: it could not be read.
        """
        states = self._reader.states([row.reference for row in rows])
        done = [one for one, state in states.items() if isinstance(state, Done)]
        updates = self._reader.updates(done) if done else {}
        there = [row for row in rows if row.reference in states]
        created = [row.reference for row in there if row.serial == CREATING]
        updated = [row.reference for row in there if row.serial != CREATING]
        own = self._reader.settled_by(self._run_id, created) if created else set()
        own |= self._reader.updated_by(self._run_id, updated) if updated else set()
        settles = {}
        for row in there:
            one = row.reference
            if one not in own:
                continue
            settle = reached(row, states[one], updates.get(one), self._policy)
            if settle is not None:
                settles[one] = settle
        return Known(states, updates, settles)


_PATCHED = 2
"""Changes of a customer's record that a PATCH makes: it is opened, and closed."""


def reached(
    row: CarriedRow, state: State, update: UpdateState | None, policy: UpdatePolicy
) -> Settle | None:
    """The outcome of a row that this run itself has settled; None where it is to be gone on with.

    Args:
        row: as it was planned.
        state: what the ledger holds, last changed by this run.
        update: the same of a customer that is kept in step.
        policy: who wins in which field.
    """
    if row.serial == CREATING:
        return _created(row, state)
    return None if update is None else _updated(row, update, policy)


def _created(row: CarriedRow, state: State) -> Settle | None:
    match state:
        case Done() if state.differs or state.fingerprint == row.fingerprint:
            outcome = Outcome.FOUND if state.origin is Origin.FOUND else Outcome.CREATED
            code, text = ("differs", differing(state.differs)) if state.differs else ("", "")
            return Settle(outcome, state.customer_id, 0, code, text)
        case Rejected() if state.fingerprint == row.fingerprint:
            text = f"HTTP {state.http_status}"
            return Settle(Outcome.REJECTED, "", state.http_status, state.error_code, text)
        case _:
            return None


def _updated(row: CarriedRow, update: UpdateState, policy: UpdatePolicy) -> Settle | None:
    if not isinstance(update, Synced):
        return None
    flight = UpdateFlight(row.reference, row.fingerprint, row.fields or (), update)
    # What this run was refused is not asked again, also where the user wants it asked once.
    _, command = step(flight, Begin(0.0), replace(policy, retry_rejected=False))
    if not isinstance(command, SettleUpdate):
        return None
    code, text = told(command, row.payload)
    outcome = command.settle.outcome
    patched = row.was_open or update.serial >= row.serial + _PATCHED
    if patched and outcome in {Outcome.UNCHANGED, Outcome.CHANGED}:
        outcome = Outcome.UPDATED
    return replace(command.settle, outcome=outcome, error_code=code, message=text)
