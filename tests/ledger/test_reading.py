"""Walking and looking up: order, chunks, accounts that never mix."""

from __future__ import annotations

import polars as pl
import pytest

from importer.delivery.protocol.states import NEW, Transition
from importer.ledger import ledger as module
from importer.ledger.account import Account
from importer.ledger.known_versions import FINGERPRINT, Range, of_range
from importer.ledger.ledger import Mapped
from importer.ledger.opening import open_ledger, read_accounts
from tests.ledger.samples import (
    ACCOUNT,
    DONE,
    EVERY_STATE,
    REJECTED,
    SENT,
    Place,
    attempt,
    done,
    sent,
)

OTHERS = (
    Account("https://api.example.com", "live"),
    Account("https://api.example.com", "test", "second"),
    Account("https://api.example.com:8443", "test"),
)


def test_every_state_is_read_as_it_was_written(place: Place) -> None:
    """No field of a state is lost on the way through the file."""
    every = {f"R{number}": state for number, state in enumerate(EVERY_STATE) if state != NEW}
    with open_ledger(place(), ACCOUNT) as ledger:
        changes = [Transition(ref, NEW, state) for ref, state in every.items()]
        ledger.apply(changes, [], run_id="r", now=1.0)
        assert ledger.states([*every, "unknown"]) == every
        assert dict(ledger.iter_states()) == every


def test_many_references_in_one_call(place: Place) -> None:
    """Chunks neither lose nor invent a reference, repeated ones included."""
    references = [f"CUST-{number:05}" for number in range(1300)]
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([sent(one) for one in references[::2]], [], run_id="r", now=1.0)
        for size in (0, 1, 2, 8, 9, 64, 65, 512, 513, 1300):
            asked = references[:size]
            assert set(ledger.states([*asked, *asked])) == set(references[:size:2])


def test_walks_are_in_binary_order_across_pages(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upper case comes before lower case, and pages join without a gap."""
    monkeypatch.setattr(module, "PAGE", 3)
    references = ["b", "B", "_", "-", "a1", "a", "A", "1", "10", "2", "Z", "z"]
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([sent(one) for one in references], [], run_id="r", now=1.0)
        ledger.apply([done(one, f"bcus_{one}") for one in references], [], run_id="r", now=2.0)
        assert [ref for ref, _ in ledger.iter_states()] == sorted(references)
        assert list(ledger.mapping()) == [
            Mapped(one, f"bcus_{one}", "created", 2.0) for one in sorted(references)
        ]


def test_references_are_read_many_as_one_text(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages join without a gap, a reference with a line break is one, other accounts none."""
    # A reference of which nothing came is among them.
    monkeypatch.setattr(module, "REFERENCES", 3)
    references = ["1", "A", "B", "C\nD", "F", "a"]
    with open_ledger(place(), ACCOUNT) as ledger:
        assert list(ledger.references()) == []
        changes = [sent(one) for one in references]
        ledger.apply(changes, [attempt("E")], run_id="r", now=1.0)
        assert ledger.states(["E"]) == {}
        assert [page.to_list() for page in ledger.references()] == [
            ["1", "A", "B"],
            ["C\nD", "E", "F"],
            ["a"],
        ]
    with open_ledger(place(), OTHERS[1]) as other:
        assert list(other.references()) == []


def test_the_mapping_holds_customers_only(place: Place) -> None:
    """A row that is only sent, or was refused, has no id to export."""
    with open_ledger(place(), ACCOUNT) as ledger:
        changes = [sent("A"), Transition("B", NEW, REJECTED), Transition("C", NEW, DONE)]
        ledger.apply(changes, [], run_id="r", now=4.0)
        assert [one.reference for one in ledger.mapping()] == ["C"]
        assert ledger.totals() == {"sent": 1, "rejected": 1, "done": 1}


@pytest.mark.parametrize("other", OTHERS, ids=lambda one: one.label)
def test_accounts_never_mix(place: Place, other: Account) -> None:
    """Test and live, two merchants or two APIs see nothing of one another."""
    path = place()
    with open_ledger(path, ACCOUNT) as mine, open_ledger(path, other) as theirs:
        mine.begin_run("r", started_at=1.0, command="run", version="1", key_digest="aa", sources=[])
        mine.apply([sent("A"), done("A")], [], run_id="r", now=1.0)
        assert theirs.states(["A"]) == {}
        assert list(theirs.iter_states()) == []
        assert list(theirs.mapping()) == []
        assert theirs.totals() == {}
        assert theirs.history("A") is None
        assert theirs.runs() == []
        assert theirs.last_key_digest() is None
        assert theirs.apply([sent("A")], [], run_id="r", now=2.0) == [None]
        assert mine.states(["A"]) == {"A": DONE}
        assert theirs.states(["A"]) == {"A": SENT}
    assert read_accounts(path) == [ACCOUNT, other]


def test_a_reader_sees_what_is_committed_while_a_writer_writes(place: Place) -> None:
    """``status`` may look while a run is in the middle of a batch."""
    path = place()
    with open_ledger(path, ACCOUNT) as writer:
        writer.apply([sent("A")], [], run_id="r", now=1.0)
        with (
            writer._db.transaction() as db,
            open_ledger(path, ACCOUNT, read_only=True) as reader,
        ):
            db.execute("UPDATE customer SET generation = 7")
            assert reader.states(["A"]) == {"A": SENT}
            assert reader.totals() == {"sent": 1}
        assert read_accounts(path) == [ACCOUNT]


def test_a_reader_that_was_there_first_sees_later_rows(place: Place) -> None:
    """A reader opened before the account's first row finds it afterwards."""
    path = place()
    with (
        open_ledger(path, ACCOUNT) as writer,
        open_ledger(path, ACCOUNT, read_only=True) as reader,
    ):
        assert reader.states(["A"]) == {}
        writer.apply([sent("A")], [], run_id="r", now=1.0)
        assert reader.states(["A"]) == {"A": SENT}


def test_versions_are_the_states_without_their_objects(place: Place) -> None:
    """Index, fingerprint and, where the customer is in Moment, its id; unknown ones are missing."""
    every = {f"R{n}": (SENT, DONE)[n % 2] for n in range(6000)}
    with open_ledger(place(), ACCOUNT) as ledger:
        assert list(ledger.versions(["R1"])) == []
        changes = [Transition(reference, NEW, state) for reference, state in every.items()]
        ledger.apply(changes, [], run_id="r", now=1.0)
        asked = ["unknown", *every, 'q"', "R1"]
        # By key as they come; ascending ones by their range: all of it, a third, too few of it.
        ascending = sorted(every)
        for some in (
            asked,
            ascending,
            sorted([*every, "0", "R1/", "R7x"]),
            ascending[::3],
            ascending[::100],
            # Dense, and then one far behind; few at first, and then a dense part by keys and range.
            [*ascending[:50], *ascending[-3:], "Z"],
            [*ascending[:2000:20], *ascending[2000:]],
            ["0", "1"],
            ["R0"],
            [],
        ):
            rows = [row for frame in ledger.versions(some) for row in frame.rows()]
            assert rows == [
                (at, every[one].fingerprint, DONE.customer_id, 1)
                if every[one] is DONE
                else (at, every[one].fingerprint, "", 0)
                for at, one in enumerate(some)
                if one in every
            ], some


def test_a_range_that_cannot_be_told_apart_is_read_by_key() -> None:
    """A text with a line break in it would shift all that follow: such a range is no answer."""
    prints, asked = bytes(2 * FINGERPRINT), pl.Series(["A", "C"])
    assert of_range(Range(2, "A\nB", prints[1:], "x\ny", "1\n2"), asked, 0) is None
    for references, ids, runs in (
        ("A\nB\nC", "x\ny", "1\n2"),
        ("A\nB", "x\ny\nz", "1\n2"),
        ("A\nB", "x\ny", "1\n2\n2"),
    ):
        assert of_range(Range(2, references, prints, ids, runs), asked, 0) is None
    frame = of_range(Range(2, "A\nB", prints, "x\ny", "1\n2"), asked, 7)
    assert frame is not None
    assert frame.rows() == [(7, b"", "x", 1)]
