"""The ledger against a dictionary, through random batches, reopenings and failed commits."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from importer.delivery.protocol.safeguards import ALL_ON
from importer.delivery.protocol.states import NEW, State, Transition
from importer.errors import LedgerFailed
from importer.ledger.opening import open_ledger
from tests.ledger.samples import ACCOUNT, EVERY_STATE, Failing, attempt
from tests.ledger.test_rules import goes_back, oracle

if TYPE_CHECKING:
    from importer.ledger.ledger import Ledger

REFERENCES = ["A", "B", "a", "A-1", "Z_9"]
states_of = st.sampled_from(EVERY_STATE)
changes_of = st.lists(
    st.builds(Transition, st.sampled_from(REFERENCES), states_of, states_of).filter(
        lambda one: not goes_back(one.expected, one.new)
    ),
    max_size=8,
)
attempts_of = st.lists(st.builds(attempt, st.sampled_from(REFERENCES)), max_size=3)


class LedgerMachine(RuleBasedStateMachine):
    """Applies batches to the ledger and to a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model: dict[str, State] = {}
        self.attempts = dict.fromkeys(REFERENCES, 0)
        self.ledger = self.opened()

    def opened(self) -> Ledger:
        """The same ledger, with a connection that can be made to fail."""
        connect = partial(sqlite3.connect, factory=Failing)
        return open_ledger(self.folder / "ledger.db", ACCOUNT, connect=connect)

    @rule(changes=changes_of, attempts=attempts_of, run=st.sampled_from(["r1", "r2"]))
    def apply(self, changes: list[Transition], attempts: list[object], run: str) -> None:
        """A batch does what its changes do one by one, in their order."""
        results = self.ledger.apply(changes, attempts, run_id=run, now=5.0)  # type: ignore[arg-type]
        for change, result in zip(changes, results, strict=True):
            held = self.model.get(change.reference, NEW)
            after, applied = oracle(held, change.expected, change.new, ALL_ON)
            assert result == (None if applied else held)
            self.model[change.reference] = after
        for one in attempts:
            self.attempts[one.reference] += 1  # type: ignore[attr-defined]

    @precondition(lambda self: self.model)
    @rule(changes=changes_of, attempts=attempts_of, calls=st.integers(0, 5))
    def fail(self, changes: list[Transition], attempts: list[object], calls: int) -> None:
        """A batch that cannot be written changes nothing."""
        Failing.last.calls_left = calls
        try:
            with pytest.raises(LedgerFailed):
                # A run that is new to the ledger makes the batch at least six calls long.
                self.ledger.apply(changes, attempts, run_id=f"f{calls}", now=6.0)  # type: ignore[arg-type]
        finally:
            Failing.last.calls_left = None

    @rule()
    def reopen(self) -> None:
        """What was applied is there after a restart."""
        self.ledger.close()
        self.ledger = self.opened()

    @invariant()
    def agrees(self) -> None:
        """Both readings of the ledger are the dictionary."""
        known = {ref: state for ref, state in self.model.items() if state != NEW}
        assert self.ledger.states(REFERENCES) == known
        assert list(self.ledger.iter_states()) == sorted(known.items())
        totals = {name: n for name, n in self.ledger.totals().items() if name != "new"}
        assert totals == Counter(state.kind for state in known.values())

    def teardown(self) -> None:
        """Every attempt is in the history, once."""
        for reference, count in self.attempts.items():
            history = self.ledger.history(reference)
            noted = [one for one in history.entries if one.event == "unknown"] if history else []
            assert len(noted) == count
        self.ledger.close()
        shutil.rmtree(self.folder)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
