"""The plan says of every row what ``decide`` says, many rows at a time."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.protocol.states import (
    NEW,
    Done,
    New,
    Origin,
    Rejected,
    Sent,
    State,
    Synced,
    Transition,
    UpdateState,
)
from importer.ledger.account import Account
from importer.ledger.field_hashes import hashes_of
from importer.ledger.known_versions import COLUMNS
from importer.ledger.opening import open_ledger
from importer.ledger.sqlite import sqlite_ledger
from importer.outcomes import OnDuplicate, Outcome
from importer.plan.decide import decide
from importer.plan.forecast import forecast
from importer.plan.make import make_plan, rows_to_deliver, settle_duplicates
from importer.plan.staging import Staging
from importer.rows.payload import fingerprint
from importer.rows.row import Problem, Row
from importer.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from importer.ledger.interface import Hasher

OWN = fingerprint("{}")
OTHER = fingerprint("other")
STATES: list[State] = [
    NEW,
    Sent(1, OWN, 5.0),
    *(Done(1, one, "bcus_1", Origin.FOUND) for one in (OWN, OTHER)),
    *(Rejected(1, one, 422, "invalid_phone") for one in (OWN, OTHER)),
]


class Known:
    """A ledger that holds these states."""

    def __init__(self, held: dict[str, State]) -> None:
        self.held = {one: state for one, state in held.items() if not isinstance(state, New)}

    def states(self, references: Sequence[str]) -> dict[str, State]:
        """As ``Ledger.states``."""
        return {one: self.held[one] for one in references if one in self.held}

    def versions(self, references: Sequence[str] | pl.Series) -> Iterator[pl.DataFrame]:
        """As ``Ledger.versions``, a row at a time."""
        for index, one in enumerate(references):
            match self.held.get(one):
                case Done() as state:
                    row = (index, state.fingerprint, state.customer_id, 1)
                case Sent() | Rejected() as state:
                    row = (index, state.fingerprint, "", 0)
                case _:
                    continue
            yield pl.DataFrame([row], schema=COLUMNS, orient="row")

    def updates(self, references: Sequence[str]) -> dict[str, UpdateState]:
        """As ``Ledger.updates``: nothing was ever updated."""
        known = self.states(references)
        done = {one: state for one, state in known.items() if isinstance(state, Done)}
        return {one: Synced(state.customer_id, 0) for one, state in done.items()}

    def known(self, references: Sequence[str]) -> dict[str, tuple[State, UpdateState | None]]:
        """As ``Ledger.known``."""
        updates = self.updates(references)
        return {one: (state, updates.get(one)) for one, state in self.states(references).items()}

    def hasher(self, *, remember: bool = True) -> Hasher:
        """As ``Ledger.hasher``."""
        del remember
        return lambda reference, document: hashes_of(reference, document, b"salt")

    def changed_fields(self, payloads: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """As ``Ledger.changed_fields``: nothing was noted."""
        del payloads
        return {}


def row(line: int, reference: str) -> Row:
    """A valid row."""
    return Row(0, line, reference, "{}", OWN, (), (reference,))


@given(
    st.lists(st.sampled_from(STATES), max_size=30),
    st.booleans(),
    st.lists(st.integers(0, 30), max_size=3),
)
def test_a_plan_is_what_decide_says_of_each_row(
    states: list[State],
    retry_rejected: bool,  # noqa: FBT001 - given by hypothesis
    cuts: list[int],
) -> None:
    """Same outcomes, ids and texts, in input order, however batched; twice is once."""
    names = [f"R{(7 * n) % 31}" for n in range(len(states))]
    held = dict(zip(names, states, strict=True))
    rows = [row(line, name) for line, name in enumerate(names, 2)]
    staging = Staging()
    edges = [0, *sorted(cuts), len(rows)]
    for start, end in itertools.pairwise(edges):
        staging.add(rows[start:end])
    ledger = Known(held)
    for _ in range(2):
        make_plan(staging, ledger, retry_rejected=retry_rejected)
        planned = list(staging.rows())
        left = [(one.reference, one.state) for one in rows_to_deliver(staging, ledger)]
        decided = [decide(state, OWN, retry_rejected=retry_rejected) for state in states]
        assert [
            (one.line, one.reference, one.outcome, one.customer_id or "", one.error_code, one.error)
            for one in planned
        ] == [
            (line, name, want.outcome, want.customer_id, want.error_code, want.error)
            for line, (name, want) in enumerate(zip(names, decided, strict=True), 2)
        ]
        open_rows = [
            (name, held[name])
            for name, want in zip(names, decided, strict=True)
            if want.outcome is None
        ]
        # In input order, but what was sent before and never settled comes last.
        assert left == sorted(open_rows, key=lambda row: isinstance(row[1], Sent))
        assert staging.counts().get("", 0) == len(left)
        assert sum(staging.counts().values()) == len(rows)
    staging.close()


def test_a_page_holds_every_kind_of_outcome() -> None:
    """Unchanged, duplicate, rejected, invalid and open rows of one batch keep their places."""
    staging = Staging()
    bad = Row(0, 4, "C", None, None, (Problem("name", "name_too_long", "long"),), ("C",), ("z",))
    staging.add([row(2, "A"), row(3, "B"), bad, row(5, "A"), row(6, "D"), row(7, "E")])
    settle_duplicates(staging, ["in.csv"], OnDuplicate.ERROR)
    held: dict[str, State] = {
        "A": Done(0, OWN, "bcus_a", Origin.CREATED),
        "B": Rejected(0, OWN, 422, "no"),
    }
    make_plan(staging, Known(held), retry_rejected=False)
    [chunk] = staging.pending()
    assert [(one.position, one.reference, one.payload) for one in chunk] == [
        (6, "D", "{}"),
        (7, "E", "{}"),
    ]
    staging.settle([(7, Outcome.UNSETTLED, "", "late", "too late")])
    staging.settle_rest(Outcome.WOULD_CREATE)
    assert [(one.line, one.outcome, one.cells) for one in staging.rows()] == [
        (2, "unchanged", ("A",)),
        (3, "rejected", ("B",)),
        (4, "invalid", ("C",)),
        (5, "duplicate", ("A",)),
        (6, "would_create", ("D",)),
        (7, "unsettled", ("E",)),
    ]
    assert [(one.line, one.cells, one.extra) for one in staging.failed()] == [
        (3, ("B",), ()),
        (4, ("C",), ("z",)),
        (7, ("E",), ()),
    ]
    assert list(staging.pending()) == []
    assert set(staging.counts().values()) == {1}
    staging.close()


@pytest.mark.parametrize("most", [8, 1000])
def test_the_few_rows_that_are_left_are_the_same_ones(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noted by themselves or found among all: also once some are settled, and in a shard."""
    monkeypatch.setattr("importer.plan.staging._FEW", most)
    staging = Staging()
    names = [f"R{number:02}" for number in range(32)]
    staging.add(row(line, one) for line, one in enumerate(names, 2))
    held: dict[str, State] = {one: Done(0, OWN, "bcus_1", Origin.CREATED) for one in names}
    held |= {"R03": NEW, "R20": Rejected(0, OTHER, 422, "no"), "R21": Sent(0, OWN, 1.0)}
    ledger = Known(held)
    make_plan(staging, ledger, retry_rejected=False)
    assert [one.reference for one in rows_to_deliver(staging, ledger)] == ["R03", "R20", "R21"]
    assert forecast(staging, None).outcomes == {
        "would_create": 1,
        "in_flight": 1,
        "corrected": 1,
        "unchanged": 29,
    }
    staging.settle([(5, Outcome.CREATED, "bcus_2", "", "")])
    assert [one.reference for one in rows_to_deliver(staging, ledger)] == ["R20", "R21"]
    shard = Shard(1, 2)
    staging.keep(shard)
    left = [one for one in ("R20", "R21") if shard.holds(one, names.index(one) + 2)]
    assert [one.reference for one in rows_to_deliver(staging, ledger)] == left
    staging.close()


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_a_range_of_the_ledger_plans_what_its_keys_plan(
    order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte the same outcomes, whether the ledger is read by ranges or row by row."""
    names = [f"R{number:05}" for number in range(3000)]
    wanted = names[::2] if order == "sorted" else random.Random(4).sample(names, 1500)
    changes = [
        Transition(one, NEW, state)
        for number, one in enumerate(names)
        if not isinstance(state := STATES[number % len(STATES)], New)
    ]
    ways = []
    with open_ledger(tmp_path / "ledger.db", Account("https://api.test", "test")) as ledger:
        ledger.apply(changes, [], run_id="r", now=1.0)
        for dense in (3, 0):
            monkeypatch.setattr(sqlite_ledger, "_DENSE", dense)
            staging = Staging()
            for start in range(0, len(wanted), 400):
                part = wanted[start : start + 400]
                staging.add(row(line, one) for line, one in enumerate(part, start + 2))
            met = make_plan(staging, ledger, retry_rejected=False, series=[1])
            ways.append((met, list(staging.rows())))
    assert ways[0] == ways[1]
    assert ways[0][0].known == sum(names.index(one) % len(STATES) in {2, 3} for one in wanted)
