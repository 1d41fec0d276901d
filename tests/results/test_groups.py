"""Errors are counted by cause: exactly, in bounded memory, without personal data."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from importer.plan.frames import Failure, position
from importer.results import groups
from importer.results.groups import MAX_DETAIL, MAX_GROUPS, MAX_LINES, Groups, field_named
from importer.rows.row import Problem, Row


def row(line: int, *problems: Problem, source: int = 0) -> Row:
    """An invalid row."""
    return Row(source, line, "", None, None, problems)


def problem(code: str, detail: str = "", column: str = "c") -> Problem:
    """A problem of one column."""
    return Problem(column, code, "in words", "a hint", detail)


def test_groups_come_most_frequent_first_with_their_first_lines() -> None:
    """A group knows how many rows it has, and the first lines of them."""
    found = Groups()
    found.add_invalid(row(line, problem("a")) for line in (2, 5))
    found.add_invalid(row(line, problem("b")) for line in range(10, 40))
    first, second = found.ranked()
    assert (first.cause.code, first.rows) == ("b", 30)
    assert first.lines == list(range(10, 10 + MAX_LINES))
    assert (second.cause.code, second.rows, second.lines) == ("a", 2, [2, 5])


def test_equally_frequent_groups_come_in_input_order() -> None:
    """Source and first line decide between groups of one size."""
    found = Groups()
    found.add_invalid([row(9, problem("z")), row(11, problem("a"))])
    found.add_invalid([row(3, problem("a"), source=1)])
    assert [(one.cause.source, one.lines) for one in found.ranked()] == [
        (0, [9]),
        (0, [11]),
        (1, [3]),
    ]


def test_a_row_counts_once_in_each_of_its_groups() -> None:
    """Rows are counted, not problems: two values of one kind in a row are one row."""
    found = Groups()
    found.add_invalid([row(2, problem("a"), problem("a"), problem("a", "x"), problem("b"))])
    assert sorted((one.cause.code, one.cause.detail, one.rows) for one in found.ranked()) == [
        ("a", "", 1),
        ("a", "x", 1),
        ("b", "", 1),
    ]


def test_a_row_counts_once_where_its_details_were_given_up() -> None:
    """Beyond the bound two details of one row fall into one group, which counts the row once."""
    found = Groups()
    found.add_invalid(row(line, problem("a", f"d{line}")) for line in range(MAX_GROUPS))
    found.add_invalid([row(9999, problem("a", "new"), problem("a", "newer"))])
    coarse = [one for one in found.ranked() if not one.cause.detail]
    assert [(one.rows, one.lines) for one in coarse] == [(1, [9999])]


def test_a_column_is_not_needed_to_count() -> None:
    """Even with more columns than there may be groups, no row is lost from the counts."""
    found = Groups()
    total = 3 * MAX_GROUPS
    found.add_invalid(row(n, problem("a", column=f"c{n}")) for n in range(total))
    ranked = found.ranked()
    assert len(ranked) == 2 * MAX_GROUPS + 1
    assert sum(one.rows for one in ranked) == total
    assert ranked[0].cause.column == ""


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.text(max_size=3), st.sampled_from("xyz")), max_size=60
    )
)
def test_no_row_is_lost_from_the_counts(problems: list[tuple[str, str, str]]) -> None:
    """However coarse the groups get, the rows of each code are counted exactly."""
    found = Groups()
    bound, groups.MAX_GROUPS = groups.MAX_GROUPS, 4
    try:
        found.add_invalid(row(line, problem(*one)) for line, one in enumerate(problems))
    finally:
        groups.MAX_GROUPS = bound
    counted: Counter[str] = Counter()
    for one in found.ranked():
        counted[one.cause.code] += one.rows
        assert len(one.lines) == min(one.rows, MAX_LINES)
    assert counted == Counter(code for code, _, _ in problems)
    assert len(found.ranked()) <= 2 * 4 + 3


def test_a_long_metadata_key_is_cut() -> None:
    """A detail may come from the file, so its length is bounded."""
    found = Groups()
    found.add_invalid([row(2, problem("metadata_key_too_long", "k" * 5000))])
    assert found.ranked()[0].cause.detail == "k" * MAX_DETAIL


def test_refusals_are_grouped_by_status_code_and_field() -> None:
    """What Moment refused is told apart by its answer and by the field that it names."""

    def refused(line: int, status: int, error: str) -> Failure:
        return Failure(position(1, line), "rejected", status, "invalid_request", error)

    found = Groups()
    found.add_failures(
        [
            refused(2, 422, "Invalid: phone is not known"),
            refused(3, 422, "Invalid: the phone has no country"),
            refused(4, 422, "Invalid: email bounced"),
            refused(5, 400, "Bad request"),
        ]
    )
    assert [
        (one.cause.source, one.cause.http_status, one.cause.column, one.lines)
        for one in found.ranked()
    ] == [(1, 422, "phone", [2, 3]), (1, 422, "email", [4]), (1, 400, "", [5])]


def test_a_conflict_is_one_cause_whatever_else_was_written() -> None:
    """200 for the row's other fields tells nothing of the conflict; a remembered one has none."""
    found = Groups()
    rows = [(2, 200), (3, 0), (4, 200)]
    found.add_failures(
        Failure(position(0, line), "conflict", status, "changed_at_moment", "name: differs")
        for line, status in rows
    )
    assert [one.lines for one in found.ranked()] == [[2, 3, 4]]


def test_only_whole_names_of_fields_are_fields() -> None:
    """``username`` and ``phone_type`` name no field; the first field that is named counts."""
    assert field_named("Username and phone_type are odd") == ""
    assert field_named("body.Email: is taken, name too") == "email"
    assert field_named("/external_reference must be unique") == "external_reference"
