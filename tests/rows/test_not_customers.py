"""Lines at the edges of a file that look like no customers."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.rows.header_fields import map_columns
from importer.rows.judged import judge_batch
from importer.rows.not_customers import EdgeLines
from importer.source.records import Layout, Malformed, RecordBatch

HEADER = ("external_reference", "name", "currency", "balance")
LAYOUT = Layout("x.csv", HEADER)
CUSTOMERS = [(f"R-{n}", f"Ann {n}", "ZAR", "5") for n in range(20)]


def found(
    *records: tuple[str, ...], cut: int = 100, malformed: tuple[Malformed, ...] = ()
) -> dict[int, str]:
    """Line and look of what is found among records that begin on line 2."""
    padded = [(*one, *[""] * (len(HEADER) - len(one))) for one in records]
    frame = pl.DataFrame(padded, schema=dict.fromkeys(HEADER, pl.String), orient="row")
    batches = [
        RecordBatch(0, frame[at : at + cut], range(at + 2, at + 2 + frame[at : at + cut].height))
        for at in range(0, frame.height, cut)
    ]
    if malformed:
        batches.append(RecordBatch(0, frame.clear(), [], malformed))
    edges = EdgeLines(LAYOUT)
    columns = map_columns(LAYOUT, strict=False)
    return {
        one.line: one.looks_like
        for batch in edges.watched(batches)
        for one in edges.take(judge_batch(batch, columns))
    }


@pytest.mark.parametrize(
    ("record", "looks_like"),
    [
        (("Total", "", "ZAR", "300"), "a line of totals"),
        (("", "Grand Total:", "", "300"), "a line of totals"),
        (("Total (ZAR)", "", "", "300"), "a line of totals"),
        (("Totals for all customers",), "a line of totals"),
        (("Summe", "", "EUR", "300"), "a line of totals"),
        (("Closing balance", "", "ZAR", "300"), "a line of totals"),
        (("Grand total: 20 customers",), "a line of totals"),
        (("End of export - 20 records",), "an end mark"),
        (("As of 2026-11-01",), "the foot of a page or report"),
        (("Copyright (c) 2026 Acme, inc.",), "the foot of a page or report"),
        (("Average", "", "ZAR", "30"), "a line of totals"),
        (("------", "----"), "a line of dashes"),
        (("======",), "a line of dashes"),
        (("EOF", "3"), "an end mark"),
        (("*** END OF REPORT ***",), "an end mark"),
        (("TRAILER", "000020"), "an end mark"),
        (("T", "20"), "a count of the records"),
        (("(20 rows affected)",), "a count of the records"),
        (("20 rows selected.",), "a count of the records"),
        (("Record count:", "20"), "a count of the records"),
        (("Page 1 of 3",), "the foot of a page or report"),
        (("Total g\u00e9n\u00e9ral", "", "EUR", "300"), "a line of totals"),
        (("Summe gesamt", "", "EUR", "300"), "a line of totals"),
        (("Saldo", "", "", "300"), "a line of totals"),
        (("Razem", "", "PLN", "300"), "a line of totals"),
        (("Genel Toplam", "", "TRY", "300"), "a line of totals"),
        (("\u0418\u0422\u041e\u0413\u041e:", "", "RUB", "300"), "a line of totals"),
        (("\u5408\u8a08", "", "JPY", "300"), "a line of totals"),
        (("Summa", "", "SEK", "300"), "a line of totals"),
        (("Total de clientes: 20",), "a line of totals"),
        (("*** Grand Total ***",), "a line of totals"),
        (("Report Totals:", "", "", "300"), "a line of totals"),
        (("Balance b/d", "", "", "300"), "a line of totals"),
        (("Gesamtergebnis", "", "", "300"), "a line of totals"),
        (("Fin du rapport",), "an end mark"),
        (("Ende der Liste",), "an end mark"),
        (("Fim do relat\u00f3rio",), "an end mark"),
        (("--- Ende ---",), "an end mark"),
        (("TRL|20",), "an end mark"),
        (("\x1a",), "an end mark"),
        (("(20 row(s) affected)",), "a count of the records"),
        (("Showing 1 to 20 of 20 entries",), "a count of the records"),
        (("N\u00famero de registros: 20",), "a count of the records"),
        (("Aantal records: 20",), "a count of the records"),
        (("9", "20", "100.00"), "a count of the records"),
        (("P\u00e1gina 1 de 3",), "the foot of a page or report"),
        (("Strona 1 z 3",), "the foot of a page or report"),
        (("Druckdatum: 01.11.2026",), "the foot of a page or report"),
        (("Imprim\u00e9 le 01/11/2026",), "the foot of a page or report"),
        (("Accrual Basis  Sunday, November 1, 2026 10:00 AM",), "the foot of a page or report"),
        (("Continued on next page",), "the foot of a page or report"),
        (("HDR", "20261101", "ACME"), "the head of a transmission"),
        (("* * * * *",), "a line of dashes"),
        (("-", "-", "-", "-"), "a line of dashes"),
        (("NULL", "NULL", "NULL", "NULL"), "a line of dashes"),
        (("Printed on 2026-11-01",), "the foot of a page or report"),
        (HEADER, "the header once more"),
        (("\ufeff" + HEADER[0], *HEADER[1:]), "the header once more"),
    ],
)
@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_line_that_is_no_customer(record: tuple[str, ...], looks_like: str, cut: int) -> None:
    """It is found at the end, whatever the batches are."""
    assert found(*CUSTOMERS, record, cut=cut) == {22: looks_like}


@pytest.mark.parametrize(
    "record",
    [
        ("Total Plumbing CC", "A99", "ZAR", "5"),
        ("TOTAL-7", "Ann", "ZAR", "5"),
        ("Total", "Total SA", "", "billing@total.example"),
        ("R-99", "Total Fitness", "ZAR", "5"),
        ("End-Street-Bakery", "End Street Bakery"),
        ("R-98", "20"),
        ("page-turner", "Page Turner"),
        ("R-97", "-"),
        ("Result-1", "Result Ltd"),
        ("Totally-Fit", "Totally Fit CC"),
        ("Suma-12", "Suma Wholefoods"),
        ("Gesamtschule", "Gesamtschule Bonn"),
        ("Summers", "Summers Ltd"),
        ("Date-1", "Date Farm"),
        ("User-1", "User One"),
        ("Stand", "Old Stand", "ZAR", "1"),
        ("R-96", "20261101"),
    ],
)
def test_a_customer_is_one(record: tuple[str, ...]) -> None:
    """However they are called."""
    assert found(*CUSTOMERS, record) == {}


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_word_in_the_middle_is_a_customer_and_a_second_header_is_not(cut: int) -> None:
    """Rules and headers are none anywhere; all else is looked at near the edges only."""
    total = ("Total", "", "ZAR", "300")
    half = CUSTOMERS[:10]
    assert found(*half, total, *half, cut=cut) == {}
    assert found(*half, HEADER, *half, ("---", "---"), *half, cut=cut) == {
        12: "the header once more",
        23: "a line of dashes",
    }
    assert found(*half, ("Subtotal:", "", "ZAR", "300"), *half, cut=cut) == {12: "a line of totals"}
    assert found(("---", "---"), total, *half, cut=cut) == {
        2: "a line of dashes",
        3: "a line of totals",
    }


def test_a_record_that_is_malformed_too() -> None:
    """A count stands in one cell where there are four."""
    broken = Malformed(22, "too_few_fields", "x", ("(20 rows affected)",))
    assert found(*CUSTOMERS, malformed=(broken,)) == {22: "a count of the records"}


def test_what_stands_about_a_foot_belongs_to_it() -> None:
    """Single cells at the very end are of the foot where one of them says so, and else are not."""
    foot = ["Open accounts", "Copyright (c) 2026 Salesforce", "Acme Holdings"]
    lines = [
        Malformed(22 + at, "too_few_fields", "x", (text,), framed=True)
        for at, text in enumerate(foot)
    ]
    assert list(found(*CUSTOMERS, malformed=tuple(lines))) == [22, 23, 24]
    assert found(*CUSTOMERS, malformed=(lines[0], lines[2])) == {}
    reached = replace(lines[2], cells=("ann@example.com",))
    assert list(found(*CUSTOMERS, malformed=(*lines[:2], reached))) == [22, 23]


@given(
    st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=30), st.integers(1, 9)
)
def test_batches_never_change_what_is_found(records: list[tuple[str, str]], cut: int) -> None:
    """Nor does any text break the search."""
    assert found(*records, cut=cut) == found(*records)
