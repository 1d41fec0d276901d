"""Records that are no customers are left out by a rule that is named, and stay in the results."""

from __future__ import annotations

import pytest

from tests.mapping.applying import REFERENCE, apply, batch_of, judged

CONTACTS = '[fields.email]\ncolumn = "Mail"\n[fields.phone]\ncolumn = "Tel"\n'
TOTALS = f"{REFERENCE}{CONTACTS}[rows]\nskip_totals = true\n"
HEADER = ("Nr", "Name", "Mail", "Tel", "Saldo")


def skipped(rows: str, *records: tuple[str, ...]) -> dict[int, str]:
    """Line -> code of the records that these rules leave out of a file with a status."""
    batch = batch_of(("Nr", "Status", "Type"), *records)
    return {one.line: one.code for one in apply(f"{REFERENCE}[rows]\n{rows}\n", batch).skipped}


def test_keep_takes_the_named_values_only() -> None:
    """A trimmed cell is compared exactly; an empty cell is none of the values."""
    records = (("1", " active ", ""), ("2", "trial", ""), ("3", "Active", ""), ("4", "", ""))
    assert skipped('keep = { Status = ["active", "trial"] }', *records) == {
        4: "filtered",
        5: "filtered",
    }
    assert skipped('keep = { Status = "active" }', *records) == dict.fromkeys((3, 4, 5), "filtered")


def test_drop_leaves_the_named_values_out() -> None:
    """Everything else stays; an empty text names empty cells."""
    records = (("1", "", "lead"), ("2", "", "customer"), ("3", "", ""))
    assert skipped('drop = { Type = "lead" }', *records) == {2: "filtered"}
    assert skipped('drop = { Type = ["lead", ""] }', *records) == {2: "filtered", 4: "filtered"}


def test_all_rules_together_decide() -> None:
    """A record stays only where every ``keep`` holds and no ``drop`` does."""
    records = (("1", "a", "x"), ("2", "a", "y"), ("3", "b", "x"), ("4", "b", "y"))
    assert skipped('keep = { Status = "a", Type = "x" }', *records).keys() == {3, 4, 5}
    assert skipped('keep = { Status = "a" }\ndrop = { Type = "y" }', *records).keys() == {3, 4, 5}


def test_the_rule_is_named_with_its_column() -> None:
    """The text says which rule of the mapping it was; the value is not shown."""
    batch = batch_of(("Nr", "Status"), ("C-1", "secret"))
    (one,) = apply(f'{REFERENCE}[rows]\nkeep = {{ Status = "active" }}\n', batch).skipped
    assert (one.line, one.reference, one.cells) == (2, "C-1", ("C-1", "secret"))
    assert "rows.keep" in one.text
    assert "Status" in one.text
    assert "secret" not in one.text


@pytest.mark.parametrize(
    "record",
    [
        ("", "Total", "", "", "1.234,00"),
        ("Total", "", "", "", "1.234,00"),
        ("TOTAL:", "", "", "", "9"),
        ("Summe", "", "", "", "9"),
        ("Gesamtsumme", "3 Kunden", "", "", "9"),
        ("Totaal 2024", "", "", "", "9"),
        ("", "Sous-total", "", "", "9"),
        ("Grand total", "", "", "", "9"),
        (" total ", "", "", "", ""),
    ],
)
def test_a_totals_line_is_left_out(record: tuple[str, ...]) -> None:
    """Its reference is empty or such a word, and there is no way to reach anyone."""
    mapped = apply(TOTALS, batch_of(HEADER, ("C-1", "Ada", "", "", "5"), record))
    assert [(one.line, one.code) for one in mapped.skipped] == [(3, "totals_line")]
    assert mapped.batch.frame["external_reference"].to_list() == ["C-1"]


@pytest.mark.parametrize(
    "record",
    [
        ("C-7", "Total", "", "", "5"),
        ("", "Total Energies", "billing@example.com", "", "5"),
        ("", "Total", "", "+27820000001", "5"),
        ("Totalizer", "", "", "", "5"),
        ("Summer", "", "", "", "5"),
        ("sum-1x", "", "", "", "5"),
        ("", "Ada Example", "", "", "5"),
        ("", "", "", "", "5"),
        ("TOTAL-7", "Total Fuels", "", "", "5"),
    ],
)
def test_a_customer_is_never_taken_for_a_totals_line(record: tuple[str, ...]) -> None:
    """A reference of its own, an address or a number make a customer, whatever the name is."""
    assert not apply(TOTALS, batch_of(HEADER, record)).skipped


def test_without_the_setting_a_totals_line_is_an_error() -> None:
    """Nothing is left out that nobody asked to leave out."""
    batch = batch_of(HEADER, ("", "Total", "", "", "5"))
    found = judged(f"{REFERENCE}{CONTACTS}", batch)
    assert (len(found.invalid), found.skipped) == (1, ())


def test_totals_can_be_told_by_a_column_and_its_words() -> None:
    """The words are compared from the start of the cell, in any case."""
    toml = f'{REFERENCE}[rows]\nskip_totals = {{ column = "Name", starts_with = ["Rapport"] }}\n'
    batch = batch_of(("Nr", "Name"), ("1", "rapport 2024"), ("2", "Rapporteur"), ("3", "Total"))
    assert [one.line for one in apply(toml, batch).skipped] == [2]


def test_a_skipped_record_is_judged_by_nobody() -> None:
    """What is wrong in it is no error; its line, cells and reference are kept."""
    toml = f'{REFERENCE}[fields.email]\ncolumn = "Mail"\n[rows]\ndrop = {{ Type = "lead" }}\n'
    batch = batch_of(("Nr", "Mail", "Type"), ("a b", "nobody", "lead"), ("2", "", ""))
    found = judged(toml, batch)
    assert not found.invalid
    (row,) = found.skipped
    assert (row.line, row.reference, row.cells) == (2, "a b", ("a b", "nobody", "lead"))
    assert found.cells.rows() == [("2", "", "")]


def test_a_batch_may_be_left_out_as_a_whole() -> None:
    """Nothing is mapped then, and every record is there all the same."""
    found = judged(
        f'{REFERENCE}[rows]\nkeep = {{ Type = "customer" }}\n',
        batch_of(("Nr", "Type"), ("1", "lead"), ("2", "lead")),
    )
    assert (found.valid.height, found.invalid, len(found.skipped)) == (0, (), 2)
