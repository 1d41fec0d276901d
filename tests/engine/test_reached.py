"""What an earlier execution of the same run has made of a row."""

from __future__ import annotations

from importlib import import_module

import pytest

from importer.delivery.protocol.states import (
    Conflict,
    Done,
    Memory,
    Origin,
    Rejected,
    Sent,
    State,
    Synced,
    UpdateState,
    Updating,
    Verdict,
)
from importer.delivery.protocol.updating import Rule, UpdatePolicy
from importer.engine.row_batch import CREATING, CarriedRow, reached
from importer.outcomes import Outcome

OURS, OTHER = b"ours", b"other"
NEW_NAME = (("name", b"12345678"),)
POLICY = UpdatePolicy(rules=(("name", Rule.IF_UNTOUCHED),), retry_rejected=True)


def row(serial: int = CREATING, *, was_open: bool = False) -> CarriedRow:
    """A row whose name is what the source wants."""
    payload = '{"external_reference":"R","name":"Ada"}'
    return CarriedRow(0, "R", OURS, payload, NEW_NAME, serial, was_open)


def done(fingerprint: bytes, origin: Origin, *differs: str) -> Done:
    """A customer that is there."""
    return Done(0, fingerprint, "bcus_1", origin, differs)


@pytest.mark.parametrize(
    ("state", "outcome", "code"),
    [
        (done(OURS, Origin.CREATED), Outcome.CREATED, ""),
        (done(OURS, Origin.REPLAYED), Outcome.CREATED, ""),
        (done(OURS, Origin.FOUND), Outcome.FOUND, ""),
        (done(OTHER, Origin.FOUND, "name"), Outcome.FOUND, "differs"),
        (done(OTHER, Origin.CREATED), None, ""),
        (Rejected(0, OURS, 400, "bad"), Outcome.REJECTED, "bad"),
        (Rejected(0, OTHER, 400, "bad"), None, ""),
        (Sent(0, OURS, 1.0), None, ""),
    ],
)
def test_a_row_that_was_to_be_created(state: State, outcome: Outcome | None, code: str) -> None:
    """It is told as it was settled; what is open, or another version, is gone on with."""
    settle = reached(row(), state, None, POLICY)

    assert (settle.outcome if settle else None) is outcome
    assert (settle.error_code if settle else "") == code


VERDICT = Memory(verdict=Verdict(Outcome.REJECTED, NEW_NAME, 400, "bad"))
CONFLICT = Memory(conflicts=(Conflict("name", b"elsewhe!", NEW_NAME[0][1]),))


@pytest.mark.parametrize(
    ("planned", "update", "outcome"),
    [
        # Opened and closed by this run.
        (row(3), Synced("bcus_1", 5, NEW_NAME, OURS), Outcome.UPDATED),
        # The same, with a field that is left alone.
        (row(3), Synced("bcus_1", 5, NEW_NAME, b""), Outcome.UPDATED),
        # Read, and found in step: no PATCH of this run.
        (row(3), Synced("bcus_1", 4, NEW_NAME, OURS), Outcome.UNCHANGED),
        # An open one of an earlier run was found to have landed.
        (row(3, was_open=True), Synced("bcus_1", 4, NEW_NAME, OURS), Outcome.UPDATED),
        (row(3), Updating("bcus_1", 4, (), NEW_NAME, OURS), None),
        (row(3), Synced("bcus_1", 5, (), b"", CONFLICT), Outcome.CONFLICT),
        (row(3), Synced("bcus_1", 5, (), b"", VERDICT), Outcome.REJECTED),
        (row(3), Synced("bcus_1", 5, (), b""), None),
    ],
)
def test_a_row_that_was_to_be_updated(
    planned: CarriedRow, update: UpdateState, outcome: Outcome | None
) -> None:
    """It is updated where this run sent the PATCH; what was refused is not asked again."""
    settle = reached(planned, done(OTHER, Origin.CREATED), update, POLICY)

    assert (settle.outcome if settle else None) is outcome


def test_what_travels_shows_no_value() -> None:
    """A worker's log may hold the text of a task's arguments: none of a row's values is in it."""
    module = import_module("importer.engine.row_batch")
    batch = module.RowBatch(7, (row(),))

    assert "Ada" not in repr(batch)
    assert "7" in repr(batch)
