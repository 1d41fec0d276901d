"""The vectorised check and the customer model never disagree about a row."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.rows.certain import PAYLOAD, certain_payloads
from importer.rows.currencies import ACTIVE
from importer.rows.header_fields import ColumnMap, map_columns
from importer.rows.judge import judge
from importer.rows.judged import judge_batch
from importer.rows.payload import carried_fields
from importer.rows.text import TRIMMED
from importer.source.records import Layout, RecordBatch
from tests.rows.one_by_one import rows_of

FIELDS = ("external_reference", "name", "email", "phone", "currency", "balance")
NAMES = (*FIELDS, "metadata", "metadata.b", 'metadata.a "quoted" \\', "metadata.é", "colour")
MANY = ("external_reference", *(f"metadata.k{n}" for n in range(12)))
LABEL = "d" * 63
LONGEST = f"{'l' * 64}@{'.'.join([LABEL, LABEL, 'd' * 61])}"

RIGHT = {
    "external_reference": ["A1", "-", "_", "x" * 255, "00123", "aZ09_-"],
    "name": ["Jane", "x" * 255, "é" * 255, "\U0001f600" * 255, "a b", "O'Neil", "\u200d", "\x7f"],
    "email": [
        "a@b.co",
        LONGEST,
        "l" * 64 + "@example.com",
        "!#$%&'*+/=?^_`{|}~-@a-b.c9",
        "a.b@c.d",
    ],
    "phone": ["+27820000001", "+12", "+1" + "2" * 14],
    "currency": ["ZAR", "XTS", "USD"],
    "balance": ["0", "-0", "+0", "007", "+5", "-5", "-007", "9" * 18, "-" + "9" * 18, "+0012"],
    "metadata.b": ["v", "x" * 500, "é" * 500, "{}", "null"],
}
"""Cells that the vectorised check must take by itself."""

DOUBTFUL = {
    "external_reference": [
        "",
        "x" * 256,
        "a b",
        "é",
        "a/b",
        "a\nb",
        "A1\x00",
        "\u200d",
        "A.1",
        "\uff21",
    ],
    "name": ["x" * 256, "é" * 256, 'say "x"', "back\\slash", "a\nb", "a\tb", "a\x00b", "a\x1fb"],
    "email": [
        "l" * 65 + "@example.com",
        LONGEST + "d",
        "a@b",
        "a@b..c",
        ".a@b.co",
        "a@-b.co",
        "a@b-.co",
        f"a@{LABEL}d.co",
        "a@b@c.co",
        "é@b.co",
        "a b@c.co",
        "@b.co",
        "a@b.co\n,",
    ],
    "phone": ["+0820000001", "27820000001", "+1", "+1" + "2" * 15, "+27 82", "+2782000000٣", "+2a"],
    "currency": ["zar", "ZA", "ZARR", "BGN", "XYZ", "Z AR"],
    "balance": [
        "9" * 19,
        "-" + "9" * 30,
        "1" * 5000,
        "1.0",
        "1e5",
        "--5",
        "+",
        "-",
        "٣",
        "1 0",
        "0x1",
    ],
    "metadata": ['{"k":"v"}', "{}", "{", "[]", '{"b":"twice"}', "null", '{"k":1}'],
    "metadata.b": ["x" * 501, "é" * 501, 'q"', "b\\", "a\nb", "a\x01b"],
}
"""Cells that break a rule by a hair, or that the vectorised check must leave to the model."""


def mapped(*names: str) -> ColumnMap:
    """Map a header."""
    return map_columns(Layout("a.csv", names), strict=False)


def batch_of(names: tuple[str, ...], records: list[tuple[str | None, ...]]) -> RecordBatch:
    """A batch of source 3 from line 2 on."""
    frame = pl.DataFrame(records, schema=dict.fromkeys(names, pl.String), orient="row")
    return RecordBatch(3, frame, range(2, len(records) + 2))


def agree(names: tuple[str, ...], records: list[tuple[str | None, ...]]) -> None:
    """Assert that a batch gives what the model says of each row."""
    columns = mapped(*names)
    expected = [
        judge(3, line, tuple(cell or "" for cell in record), columns)
        for line, record in enumerate(records, 2)
    ]
    batch = batch_of(names, records)
    assert list(rows_of(batch, columns)) == expected
    judged = judge_batch(batch, columns)
    assert judged.carried == carried_fields(judged.valid["payload"])


def record(**cells: str) -> tuple[str, ...]:
    """A record of ``NAMES``: a valid one but for these cells (``_`` stands for the dot)."""
    given = {"external_reference": "A1", "currency": "ZAR", **cells}
    return tuple(given.get(name, "") for name in NAMES)


def is_certain(names: tuple[str, ...], row: tuple[str, ...]) -> bool:
    """Whether the vectorised check takes a row by itself."""
    cells = pl.DataFrame([row], schema=[str(n) for n in range(len(names))], orient="row")
    return certain_payloads(cells, mapped(*names)).rows[PAYLOAD][0] is not None


@pytest.mark.parametrize(
    ("field", "cell"), [(field, cell) for field, cells in RIGHT.items() for cell in cells]
)
def test_a_good_cell_needs_no_model(field: str, cell: str) -> None:
    """The vectorised check takes what is usual, up to the last allowed character."""
    row = record(**{field: cell})
    assert is_certain(NAMES, row)
    agree(NAMES, [row])


@pytest.mark.parametrize(
    ("field", "cell"), [(field, cell) for field, cells in DOUBTFUL.items() for cell in cells]
)
def test_a_doubtful_cell_is_left_to_the_model(field: str, cell: str) -> None:
    """One cell that is wrong or unusual is enough, and the rows around it stay as they are."""
    row = record(**{field: cell})
    assert not is_certain(NAMES, row)
    agree(NAMES, [record(name="before"), row, record(name="after")])


def test_every_active_currency_and_no_other_is_certain() -> None:
    """All active codes are taken, and of all words of three letters nothing else."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    words = [a + b + c for a in letters for b in letters for c in letters]
    cells = pl.DataFrame({"0": ["A1"] * len(words), "1": words})
    found = certain_payloads(cells, mapped("external_reference", "currency")).rows[PAYLOAD]
    taken = {word for word, payload in zip(words, found, strict=True) if payload is not None}
    assert taken == ACTIVE


@pytest.mark.parametrize("character", list(TRIMMED))
def test_every_kind_of_whitespace_is_trimmed_alike(character: str) -> None:
    """At both ends, in every field; a cell of nothing else is absent."""
    around = tuple(f"{character}{cell}{character}" for cell in record(name="a b", balance="5"))
    assert is_certain(NAMES, around)
    agree(NAMES, [around, record(name=f"a{character}b", external_reference=character)])


def test_a_balance_needs_a_currency() -> None:
    """Without the cell, and without the column."""
    row = record(currency="", balance="5")
    assert not is_certain(NAMES, row)
    agree(NAMES, [row])
    names = ("balance", "external_reference")
    assert not is_certain(names, ("5", "A1"))
    agree(names, [("5", "A1"), ("", "A1")])


@pytest.mark.parametrize("filled", [0, 1, 10, 11, 12])
def test_ten_metadata_keys_are_certain(filled: int) -> None:
    """The filled cells count, not the columns; they are sorted by key."""
    row = ("A1", *("v" if n < filled else " " for n in range(12)))
    assert is_certain(MANY, row) == (filled <= 10)
    agree(MANY, [row])


def test_metadata_keys_are_sorted_by_code_point() -> None:
    """Whatever the order of the columns: capitals before small letters, accents last."""
    names = ("metadata.é", "metadata.b", "metadata.B", "external_reference", "metadata.a")
    row = ("1", "2", "3", "A1", "4")
    assert is_certain(names, row)
    agree(names, [row])


POOL = {
    name: [cell for cells in (RIGHT, DOUBTFUL) for cell in cells.get(name, ["x", ""])]
    for name in NAMES
}
SPACE = st.sampled_from(["", "", " ", "\u00a0", "\ufeff\t", "\u200b", "\u3000 "])


def cell_of(name: str) -> st.SearchStrategy[str | None]:
    """A cell of a column: none, anything, or something near a rule, with whitespace around."""
    near = st.sampled_from(POOL[name])
    right = st.sampled_from(RIGHT.get(name, ["", "x"]))
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    padded = st.builds(lambda a, b, c: a + b + c, SPACE, near | text, SPACE)
    return st.none() | right | right | right | padded


@pytest.mark.slow
@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(NAMES[1:]), unique=True).flatmap(
        lambda some: st.tuples(
            st.just(("external_reference", *some)),
            st.lists(
                st.tuples(*(cell_of(name) for name in ("external_reference", *some))), max_size=6
            ),
        )
    )
)
def test_a_batch_gives_what_the_model_gives(
    case: tuple[tuple[str, ...], list[tuple[str | None, ...]]],
) -> None:
    """Whatever the columns and the cells: same payloads, fingerprints, problems, order, cells."""
    agree(*case)


def test_a_clean_file_needs_no_pydantic() -> None:
    """Loading the model takes longer than checking a small file, so it waits for a doubtful row."""
    script = (
        "import sys, polars as pl\n"
        "from importer.rows.header_fields import map_columns\n"
        "from importer.rows.judged import judge_batch\n"
        "from importer.source.records import Layout, RecordBatch\n"
        "columns = map_columns(Layout('a.csv', ('external_reference',)), strict=False)\n"
        "for cell in ('A1', 'a b'):\n"
        "    frame = pl.DataFrame({'external_reference': [cell]})\n"
        "    judge_batch(RecordBatch(0, frame, [2]), columns)\n"
        "    print('pydantic' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]


def test_a_header_of_very_many_metadata_columns_is_left_to_the_model() -> None:
    """The vectorised check stands back, and the rows are the same."""
    names = ("external_reference", *(f"metadata.k{n}" for n in range(201)))
    row = ("A1", "v", *([""] * 200))
    assert not is_certain(names, row)
    assert is_certain(names[:-1], row[:-1])
    agree(names, [row, ("A2", *(["v"] * 201))])
