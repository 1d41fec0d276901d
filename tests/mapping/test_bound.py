"""A mapping turns the columns of a file into those of the API, and keeps the file's own beside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from importer.errors import SourceError
from importer.mapping.money import money_text as money
from importer.source.records import CellFault, Malformed
from tests.mapping.applying import (
    REFERENCE,
    apply,
    batch_of,
    bound_to,
    judged,
    mapping_of,
    values,
)

ROOT = Path(__file__).parents[2]
PEOPLE = batch_of(
    ("Nr", "First", "Last", "Mail", "Mail 2"),
    ("1", " Ada ", "Example", "", "ada@EXAMPLE.com"),
    ("2", "", "Sample", "Bob@Example.com", "bob2@example.com"),
    ("3", None, "", " ", None),
)
SALDO = f'{REFERENCE}[fields.currency]\nconstant = "EUR"\n[fields.balance]\ncolumn = "Saldo"\n'


def test_only_the_columns_of_the_mapping_are_made() -> None:
    """The target has the API's names in the order of its fields, and no other column."""
    toml = f'{REFERENCE}[metadata.tier]\ncolumn = "Last"\n[fields.name]\ncolumn = "First"\n'
    bound = bound_to(toml, PEOPLE.frame.columns)
    assert bound.layout.columns == ("external_reference", "name", "metadata.tier")
    assert bound.apply(PEOPLE).batch.frame.columns == list(bound.layout.columns)


def test_a_column_is_trimmed_and_empty_where_the_file_has_nothing() -> None:
    """Blanks around a cell go, and what is absent is an empty text."""
    toml = f'{REFERENCE}[fields.name]\ncolumn = "First"\n'
    assert values(toml, PEOPLE, "name") == ["Ada", "", ""]


def test_a_template_runs_no_code() -> None:
    """What looks like a format specification or an attribute is the name of a column."""
    toml = f'{REFERENCE}[fields.name]\ntemplate = "{{First.__class__}}"\n'
    with pytest.raises(SourceError, match=r"First\.__class__"):
        apply(toml, PEOPLE)


def test_values_come_before_the_default() -> None:
    """A trimmed cell is looked up exactly; the default fills what is empty afterwards too."""
    batch = batch_of(("Nr", "Cur"), ("1", " UK "), ("2", "uk"), ("3", ""), ("4", "none"))
    toml = (
        f'{REFERENCE}[fields.currency]\ncolumn = "Cur"\ndefault = "ZAR"\n'
        'values = { UK = "GBP", none = "" }\n'
    )
    assert values(toml, batch, "currency") == ["GBP", "uk", "ZAR", "ZAR"]


def test_a_reference_is_never_the_same_for_every_row() -> None:
    """A constant or a default would make one customer of many: the mapping is refused."""
    for key in ("constant", "default"):
        source = "" if key == "constant" else 'column = "Nr"\n'
        with pytest.raises(ValidationError, match="every customer needs"):
            mapping_of(f'[fields.external_reference]\n{source}{key} = "C-1"\n')


def test_a_missing_column_is_named_with_the_nearest_one() -> None:
    """The error says which file, which column, which key of the mapping, and what was meant."""
    toml = f'{REFERENCE}[fields.email]\ncolumns = ["Mail", "E-Mail 2"]\n'
    with pytest.raises(SourceError) as caught:
        bound_to(toml, ("Nr", "Mail", "Mail 2"))
    assert str(caught.value) == (
        'export.csv: there is no column "E-Mail 2", which the mapping uses in fields.email'
    )
    assert caught.value.hint == 'did you mean "Mail 2"?'


@pytest.mark.parametrize(
    ("column", "hint"),
    [("NR", 'did you mean "Nr"?'), ("who.name", """jq -c '. + {"who.name": .who.name}' FILE""")],
)
def test_a_column_in_another_case_or_within_an_object_is_told(column: str, hint: str) -> None:
    """What stands within a cell is brought to the top by the command that is shown."""
    with pytest.raises(SourceError) as caught:
        bound_to(f'[fields.external_reference]\ncolumn = "{column}"\n', ("Nr", "who"))
    assert hint in caught.value.hint


def test_two_columns_of_one_name_are_refused_only_where_the_mapping_uses_them() -> None:
    """Which of them is meant cannot be known; elsewhere it does not matter."""
    bound_to(REFERENCE, ("Nr", "Note", "Note"))
    with pytest.raises(SourceError, match=r"2 columns are called \"Nr\""):
        bound_to(REFERENCE, ("Nr", "Nr"))


@pytest.mark.parametrize(
    "toml",
    [
        '[fields.phone]\ncolumn = "Mail"\nregion_column = "Land"\n',
        '[rows]\nkeep = { Land = "ZA" }\n',
        '[rows]\ndrop = { Land = "ZA" }\n',
        '[rows]\nskip_totals = { column = "Land", starts_with = "Total" }\n',
        '[metadata.land]\ntemplate = "in {Land}"\n',
    ],
)
def test_every_key_that_names_a_column_is_looked_up(toml: str) -> None:
    """No part of a mapping names a column that is first missed while records are read."""
    with pytest.raises(SourceError, match='no column "Land"'):
        bound_to(REFERENCE + toml, ("Nr", "Mail"))


def test_amounts_become_minor_units_of_the_row_s_currency() -> None:
    """Decimals and groups are read as declared, the exponent is that of each currency."""
    toml = (
        f'{REFERENCE}[fields.currency]\ncolumn = "Cur"\n[fields.balance]\ncolumn = "Saldo"\n'
        'unit = "major"\nnumber_format = "1.234,56"\n'
    )
    batch = batch_of(
        ("Nr", "Cur", "Saldo"), ("1", "EUR", "1.234,5"), ("2", "JPY", "1.234"), ("3", "KWD", "1,5")
    )
    assert values(toml, batch, "balance") == ["123450", "1234", "1500"]


def test_minor_units_of_a_file_that_counts_credit_change_their_sign() -> None:
    """Only whole numbers do; what is none stays for the rules to refuse."""
    toml = f'{SALDO}positive = "credit"\n'
    batch = batch_of(
        ("Nr", "Saldo"), ("1", "5"), ("2", "-5"), ("3", "0"), ("4", "+7"), ("5", "x"), ("6", "")
    )
    assert values(toml, batch, "balance") == ["-5", "5", "0", "-7", "x", ""]


def test_a_format_that_was_found_for_the_whole_column_holds_for_each_batch() -> None:
    """A batch that is ambiguous by itself is read as the others are."""
    toml = f'{SALDO}unit = "major"\nnumber_format = "auto"\n'
    bound = bound_to(toml, ("Nr", "Saldo"), money.FORMATS["1.234,56"])
    batch = batch_of(("Nr", "Saldo"), ("1", "1.234"))
    assert bound.apply(batch).batch.frame["balance"].to_list() == ["123400"]


def test_what_a_transform_cannot_read_is_a_problem_that_names_column_and_field() -> None:
    """The file's column comes first, for who corrects it, and the field behind it."""
    toml = f'{SALDO}unit = "major"\nnumber_format = "1234.56"\n'
    batch = batch_of(("Nr", "Saldo"), ("1", "12.00"), ("2", "about 5"))
    (row,) = judged(toml, batch).invalid
    (problem,) = row.problems
    assert (row.line, problem.code) == (3, "amount_unreadable")
    assert problem.text().startswith("Saldo (balance): ")


def test_what_the_rules_refuse_names_column_and_field() -> None:
    """A value that a mapping hands on is told in the words of the file too."""
    toml = f'{REFERENCE}[fields.email]\ncolumns = ["Mail", "Mail 2"]\n[metadata.k]\ncolumn = "K"\n'
    batch = batch_of(("Nr", "Mail", "Mail 2", "K"), ("1", "nobody", "", "x" * 501))
    (row,) = judged(toml, batch).invalid
    assert [one.column for one in row.problems] == ["Mail+Mail 2 (email)", "K (metadata.k)"]


def test_the_original_cells_are_kept_for_the_errors_file() -> None:
    """Neither trimmed nor mapped: what is corrected must go through the same mapping again."""
    toml = f'{REFERENCE}[fields.email]\ncolumn = "Mail"\n'
    batch = batch_of(("Note", "Nr", "Mail"), (" n ", " 1 ", "a@example.com"), ("", "2", "nobody"))
    found = judged(toml, batch)
    assert found.cells.rows() == [(" n ", " 1 ", "a@example.com")]
    assert [row.cells for row in found.invalid] == [("", "2", "nobody")]


def test_a_batch_without_a_valid_row_is_whole() -> None:
    """Every record of it is invalid, and there is nothing else."""
    found = judged(REFERENCE, batch_of(("Nr",), ("",), ("a b",)))
    assert (found.valid.height, len(found.invalid)) == (0, 2)


def test_a_malformed_record_stays_malformed() -> None:
    """It keeps its own cells and its code; the reference is read from its column if it is there."""
    broken = Malformed(4, "too_few_fields", "2 cells instead of 3", ("x", "C-9"))
    batch = batch_of(("Note", "Nr", "Mail"), ("", "1", ""), malformed=(broken,))
    (row,) = judged(f'{REFERENCE}[fields.email]\ncolumn = "Mail"\n', batch).invalid
    assert (row.reference, row.cells, row.problems[0].code) == (
        "C-9",
        ("x", "C-9"),
        "too_few_fields",
    )


def test_a_cell_without_text_form_is_a_fault_of_the_field_that_uses_it() -> None:
    """A skipped record takes its fault with it; what a filter cannot read is a row's error."""
    toml = f'{REFERENCE}[fields.name]\ncolumn = "Who"\n[rows]\ndrop = {{ Note = "x" }}\n'
    faults = tuple(
        CellFault(at, name, "not_text", "is a list")
        for at, name in ((0, "Who"), (1, "Who"), (1, "Note"), (2, "Note"))
    )
    batch = batch_of(
        ("Nr", "Who", "Note"), ("1", "", "x"), ("2", "", ""), ("3", "Eve", ""), faults=faults
    )
    found = judged(toml, batch)
    assert [(row.line, [one.text() for one in row.problems]) for row in found.invalid] == [
        (3, ["Who (name): is a list", "Note (rows): is a list (a filter looks at it)"]),
        (4, ["Note (rows): is a list (a filter looks at it)"]),
    ]
    assert [row.line for row in found.skipped] == [2]


def test_a_cell_that_nothing_looks_at_may_hold_anything() -> None:
    """Neither a field nor a filter uses it."""
    fault = CellFault(0, "Note", "cell_error", "is an error")
    found = judged(REFERENCE, batch_of(("Nr", "Note"), ("1", "#N/A"), faults=(fault,)))
    assert found.invalid == ()


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('="0042"', "0042"),
        (' =" 0042 " ', "0042"),
        ('="A ""B"" C"', 'A "B" C'),
        ('=""', ""),
        ('="NULL"', ""),
        ("0042", "0042"),
        ('="a"&"b"', '="a"&"b"'),
        ("=0042", "=0042"),
        ('"0042"', '"0042"'),
        ('="it"s"', '="it"s"'),
    ],
)
def test_a_text_formula_is_its_text(cell: str, text: str) -> None:
    """Only one text as a whole, and only where the mapping says so; any other formula stays."""
    source = '[source]\nempty = ["NULL"]\ntext_formulas = true\n'
    toml = f'{REFERENCE}{source}[fields.name]\ncolumn = "Who"\n'
    batch = batch_of(("Nr", "Who"), ("1", cell))
    assert values(toml, batch, "name") == [text]
    assert values(toml.replace("true", "false"), batch, "name") == [cell.strip()]


def test_an_error_that_the_mapping_calls_empty_is_an_empty_cell() -> None:
    """``empty = ["#N/A"]`` says so of an Excel error as of a text, in fields and in filters."""
    toml = f'{REFERENCE}[source]\nempty = ["#N/A"]\n[fields.name]\ncolumn = "Who"\n'
    toml += '[rows]\ndrop = { Note = "x" }\n'
    faults = tuple(
        CellFault(at, name, code, "is an error")
        for at, name, code in (
            (0, "Who", "cell_error"),
            (1, "Note", "cell_error"),
            (2, "Who", "number_inexact"),
        )
    )
    rows = (("1", "#N/A", ""), ("2", "Eve", "#N/A"), ("3", "#N/A", ""))
    found = judged(toml, batch_of(("Nr", "Who", "Note"), *rows, faults=faults))
    assert found.valid["reference"].to_list() == ["1", "2"]
    assert [row.line for row in found.invalid] == [4]


def test_a_country_that_cannot_be_read_matters_to_national_numbers_only() -> None:
    """A customer without a phone, or with an international number, needs no country."""
    toml = f'{REFERENCE}[fields.phone]\ncolumn = "Tel"\nregion_column = "Land"\n'
    batch = batch_of(("Nr", "Tel", "Land"), ("1", "082 123 4567", "Suid-Afrika"))
    assert values(toml + 'regions = { "Suid-Afrika" = "ZA" }\n', batch, "phone") == ["+27821234567"]
    rows = (("1", "030 123456", ""), ("2", "+4930123456", ""), ("3", "", ""))
    faults = tuple(CellFault(at, "Land", "cell_error", "is an error") for at in range(3))
    found = judged(toml, batch_of(("Nr", "Tel", "Land"), *rows, faults=faults))
    assert found.valid["reference"].to_list() == ["2", "3"]


def test_every_transform_that_changed_something_is_counted_with_masked_examples() -> None:
    """Three examples at most, none of which shows a name, an address or a number."""
    toml = (
        f'{REFERENCE}sanitise = "escape"\n[fields.name]\ncolumn = "Who"\nnfc = true\n'
        '[fields.email]\ncolumn = "Mail"\nlowercase_domain = true\n'
    )
    batch = batch_of(
        ("Nr", "Who", "Mail"),
        *((f"A/{n}", "Rene\u0301", f"ada{n}@EXAMPLE.com") for n in range(5)),
    )
    bound = bound_to(toml, batch.frame.columns)
    bound.apply(batch)
    found = bound.report.all()
    assert {(one.name, one.column, one.changed) for one in found} == {
        ("sanitise", "external_reference", 5),
        ("nfc", "name", 5),
        ("lowercase_domain", "email", 5),
    }
    shown = repr([one.examples for one in found])
    assert all(len(one.examples) == 3 for one in found)
    assert "ada" not in shown
    assert "Ren" not in shown


@given(st.lists(st.lists(st.text(max_size=5), min_size=3, max_size=3), max_size=8))
def test_no_record_is_lost_or_made(records: list[list[str]]) -> None:
    """Each record is valid, invalid or skipped, once."""
    toml = f'{REFERENCE}[fields.name]\ncolumn = "A"\n[rows]\ndrop = {{ B = ["", "x"] }}\n'
    records = [[cell.encode(errors="replace").decode() for cell in one] for one in records]
    found = judged(toml, batch_of(("Nr", "A", "B"), *records))
    lines = [*found.valid["line"], *(row.line for row in (*found.invalid, *found.skipped))]
    assert sorted(lines) == list(range(2, 2 + len(records)))
    assert found.cells.height == found.valid.height


def test_a_check_without_a_mapping_loads_neither_pydantic_nor_the_mapping(tmp_path: Path) -> None:
    """What most runs do not need costs them nothing."""
    (tmp_path / "c.csv").write_text("external_reference\nC-1\n")
    code = (
        "import sys\n"
        "from importer.job.check import check\n"
        "from importer.job.job_settings import InputSettings\n"
        "assert check(InputSettings(('c.csv',))).exit_code == 0\n"
        "loaded = {'pydantic', 'importer.mapping.model', 'importer.mapping.bound'}\n"
        "assert not loaded & set(sys.modules), loaded & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
