"""Which kind of cell fits which field, with a mapping and without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

from importer.rows.header_fields import map_columns
from importer.rows.judged import judge_batch
from importer.source.records import (
    CellFault,
    Kind,
    Layout,
    Malformed,
    RecordBatch,
    kind_series,
)
from tests.mapping.applying import apply, bound_to, judged

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = ("external_reference", "name", "email", "phone", "currency", "balance", "metadata.k")
_REFUSED = {
    Kind.NUMBER: set[str](),
    Kind.FLOAT: {"external_reference", "name"},
    Kind.DATE: {*_FIELDS} - {"metadata.k"},
    Kind.BOOLEAN: {*_FIELDS} - {"metadata.k"},
    Kind.OBJECT: {*_FIELDS},
    Kind.LIST: {*_FIELDS},
    Kind.INEXACT: {*_FIELDS},
    Kind.ERROR: {*_FIELDS},
}
_MAPPING = "".join(
    f"[{'metadata' if '.' in field else 'fields'}.{field.removeprefix('metadata.')}]\n"
    f'column = "{chr(65 + at)}"\n'
    for at, field in enumerate(_FIELDS)
)
_TEXTS = ("1", "1", "a@b.co", "+27820000000", "ZAR", "1", "1")
_CODES = {"wrong_type", "number_inexact", "broken"}


def batch_of(
    names: tuple[str, ...], kinds: Mapping[int, Kind | pl.Series], faulty: str = ""
) -> RecordBatch:
    """One record of these columns."""
    frame = pl.DataFrame({name: [text] for name, text in zip(names, _TEXTS, strict=True)})
    faults = (CellFault(0, faulty, "broken", "is broken"),) if faulty else ()
    return RecordBatch(0, frame, [2], (), faults, kinds)


@pytest.mark.parametrize("kind", _REFUSED)
@pytest.mark.parametrize("whole", [True, False])
def test_a_kind_fits_a_field_whatever_its_column_is_called(kind: Kind, *, whole: bool) -> None:
    """The same fields refuse it under their own names and behind a mapping."""
    letters = tuple(chr(65 + at) for at in range(len(_FIELDS)))
    for at, field in enumerate(_FIELDS):
        kinds: dict[int, Kind | pl.Series] = {at: kind if whole else kind_series([kind])}
        broken = kind in {Kind.INEXACT, Kind.ERROR}
        plain = judge_batch(
            batch_of(_FIELDS, {} if broken else kinds, field if broken else ""),
            map_columns(Layout("x", _FIELDS), strict=False),
        )
        mapped = judged(
            _MAPPING, batch_of(letters, {} if broken else kinds, letters[at] if broken else "")
        )
        for found in (plain, mapped):
            problems = [one for row in found.invalid for one in row.problems]
            assert bool(problems) == (field in _REFUSED[kind]), (field, problems)
            assert {one.code for one in problems} <= _CODES
            assert all(field in one.column for one in problems)


@pytest.mark.parametrize(
    ("kind", "text", "fine"),
    [
        (Kind.OBJECT, '{"a": "b"}', True),
        (Kind.TEXT, '{"a": "b"}', True),
        (Kind.NUMBER, "5", False),
        (Kind.BOOLEAN, "true", False),
        (Kind.DATE, "2024-01-01", False),
        (Kind.LIST, "[1]", False),
    ],
)
def test_metadata_takes_an_object(kind: Kind, text: str, *, fine: bool) -> None:
    """Or its JSON text; nothing else."""
    frame = pl.DataFrame({"external_reference": ["R-1"], "metadata": [text]})
    columns = map_columns(Layout("x", tuple(frame.columns)), strict=False)
    found = judge_batch(RecordBatch(0, frame, [2], kinds={1: kind}), columns)
    assert (not found.invalid) == fine
    if fine:
        payload = json.loads(found.valid["payload"][0])
        assert payload["metadata"] == {"a": "b"}


def table(kinds: Mapping[int, Kind | pl.Series], **columns: list[str]) -> RecordBatch:
    """Records from line 2."""
    frame = pl.DataFrame(columns)
    return RecordBatch(0, frame, range(2, 2 + frame.height), kinds=kinds)


_REFERENCE = '[fields.external_reference]\ncolumn = "Nr"\n'
_BALANCE = (
    f'{_REFERENCE}[fields.currency]\nconstant = "ZAR"\n[fields.balance]\n'
    'column = "Saldo"\nunit = "major"\n'
)


@pytest.mark.parametrize("number_format", ["auto", "1.234,56", "1,234.56"])
def test_a_number_of_the_source_has_no_number_format(number_format: str) -> None:
    """Only texts are read by it, and only they take part in finding it."""
    toml = f'{_BALANCE}number_format = "{number_format}"\n'
    found = apply(
        toml,
        table(
            {1: Kind.FLOAT},
            Nr=["1", "2", "3", "4"],
            Saldo=["951.89", "-7", "1.5", "1.234"],
        ),
    ).batch
    assert found.frame["balance"].to_list()[:3] == ["95189", "-700", "150"]
    assert [(one.index, one.code) for one in found.faults] == [(3, "amount_decimals")]


def test_numbers_and_texts_may_share_a_column() -> None:
    """Each is read in its own way; a number's zeros behind its decimals mean nothing."""
    kinds = kind_series([Kind.NUMBER, Kind.TEXT, Kind.NUMBER, Kind.TEXT])
    batch = table(
        {1: kinds}, Nr=["1", "2", "3", "4"], Saldo=["12.500", "1.234,50", "1234.56", "7.000,00"]
    )
    bound = bound_to(_BALANCE, batch.frame.columns)
    assert bound.detect([bound.amounts(batch)]).name == "1.234,56"
    found = apply(f'{_BALANCE}number_format = "1.234,56"\n', batch).batch
    assert found.frame["balance"].to_list() == ["1250", "123450", "123456", "700000"]
    assert found.faults == ()


def test_a_text_of_the_mapping_is_a_text() -> None:
    """``values`` say what true means; a true that they do not name is still no currency."""
    toml = f'{_REFERENCE}[fields.currency]\ncolumn = "Rand"\nvalues = {{ "true" = "ZAR" }}\n'
    batch = table({1: Kind.BOOLEAN}, Nr=["1", "2"], Rand=["true", "false"])
    found = judged(toml, batch)
    assert found.valid["line"].to_list() == [2]
    assert [(row.line, row.problems[0].code) for row in found.invalid] == [(3, "wrong_type")]


def test_only_the_first_filled_column_is_looked_at() -> None:
    """A fallback that is not needed may hold anything, an earlier one may not."""
    toml = f'{_REFERENCE}[fields.name]\ncolumns = ["A", "B"]\n'
    kinds: dict[int, Kind | pl.Series] = {
        1: kind_series([Kind.TEXT, Kind.TEXT, Kind.BOOLEAN]),
        2: Kind.BOOLEAN,
    }
    batch = table(kinds, Nr=["1", "2", "3"], A=["Ann", "", "true"], B=["true", "true", ""])
    assert [row.line for row in judged(toml, batch).invalid] == [3, 4]


def test_a_cell_that_cannot_be_the_field_takes_part_in_no_transform() -> None:
    """It has one problem, and no default stands in for it."""
    toml = (
        f'{_REFERENCE}[fields.phone]\ncolumn = "Tel"\nregion = "ZA"\ndefault = "0821234567"\n'
        '[fields.currency]\nconstant = "ZAR"\n[fields.balance]\ncolumn = "Saldo"\n'
        'unit = "major"\n'
    )
    frame = pl.DataFrame({"Nr": ["1"], "Tel": ["true"], "Saldo": [""]})
    faults = (CellFault(0, "Saldo", "cell_error", "is an error"),)
    (row,) = judged(toml, RecordBatch(0, frame, [2], (), faults, {1: Kind.BOOLEAN})).invalid
    assert [(one.column, one.code) for one in row.problems] == [
        ("Tel (phone)", "wrong_type"),
        ("Saldo (balance)", "cell_error"),
    ]
    assert row.cells == ("1", "true", "")


def test_a_batch_in_parts_keeps_its_kinds() -> None:
    """Kinds and faults go with their rows."""
    batch = RecordBatch(
        0,
        pl.DataFrame({"a": list("pqrs")}),
        range(2, 6),
        (),
        (CellFault(2, "a", "x", "x"),),
        {0: kind_series([Kind.TEXT, Kind.DATE, Kind.ERROR, Kind.TEXT])},
    )
    part = batch.slice(1, 2)
    kept = batch.filter(pl.Series([False, True, True, False]))
    for found in (part, kept):
        kinds = found.kinds[0]
        assert isinstance(kinds, pl.Series)
        assert found.frame["a"].to_list() == ["q", "r"]
        assert (list(found.lines), kinds.to_list()) == ([3, 4], [Kind.DATE, Kind.ERROR])
        assert [one.index for one in found.faults] == [1]


def test_short_records_are_complete_where_nobody_needs_the_rest() -> None:
    """They take their places among the others; one that is cut or lacks a field stays refused."""
    short = Malformed(3, "too_few_fields", "x", ("2",), (), framed=True)
    cut = Malformed(5, "too_few_fields", "x", ("4",))
    frame = pl.DataFrame({"a": ["1", "3"], "b": ["x", "y"], "c": ["p", "q"]})
    kinds = {0: kind_series([Kind.TEXT, Kind.ERROR])}
    fault = CellFault(1, "a", "x", "x")
    batch = RecordBatch(0, frame, [2, 4], (short, cut), (fault,), kinds)
    done = batch.completed({0})
    assert done.frame.rows() == [("1", "x", "p"), ("2", None, None), ("3", "y", "q")]
    assert (list(done.lines), done.malformed) == ([2, 3, 4], (cut,))
    assert [one.index for one in done.faults] == [2]
    found = done.kinds[0]
    assert isinstance(found, pl.Series)
    assert found.to_list() == [Kind.TEXT, Kind.TEXT, Kind.ERROR]
    assert batch.completed({0, 1}) is batch


def test_a_record_that_a_line_break_has_torn_is_no_record() -> None:
    """Pieces that have the header's cells together, and a second one that begins like no record."""
    whole = pl.DataFrame({"a": ["S1", "S2"], "b": ["x", "y"], "c": ["", ""]})

    def read(*pieces: tuple[int, str]) -> list[int]:
        short = tuple(
            Malformed(line, "too_few_fields", "", tuple(text.split(",")), framed=True)
            for line, text in pieces
        )
        return list(RecordBatch(0, whole, [2, 20], short).completed({0}).lines)

    assert read((3, "S3,Al"), (4, "an Smith,n")) == [2, 20]
    assert read((3, "S3"), (4, "Jones,n,o")) == [2, 3, 20]
    assert read((3, "S3"), (4, "Jones"), (5, "x,y,z")) == [2, 3, 4, 20]
    assert read((3, "S3,Al"), (4, "S4,Bo")) == [2, 3, 4, 20]
    assert read((3, "S3,Al"), (5, "Jones,Bo")) == [2, 3, 5, 20]
