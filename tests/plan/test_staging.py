"""Staging keeps every row on disk, in input order, privately."""

from __future__ import annotations

import stat
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl
import pytest

from importer.errors import BugFound, UsageError
from importer.outcomes import OnDuplicate, Outcome
from importer.plan.frames import position, source_and_line
from importer.plan.staging import Staging
from importer.rows.header_fields import map_columns
from importer.rows.judged import judge_batch
from importer.rows.payload import fingerprint
from importer.rows.row import Problem, Row
from importer.shard import Shard
from importer.source.records import Layout, RecordBatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

from importer.plan.make import settle_duplicates


def valid(line: int, reference: str, payload: str = "{}", source: int = 0) -> Row:
    """A row that passed validation."""
    return Row(source, line, reference, payload, fingerprint(payload), (), (reference, "x"))


def invalid(line: int, reference: str = "") -> Row:
    """A row with two problems."""
    problems = (Problem("name", "name_too_long", "too long"), Problem("phone", "phone", "bad"))
    return Row(0, line, reference, None, None, problems, ("a", "b"), ("c",))


@pytest.fixture
def staging() -> Iterator[Staging]:
    """Staging in memory."""
    made = Staging()
    yield made
    made.close()


def test_positions_sort_by_source_then_line() -> None:
    """A position orders records by source and line, and gives both back."""
    assert position(0, 10**9) < position(1, 1) < position(1, 2)
    assert source_and_line(position(7, 123)) == (7, 123)


def test_the_digest_of_an_input_is_that_of_its_valid_rows(staging: Staging) -> None:
    """Whatever their order, and what is invalid beside them; the sum wraps round at 64 bits."""
    other = Staging()
    assert staging.digest == ""
    payloads = [f'{{"n":{number}}}' for number in range(9)]
    staging.add([valid(line, f"R{line}", text) for line, text in enumerate(payloads)])
    other.add([invalid(0), *(valid(9 - line, "R", text) for line, text in enumerate(payloads[3:]))])
    assert other.digest != staging.digest
    other.add([valid(line + 20, "R", text) for line, text in enumerate(payloads[:3])])
    prints = [fingerprint(one) for one in payloads]
    sums = [sum(int.from_bytes(one[at : at + 8], "little") for one in prints) for at in (0, 8)]
    assert staging.digest == other.digest == "".join(f"{one % 2**64:016x}" for one in sums)
    assert max(sums) >= 2**64
    other.close()


def test_rows_come_back_in_input_order_with_their_cells(staging: Staging) -> None:
    """Rows staged out of order are read back in input order, cells and extra cells unchanged."""
    staging.add([valid(5, "B"), invalid(3)])
    staging.add([valid(1, "C", source=1)])
    rows = list(staging.rows())
    assert [(row.source, row.line) for row in rows] == [(0, 3), (0, 5), (1, 1)]
    assert rows[0].outcome == Outcome.INVALID
    assert rows[0].error_code == "name_too_long; phone"
    assert rows[0].extra == ("c",)
    assert rows[1].outcome is None
    assert rows[1].cells == ("B", "x")
    assert staging.figures.has_extra(0)
    assert not staging.figures.has_extra(1)


def test_bytes_that_are_no_utf8_survive_in_cells(staging: Staging) -> None:
    """A lone surrogate (a byte that was no UTF-8) comes back as it went in."""
    row = Row(0, 2, "Zo\udceb", None, None, (Problem("", "not_utf8", "bad"),), ("Zo\udceb",))
    staging.add([row])
    [read] = staging.rows()
    assert read.cells == ("Zo\udceb",)


@pytest.mark.parametrize("odd", ["", '{"tier": "gold"}', '{"tier": '], ids=["plain", "json", "bad"])
def test_a_payload_is_made_again_of_its_cells_as_it_was_judged(staging: Staging, odd: str) -> None:
    """Of any row alone or among others: its fingerprint is that of what will be sent."""
    names = ("external_reference", "name", "balance", "currency", "metadata.a", "metadata")
    cells = [
        ("A-1", " Zo\u00eb\u3000", "+007", "ZAR", "x", ""),
        ("A-2", "", "", "", "", odd),
        ("A-3", "Q", "-0", "KWD", "", ""),
        ("\tA-4 ", "", "", "", "y", ""),
    ]
    schema = dict.fromkeys(names, pl.String)
    batch = RecordBatch(0, pl.DataFrame(cells, schema=schema, orient="row"), range(2, 6))
    judged = judge_batch(batch, map_columns(Layout("f", names), strict=False))
    assert (judged.columns is None) == odd.endswith("}"), (
        "a row that needed the model keeps its own"
    )
    staging.add_batch(judged)
    wanted = dict(judged.valid.select("reference", "payload").iter_rows())
    assert {row.reference: row.payload for [*rows] in staging.pending() for row in rows} == wanted
    staging.settle([(position(0, 4), Outcome.CHANGED, "bcus_3", "", "")])
    for rows in staging.pending():
        assert [row.reference for row in rows] == [one for one in wanted if one != "A-3"]
        for row in rows:
            assert row.payload == wanted[row.reference]
            assert row.fingerprint == fingerprint(row.payload)


def test_a_payload_that_comes_out_otherwise_is_never_handed_out(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made again must have the fingerprint that was judged, which its key stands for."""
    names = ("external_reference", "name")
    batch = RecordBatch(0, pl.DataFrame([("A-1", "Ada")], schema=names, orient="row"), range(2, 3))
    staging.add_batch(judge_batch(batch, map_columns(Layout("f", names), strict=False)))
    other = pl.Series("payload", ['{"external_reference":"A-1","name":"Eve"}'])
    monkeypatch.setattr("importer.plan.staging.payloads_again", lambda *_: other)
    with pytest.raises(BugFound, match="not the one that was judged"):
        list(staging.pending())


def test_pending_rows_may_be_settled_while_they_are_read(staging: Staging) -> None:
    """Every row without an outcome is handed out exactly once, although outcomes are written."""
    staging.add(valid(line, f"R{line}") for line in range(1, 5001))
    seen = []
    for chunk in staging.pending():
        seen += [row.reference for row in chunk]
        staging.settle((row.position, Outcome.UNCHANGED, "", "", "") for row in chunk)
    assert seen == [f"R{line}" for line in range(1, 5001)]
    assert staging.counts() == {"unchanged": 5000}


def test_equal_rows_collapse_and_name_the_first_line(staging: Staging) -> None:
    """Identical payloads with one reference: the first is kept, the others are duplicates."""
    staging.add([valid(2, "A"), valid(3, "B"), valid(9, "A")])
    settle_duplicates(staging, ["in.csv"], OnDuplicate.ERROR)
    rows = {row.line: row for row in staging.rows()}
    assert rows[2].outcome is None
    assert rows[9].outcome == Outcome.DUPLICATE
    assert "line 2" in (rows[9].error or "")


def test_different_rows_with_one_reference_are_all_invalid(staging: Staging) -> None:
    """Different payloads with one reference are all invalid, each naming every line."""
    staging.add([valid(2, "A", '{"a":1}'), valid(3, "A", '{"a":2}'), valid(4, "B")])
    settle_duplicates(staging, ["in.csv"], OnDuplicate.ERROR)
    rows = {row.line: row for row in staging.rows()}
    assert [rows[line].outcome for line in (2, 3, 4)] == [Outcome.INVALID, Outcome.INVALID, None]
    assert "2 and 3" in (rows[2].error or "")


@pytest.mark.parametrize(("policy", "winner"), [(OnDuplicate.FIRST, 2), (OnDuplicate.LAST, 3)])
def test_a_policy_says_which_row_wins(staging: Staging, policy: OnDuplicate, winner: int) -> None:
    """With --on-duplicate first or last, that row is delivered and the other is a duplicate."""
    staging.add([valid(2, "A", '{"a":1}'), valid(3, "A", '{"a":2}')])
    settle_duplicates(staging, ["in.csv"], policy)
    [left] = [row.line for row in staging.rows() if row.outcome is None]
    assert left == winner


def test_invalid_rows_take_no_part_in_duplicates(staging: Staging) -> None:
    """A row that is invalid by itself does not make its valid namesake a conflict."""
    staging.add([valid(2, "A"), invalid(3, "A")])
    settle_duplicates(staging, ["in.csv"], OnDuplicate.ERROR)
    assert [row.outcome for row in staging.rows()] == [None, Outcome.INVALID]


def test_more_groups_than_one_read_are_all_found(staging: Staging) -> None:
    """Thousands of repeated references are found, chunk by chunk."""
    staging.add(valid(line, f"R{line // 2}") for line in range(2, 9002))
    settle_duplicates(staging, ["in.csv"], OnDuplicate.ERROR)
    assert staging.counts() == {"": 4500, "duplicate": 4500}


def test_the_file_is_private_and_gone_when_closed(tmp_path: Path) -> None:
    """Staging holds personal data: mode 0600, and deleted at the end."""
    path = tmp_path / "staging.db"
    staging = Staging(path)
    staging.add([valid(1, "A")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    staging.close()
    assert not path.exists()


def test_a_full_disk_is_a_clear_error(staging: Staging) -> None:
    """Staging that cannot grow is a usage error that names the way out."""
    staging._file.db.execute("PRAGMA max_page_count = 10")
    with pytest.raises(UsageError) as caught:
        staging.add(valid(line, f"R{line}", '{"a":"' + "x" * 400 + '"}') for line in range(1, 5000))
    assert "could not be staged" in caught.value.message
    assert "--out" in caught.value.hint


def test_no_row_has_two_outcomes() -> None:
    """A second outcome would hide the first: that is a bug, and is told as one."""
    staging = Staging()
    staging.add([valid(2, "A")])
    staging.settle([(2, Outcome.CREATED, "bcus_1", "", "")])
    with pytest.raises(BugFound, match="outcome, twice"):
        staging.settle([(2, Outcome.REJECTED, "", "", "")])
    staging.close()


def mixed() -> Staging:
    """Three batches of records, some settled in each of the ways that there are."""
    made = Staging()
    for first in (1, 100, 200):
        rows = [valid(first + n, f"R{first + n}", source=0) for n in range(0, 40, 2)]
        rows += [invalid(first + n, f"I{n}" if n % 4 else "") for n in range(1, 40, 2)]
        made.add(rows)
    [one, two, _] = list(made.waiting())
    ids = pl.Series([f"bcus_{n}" for n in range(10)])
    made.settle_unchanged(one.segment, one.frame["at"].head(10), ids)
    for position_, reference in two.frame.select("position", "reference").head(7).iter_rows():
        made.settle([(position_, Outcome.CHANGED, f"id of {reference}", "changed_since", "x")])
    return made


@pytest.mark.parametrize("of", [1, 2, 5, 200])
def test_shards_keep_every_record_once(of: int) -> None:
    """Records, outcomes, counts and what is pending: over all shards each once, as it was."""
    whole = mixed()
    rows, counts, pending = [], Counter[str](), []
    for index in range(1, of + 1):
        part = mixed()
        left = part.keep(Shard(index, of))
        mine = list(part.rows())
        assert left == len(mine) == sum(part.counts().values())
        assert [row.position for row in mine] == sorted(row.position for row in mine)
        rows += mine
        counts.update(part.counts())
        pending += [row for chunk in part.pending() for row in chunk]
        part.settle_rest(Outcome.WOULD_CREATE)
        assert "" not in part.counts()
        part.close()
    assert sorted(rows) == list(whole.rows())
    assert counts == whole.counts()
    expected = [row for chunk in whole.pending() for row in chunk]
    assert sorted(pending, key=lambda row: row.position) == expected
    whole.close()
