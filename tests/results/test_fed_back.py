"""An errors file that comes back: what was refused stays refused until somebody corrects it."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.job.check import check
from importer.job.job_settings import InputSettings
from importer.mapping.load import load_mapping
from importer.source.fed_back import ADDED, Digester, ErrorsFile, escape_cell
from importer.source.records import Kind, Layout, RecordBatch, SourceFault, Unseen, kind_series
from tests.source.workbooks import Raw, error, write_workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from importer.mapping.model import Mapping

HEADER = ["external_reference", "name", "email", "currency", "balance"]
Table = list[list[str]]


class Feeding:
    """Checks a source, and what its errors file becomes on the way back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.errors = folder
        self.mapping: Mapping | None = None
        self.encoding = "auto"

    def check(self, name: str, content: bytes = b"") -> dict[str, tuple[str, str]]:
        """By reference (a line's number where there is none): outcome and error codes."""
        path = self.folder / name
        if content:
            path.write_bytes(content)
        inputs = InputSettings(
            (str(path),),
            out=self.folder / "results",
            mapping=self.mapping,
            encoding=self.encoding,
        )
        results = check(inputs).results
        self.errors = results / "errors.csv"
        with (results / "results.csv").open(newline="") as file:
            return {
                row["external_reference"] or row["line"]: (row["outcome"], row["error_code"])
                for row in csv.DictReader(file)
            }

    def use(self, fields: str, *, source: str = "", rows: str = "") -> None:
        """Read all files by a mapping with these sections from now on."""
        path = self.folder / "map.toml"
        path.write_text(f"version = 1\n[source]\n{source}\n[rows]\n{rows}\n[fields]\n{fields}\n")
        self.mapping = load_mapping(path)

    def table(self) -> Table:
        """The errors file, header first."""
        with self.errors.open(newline="") as file:
            return list(csv.reader(file))

    def again(self, table: Table | None = None) -> dict[str, tuple[str, str]]:
        """Feed the errors file back, as it is or as this table."""
        if table is None:
            return self.check("again.csv", self.errors.read_bytes())
        return self.check("again.csv", as_csv(table))


@pytest.fixture
def feeding(tmp_path: Path) -> Feeding:
    """A folder to check files in."""
    return Feeding(tmp_path)


def as_csv(table: Sequence[Sequence[str]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    """A table as a spreadsheet saves it."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(table)
    return text.getvalue().encode(encoding, "replace")


def workbook(tmp_path: Path, *rows: Sequence[object]) -> bytes:
    """A workbook with these rows."""
    path = tmp_path / "made.xlsx"
    write_workbook(path, {"Sheet": dict(enumerate(rows, 1))})  # type: ignore[arg-type]
    return path.read_bytes()


def parquet(tmp_path: Path, **columns: list[object]) -> bytes:
    """A Parquet file with these columns."""
    path = tmp_path / "made.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path.read_bytes()


def changed(table: Table, column: str, value: str) -> Table:
    """The table with another value in its first record."""
    at = table[0].index(column)
    return [
        table[0],
        [value if index == at else cell for index, cell in enumerate(table[1])],
        *table[2:],
    ]


def csv_of(line: str) -> bytes:
    """One record below the usual header."""
    return f"{','.join(HEADER)}\n{line}".encode("utf-8", "surrogateescape")


NO_VALUE = Raw('<c r="{ref}"><f>A1</f></c>')
NAME_ONLY = ["T3"]
HIDDEN: dict[str, tuple[str, Callable[[Path], bytes], str]] = {
    "a last line that was cut off": (
        "s.csv",
        lambda _: csv_of("T3,Benedict Mor"),
        "too_few_fields",
    ),
    "an empty last line": ("s.csv", lambda _: csv_of("T3"), "too_few_fields"),
    "surplus cells": ("s.csv", lambda _: csv_of("T3,Ann,a@b.co,ZAR,1,2\n"), "too_many_fields"),
    "an unclosed quote": ("s.csv", lambda _: csv_of('T3,"Ann,a@b.co,ZAR,1\n'), "unclosed_quote"),
    "a stray quote": ("s.csv", lambda _: csv_of('T3,"Ann"x,a@b.co,ZAR,1\n'), "stray_quote"),
    "bad bytes": (
        "s.csv",
        lambda _: (
            csv_of("T2,Zoë,,,\n").replace(b"\n", b"\nT1,Zo\xc3\xab,,,\n", 1)
            + b"T3,Zo\xeb,a@b.co,ZAR,1\n"
        ),
        "not_utf8",
    ),
    "a NUL byte": ("s.csv", lambda _: csv_of("T3,A\0nn,a@b.co,ZAR,1\n"), "nul_byte"),
    "an Excel error": (
        "s.xlsx",
        lambda folder: workbook(folder, HEADER, ["T3", error("#N/A"), None, "ZAR", 1]),
        "cell_error",
    ),
    "TRUE as a name": (
        "s.xlsx",
        lambda folder: workbook(folder, HEADER, ["T3", True, None, "ZAR", 1]),
        "wrong_type",
    ),
    "a formula without a value": (
        "s.xlsx",
        lambda folder: workbook(folder, HEADER, ["T3", NO_VALUE, None, "ZAR", 1]),
        "cell_error",
    ),
    "a long number": (
        "s.xlsx",
        lambda folder: workbook(folder, HEADER, [1234567890123456, "Ann", None, "ZAR", 1]),
        "number_inexact",
    ),
    "a JSON object as a name": (
        "s.jsonl",
        lambda _: b'{"external_reference": "T3", "name": {"first": "Ann"}}\n',
        "wrong_type",
    ),
    "a JSON list as a name": (
        "s.jsonl",
        lambda _: b'{"external_reference": "T3", "name": ["Ann"]}\n',
        "wrong_type",
    ),
    "a lone surrogate": (
        "s.jsonl",
        lambda _: b'{"external_reference": "T3", "name": "Ann \\ud83d"}\n',
        "not_unicode",
    ),
    "a floating point reference": (
        "s.parquet",
        lambda folder: parquet(folder, external_reference=[17.5], name=["Ann"]),
        "number_inexact",
    ),
    "a date as a name": (
        "s.parquet",
        lambda folder: parquet(folder, external_reference=["T3"], name=[date(2026, 11, 25)]),
        "wrong_type",
    ),
    "bytes as a name": (
        "s.parquet",
        lambda folder: parquet(folder, external_reference=["T3"], name=[b"Ann \xff"]),
        "wrong_type",
    ),
    "no JSON": (
        "s.jsonl",
        lambda _: b'{"external_reference": "T1", "name": "Bo"}\n{"external_reference": "T3"\n',
        "not_json",
    ),
}
"""What the text of an errors file does not show: source, its content, the error code."""


@pytest.mark.parametrize("kind", HIDDEN)
def test_a_refused_record_that_comes_back_unchanged_stays_refused(
    feeding: Feeding, kind: str
) -> None:
    """Twice through the errors file, with the reason that it was refused for."""
    name, content, code = HIDDEN[kind]
    first = feeding.check(name, content(feeding.folder))
    refused = {key: found for key, found in first.items() if found[0] == "invalid"}
    assert [found[1] for found in refused.values()] == [code] * len(refused)
    reasons = [row[feeding.table()[0].index("_error")] for row in feeding.table()[1:]]
    for _ in range(2):
        again = feeding.again()
        assert list(again.values()) == [("invalid", code)] * len(refused)
        table = feeding.table()
        assert [row[table[0].index("_error")] for row in table[1:]] == reasons


@pytest.mark.parametrize(
    "kind", sorted(HIDDEN.keys() - {"no JSON", "a long number", "a floating point reference"})
)
def test_a_corrected_record_goes_through(feeding: Feeding, kind: str) -> None:
    """Once the cell, or the record, is right, it is judged like any other."""
    name, content, _ = HIDDEN[kind]
    feeding.check(name, content(feeding.folder))
    table = [row for row in feeding.table() if row[0] in {"T3", "external_reference"}]
    table = changed(table, "name", "Ann Corrected")
    if "_extra" in table[0]:
        assert feeding.again(table)["T3"] == ("invalid", "too_many_fields")
        table = changed(table, "_extra", "")
    assert feeding.again(table) == {"T3": ("would_create", "")}


def test_a_record_may_be_right_as_it_stands(feeding: Feeding) -> None:
    """The word ok in _error_code says that somebody has looked: the record is taken as it is."""
    feeding.check("s.csv", csv_of("T3,Benedict Mor"))
    assert feeding.again(changed(feeding.table(), "_error_code", "ok"))["T3"][0] == "would_create"


def test_another_cell_does_not_correct_a_damaged_one(feeding: Feeding) -> None:
    """A corrected name leaves the balance refused whose formula has no value."""
    rows = (HEADER, ["T3", error("#N/A"), None, "ZAR", NO_VALUE])
    feeding.check("s.xlsx", workbook(feeding.folder, *rows))
    again = feeding.again(changed(feeding.table(), "name", "Ann"))
    assert again == {"T3": ("invalid", "cell_error")}
    told = feeding.table()[1][feeding.table()[0].index("_error")]
    assert "balance" in told
    assert "name" not in told


def test_a_rule_that_was_broken_is_judged_anew(feeding: Feeding) -> None:
    """What the text shows is no matter of the digest: a mapping may have learned to read it."""
    feeding.check("s.csv", b"external_reference,phone\nA-1,0821234567\n")
    errors = feeding.errors.read_bytes()
    feeding.use(
        "external_reference.column = 'external_reference'\nphone = {column='phone', region='ZA'}"
    )
    assert feeding.check("again.csv", errors) == {"A-1": ("would_create", "")}


CUT_OFF = csv_of("T1,Ann Ex,x,ZAR,100\nT2,Zoë,b@c.co,UK,951.80\nT3,Benedict Mor")


def _spreadsheet(table: Table) -> Table:
    """What a spreadsheet may do to a table that it opens and saves."""
    order = [*range(3, len(table[0])), 1, 0, 2]
    moved = [[row[at] for at in order] for row in table]
    return [[*row, "", ""] for row in moved]


@pytest.mark.parametrize(
    "saved",
    [
        lambda table: as_csv(table, ";", "cp1252"),
        lambda table: b"\xff\xfe" + as_csv(table, "\t", "utf-16-le"),
        lambda table: b"\xef\xbb\xbf" + as_csv(table, ","),
        lambda table: b"sep=;\r\n" + as_csv(table, ";"),
        lambda table: as_csv(_spreadsheet(table), ";", "cp1252"),
    ],
    ids=["ANSI", "Unicode text", "BOM", "sep=", "moved columns"],
)
def test_a_spreadsheet_that_saves_the_file_corrects_nothing(
    feeding: Feeding, saved: Callable[[Table], bytes]
) -> None:
    """In another encoding, with another delimiter or order, every record is refused as before."""
    first = feeding.check("s.csv", CUT_OFF)
    feeding.encoding = "windows-1252"
    again = feeding.check("again.csv", saved(feeding.table()))
    assert again == first
    assert "Zoë" in feeding.errors.read_text()


def test_an_errors_file_is_a_workbook_now(feeding: Feeding, tmp_path: Path) -> None:
    """Saved as .xlsx it is read as one, whatever the mapping says of the source's own form."""
    header = ["external_reference", "phone", "name", "balance"]
    lines = (",".join(header), "0042,+27820000001,Ann,10", "7,+27820000002,#N/A,951.80", "T3,+27")
    feeding.check("s.csv", "\n".join(lines).encode())
    table = feeding.table()
    assert [row[0] for row in table] == ["external_reference", "'0042", "7", "T3"]
    typed: list[list[object]] = [list(row) for row in table]
    currency = [*table[0], "currency"]
    for row in typed[1:]:
        row[:] = [float(str(one)) if one in {"2", "3", "7", "951.80"} else one for one in row]
    typed[2][2] = error("#N/A")
    typed[1].append("ZAR")
    made = workbook(tmp_path, currency, *typed[1:])
    fields = ("external_reference", "phone", "name", "currency")
    named = [f"{one}.column = '{one}'" for one in fields]
    feeding.use(
        "\n".join([*named, "balance = {column = 'balance', unit = 'major'}"]),
        source="sheet = 'Kunden'\ndelimiter = ';'",
    )
    again = feeding.check("again.xlsx", made)
    assert again["0042"] == ("would_create", "")
    assert again["T3"] == ("invalid", "too_few_fields")
    assert again["7"][0] == "invalid"


DAMAGED = {
    "zeros lost": ("0042", "42"),
    "zeros lost behind the apostrophe": ("0042", "'42"),
    "a long number shortened": ("1234567890123456", "1.23457E+15"),
    "a long number shortened more": ("1234567890123456", "1.23E+15"),
    "digits lost": ("1234567890123456", "1234567890123450"),
    "a day": ("MAR-1", "01-Mar"),
    "two numbers": ("1-2", "01-Feb"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_reference_that_a_spreadsheet_changed_is_refused(feeding: Feeding, kind: str) -> None:
    """The customer would be made again under another reference: a sentence says what to do."""
    was, became = DAMAGED[kind]
    feeding.check("s.csv", f"external_reference,name,phone\n{was},Ann,x\n".encode())
    table = changed(changed(feeding.table(), "phone", ""), "external_reference", became)
    again = feeding.again(table)
    assert [(found[0], "spreadsheet_altered" in found[1]) for found in again.values()] == [
        ("invalid", True)
    ]
    told = feeding.table()[1][feeding.table()[0].index("_error")]
    assert "a spreadsheet has changed it" in told
    assert feeding.again()[next(iter(again))][0] == "invalid"
    corrected = changed(feeding.table(), "external_reference", was)
    assert feeding.again(corrected)[was] == ("would_create", "")


@pytest.mark.parametrize(
    ("was", "became"),
    [
        ("A 1", "A-1"),
        ("0042", "0043"),
        ("1234567890123456", "1234567890123457"),
        ("C-42", "C-43"),
        ("42", "00042"),
    ],
)
def test_a_reference_that_somebody_corrected_is_taken(
    feeding: Feeding, was: str, became: str
) -> None:
    """Another reference is a correction where no spreadsheet makes it of the old one."""
    feeding.check("s.csv", f"external_reference,name,phone\n{was},Ann,x\n".encode())
    table = changed(changed(feeding.table(), "phone", ""), "external_reference", became)
    assert feeding.again(table) == {became: ("would_create", "")}


@pytest.mark.parametrize(
    ("name", "saved", "expected"),
    [
        ("Jiří Novák", "Ji?í Novák", "invalid"),
        ("Jiří Novák", "Jirí Novák", "invalid"),
        ("Zoë", "Zoë", "would_create"),
        ("Zoe", "Zoë", "would_create"),
        ("Zoë", "Chloë", "would_create"),
    ],
)
def test_letters_that_an_old_encoding_lost_are_noticed(
    feeding: Feeding, name: str, saved: str, expected: str
) -> None:
    """A name with ? or without its accents in an ANSI file is none that somebody corrected."""
    feeding.check("s.csv", f"external_reference,name,phone\nA-1,{name},x\n".encode())
    table = changed(changed(feeding.table(), "phone", ""), "name", saved)
    feeding.encoding = "windows-1252"
    assert feeding.check("again.csv", as_csv(table, ";", "cp1252"))["A-1"][0] == expected


AMOUNTS = {
    # mapping, cell, what it becomes, whether it is a correction
    "another mark, as the error says": ("1,234.56", "1,23", "1.23", True),
    "and a zero at the end": ("1,234.56", "4,10", "4.10", True),
    "the other way round": ("1.234,56", "951.8", "951,8", True),
    "a mark that may be one of thousands": ("1.234,56", "1,234", "1.234", False),
    "marks of thousands left out of a whole number": ("", "1,234", "1234", True),
    "decimals taken for thousands": ("1,234.56", "951,80", "95180", False),
}


@pytest.mark.parametrize("kind", AMOUNTS)
def test_what_the_error_of_a_cell_asks_for_is_a_correction(feeding: Feeding, kind: str) -> None:
    """It looks as a spreadsheet's work may look; the cell as it was stays refused."""
    number_format, was, becomes, taken = AMOUNTS[kind]
    fields = "external_reference.column='r'\nname.column='n'\ncurrency.constant='ZAR'\nbalance"
    money = f", unit='major', number_format='{number_format}'" if number_format else ""
    feeding.use(f"{fields}={{column='b'{money}}}")
    first = feeding.check("s.csv", f'r,n,b\nA-1,Ann,"{was}"\n'.encode())
    assert first["A-1"][0] == "invalid"
    table = feeding.table()
    assert feeding.again() == first
    again = feeding.again(changed(table, "b", becomes))
    expected = ("would_create", "") if taken else ("invalid", "spreadsheet_altered")
    assert again == {"A-1": expected}


def test_an_amount_beside_the_cell_in_error_is_guarded_as_ever(feeding: Feeding) -> None:
    """A spreadsheet that turns it into another form while somebody corrects the phone is told."""
    feeding.use(
        "external_reference.column='r'\nphone.column='p'\ncurrency.constant='ZAR'\n"
        "balance={column='b', unit='major', number_format='1.234,56'}"
    )
    feeding.check("s.csv", b'r,p,b\nA-1,x,"951,80"\n')
    table = changed(feeding.table(), "p", "+27820000001")
    again = feeding.again(changed(table, "b", "951.80"))
    assert again == {"A-1": ("invalid", "spreadsheet_altered")}


def test_an_accent_is_corrected_in_unicode(feeding: Feeding) -> None:
    """In UTF-8 nothing is lost, so another accent is a correction."""
    feeding.check("s.csv", "external_reference,name,phone\nA-1,Jiøí,x\n".encode())
    table = changed(changed(feeding.table(), "phone", ""), "name", "Jiří")
    assert feeding.again(table) == {"A-1": ("would_create", "")}


def test_an_apostrophe_that_a_spreadsheet_hides_is_no_loss(feeding: Feeding) -> None:
    """Ids that begin with an apostrophe keep it, whether or not the escaping came back."""
    feeding.check("s.csv", b"external_reference,metadata.id,phone\nA-1,'0042,x\n")
    table = changed(feeding.table(), "phone", "")
    for cell in ("''0042", "'0042"):
        feeding.again(changed(changed(table, "metadata.id", cell), "phone", "y"))
        assert feeding.table()[1][1] == "''0042"


@pytest.mark.parametrize("missing", ["column", "cell", "damaged"])
def test_a_record_without_its_digest_is_not_taken_for_corrected(
    feeding: Feeding, missing: str
) -> None:
    """Where the digest is gone nothing says whether a cut-off record was completed."""
    feeding.check("s.csv", csv_of("T3,Benedict Mor\n"))
    table = feeding.table()
    if missing == "column":
        table = [row[:-1] for row in table]
    else:
        table = changed(table, "_digest", "" if missing == "cell" else "v1.x")
    again = feeding.again(table)
    assert again["T3"] == ("invalid", "too_few_fields")
    assert "write ok" in feeding.table()[1][feeding.table()[0].index("_error")]


def test_a_row_that_somebody_added_is_a_row(feeding: Feeding) -> None:
    """A new record in an errors file has none of our cells, and is judged like any other."""
    feeding.check("s.csv", csv_of("T3,Benedict Mor\n"))
    table = feeding.table()
    table.append(["T4", "Ann", *[""] * (len(table[0]) - 2)])
    assert feeding.again(table)["T4"] == ("would_create", "")


def test_a_column_that_was_renamed_is_no_correction(feeding: Feeding) -> None:
    """Another name in the header corrects no cell."""
    rows = (["external_reference", "Name", "x"], ["T3", error("#N/A"), NO_VALUE])
    feeding.check(
        "s.xlsx",
        workbook(feeding.folder, *rows),
    )
    feeding.use("external_reference.column = 'external_reference'\nname.column = 'Name'")
    assert feeding.check("s.xlsx")["T3"][0] == "invalid"
    table = feeding.table()
    table[0] = ["name" if one == "Name" else one for one in table[0]]
    feeding.mapping = None
    assert feeding.again(table)["T3"] == ("invalid", "cell_error")


def test_what_moment_refused_is_judged_by_its_text(feeding: Feeding) -> None:
    """A row that was valid by itself holds no refusal of ours, so nothing stays."""
    feeding.check("s.csv", csv_of("T3,Ann,,,\nT3,Bob,,,\n"))
    table = feeding.table()
    assert len(table) == 3
    assert feeding.again(table[:2]) == {"T3": ("would_create", "")}


@pytest.mark.parametrize("rule", ["keep = { Status = 'active' }", "drop = { Status = 'closed' }"])
def test_a_rule_for_rows_does_not_judge_a_damaged_cell(feeding: Feeding, rule: str) -> None:
    """Whether the row is to be left out cannot be told, so it is an error, and never skipped."""
    rows = (
        ["id", "Name", "Status"],
        ["1", "Ann", "active"],
        ["2", "Bob", error("#N/A")],
        ["3", "Cid", NO_VALUE],
        ["4", "Dan", "closed"],
    )
    feeding.use("external_reference.column = 'id'\nname.column = 'Name'", rows=rule)
    first = feeding.check("s.xlsx", workbook(feeding.folder, *rows))
    assert {key: found[0] for key, found in first.items()} == {
        "1": "would_create",
        "2": "invalid",
        "3": "invalid",
        "4": "skipped",
    }
    assert first["2"][1] == first["3"][1] == "cell_error"
    assert {found[0] for found in feeding.again().values()} == {"invalid"}


@pytest.mark.parametrize("rule", ["true", "{ column = 'Name', starts_with = 'Total' }"])
def test_a_totals_line_is_none_where_its_cells_cannot_be_read(feeding: Feeding, rule: str) -> None:
    """A customer called Total whose reference is a broken formula is an error, not left out."""
    rows = (
        ["id", "Name"],
        ["1", "Ann"],
        [
            NO_VALUE if rule == "true" else "2",
            "Total Plumbing" if rule == "true" else error("#N/A"),
        ],
        [None, "Total"],
    )
    feeding.use(
        "external_reference.column = 'id'\nname.column = 'Name'", rows=f"skip_totals = {rule}"
    )
    found = feeding.check("s.xlsx", workbook(feeding.folder, *rows))
    assert [one[0] for one in found.values()] == ["would_create", "invalid", "skipped"]


def test_the_kind_of_a_cell_comes_back_and_is_judged_anew(feeding: Feeding) -> None:
    """True is no name, however often it is fed back; a mapping may send it to metadata instead."""
    feeding.check("s.jsonl", b'{"external_reference": "T3", "name": true, "since": "x"}\n')
    assert feeding.again() == {"T3": ("invalid", "wrong_type")}
    errors = feeding.errors.read_bytes()
    feeding.use("external_reference.column = 'external_reference'\n[metadata.vip]\ncolumn='name'")
    assert feeding.check("again.csv", errors) == {"T3": ("would_create", "")}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PIECES = ["v1", ".", "aaaa", "bbbbbb", "9", "z", "cccccc", "!", ":cell_error:", "0", "+", "7"]
ODD = st.lists(st.sampled_from(PIECES), max_size=9).map(lambda parts: "v1" + "".join(parts))
CELLS = (
    TEXT
    | ODD
    | st.sampled_from(["\u017fep 1", "1-2", "'0042", "1e5", "951,80", "Zoë", "ok", "9" * 30])
)


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=3),
    is_unicode=st.booleans(),
)
def test_whatever_stands_in_an_errors_file_no_record_is_lost(
    rows: list[tuple[str, ...]], *, is_unicode: bool
) -> None:
    """Each record comes out once, as a row or as one that is refused, whatever its digest says."""
    columns = ("external_reference", "name", "_error_code", "_error", "_digest", "_extra")
    layout = Layout("e.csv", columns)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    lines = range(2, 2 + len(rows))
    found = ErrorsFile(layout, lambda: is_unicode).restored(RecordBatch(0, frame, lines))
    assert sorted([*found.lines, *(one.line for one in found.malformed)]) == list(lines)
    assert found.frame.height == len(found.lines)
    for fault in found.faults:
        assert 0 <= fault.index < found.frame.height


@settings(max_examples=80)
@given(st.tuples(CELLS, CELLS), TEXT, st.sampled_from(["", "name"]))
def test_a_digest_knows_its_record_again(cells: tuple[str, str], error: str, column: str) -> None:
    """What was refused in any record is refused again when its cells come back as they were."""
    columns = ("external_reference", "name")
    unseen = Unseen((SourceFault(column, "cell_error", "told"),))
    digest = Digester(columns)(cells, "", unseen, f"{error}told")
    row = (*map(escape_cell, cells), "2", "cell_error", f"{error}told", digest)
    frame = pl.DataFrame([row], schema=[*columns, *ADDED], orient="row")
    layout = Layout("e.csv", (*columns, *ADDED))
    found = ErrorsFile(layout, lambda: True).restored(RecordBatch(0, frame, [2]))
    if column:
        assert [(one.column, one.code) for one in found.faults] == [(column, "cell_error")]
        assert found.frame.row(0)[:2] == cells
    else:
        assert [(one.code, one.cells[:2]) for one in found.malformed] == [("cell_error", cells)]


@pytest.mark.parametrize(
    ("was", "saved"),
    [("1.50", "1.5"), ("2.00", "2"), ("2,00", "2"), ("7,10", "7,1"), ("TRUE", "true")],
)
def test_a_text_gets_its_zeros_and_its_case_back(was: str, saved: str) -> None:
    """The same amount to a spreadsheet is another plan, reference or metadata value."""
    digest = Digester(("v",))([was], "", Unseen(), "")
    frame = pl.DataFrame([(saved, "2", "x", "", digest)], schema=["v", *ADDED], orient="row")
    number = {0: kind_series([Kind.NUMBER])}
    file = ErrorsFile(Layout("e.csv", ("v", *ADDED)), lambda: True)
    found = file.restored(RecordBatch(0, frame, [2], kinds=number))
    assert (found.frame.item(0, 0), found.kinds_of(0), found.faults) == (was, (), ())


@pytest.mark.parametrize("delimiter", ["^", "\x01", "¦", "\t"])
def test_an_errors_file_says_its_own_delimiter(feeding: Feeding, delimiter: str) -> None:
    """One record is enough, whatever sign it is and whatever else stands in its cells."""
    source = csv_of("T3,Ann,a;b|c,ZAR,1\n").replace(b",", delimiter.encode())
    (feeding.folder / "s.csv").write_bytes(source)
    inputs = InputSettings(
        (str(feeding.folder / "s.csv"),), out=feeding.folder / "results", delimiter=delimiter
    )
    feeding.errors = check(inputs).results / "errors.csv"
    errors = feeding.errors.read_bytes()
    assert feeding.check("again.csv", errors) == {"T3": ("invalid", "email_syntax")}


def test_extra_cells_come_back_as_json(feeding: Feeding) -> None:
    """Cells beyond the header stay what they were, however often the file is fed back."""
    feeding.check("s.csv", csv_of('T3,Ann,a@b.co,ZAR,1,"x, y",z\n'))
    for _ in range(2):
        table = feeding.table()
        assert json.loads(table[1][table[0].index("_extra")]) == ["x, y", "z"]
        feeding.again()
