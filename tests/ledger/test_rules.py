"""Which changes the ledger takes: every pair of states against an oracle of its own."""

from __future__ import annotations

from itertools import product

import pytest

from importer.delivery.protocol.safeguards import Safeguards
from importer.delivery.protocol.states import (
    NEW,
    Attempt,
    Done,
    Rejected,
    Sent,
    State,
    Transition,
)
from importer.ledger.opening import open_ledger
from tests.ledger.samples import ACCOUNT, DONE, EVERY_STATE, PRINT_B, REJECTED, SENT, Place


def goes_back(held: State, new: State) -> bool:
    """Whether a change would lead to an earlier generation, which nothing may ask for."""
    return isinstance(new, Sent | Rejected) and new.generation < held.generation


BLIND = Safeguards(compare_and_set=False, write_once=False)
CASES = [
    case
    for case in product(EVERY_STATE, EVERY_STATE, EVERY_STATE)
    if not goes_back(case[0], case[2])
]


def oracle(held: State, expected: State, new: State, guard: Safeguards) -> tuple[State, bool]:
    """(state afterwards, whether applied), told in another way than the ledger's rules."""
    name = {state: (type(state), getattr(state, "generation", None)) for state in EVERY_STATE}
    if guard.compare_and_set:
        if type(held) is Done:
            return held, False
        if type(new) is not Done and name[held] != name[expected]:
            return held, False
    if guard.write_once and type(held) is type(new) is Sent and name[held] == name[new]:
        return held, held == new
    return new, True


@pytest.mark.parametrize("compare_and_set", [True, False])
@pytest.mark.parametrize("write_once", [True, False])
def test_every_pair_of_states(place: Place, *, compare_and_set: bool, write_once: bool) -> None:
    """Held, expected and new state decide, with each safeguard on and off."""
    path = place()
    names = [f"R{number:04}" for number in range(len(CASES))]
    with open_ledger(path, ACCOUNT, safeguards=BLIND) as ledger:
        start = [Transition(name, NEW, case[0]) for name, case in zip(names, CASES, strict=True)]
        assert ledger.apply(start, [], run_id="r1", now=1.0) == [None] * len(CASES)
    guard = Safeguards(compare_and_set=compare_and_set, write_once=write_once)
    with open_ledger(path, ACCOUNT, safeguards=guard) as ledger:
        changes = [
            Transition(name, expected, new)
            for name, (_, expected, new) in zip(names, CASES, strict=True)
        ]
        results = ledger.apply(changes, [], run_id="r2", now=2.0)
        after = ledger.states(names)
    for name, case, result in zip(names, CASES, results, strict=True):
        state, applied = oracle(*case, guard)
        assert after.get(name, NEW) == state, case
        assert result == (None if applied else case[0]), case


def test_the_result_of_a_lost_change_is_what_is_held(place: Place) -> None:
    """A lost compare-and-set answers with the state found; a change that was applied with None."""
    with open_ledger(place(), ACCOUNT) as ledger:
        assert ledger.apply([Transition("A", NEW, SENT)], [], run_id="r", now=1.0) == [None]
        again = [Transition("A", NEW, Sent(0, PRINT_B, 9.0)), Transition("A", SENT, DONE)]
        assert ledger.apply(again, [], run_id="r", now=2.0) == [SENT, None]
        assert ledger.apply([Transition("A", SENT, REJECTED)], [], run_id="r", now=3.0) == [DONE]


def test_a_found_id_wins_over_everything_but_an_id(place: Place) -> None:
    """A ``Done`` is taken whatever it expects, and a second one never."""
    other = Done(0, PRINT_B, "bcus_other", DONE.origin)
    with open_ledger(place(), ACCOUNT) as ledger:
        changes = [
            Transition("A", REJECTED, DONE),
            Transition("A", DONE, other),
            Transition("A", DONE, DONE),
        ]
        assert ledger.apply(changes, [], run_id="r", now=1.0) == [None, DONE, DONE]
        assert ledger.states(["A"]) == {"A": DONE}


def test_a_generation_keeps_its_fingerprint_and_its_time(place: Place) -> None:
    """Write-once holds even where the compare-and-set would let the change through."""
    rewrite = Transition("A", SENT, Sent(0, PRINT_B, 900.0))
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([Transition("A", NEW, SENT)], [], run_id="r", now=1.0)
        assert ledger.apply([rewrite], [], run_id="r", now=2.0) == [SENT]
        following = Transition("A", SENT, Sent(1, PRINT_B, 900.0))
        assert ledger.apply([following], [], run_id="r", now=3.0) == [None]


def test_a_row_that_only_has_attempts_is_new(place: Place) -> None:
    """An attempt of an unknown reference is kept, and the row still counts as unknown."""
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([], [Attempt("A", 1.0, "unknown", 0)], run_id="r", now=1.0)
        assert ledger.states(["A"]) == {}
        assert list(ledger.iter_states()) == []
        assert ledger.apply([Transition("A", NEW, SENT)], [], run_id="r", now=2.0) == [None]


@pytest.mark.parametrize("stamped", [True, False])
def test_a_row_that_somebody_else_changed_is_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, *, stamped: bool
) -> None:
    """Compare-and-set is against what is held, not what was written; without a stamp it is not."""
    path = place()
    taken = Transition("A", SENT, Sent(1, PRINT_B, 300.0))
    with open_ledger(path, ACCOUNT) as mine, open_ledger(path, ACCOUNT) as theirs:
        if not stamped:
            monkeypatch.setattr(mine, "_stamp", lambda _: "nobody has written")
        mine.apply([Transition("A", NEW, SENT)], [], run_id="r", now=1.0)
        assert theirs.apply([taken], [], run_id="s", now=2.0) == [None]
        change = Transition("A", SENT, REJECTED)
        if stamped:
            assert mine.apply([change], [], run_id="r", now=3.0) == [taken.new]
        else:
            assert mine.apply([change], [], run_id="r", now=3.0) == [None]


def test_what_was_rolled_back_is_not_remembered(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change whose transaction failed is as if it had not been asked for."""
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([Transition("A", NEW, SENT)], [], run_id="r", now=1.0)
        monkeypatch.setattr(ledger, "_write_totals", fail)
        with pytest.raises(RuntimeError):
            ledger.apply([Transition("A", SENT, Sent(1, PRINT_B, 3.0))], [], run_id="r", now=2.0)
        monkeypatch.undo()
        assert ledger.apply([Transition("A", SENT, DONE)], [], run_id="r", now=3.0) == [None]
        assert ledger.states(["A"]) == {"A": DONE}


def fail(*_: object) -> None:
    """Stand in the place of the last write of a transaction."""
    raise RuntimeError
