"""``importer init`` on exports that try to write the mapping themselves."""

from __future__ import annotations

import csv
import shlex
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from importer.cli.init_command import InitSettings, init
from importer.cli.next_commands import pasted
from importer.errors import ImporterError
from importer.mapping.bound import bind
from importer.mapping.load import load_mapping
from importer.mapping.proposing.facts import gather
from importer.mapping.proposing.proposal import Answers
from importer.mapping.proposing.propose import propose
from importer.source.opened import open_source
from importer.source.source_options import SourceOptions
from tests.source.workbooks import write_workbook

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = (
    *("Customer No", "Name", "First Name", "Last Name", "Email", "Phone", "Currency", "Balance"),
    *("Debit", "Credit", "Status", "Type", "Country", "Company", "metadata.note", "Total"),
)
HOSTILE = (
    *('"', "'", "\\", "\n", "\r\n", "\t", "\u2028", "\x85", "\x1b[31m", "#", "]", "{Name}", "}}"),
    *('"]\n[metadata.note]\nconstant = "x"\n#', '"""', "'''", '" = 1 }\n[run]\nlive = true\n', "="),
    *("active", "closed", "ZAR", "UK", "1,50", "-", "NULL", "a@b.za", "0821234567", "Total", "é"),
)
TEXTS = st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join)
HEADERS = st.lists(
    st.tuples(st.sampled_from(KNOWN), st.sampled_from(("", *HOSTILE))).map("".join),
    min_size=1,
    max_size=6,
    unique=True,
)
ANSWERS = Answers(region="ZA", currency="ZAR", unit="major", positive="debit")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(HEADERS, st.lists(st.lists(TEXTS, min_size=6, max_size=6), min_size=1, max_size=5))
@example(["Customer No", "Status"], [['x"\n[metadata.note]\nconstant = "pwned"\n'] * 6])
@example(["Customer No", "Customer No\n"], [[""] * 6])
@example(["Customer No", "Status"], [["closed"] * 6, ['a\nb"]'] * 6])
def test_cells_and_headers_stay_values(
    tmp_path: Path, header: list[str], rows: list[list[str]]
) -> None:
    """Whatever they hold, the file that is written has the tables that were proposed, no other."""
    source, out = tmp_path / "export.csv", tmp_path / "import.toml"
    with source.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        numbered = [[f"K{at}", *row[1 : len(header)]] for at, row in enumerate(rows)]
        writer.writerows([header, *numbered])
    options = SourceOptions(delimiter=",", encoding="utf-8")
    try:
        with open_source(str(source), 0, options) as opened:
            facts = gather(opened.layout, opened.batches())
    except ImporterError:
        return  # such a file is refused before anything is proposed
    answers = replace(ANSWERS, reference=tuple(one.name for one in facts.columns[:1]))
    try:
        init(InitSettings(str(source), out, options, answers, yes=True, force=True))
    except ImporterError as refused:
        assert "open" in refused.message or "no records" in refused.message  # noqa: PT017 - not what is tested
        return
    proposal = propose(facts, answers)
    tables: dict[str, object] = {"version": 1, "run": {}, "update": {}}
    for choice in proposal.choices:
        table, *rest = choice.key
        if rest:
            tables.setdefault(table, {})[rest[0]] = _plain(choice.entry)  # type: ignore[index]
        else:
            tables[table] = _plain(choice.entry)
    written = tomllib.loads(out.read_text(encoding="utf-8"))
    assert written.pop("source").keys() <= {"encoding", "delimiter", "empty"}
    assert written == tables
    bind(load_mapping(out), facts.layout)


@pytest.mark.parametrize("name", ["book.xlsm", "book.xlsx", "book", "book.csv"])
def test_the_sheet_that_was_named_is_written_down(tmp_path: Path, name: str) -> None:
    """A workbook is one by what it holds, and its sheet may be called anything."""
    sheet = 'New "2026"] = {'
    cells: dict[str, dict[int, list[str | int | float | bool | None]]] = {
        "Old": {1: ["Customer No"], 2: ["A1"]},
        sheet: {1: ["Customer No"], 2: ["B-7"]},
    }
    write_workbook(tmp_path / name, cells)
    out = tmp_path / "import.toml"
    init(InitSettings(str(tmp_path / name), out, SourceOptions(sheet=sheet), Answers(), yes=True))
    assert tomllib.loads(out.read_text())["source"] == {"sheet": sheet}


@pytest.mark.parametrize("name", ["a\n[run]\nlive = true.csv", 'x"#.csv', "$(touch pwned) x.csv"])
def test_the_name_of_a_file_stays_a_comment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """It begins no table, and the command that is printed can be pasted."""
    source = tmp_path / name
    source.write_text("Customer No,Name\nK-1,Ada\n")
    out = tmp_path / "import.toml"
    init(InitSettings(str(source), out, SourceOptions(), Answers(), yes=True))
    assert tomllib.loads(out.read_text())["run"] == {}
    printed = capsys.readouterr().out
    assert f"importer check {pasted(str(source))} --config" in printed
    if "\n" not in name:
        assert shlex.quote(str(source)) in printed
        assert f"# {'':2}importer check {shlex.quote(str(source))} --config" in out.read_text()


def _plain(entry: object) -> object:
    """Tuples as TOML gives them back."""
    if isinstance(entry, dict):
        return {name: _plain(one) for name, one in entry.items()}
    return [_plain(one) for one in entry] if isinstance(entry, list | tuple) else entry


def test_a_file_whose_columns_all_share_a_name_is_refused_in_words(tmp_path: Path) -> None:
    """None of its columns can be mapped, and init says so instead of failing."""
    source = tmp_path / "export.csv"
    source.write_text("a,a\n1,2\n")
    with pytest.raises(ImporterError, match="no column has a name of its own"):
        init(InitSettings(str(source), tmp_path / "i.toml", SourceOptions(), ANSWERS, yes=True))
