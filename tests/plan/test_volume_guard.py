"""What is unlike the last good run stops the next one; what is a usual night does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from importer.job.limit import (
    DEFAULT_CHANGED,
    DEFAULT_FEWER,
    DEFAULT_NEW,
    DEFAULT_OLDER,
    DEFAULT_VANISHED,
    parse_bound,
)
from importer.plan.volume_guard import (
    Bounds,
    Older,
    Twins,
    Volume,
    drifts,
    find_twins,
    missing_of,
    of_twins,
    twins_within,
)

BOUNDS = Bounds(DEFAULT_FEWER, DEFAULT_CHANGED, DEFAULT_NEW, DEFAULT_VANISHED, DEFAULT_OLDER)
BEFORE = Volume(records=1000, known=990, new=10, carried={"balance": 1000, "email": 3})
USUAL = Volume(records=1000, known=995, new=5, changed=100, carried={"balance": 990, "email": 2})


def codes(now: Volume, before: Volume | None = BEFORE, **more: Any) -> list[str]:
    """The codes of what is unlike."""
    bounds = more.pop("bounds", BOUNDS)
    return [one.code for one in drifts(now, before, bounds, **more)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"records": 801}, []),
        ({"records": 799}, ["far_fewer_records"]),
        ({"records": 0, "known": 0, "new": 0, "carried": {}}, ["no_records"]),
        ({"carried": {"email": 2}}, ["field_lost"]),
        ({"carried": {}}, ["field_lost", "field_lost"]),
        ({"new": 249, "known": 751}, []),
        ({"new": 251, "known": 749}, ["many_new_references"]),
        ({"changed": 299}, ["many_changed"]),
        ({"changed": 298}, []),
    ],
)
def test_only_an_unusual_night_is_stopped(change: dict[str, Any], expected: list[str]) -> None:
    """Each figure has its bound, and says so by its code."""
    assert codes(replace(USUAL, **change)) == expected


def test_a_first_run_has_nothing_to_be_compared_with_but_must_have_records() -> None:
    """An empty input is never silent, also on the first run."""
    assert codes(replace(USUAL, carried={}), None) == []
    assert codes(Volume(), None) == ["no_records"]


@pytest.mark.parametrize(
    ("records", "before", "stopped"),
    [(2, 3, False), (1, 3, False), (2, 10, True), (6, 10, False), (4, 10, True), (0, 1, True)],
)
def test_small_files_may_move_a_little(records: int, before: int, *, stopped: bool) -> None:
    """One customer of three may leave; most of ten may not."""
    was = Volume(records=before, known=before)
    assert bool(codes(Volume(records=records, known=records), was)) is stopped


def test_an_incremental_file_has_no_usual_volume() -> None:
    """Only a changed spelling still stops it."""
    bounds = replace(BOUNDS, incremental=True)
    assert codes(Volume(records=3, new=3), bounds=bounds) == []
    assert codes(Volume(), bounds=bounds) == []
    assert codes(Volume(records=3, new=3), bounds=bounds, twins=Twins(1, (("7", "007"),))) == [
        "spelling_changed"
    ]


def test_vanished_customers_stop_a_run_only_where_they_would_be_marked() -> None:
    """To list them is harmless."""
    assert codes(USUAL, vanished=500, delivered=1000) == []
    assert codes(USUAL, vanished=500, delivered=1000, marks=True) == ["many_vanished"]
    assert codes(USUAL, vanished=50, delivered=1000, marks=True) == []


def test_a_bound_that_was_given_is_exact() -> None:
    """It has no tolerance for small files."""
    bounds = replace(BOUNDS, fewer=parse_bound("0"), new=parse_bound("1%"))
    assert codes(replace(USUAL, records=999), bounds=bounds) == ["far_fewer_records"]
    assert codes(replace(USUAL, new=11, known=989), bounds=bounds) == ["many_new_references"]


@pytest.mark.parametrize(
    ("new", "known"),
    [
        ("42", "00042"),
        ("00042", "42"),
        ("c-7", "C-7"),
        ("A-007", "A-7"),
        ("_27_1234", "1234"),
        ("12_20_34", "1234"),
        ("1001_2e_0", "1001"),
        ("1001", "1001_2e_0"),
        ("0", "000"),
    ],
)
def test_another_spelling_is_a_twin(new: str, known: str) -> None:
    """Zeros in front, case, blanks, apostrophes and an .0 make no other customer."""
    found = find_twins(lambda: [pl.Series([new, "other"])], lambda: [pl.Series([known, "x"])])
    assert found == Twins(1, ((new, known),))


@pytest.mark.parametrize(
    ("new", "known"),
    [("10", "1"), ("100", "10"), ("A1", "A-1"), ("1-0", "10"), ("C-7", "C-7"), ("20", "2_2e_0_")],
)
def test_another_reference_is_no_twin(new: str, known: str) -> None:
    """Digits, letters and signs that differ make another customer; the same text is no new one."""
    assert find_twins(lambda: [pl.Series([new])], lambda: [pl.Series([known])]) == Twins()


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({"007", "7"}, 0),
        ({"007"}, 1),
        ({"7"}, 0),
        (set(), 0),
    ],
)
def test_a_twin_is_one_that_the_ledger_still_knows(there: set[str], found: int) -> None:
    """A reference of which nothing came is nobody's twin, and makes no row a known one."""
    known = pl.Series(["007", "7", "8"])
    twins = find_twins(lambda: [pl.Series(["7"])], lambda: [known], there.intersection)
    assert twins == Twins(found, (("7", "007"),) * found)


def test_forty_of_forty_lost_zeros_are_counted_with_three_examples() -> None:
    """The message stays short, however many there are."""
    known = [f"{n:05d}" for n in range(1, 41)]
    new = [str(n) for n in range(1, 41)]
    found = find_twins(lambda: [pl.Series(new[:7]), pl.Series(new[7:])], lambda: [pl.Series(known)])
    assert found.number == 40
    assert found.examples == (("1", "00001"), ("2", "00002"), ("3", "00003"))
    [drift] = drifts(USUAL, BEFORE, BOUNDS, twins=found)
    assert "40 new references" in drift.text
    assert "1 (known as 00001)" in drift.text


def test_who_is_gone_is_found_across_pages() -> None:
    """Whatever the pages are, and whichever rows the input could not be read in."""
    pages = [
        pl.DataFrame({"reference": ["A", "B"], "customer_id": ["1", "2"]}),
        pl.DataFrame({"reference": ["C"], "customer_id": ["3"]}),
    ]
    found = missing_of(lambda: pages, lambda: [pl.Series(["A", "new", None], dtype=pl.String)])
    assert [row for page in found for row in page.iter_rows()] == [("B", "2"), ("C", "3")]
    assert not list(missing_of(lambda: pages, lambda: [pl.Series(["A", "B", "C"])]))


def test_figures_survive_the_ledger() -> None:
    """What one run noted the next one reads, also with figures of another version."""
    assert Volume.of_json(USUAL.as_json()) == USUAL
    assert Volume.of_json({"records": 3, "unknown": 1}) == Volume(records=3)


@pytest.mark.parametrize(
    ("references", "pairs"),
    [
        (["007", "7", "8"], [("7", "007")]),
        (["7", "0007", "007"], [("0007", "7"), ("007", "7")]),
        (["abc", "ABC"], [("ABC", "abc")]),
        (["A07", "a7"], [("a7", "A07")]),
        (["1001", "1001_2e_0"], [("1001_2e_0", "1001")]),
        (["A_20_1", "A1"], [("A1", "A_20_1")]),
        (["A07", "A07"], []),
        (["10", "100", "1"], []),
        (["A01", "A10", "A00"], []),
        (["abc", "ABD"], []),
        ([], []),
    ],
)
@pytest.mark.parametrize("step", [1, 10])
def test_references_of_one_input_may_be_spelt_alike(
    references: list[str], pairs: list[tuple[str, str]], step: int
) -> None:
    """The first spelling stands, the others are named beside it, whatever part they are in."""
    parts = [pl.Series(references[at : at + step], dtype=pl.String) for at in range(0, 10, step)]
    found = twins_within(lambda: parts)
    assert found == Twins(len(pairs), tuple(pairs))
    assert bool(of_twins(found)) == bool(pairs)


@pytest.mark.parametrize(
    ("older", "more", "expected"),
    [
        (Older("r1", "r2"), {}, ["older_input"]),
        (Older("r1", "r2"), {"change": {"changed": 11}}, ["older_input"]),
        (Older("r1", "r2"), {"change": {"changed": 10}}, []),
        (
            Older("r1", "r2"),
            {"change": {"changed": 10}, "vanished": 1, "marks": True},
            ["older_input"],
        ),
        (Older("r1", "r2", is_named=True), {"change": {"changed": 1}}, ["older_input"]),
        (Older("r1", "r2", is_named=True), {"change": {"changed": 0}}, []),
        (Older("r1", "r2", is_part=True), {}, []),
        (Older("r1", "r2", is_named=True), {"bound": "100%"}, []),
        (Older("r1", "r2"), {"change": {"changed": 1}, "bound": "0"}, ["older_input"]),
        (None, {}, []),
    ],
)
@pytest.mark.parametrize("incremental", [False, True])
def test_an_older_input_stops_what_it_would_change_back(
    older: Older | None, more: dict[str, Any], expected: list[str], *, incremental: bool
) -> None:
    """A few customers may be what they were by chance, but not in a file of that very name."""
    more = dict(more)
    bound = parse_bound(more.pop("bound")) if "bound" in more else DEFAULT_OLDER
    now = replace(USUAL, **more.pop("change", {}))
    bounds = replace(BOUNDS, older=bound, incremental=incremental)
    assert codes(now, bounds=bounds, older=older, delivered=1000, **more) == expected
