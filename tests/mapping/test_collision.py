"""Two references of a file never become one key without an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.outcomes import OnDuplicate, Outcome
from importer.plan.make import settle_duplicates, would_create
from importer.plan.staging import Staging
from tests.mapping.applying import apply, batch_of, judged

if TYPE_CHECKING:
    from importer.source.records import RecordBatch

PLAIN = '[fields.external_reference]\ncolumn = "Nr"\n'
NFC = f"{PLAIN}nfc = true\n"
MARKED = f'{PLAIN}sanitise = "apostrophe"\n'
FORMULAS = f"{PLAIN}[source]\ntext_formulas = true\n"
MAPPED = f'{PLAIN}values = {{ old = "C-1" }}\n'
JOINED = '[fields.external_reference]\ntemplate = "{Nr}{Sub}"\n'
EITHER = '[fields.external_reference]\ncolumns = ["Nr", "Sub"]\n'
NAME = '[fields.name]\ncolumn = "Name"\n'
MAIL = '[fields.email]\ncolumn = "Mail"\n'


def told(
    toml: str, *batches: RecordBatch, policy: OnDuplicate = OnDuplicate.ERROR
) -> list[tuple[int, str, str]]:
    """(line, outcome, error code) of every record after the duplicates were settled."""
    staging = Staging()
    try:
        for batch in batches:
            staging.add_batch(judged(toml, batch))
        settle_duplicates(staging, ["export.csv"], policy)
        would_create(staging)
        return [(row.line, row.outcome or "", row.error_code or "") for row in staging.rows()]
    finally:
        staging.close()


@pytest.mark.parametrize("policy", list(OnDuplicate))
@pytest.mark.parametrize(
    ("toml", "first", "second"),
    [
        (MAPPED, ("old", ""), ("C-1", "")),
        (MARKED, ("'0042", ""), ("0042", "")),
        (FORMULAS, ('="0042"', ""), ("0042", "")),
        (JOINED, ("A1", "2"), ("A", "12")),
        (EITHER, ("7", ""), ("", "7")),
    ],
)
def test_different_cells_with_one_key_are_both_errors(
    toml: str, first: tuple[str, ...], second: tuple[str, ...], policy: OnDuplicate
) -> None:
    """No policy for duplicates makes one customer of two references, not even for equal rows."""
    found = told(toml, batch_of(("Nr", "Sub"), first, second), policy=policy)
    assert found == [
        (2, "invalid", "reference_collision"),
        (3, "invalid", "reference_collision"),
    ]


def test_the_lines_are_named() -> None:
    """The error says which records are meant, and no value of theirs."""
    staging = Staging()
    staging.add_batch(judged(MAPPED, batch_of(("Nr",), ("old",), ("x",), ("C-1",))))
    settle_duplicates(staging, ["export.csv"], OnDuplicate.ERROR)
    texts = [row.error or "" for row in staging.rows() if row.outcome == Outcome.INVALID]
    staging.close()
    assert len(texts) == 2
    assert all("lines 2 and 4" in text for text in texts)


def test_the_same_cells_keep_the_rules_for_duplicates() -> None:
    """Blanks around a cell are no difference; equal rows count once."""
    batch = batch_of(("Nr", "Name"), ("old", "Ada"), (" old ", "Ada"))
    assert told(MAPPED + NAME, batch) == [
        (2, "would_create", ""),
        (3, "duplicate", "duplicate_row"),
    ]


def test_the_same_cells_with_other_data_are_a_conflict() -> None:
    """As they are without a mapping."""
    batch = batch_of(("Nr", "Name"), ("old", "Ada"), ("old", "Bob"))
    codes = {code for _, _, code in told(MAPPED + NAME, batch)}
    assert codes == {"duplicate_conflict"}
    last = told(MAPPED + NAME, batch, policy=OnDuplicate.LAST)
    assert last == [(2, "duplicate", "duplicate_superseded"), (3, "would_create", "")]


def test_a_collision_is_found_across_batches() -> None:
    """What makes two cells the same does not depend on the batch that they came in."""
    first = batch_of(("Nr",), ("old",), ("C-2",))
    second = batch_of(("Nr",), ("x",), ("y",), ("z",), ("C-1",), ("C-2",))
    second = type(second)(0, second.frame, range(4, 9))
    found = {line: code for line, _, code in told(MAPPED, first, second)}
    assert found == {
        2: "reference_collision",
        3: "",
        4: "",
        5: "",
        6: "",
        7: "reference_collision",
        8: "duplicate_row",
    }


def test_a_record_that_is_invalid_by_itself_holds_the_key_too() -> None:
    """Corrected later it would become the other's customer, so the other is held back as well."""
    batch = batch_of(("Nr", "Mail"), ("old", "nobody"), ("C-1", "ada@example.com"))
    assert told(MAPPED + MAIL, batch) == [
        (2, "invalid", "email_syntax; reference_collision"),
        (3, "invalid", "reference_collision"),
    ]


def test_invalid_records_of_one_reference_hold_nothing() -> None:
    """Only different cells collide; the same reference twice keeps the valid row."""
    batch = batch_of(
        ("Nr", "Mail"), ("old", "nobody"), ("old", "ada@example.com"), ("", "x"), ("", "y")
    )
    assert [code for _, _, code in told(MAPPED + MAIL, batch)] == [
        "email_syntax",
        "",
        "reference_missing; email_syntax",
        "reference_missing; email_syntax",
    ]


def test_an_origin_tells_cells_apart_wherever_they_are_cut() -> None:
    """No separator in a cell makes two pairs of cells one."""
    batch = batch_of(("Nr", "Sub"), ("a\x1fb", "c"), ("a", "b\x1fc"), ("a", "b c"), ("a b", "c"))
    origins = apply(JOINED, batch).origins
    assert origins.n_unique() == 4


CELL = st.text(alphabet="aA1_-/ é\u0301e", max_size=3)


@given(
    toml=st.sampled_from(
        [
            JOINED,
            EITHER,
            f"{JOINED}nfc = true\n",
            f'{EITHER}sanitise = "escape"\n',
            f'{JOINED}values = {{ a = "1", "a1" = "1" }}\nsanitise = "escape"\n',
        ]
    ),
    records=st.lists(st.tuples(CELL, CELL), min_size=2, max_size=8),
    policy=st.sampled_from(list(OnDuplicate)),
)
def test_no_key_is_sent_for_two_references(
    toml: str, records: list[tuple[str, str]], policy: OnDuplicate
) -> None:
    """Whatever the mapping does, the rows behind one customer all have the same source cells."""
    batch = batch_of(("Nr", "Sub"), *records)
    keys = apply(toml, batch).batch.frame["external_reference"].to_list()
    taken: dict[str, set[tuple[str, ...]]] = {}
    for line, outcome, _ in told(toml, batch, policy=policy):
        if outcome in {Outcome.WOULD_CREATE, Outcome.DUPLICATE}:
            cells = tuple(cell.strip() for cell in records[line - 2])
            given_cells = (
                cells
                if toml.startswith(JOINED)
                else next((str(at), cell) for at, cell in enumerate(cells) if cell)
            )
            taken.setdefault(keys[line - 2], set()).add(given_cells)
    assert all(len(cells) == 1 for cells in taken.values())
