"""errors.csv gives every failed row back as it was, whatever stands in it."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from importer.outcomes import Outcome
from importer.plan.frames import StagedRow, position
from importer.plan.staging import Staging
from importer.results.record_files import write_errors
from importer.results.workspace import Workspace
from importer.rows.row import Problem, Row
from importer.source.opened import open_source
from importer.source.records import Layout
from importer.source.source_options import SourceOptions

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=0, max_size=12
)


def failed(cells: tuple[str, ...], line: int) -> Row:
    """An invalid row with these cells."""
    return Row(0, line, "", None, None, (Problem("", "bad", "=cmd()"),), cells)


@settings(max_examples=60)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.sampled_from(",;|\t"))
@example([("", "\u00ef")], ",")
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    """Cells survive the errors file and its reading, formulas, quotes, line breaks and all."""
    out: Path = tmp_path_factory.mktemp("errors")
    staging = Staging()
    staging.add(failed(cells, line) for line, cells in enumerate(rows, start=2))
    layout = Layout("in.csv", ("external_reference", "name"), delimiter)
    with Workspace(out, "run") as workspace:
        list(write_errors(workspace, staging.rows(), [layout], [False]))
        final = workspace.publish()
    staging.close()
    options = SourceOptions(delimiter=delimiter)
    with open_source(str(final / "errors.csv"), 0, options) as source:
        assert source.layout.fed_back
        read = [
            tuple(cell or "" for cell in row[:2])
            for batch in source.batches()
            for row in batch.frame.iter_rows()
        ]
    assert read == rows


@pytest.mark.parametrize(
    ("encoding", "cell"),
    [
        ("utf-8", "\u00ef"),
        ("utf-8", "\u00e3"),
        ("windows-1254", "\u0131\u015f"),
        ("windows-1250", "\u0159"),
        ("gb18030", "\u5f20"),
        ("cp850", "\u00e9"),
    ],
)
def test_one_letter_is_enough_to_know_the_encoding(
    tmp_path: Path, encoding: str, cell: str
) -> None:
    """The digest of a record proves in which encoding a spreadsheet has saved its errors file."""
    layout = Layout("in.csv", ("external_reference", "name"), ",")
    staging = Staging()
    staging.add([failed(("R-1", cell), 2), failed(("R-2", "plain"), 3)])
    with Workspace(tmp_path, "run") as workspace:
        list(write_errors(workspace, staging.rows(), [layout], [False]))
        path = workspace.publish() / "errors.csv"
    staging.close()
    path.write_bytes(path.read_bytes().decode().encode(encoding))
    with open_source(str(path), 0, SourceOptions()) as source:
        cells = [row[1] for batch in source.batches() for row in batch.frame.iter_rows()]
    assert cells == [cell, "plain"]


def test_only_rows_that_are_not_in_moment_are_written(tmp_path: Path) -> None:
    """Settled rows pass through, failed ones are written, and nothing else."""
    wanted = {
        *(Outcome.INVALID, Outcome.REJECTED, Outcome.UNSETTLED),
        *(Outcome.CONFLICT, Outcome.MISSING),
    }
    rows = [
        StagedRow(position(0, n), "R", '["R"]', None, outcome.value, "", "", 0, 0, "", "")
        for n, outcome in enumerate(Outcome, start=2)
    ]
    layout = Layout("in.csv", ("external_reference",))
    with Workspace(tmp_path, "run") as workspace:
        assert list(write_errors(workspace, rows, [layout], [False])) == rows
        final = workspace.publish()
    assert len((final / "errors.csv").read_text().splitlines()) == 1 + len(wanted)


def test_each_source_has_its_own_file(tmp_path: Path) -> None:
    """Two sources with other columns and delimiters keep theirs, in two files."""
    staging = Staging()
    staging.add(
        [failed(("a", "b"), 2), Row(1, 2, "", None, None, (Problem("", "x", "y"),), ("c",))]
    )
    layouts = [Layout("1.csv", ("p", "q"), ";"), Layout("2.csv", ("r",))]
    with Workspace(tmp_path, "run") as workspace:
        list(write_errors(workspace, staging.rows(), layouts, [False, False]))
        final = workspace.publish()
    staging.close()
    header = (final / "errors.csv").read_text().splitlines()[0]
    assert header == "p;q;_line;_error_code;_error;_digest"
    assert (final / "errors-2.csv").read_text().splitlines()[1].startswith("c,2,x,")


def test_more_sources_than_open_files(tmp_path: Path) -> None:
    """The files are written one after the other, so their number does not matter."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    rows = [
        StagedRow(position(source, 2), "R", '["R"]', None, "invalid", "", "", 0, 0, "x", "x")
        for source in (3, 150)
    ]
    layouts = [Layout(f"{n}.csv", ("external_reference",)) for n in range(200)]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
        with Workspace(tmp_path, "run") as workspace:
            assert list(write_errors(workspace, rows, layouts, [False] * 200)) == rows
            final = workspace.publish()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    lines = {path.name: len(path.read_text().splitlines()) for path in final.iterdir()}
    assert len(lines) == 200
    assert [name for name, count in lines.items() if count == 2] in (
        ["errors-4.csv", "errors-151.csv"],
        ["errors-151.csv", "errors-4.csv"],
    )
