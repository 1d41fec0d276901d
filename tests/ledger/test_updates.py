"""How customers are kept in step: what is stored, what is taken, and what the history says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.protocol.safeguards import ALL_ON
from importer.delivery.protocol.states import (
    NEW,
    Attempt,
    Conflict,
    Done,
    Memory,
    Origin,
    Rejected,
    Sent,
    Synced,
    Transition,
    UpdateState,
    UpdateTransition,
    Updating,
    Verdict,
    doubted,
    hashes,
)
from importer.errors import BugFound
from importer.ledger import ledger as ledger_module
from importer.ledger import sync_table
from importer.ledger.opening import open_ledger
from importer.ledger.postgres import postgres_connection, schema
from importer.ledger.sqlite import connection
from importer.ledger.sqlite.migrations import STEPS, migrate
from importer.ledger.sync_table import decode, encode, fold_updates
from importer.outcomes import Outcome
from tests.ledger.samples import ACCOUNT, DONE, PRINT_A, PRINT_B, SENT, Place, done, raw, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from importer.ledger.codec import Written
    from importer.ledger.ledger import Ledger
    from importer.ledger.sqlite.migrations import Step
    from importer.ledger.statements import Transaction as OpenTransaction

ROW = {"name": "Ada", "balance": 5, "metadata": {"plan": "gold"}}
FIELD = st.sampled_from(["name", "balance", "metadata.plan", "metadata.\u00e9"])
HASH = st.binary(min_size=8, max_size=8)
PAIRS = st.lists(st.tuples(FIELD, HASH), max_size=4).map(hashes)
MEMORY = st.builds(
    Memory,
    PAIRS,
    st.lists(st.builds(Conflict, FIELD, HASH | st.just(b""), HASH), max_size=2).map(tuple),
    st.none()
    | st.builds(
        Verdict,
        st.sampled_from([Outcome.REJECTED, Outcome.MISSING, Outcome.CONFLICT]),
        PAIRS,
        st.sampled_from([0, 404, 422]),
        st.sampled_from(["", "missing"]),
    ),
)
PRINT = st.sampled_from([b"", PRINT_A, PRINT_B])
STATES = st.builds(Synced, st.just("bcus_1"), st.just(3), PAIRS, PRINT, MEMORY) | st.builds(
    Updating, st.just("bcus_1"), st.just(3), PAIRS, PAIRS, PRINT, MEMORY
)


@given(STATES)
def test_a_record_is_its_state(state: UpdateState) -> None:
    """Whatever is stored is read back as it was."""
    assert decode(encode("A", state, run=1, now=2.0)) == state


def settled(ledger: Ledger, *references: str, base: bool = True) -> dict[str, UpdateState]:
    """Customers that were created, and how each is kept in step."""
    for name in references:
        fields = ledger.hasher()(name, ROW)
        ledger.apply([replace(sent(name), fields=fields)], [], run_id="r", now=1.0)
        change = Transition(name, SENT, DONE, 201, seen=fields if base else ())
        assert ledger.apply([change], [], run_id="r", now=2.0) == [None]
    return ledger.updates(references)


def test_what_moment_confirmed_at_creation_is_the_base(place: Place) -> None:
    """A customer that was never updated is in step if all of its row was confirmed."""
    with open_ledger(place(), ACCOUNT) as ledger:
        every = ledger.hasher()("A", ROW)
        assert settled(ledger, "A") == {"A": Synced("bcus_1", 0, every, PRINT_A)}
        taken = Memory(ledger.hasher()("B", ROW))
        assert settled(ledger, "B", base=False) == {"B": Synced("bcus_1", 0, memory=taken)}
        some = ledger.hasher()("C", {"name": "Ada"})
        own = ledger.hasher()("C", ROW)
        ledger.apply([replace(sent("C"), fields=own)], [], run_id="r", now=1.0)
        found = Done(0, PRINT_A, "bcus_3", Origin.FOUND, ("balance",))
        ledger.apply([Transition("C", SENT, found, seen=some)], [], run_id="r", now=2.0)
        ledger.apply([sent("D")], [], run_id="r", now=2.0)
        assert ledger.updates(["C", "D", "E"]) == {"C": Synced("bcus_3", 0, some)}
        states, updates = ledger.states([*"ABCDE"]), ledger.updates([*"ABCDE"])
        known = {one: (state, updates.get(one)) for one, state in states.items()}
        assert ledger.known([*"ABCDE"]) == known
        assert [*known] == [*"ABCD"]


@pytest.mark.parametrize("counted", [True, False])
def test_what_a_lost_answer_wrote_is_ours(place: Place, *, counted: bool) -> None:
    """Of each version whose POST may have made the customer; a value that nobody sent is not."""
    guard = replace(ALL_ON, count_sent=counted)
    with open_ledger(place(), ACCOUNT, safeguards=guard) as ledger:
        hashed = ledger.hasher()
        older = hashed("A", {"name": "Ada", "email": "ada@example.com"})
        newer = hashed("A", {"name": "Bea", "phone": "+27820000001"})
        seen = hashed("A", {"name": "Ada", "email": "ada@example.com", "phone": "+27829999999"})
        ledger.apply([replace(sent("A"), fields=older)], [], run_id="r", now=1.0)
        next_one = Transition("A", SENT, Sent(1, PRINT_B, 2.0), fields=newer)
        ledger.apply([next_one], [], run_id="r", now=2.0)
        assert ledger.updates(["A"]) == {}
        found = Done(1, PRINT_B, "bcus_1", Origin.FOUND, ("name", "email", "phone"))
        change = Transition("A", next_one.new, found, seen=seen)
        ledger.apply([change], [], run_id="r", now=3.0)
        assert ledger.updates(["A"]) == {"A": Synced("bcus_1", 0, older if counted else ())}


def test_a_refused_version_is_not_ours(place: Place) -> None:
    """Moment never took it, so a value like it was written by somebody else."""
    with open_ledger(place(), ACCOUNT) as ledger:
        hashed = ledger.hasher()
        refused, other = hashed("A", {"name": "Ada"}), hashed("A", {"name": "Bea"})
        no, again = Rejected(0, PRINT_A, 400, ""), Sent(1, PRINT_B, 2.0)
        ledger.apply([replace(sent("A"), fields=refused)], [], run_id="r", now=1.0)
        ledger.apply([Transition("A", SENT, no)], [], run_id="r", now=2.0)
        ledger.apply([Transition("A", no, again, fields=other)], [], run_id="r", now=3.0)
        found = Done(1, PRINT_B, "bcus_1", Origin.FOUND, ("name",))
        change = Transition("A", again, found, seen=refused)
        ledger.apply([change], [], run_id="r", now=4.0)
        assert ledger.updates(["A"]) == {"A": Synced("bcus_1", 0)}


def test_an_older_ledger_has_no_base(tmp_path: Path) -> None:
    """Nobody noted what Moment confirmed: such customers are settled, and nothing more is known."""
    path = tmp_path / "ledger.db"
    with open_ledger(path, ACCOUNT) as ledger:
        settled(ledger, "A")
        raw(path).execute("UPDATE customer SET hashes = NULL, base = NULL")
        assert ledger.updates(["A"]) == {"A": Synced("bcus_1", 0)}


def test_who_has_the_id_of_another_is_noted_until_moment_was_asked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the run that finds it, or by the upgrade of a ledger that knows of it already."""
    # No version is in step with such a customer; what is known of it besides stays, also of an
    # update that is open.
    monkeypatch.setattr(ledger_module, "PAGE", 2)
    for name in ("found", "upgraded"):
        with monkeypatch.context() as older:
            if name == "upgraded":
                for module in (connection, schema, postgres_connection):
                    older.setattr(module, "STEPS", _before_it(module.STEPS))
                older.setattr(connection, "migrate", lambda db: migrate(db, _before_it(STEPS)))
            ledger = open_ledger(place(name), ACCOUNT)
            known = settled(ledger, "A", "B", "C", "D")
            ledger.apply([sent("E")], [], run_id="r", now=1.0)
            ledger.apply([done("E", "bcus_3")], [], run_id="r", now=1.0)
            changes: list[UpdateState] = [
                Updating("bcus_1", 1, known["C"].base, (("name", b"n" * 8),), PRINT_B),
                Synced("bcus_1", 1, known["D"].base, PRINT_B),
            ]
            for one, reference in zip(changes, "CD", strict=True):
                change = UpdateTransition(reference, known[reference], one)
                ledger.apply([change], [], run_id="r", now=3.0)
            known |= dict(zip("CD", changes, strict=True))
            ledger.close()
        with open_ledger(place(name), ACCOUNT) as ledger:
            if name == "found":
                assert (ledger.doubtful(), ledger.others_with("bcus_1", "B")) == (0, [*"ACD"])
                for _ in range(2):
                    ledger.doubt(["bcus_0", "bcus_1", "bcus_2"], run_id="r", now=5.0)
            assert ledger.doubtful() == 4
            noted = ledger.updates([*"ABCD"])
            assert noted == {name: doubted(one) for name, one in known.items()}
            frames = ledger.versions([*"ABCDE"])
            told = [row[:3] for frame in frames for row in frame.rows()]
            assert told == [*((at, b"", "bcus_1") for at in range(4)), (4, PRINT_A, "bcus_3")]
            back = Synced("bcus_1", 2, known["A"].base, PRINT_A)
            ledger.apply([UpdateTransition("A", noted["A"], back)], [], run_id="r", now=6.0)
            assert ledger.doubtful() == 3
            history = ledger.history("A")
            assert history is not None
            events = [entry.event for entry in history.entries]
            assert ("in_step" in events, "shared_id" in events) == (True, name == "found")


def _before_it(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps before that which notes such ids."""
    [at] = [number for number, step in enumerate(steps) if "sync_shared" in step[0]]
    return steps[:at]


def test_an_update_is_open_until_it_is_closed(place: Place) -> None:
    """Each change takes the next serial, is durable, and moves the ledger's version."""
    path = place()
    with open_ledger(path, ACCOUNT) as ledger:
        start = settled(ledger, "A", "B")["A"]
        later = ledger.hasher()("A", {**ROW, "balance": 6})
        ours = hashes(set(later) - set(start.base))
        open_now = Updating("bcus_1", 1, start.base, ours, PRINT_B)
        versions = [ledger.version()]
        assert ledger.apply([UpdateTransition("A", start, open_now)], [], run_id="r", now=3.0) == [
            None
        ]
        versions.append(ledger.version())
        assert ledger.updates(["A", "B"])["A"] == open_now
        assert ledger.known(["A"])["A"][1] == open_now
        assert ledger.open_updates() == 1
        # An open update is not in step with any version.
        [frame] = ledger.versions(["A"])
        assert frame.rows() == [(0, b"", "bcus_1", 1)]
        closed = Synced("bcus_1", 2, later, PRINT_B)
        lost = Attempt("A", 3.5, "patch_unknown", -1, 0, "read_timeout")
        change = UpdateTransition("A", open_now, closed, 200)
        ledger.apply([change], [lost], run_id="r2", now=4.0)
        versions.append(ledger.version())
    assert len(set(versions)) == 3
    with open_ledger(path, ACCOUNT, read_only=True) as ledger:
        assert ledger.updates(["A"])["A"] == closed
        assert ledger.open_updates() == 0
        [frame] = ledger.versions(["A"])
        assert frame.rows() == [(0, PRINT_B, "bcus_1", 1)]
        assert ledger.states(["A"]) == {"A": DONE}
        history = ledger.history("A")
    assert history is not None
    told = [
        (one.at, one.event, one.http_status, one.detail) for one in history.entries if one.detail
    ]
    assert told == [(3.0, "updating", 0, "balance"), (4.0, "updated", 200, "balance")]
    assert history.requests == 3
    assert history.last_run == "r"


def test_who_expects_something_else_changes_nothing(place: Place) -> None:
    """Compare-and-set on customer and serial; the state that is held comes back."""
    with open_ledger(place(), ACCOUNT) as ledger:
        start = settled(ledger, "A")["A"]
        mine = Updating("bcus_1", 1, start.base, (), PRINT_B)
        late = UpdateTransition("A", replace(start, serial=4), replace(mine, serial=5))
        other = UpdateTransition("A", replace(start, customer_id="bcus_2"), mine)
        change = UpdateTransition("A", start, mine)
        results = ledger.apply([late, other, change, change], [], run_id="r", now=3.0)
        assert results == [start, start, None, mine]
        assert ledger.updates(["A"]) == {"A": mine}


def test_both_kinds_of_change_share_a_commit(place: Place) -> None:
    """Results stand in the order in which the changes were given."""
    with open_ledger(place(), ACCOUNT) as ledger:
        start = settled(ledger, "A")["A"]
        change = UpdateTransition("A", start, Updating("bcus_1", 1, start.base, (), PRINT_B))
        mixed: list[Transition | UpdateTransition]
        mixed = [sent("B"), change, Transition("C", SENT, DONE), Transition("A", NEW, SENT)]
        assert ledger.apply(mixed, [], run_id="r", now=3.0) == [None, None, None, DONE]


def test_what_breaks_an_invariant_is_not_written(place: Place) -> None:
    """An update of nobody's, and a serial that jumps, are bugs; all of the batch is dropped."""
    with open_ledger(place(), ACCOUNT) as ledger:
        start = settled(ledger, "A")["A"]
        jump = UpdateTransition("A", start, Synced("bcus_1", 2))
        nobody = UpdateTransition("B", Synced("bcus_1", 0), Synced("bcus_1", 1))
        back = [Transition("C", NEW, replace(SENT, generation=2)), Transition("C", SENT, SENT)]
        back[1] = replace(back[1], expected=replace(SENT, generation=2))
        for bad in ([jump], [nobody], back):
            with pytest.raises(BugFound, match="this is a bug in importer"):
                ledger.apply([sent("Z"), *bad], [], run_id="r", now=3.0)
        assert ledger.states(["Z", "C"]) == {}
        assert ledger.updates(["A"]) == {"A": start}


def losing_writer(ledger: Ledger, name: str, wrong: dict[str, Any]) -> Callable[..., None]:
    """Writes another value to that column of the last row; to none, nothing at all."""
    write = ledger._write_customers

    def lose(db: OpenTransaction, account: int, changes: Sequence[Written]) -> None:
        for change in changes if name else ():
            rows = [*change.rows[:-1], change.rows[-1]._replace(**{name: wrong[name]})]
            columns = {**change.columns, name: tuple(getattr(row, name) for row in rows)}
            same = {one: value for one, value in change.same.items() if one != name}
            write(db, account, [change._replace(rows=rows, same=same, columns=columns)])

    return lose


def test_what_was_committed_is_read_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that does not hold what was written to it stops the run at once."""
    with open_ledger(place(), ACCOUNT) as ledger:
        start = settled(ledger, "A")["A"]
        start_b, start_c = sent("B"), sent("C")
        ends = [
            Transition("B", SENT, DONE, 201),
            Transition("C", SENT, replace(DONE, customer_id="bcus_2"), 200),
        ]
        for told, wrong in (
            ([start_b, start_c], {"reference": "D", "fingerprint": PRINT_B, "state": "new"}),
            (ends, {"customer_id": "bcus_3", "settled_at": 4.0, "http_status": 500}),
        ):
            for name in ("", *wrong):
                with monkeypatch.context() as losing:
                    losing.setattr(ledger, "_write_customers", losing_writer(ledger, name, wrong))
                    with pytest.raises(BugFound, match="does not hold what was written"):
                        ledger.apply(told, [], run_id="r", now=3.0)
            assert ledger.apply(told, [], run_id="r", now=3.0) == [None, None]
        monkeypatch.setattr(sync_table, "decode", lambda _: start)
        change = UpdateTransition("A", start, Synced("bcus_1", 1))
        with pytest.raises(BugFound, match="does not hold what was written"):
            ledger.apply([change], [], run_id="r", now=3.0)


CONFLICT = Conflict("email", b"s" * 8, b"w" * 8)
REFUSED = Verdict(Outcome.REJECTED, (("name", b"n" * 8),), 422, "invalid_name")
OPEN = Updating("bcus_1", 1, (), (("balance", b"1" * 8), ("name", b"n" * 8)), PRINT_A)


@pytest.mark.parametrize(
    ("held", "new", "told"),
    [
        (Synced("bcus_1", 0), OPEN, [("updating", 0, "", "balance, name")]),
        (
            OPEN,
            replace(OPEN, serial=2, ours=(*OPEN.ours, ("phone", b"p" * 8))),
            [("updating", 0, "", "phone")],
        ),
        (OPEN, replace(OPEN, serial=2), [("updating", 0, "", "balance, name")]),
        (
            OPEN,
            Synced("bcus_1", 2, (("balance", b"1" * 8),), b"", Memory(conflicts=(CONFLICT,))),
            [("updated", 200, "", "balance"), ("conflict", 0, "", "email")],
        ),
        (
            Synced("bcus_1", 0),
            replace(OPEN, memory=Memory(conflicts=(CONFLICT,))),
            [("updating", 0, "", "balance, name"), ("conflict", 0, "", "email")],
        ),
        (
            OPEN,
            Synced("bcus_1", 2, (), b"", Memory((("name", b"n" * 8),))),
            [("updated", 200, "", "name")],
        ),
        (
            OPEN,
            Synced("bcus_1", 2, (), b"", Memory(verdict=REFUSED)),
            [("rejected", 422, "invalid_name", "name")],
        ),
        (
            Synced("bcus_1", 1),
            Synced("bcus_1", 2, (("name", b"n" * 8),)),
            [("in_step", 0, "", "name")],
        ),
    ],
)
def test_the_history_names_the_fields(
    held: UpdateState, new: UpdateState, told: list[tuple[str, int, str, str]]
) -> None:
    """What was sent, what became of it, and why it was not: each with its fields."""
    change = UpdateTransition("A", held, new, 200)
    folded = fold_updates({"A": held}, [change], now=5.0, guard=ALL_ON)
    events = [(one.event, one.http_status, one.error_code, one.detail) for one in folded.events]
    assert events == told
