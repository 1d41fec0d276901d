"""Runs and the digest of the API key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from importer.delivery.protocol.states import Attempt
from importer.ledger import ledger as ledger_module
from importer.ledger import run_table
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.ledger.run_table import Run, tries_of
from tests.ledger.samples import ACCOUNT, Place, done, sent

if TYPE_CHECKING:
    from importer.ledger.ledger import Ledger

KEY = "sk_test_obviously_fictional"


def begin(ledger: Ledger, run_id: str, at: float, digest: str, command: str = "run") -> None:
    """Begin a run of two sources."""
    ledger.begin_run(
        run_id,
        started_at=at,
        command=command,
        version="0.1.0",
        key_digest=digest,
        sources=["a.csv", "b.csv"],
    )


def test_a_run_is_kept_from_beginning_to_end(place: Place) -> None:
    """The newest run comes first; one without an end was killed or still runs."""
    with open_ledger(place(), ACCOUNT) as ledger:
        begin(ledger, "r1", 10.0, "aa")
        counts = {"created": 3, "invalid": 1}
        ledger.end_run("r1", ended_at=20.0, exit_code=3, counts=counts, stopped_by="unreachable")
        begin(ledger, "r2", 30.0, "bb")
        files = ("a.csv", "b.csv")
        killed = Run("r2", 30.0, None, "run", "0.1.0", "bb", files, None, {}, "", "")
        told = (files, 3, counts, "", "unreachable")
        ended = Run("r1", 10.0, 20.0, "run", "0.1.0", "aa", *told)
        assert ledger.runs() == [killed, ended]
        assert ledger.runs(limit=1) == [killed]
        assert list(ledger.every_run(since=30.0)) == [killed]
        assert [ledger.find_run(one) for one in ("r1", "r3")] == [ended, None]
        assert ledger.last_key_digest() == "bb"


def test_an_input_is_older_where_another_one_of_its_file_came_since(place: Place) -> None:
    """By what is in it, not by its name; runs that noted no input are no other input."""
    with open_ledger(place(), ACCOUNT) as ledger:
        noted = (
            *(("r1", "crm.csv", "A"), ("r2", "other.csv", "B"), ("r3", "crm.csv", "")),
            *(("r4", "crm.csv", "A"), ("r5", "crm.csv", "C"), ("r6", "crm.csv", "D")),
        )
        found = []
        for run_id, series, content in noted:
            ledger.begin_run(
                run_id,
                started_at=1.0,
                command="run",
                version="1",
                key_digest="aa",
                sources=[],
                series=series,
                content=content,
            )
            older = ledger.superseded("crm.csv", content="A")
            found.append(older and (older.run.run_id, older.since.run_id))
        assert found == [None, None, None, None, ("r4", "r5"), ("r4", "r6")]
        copied, part = (
            ledger.superseded("copy.csv", content="C"),
            ledger.superseded("crm.csv", run_id="r1"),
        )
        assert copied is not None
        assert (copied.run.run_id, copied.since.run_id) == ("r5", "r6")
        assert part is not None
        assert (part.run.run_id, part.since.run_id) == ("r1", "r6")
        nothing = [ledger.superseded("crm.csv", content=one) for one in ("D", "E", "")]
        assert [*nothing, ledger.superseded("other.csv", content="B")] == [None] * 4


def test_many_runs_are_read_some_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is left out, and none comes twice."""
    monkeypatch.setattr(run_table, "_RUNS", 2)
    with open_ledger(place(), ACCOUNT) as ledger:
        for number in range(5):
            begin(ledger, f"r{number}", float(number), "aa")
        assert [run.run_id for run in ledger.every_run()] == ["r4", "r3", "r2", "r1", "r0"]


def test_ids_that_several_references_have_are_found_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the run that settled one of them, or the next after it was killed; a dry run is none."""
    # Also where ids are more than are read at once, and for a run that names its own.
    monkeypatch.setattr(ledger_module, "PAGE", 2)
    with open_ledger(place(), ACCOUNT) as ledger:

        def settle(run_id: str, *rows: tuple[str, str], command: str = "run") -> None:
            begin(ledger, run_id, 1.0, "aa", command)
            changes = [change for ref, one in rows for change in (sent(ref), done(ref, one))]
            ledger.apply(changes, [], run_id=run_id, now=1.0)

        def found(run_id: str, ids: list[str] | None = None) -> list[tuple[str, int, str, str]]:
            return [one[:] for one in ledger.shared_ids(run_id, ids)]

        assert found("r0") == []
        settle("r1", ("A", "bcus_1"), ("B", "bcus_1"), ("C", "bcus_3"), ("F", "bcus_6"))
        assert found("r1") == found("r1", ["bcus_1", "bcus_3"]) == [("bcus_1", 2, "A", "B")]
        ledger.end_run("r1", ended_at=2.0, exit_code=1)
        settle("r2", ("D", "bcus_4"))
        assert found("r2") == found("r2", ["bcus_4"]) == []
        ledger.end_run("r2", ended_at=2.0, exit_code=0)
        settle("killed", ("E", "bcus_1"), ("G", "bcus_4"))
        settle("dry", command="dry run")
        ledger.end_run("dry", ended_at=2.0, exit_code=0)
        settle("r3", ("H", "bcus_6"))
        three = [("bcus_1", 3, "A", "E"), ("bcus_4", 2, "D", "G"), ("bcus_6", 2, "F", "H")]
        assert found("r3") == found("r3", ["bcus_6"]) == three
        with open_ledger(place(), Account("https://api.example.com", "live")) as other:
            begin(other, "r4", 1.0, "aa")
            assert list(other.shared_ids("r4")) == []


def vain_run(ledger: Ledger, number: int, at: float, *events: str) -> None:
    """A run that tried one row and ended with 75."""
    begin(ledger, f"r{number}", at, "aa")
    noted = [Attempt("A", at, event, 0, 503, "http_503") for event in events]
    ledger.apply([sent("A")], noted, run_id=f"r{number}", now=at)
    ledger.end_run(f"r{number}", ended_at=at + 1, exit_code=75, counts={"unsettled": 1})


@pytest.mark.parametrize(
    ("times", "in_vain"),
    [
        ([0, 3, 6, 9, 12], True),
        ([0, 1, 2, 3, 11.9], False),
        ([0, 6, 12, 18], False),
        ([0, 1, 2, 3, 4, 5, 6, 24], True),
    ],
    ids=["often and long", "not long", "not often", "restarts, then the next night"],
)
def test_what_was_tried_often_and_long_is_tried_in_vain(
    place: Place, times: list[float], *, in_vain: bool
) -> None:
    """Five runs and twelve hours, of a row as of a whole run; either alone is not enough."""
    with open_ledger(place(), ACCOUNT) as ledger:
        for number, hours in enumerate(times):
            vain_run(ledger, number, 1e6 + hours * 3600, "server_fault", "look_up_absent")
        now = 1e6 + times[-1] * 3600 + 1
        assert ledger.is_tried_in_vain(["A"], now) is in_vain
        assert ledger.stops_in_vain(now) is in_vain
        # A row that is new to trouble, and a run that settled something: both may get on.
        assert not ledger.is_tried_in_vain(["A", "B"], now)
        begin(ledger, "good", now, "aa")
        ledger.end_run("good", ended_at=now, exit_code=75, counts={"created": 1, "unsettled": 1})
        assert not ledger.stops_in_vain(now)


def test_what_is_noted_of_sending_is_no_try(place: Place) -> None:
    """An update that was settled ends what was before it, and an old try says nothing of today."""
    month = 30 * 86_400.0
    tries = [(hour * 3600.0, "patch_unknown", hour) for hour in range(0, 60, 12)]
    assert tries_of(tries, 49 * 3600.0).in_vain(49 * 3600.0)
    assert not tries_of([*tries, (48.5 * 3600, "updated", 9)], 49 * 3600.0).runs
    assert not tries_of([(at, "updating", run) for at, _, run in tries], 49 * 3600.0).runs
    assert not tries_of(tries, 3 * month).runs
    with open_ledger(place(), ACCOUNT) as ledger:
        assert not ledger.is_tried_in_vain(["A"], 1e6)
        assert not ledger.stops_in_vain(1e6)


def test_a_write_of_a_run_that_has_not_begun_enters_it(place: Place) -> None:
    """No change is without its run, and such a run says nothing of the key."""
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r1", now=10.0)
        assert [(one.run_id, one.started_at) for one in ledger.runs()] == [("r1", 10.0)]
        assert ledger.last_key_digest() is None


def test_the_digest_tells_keys_apart_and_nothing_else(place: Place) -> None:
    """It is short, stable on one ledger, other on another ledger, and never the key."""
    digests = set()
    for name in ("one.db", "two.db"):
        with open_ledger(place(name), ACCOUNT) as ledger:
            digest = ledger.key_digest(KEY)
            assert re.fullmatch(r"[0-9a-f]{16}", digest)
            assert digest != ledger.key_digest(KEY + "x")
            assert ledger.same_key(KEY)
            begin(ledger, "r1", 1.0, digest)
            assert ledger.same_key(KEY)
            assert not ledger.same_key(KEY + "x")
        with open_ledger(place(name), ACCOUNT, read_only=True) as ledger:
            assert ledger.key_digest(KEY) == digest
        if (path := place(name).path) is not None:
            assert KEY.encode() not in path.read_bytes()
        digests.add(digest)
    assert len(digests) == 2
