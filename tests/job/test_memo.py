"""What a run remembers of the rows that it judged, and that it never says anything else."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from importer.errors import BugFound, ExitCode
from importer.job import source_reading
from importer.job.memo_file import MemoFile
from importer.job.source_reading import Judge
from importer.rows import judged as judging
from importer.rows import memo as remembering
from importer.rows.certain import certain_payloads
from importer.rows.memo import Memo
from importer.source.records import Kind, Layout, RecordBatch
from tests.fuzz.bulk import COLUMNS, _record
from tests.job.conftest import Job, customers, outcomes, results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from importer.rows.judged import Judged
    from tests.job.planning import Planner

PART = 100
"""Rows of a part here."""
LAYOUT = Layout("nightly.csv", COLUMNS)
Rows = list[tuple[str, ...]]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts, and the reach of the memo, as small as these files."""
    monkeypatch.setattr(judging, "PART", PART)
    monkeypatch.setattr(source_reading, "_LEAST_REMEMBERED", 1)
    monkeypatch.setattr(remembering, "REACH", PART)


def never() -> float:
    """Chance says that nothing is judged again."""
    return 1.0


def always() -> float:
    """Chance says that everything is."""
    return 0.0


def rows_of(chance: Random, number: int) -> Rows:
    """Nearly right records, most of them right."""
    right = ("ZAR", "100", "premium", "")
    return [
        _record(chance, n)
        if n % 5 == 0
        else (f"R-{n}", f"Ada {n}", f"ada.{n}@example.com", f"+2782{n:07d}", *right)
        for n in range(number)
    ]


def night(
    path: Path,
    rows: Rows,
    *,
    layout: Layout = LAYOUT,
    draw: Callable[[], float] = never,
    kinds: dict[int, Any] | None = None,
    series: str = "",
) -> tuple[list[Judged], Judge]:
    """Judge a file as a run does, beside the ledger at ``path``; and who judged it."""
    with MemoFile(path, series, writes=True) as file:
        memo = Memo(file, draw)
        judge = Judge(layout, None, strict=False, memo=lambda: memo)
        found = [judge(part) for part in parts(rows, layout, kinds)]
        memo.end()
    return found, judge


def parts(
    rows: Rows, layout: Layout = LAYOUT, kinds: dict[int, Any] | None = None
) -> Iterator[RecordBatch]:
    """The rows in batches of ``PART``."""
    for start in range(0, len(rows), PART):
        some = rows[start : start + PART]
        frame = pl.DataFrame(some, schema=dict.fromkeys(layout.columns, pl.String), orient="row")
        lines = list(range(start + 2, start + 2 + len(some)))
        yield RecordBatch(0, frame, lines, kinds=kinds or {})


def plainly(rows: Rows, layout: Layout = LAYOUT) -> tuple[list[Judged], Judge]:
    """Judge a file without any memo."""
    judge = Judge(layout, None, strict=False)
    return [judge(part) for part in parts(rows, layout)], judge


def same(found: tuple[list[Judged], Judge], wanted: tuple[list[Judged], Judge]) -> None:
    """Everything that a run makes of its batches, and all that it says of them, is the same."""
    for one, other in zip(found[0], wanted[0], strict=True):
        keys = ["line", "reference", "fingerprint"]
        assert one.valid.select(keys).equals(other.valid.select(keys))
        if one.columns is None:
            assert one.valid["payload"].equals(other.valid["payload"])
        assert one.cells.equals(other.cells)
        assert (one.invalid, one.skipped, one.columns) == (
            other.invalid,
            other.skipped,
            other.columns,
        )
        assert one.carried_fields() == other.carried_fields()
    assert found[1].doubts() == wanted[1].doubts()


@pytest.fixture
def judged_again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were judged on whole columns, a number for each call."""
    heights: list[int] = []
    judge = certain_payloads

    def counted(cells: pl.DataFrame, columns: Any) -> Any:
        heights.append(cells.height)
        return judge(cells, columns)

    monkeypatch.setattr(judging, "certain_payloads", counted)
    return heights


def moved(chance: Random, rows: Rows, night_number: int) -> Rows:
    """The file of another night: rows changed, gone, new, in another order."""
    changed = list(rows)
    for _ in range(len(rows) // 50):
        at = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[at] = (*changed[at][:5], str(chance.randrange(9999)), *changed[at][6:])
            case 1:
                del changed[at]
            case 2:
                changed.insert(at, _record(chance, 10_000 * night_number + at))
            case 3:
                other = chance.randrange(len(changed))
                changed[at], changed[other] = changed[other], changed[at]
            case _:
                # The cells of one row, each in the place of another field.
                changed[at] = (changed[at][0], *reversed(changed[at][1:]))
    return chance.choice((changed, changed, changed, changed[::-1], changed[: PART + 7]))


@pytest.mark.parametrize("seed", range(4))
def test_nights_are_judged_as_without_a_memo(tmp_path: Path, seed: int) -> None:
    """Whatever changed since the last night, each record is judged as if nothing was remembered."""
    chance = Random(seed)
    rows = rows_of(chance, 650)
    draw = (never, chance.random)[seed % 2]
    for number in range(5):
        same(night(tmp_path / "l.db", rows, draw=draw), plainly(rows))
        rows = moved(chance, rows, number) or rows


def test_what_is_as_it_was_is_not_judged_again(tmp_path: Path, judged_again: list[int]) -> None:
    """Of a file with a changed, a new and a missing row only the first two are judged."""
    rows = [row for row in rows_of(Random(1), 1000) if int(row[5] == "100")]
    night(tmp_path / "l.db", rows)
    judged_again.clear()
    night(tmp_path / "l.db", rows)
    assert judged_again == []
    changed = [*rows[:300], *rows[301:500], ("R-NEW", *rows[0][1:]), *rows[500:]]
    changed[700] = (*changed[700][:5], "99", *changed[700][6:])
    night(tmp_path / "l.db", changed)
    assert judged_again == [1, 1]
    judged_again.clear()
    night(tmp_path / "l.db", changed)
    assert judged_again == []


def test_a_quiet_night_writes_nothing(tmp_path: Path) -> None:
    """The memo of an unchanged file is the file that is there; a changed one is made anew."""
    rows = rows_of(Random(2), 450)
    night(tmp_path / "l.db", rows)
    memo = tmp_path / "l.db.memo"
    made = memo.stat()
    assert made.st_mode & 0o777 == 0o600
    night(tmp_path / "l.db", rows)
    assert os.path.samestat(memo.stat(), made)
    night(tmp_path / "l.db", [*rows[:-1], ("R-NEW", *rows[0][1:])])
    assert not os.path.samestat(memo.stat(), made)
    assert [one.name for one in tmp_path.iterdir()] == ["l.db.memo"]


def test_of_a_small_file_nothing_is_kept(tmp_path: Path) -> None:
    """One part alone leaves no file beside the ledger."""
    night(tmp_path / "l.db", rows_of(Random(3), PART))
    assert list(tmp_path.iterdir()) == []


def test_columns_that_are_not_sent_do_not_count(tmp_path: Path, judged_again: list[int]) -> None:
    """A column that nobody sends may come, move and change; a field that goes is another row."""
    rows = [row for row in rows_of(Random(4), 300) if row[5] == "100"]
    night(tmp_path / "l.db", rows)
    judged_again.clear()
    wider = Layout("nightly-2.csv", ("_seen", *COLUMNS))
    told = [(f"at {number}", *row) for number, row in enumerate(rows)]
    same(night(tmp_path / "l.db", told, layout=wider), plainly(told, wider))
    assert sum(judged_again) == len(rows)  # by who has no memo
    narrower = Layout("nightly.csv", COLUMNS[:-1])
    without = [row[:-1] for row in rows]
    judged_again.clear()
    same(night(tmp_path / "l.db", without, layout=narrower), plainly(without, narrower))
    assert sum(judged_again) == 2 * len(rows)


def test_fields_that_change_places_are_other_rows(tmp_path: Path) -> None:
    """The same cells under other names lead to other fingerprints."""
    names = ("external_reference", "metadata.a", "metadata.b")
    rows: Rows = [(f"R-{n}", "x", "x") for n in range(2 * PART)]
    night(tmp_path / "l.db", rows, layout=Layout("f", names))
    other = Layout("f", ("external_reference", "metadata.a", "metadata.c"))
    same(night(tmp_path / "l.db", rows, layout=other), plainly(rows, other))


def test_other_rules_remember_nothing(
    tmp_path: Path, judged_again: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another version judged, or one with another polars, is judged again."""
    rows = rows_of(Random(5), 300)
    night(tmp_path / "l.db", rows)
    for text in ("def judge(): ...", "def judge(): pass"):
        (tmp_path / "rows").mkdir(exist_ok=True)
        (tmp_path / "rows" / "certain.py").write_text(text)
        monkeypatch.setattr(remembering, "__file__", str(tmp_path / "rows" / "memo.py"))
        judged_again.clear()
        night(tmp_path / "l.db", rows)
        assert sum(judged_again) == len(rows)
    (tmp_path / "rows" / "certain.py").unlink()
    judged_again.clear()
    night(tmp_path / "l.db", rows)
    night(tmp_path / "l.db", rows)
    assert sum(judged_again) == 2 * len(rows), "whose rules nobody can read remembers nothing"


@pytest.mark.parametrize("apart", [True, False])
def test_files_that_share_a_ledger_are_remembered_each(
    tmp_path: Path, judged_again: list[int], *, apart: bool
) -> None:
    """Night after night nothing is judged again; under one name they take it from each other."""
    files = [[(f"{n}-{row[0]}", *row[1:]) for row in rows_of(Random(n), 250)] for n in range(2)]
    for _ in range(2):
        judged_again.clear()
        for number, rows in enumerate(files):
            same(
                night(tmp_path / "l.db", rows, series=f"{number if apart else 0}.csv"),
                plainly(rows),
            )
    plain = sum(map(len, files))
    assert (sum(judged_again) < plain + 200) is apart, "plainly() judges each row once"


def test_a_file_under_a_new_name_is_remembered_and_few_are_kept(
    tmp_path: Path, judged_again: list[int]
) -> None:
    """A new series begins with what the newest remembers; the memo that is oldest makes room."""
    rows = rows_of(Random(3), 250)
    night(tmp_path / "l.db", rows, series="0")
    every = sum(judged_again)
    for number in range(1, 7):
        judged_again.clear()
        rows = [*rows[1:], (f"N-{number}", *rows[0][1:])]
        night(tmp_path / "l.db", rows, series=str(number))
        assert sum(judged_again) < every / 2
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == ["l.db.memo", "l.db.memo2", "l.db.memo3", "l.db.memo4"]


def test_damage_costs_time_only(tmp_path: Path) -> None:
    """A memo with any byte changed, cut anywhere, or of another kind is judged away."""
    rows = rows_of(Random(6), 150)
    wanted = plainly(rows)
    night(tmp_path / "l.db", rows)
    memo = tmp_path / "l.db.memo"
    whole = memo.read_bytes()
    chance = Random(6)
    for at in (*range(2, 90, 8), *(chance.randrange(len(whole)) for _ in range(12))):
        changed = bytearray(whole)
        changed[at] ^= 1 << chance.randrange(8)
        memo.write_bytes(chance.choice((bytes(changed), whole[:at])))
        same(night(tmp_path / "l.db", rows), wanted)


def test_without_its_checksum_a_damaged_memo_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fingerprint that a disk has changed is another one, unless the checksum is compared."""
    rows = [row for row in rows_of(Random(7), 300) if row[5] == "100"]
    wanted = plainly(rows)
    known = wanted[0][0].valid["fingerprint"][0]
    memo = tmp_path / "l.db.memo"
    for is_on in (True, False):
        if not is_on:
            monkeypatch.setattr("importer.job.memo_file._checksum", lambda *_: bytes(16))
        memo.unlink(missing_ok=True)
        night(tmp_path / "l.db", rows)
        memo.write_bytes(memo.read_bytes().replace(known, known[:4] + bytes(28)))
        found = night(tmp_path / "l.db", rows)
        assert (found[0][0].valid["fingerprint"][0] == known) is is_on


def test_what_was_remembered_wrongly_is_found_by_judging_again(tmp_path: Path) -> None:
    """A part that chance picks is judged again; where it leads elsewhere the memo is deleted."""
    rows = [row for row in rows_of(Random(8), 300) if row[5] == "100"]
    night(tmp_path / "l.db", rows)
    falsify(tmp_path / "l.db")
    with pytest.raises(AssertionError):
        same(night(tmp_path / "l.db", rows), plainly(rows))
    with pytest.raises(BugFound, match="nothing was sent") as raised:
        night(tmp_path / "l.db", rows, draw=always)
    assert "R-" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []
    same(night(tmp_path / "l.db", rows, draw=always), plainly(rows))
    same(night(tmp_path / "l.db", rows, draw=always), plainly(rows))


def falsify(ledger: Path, series: str = "") -> None:
    """Let the memo say that the first row of each part led to another fingerprint."""
    with MemoFile(ledger, series, writes=True) as file:
        found = [file.read(number) for number in range(len(file.segments))]
        file.begin(0)
        for segment, part in zip(file.segments, found, strict=True):
            assert part is not None
            wrong = part.with_columns(part["fingerprint"].scatter(0, bytes(32)))
            file.append(segment.tag, wrong)
        file.commit()


def test_a_cell_with_a_fault_is_not_taken_for_the_text_that_it_shows(tmp_path: Path) -> None:
    """A number of a spreadsheet that shows a remembered text is judged as a number."""
    rows: Rows = [(f"{n}", "x") for n in range(10, 2 * PART)]
    layout = Layout("f", ("external_reference", "name"))
    night(tmp_path / "l.db", rows, layout=layout)
    kinds = {0: Kind.FLOAT}
    found, _ = night(tmp_path / "l.db", rows, layout=layout, kinds=kinds)
    judge = Judge(layout, None, strict=False)
    wanted = [judge(part) for part in parts(rows, layout, kinds)]
    same((found, judge), (wanted, judge))
    assert sum(len(one.invalid) for one in wanted) == len(rows)


def test_a_doubt_is_told_every_night(tmp_path: Path) -> None:
    """A name that looks damaged is warned of again although nothing has changed."""
    rows = rows_of(Random(9), 300)
    rows[150] = ("R-150", "M?ller", *rows[1][2:])
    first, second = (night(tmp_path / "l.db", rows)[1].doubts() for _ in range(2))
    assert first == second
    assert "line 152" in "".join(first)


@pytest.mark.parametrize("kind", ["folder", "link", "no folder to write to"])
def test_a_memo_that_cannot_be_is_none(tmp_path: Path, kind: str) -> None:
    """Where no memo can be read or written everything is judged, and nothing else is touched."""
    rows = rows_of(Random(10), 250)
    ledger = tmp_path / "l.db"
    if kind == "folder":
        (tmp_path / "l.db.memo.new").mkdir()
        (tmp_path / "l.db.memo").mkdir()
    elif kind == "link":
        (tmp_path / "precious").write_text("precious")
        for name in ("l.db.memo", "l.db.memo.new"):
            (tmp_path / name).symlink_to("precious")
    else:
        ledger = tmp_path / "gone" / "l.db"
    for _ in range(2):
        same(night(ledger, rows), plainly(rows))
    if kind == "link":
        assert (tmp_path / "precious").read_text() == "precious"


def test_a_full_disk_leaves_the_memo_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new memo that cannot be written to its end is dropped; the old one still serves."""
    rows = rows_of(Random(11), 350)
    night(tmp_path / "l.db", rows)
    whole = (tmp_path / "l.db.memo").read_bytes()
    changed = [rows[1], *rows[1:]]
    packed = iter(range(2))

    def full(*_: object) -> bytes:
        if next(packed, None) is None:
            raise OSError(28, "No space left on device")
        return bytes(16)

    with monkeypatch.context() as patched:
        patched.setattr(MemoFile, "read", lambda *_: None)
        patched.setattr("importer.job.memo_file._checksum", full)
        same(night(tmp_path / "l.db", changed), plainly(changed))
    assert (tmp_path / "l.db.memo").read_bytes() == whole
    assert [one.name for one in tmp_path.iterdir()] == ["l.db.memo"]


def test_whole_runs_remember(
    job: Job, judged_again: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run after run over one file: created, unchanged, a changed row found."""
    monkeypatch.setattr(remembering, "RECHECKED", 0)
    rows = customers(range(3 * PART)).splitlines(keepends=True)
    assert outcomes(job.run("".join(rows))) == {"created": 3 * PART}
    judged_again.clear()
    second = job.run("".join(rows))
    assert outcomes(second) == {"unchanged": 3 * PART}
    assert {row["external_reference"]: row["bcus_id"] for row in results(second)} == job.held()
    assert sum(judged_again) == 0
    changed = [*rows[:50], rows[50].replace("Ada", "Eve"), *rows[51:]]
    assert outcomes(job.run("".join(changed))) == {"unchanged": 3 * PART - 1, "changed": 1}
    assert outcomes(job.run("".join(rows))) == {"unchanged": 3 * PART}


def test_a_plan_remembers_and_notes_nothing(
    planner: Planner, judged_again: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan judges what the last run did not, leaves the memo as it is, and can be followed."""
    monkeypatch.setattr(remembering, "RECHECKED", 0)
    rows = customers(range(3 * PART)).splitlines(keepends=True)
    planner.job.run("".join(rows))
    memo = planner.job.folder / "ledger.db.memo"
    before = memo.read_bytes()
    judged_again.clear()
    made = planner.plan("".join([*rows, rows[-1].replace("C-299", "C-300")]))
    assert (judged_again, made.forecast.outcomes["unchanged"]) == ([1], 3 * PART)
    assert memo.read_bytes() == before
    assert outcomes(planner.follow()) == {"unchanged": 3 * PART, "created": 1}


def test_a_wrong_memo_sends_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a memo that is believed sends no row: its payload is not what was judged."""
    monkeypatch.setattr(remembering, "RECHECKED", 0)
    text = customers(range(3 * PART))
    job.run(text, dry_run=True)
    falsify(job.folder / "ledger.db", "customers.csv")
    with pytest.raises(BugFound, match="none of these rows was sent"):
        job.run(text)
    assert job.held() == {}
    assert not (job.folder / "ledger.db.memo").exists(), "else it would be so for ever"
    assert job.run(text).exit_code is ExitCode.OK
