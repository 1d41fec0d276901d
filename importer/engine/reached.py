"""What an earlier execution of a batch has made of its rows: a batch may run twice. Pure.

Such a row is told as that execution would have told it (``created``), not as a later run would
(``unchanged``). A row whose state another run left is none of this module's.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from importer.delivery.protocol.events import Begin, Settle, SettleUpdate
from importer.delivery.protocol.states import Done, Origin, Rejected, Synced
from importer.delivery.protocol.updating import UpdateFlight, step
from importer.engine.row_batch import CREATING
from importer.outcomes import Outcome
from importer.plan.decide import differing
from importer.plan.update_words import told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from importer.delivery.protocol.states import State, UpdateState
    from importer.delivery.protocol.updating import UpdatePolicy
    from importer.engine.row_batch import CarriedRow
    from importer.ledger.interface import Hasher


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
