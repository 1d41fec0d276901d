"""results.csv is what the standard library's csv would write."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.outcomes import Outcome
from importer.plan.staging import Staging
from importer.results.record_files import COLUMNS, write_results
from importer.results.workspace import Workspace
from importer.rows.payload import fingerprint
from importer.rows.row import Problem, Row
from importer.source.fed_back import escape_formula

if TYPE_CHECKING:
    from pathlib import Path

    from importer.plan.frames import StagedRow

TEXT = st.text(
    st.sampled_from("=+-@\t\r\n'\",; 0159aé\U0001f600\u2028")
    | st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    max_size=6,
)
NAMES = ["in.csv", "=a,b.csv", 'caf\udce9 "x".csv']


def expected(rows: list[StagedRow]) -> str:
    """The file, written the plain way."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        settled = (row.outcome, row.customer_id, row.idempotency_key, row.attempts or 0)
        writer.writerow(
            (
                escape_formula(NAMES[row.source]),
                row.line,
                escape_formula(row.reference),
                *settled,
                row.http_status or "",
                row.error_code,
                escape_formula(row.error or ""),
            )
        )
    return text.getvalue()


ROW = st.tuples(st.integers(0, 2), st.booleans(), TEXT, TEXT, TEXT)


@pytest.mark.slow
@settings(max_examples=80)
@given(st.lists(ROW, max_size=8))
def test_the_bytes_are_those_of_the_csv_module(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, bool, str, str, str]]
) -> None:
    """Quotes, line breaks, formulas, absent cells and file names that are no UTF-8."""
    out: Path = tmp_path_factory.mktemp("results")
    staging = Staging()
    made = []
    for line, (source, valid, reference, code, text) in enumerate(rows, 2):
        problems = () if valid else (Problem("", code, text),)
        body = "{}" if valid else None
        hashed = fingerprint("{}") if valid else None
        made.append(Row(source, line, reference, body, hashed, problems, ("x",)))
    staging.add(made)
    staging.settle(
        (one.position, Outcome.REJECTED, "", "bad,code", text)
        for chunk in staging.pending()
        for one, (*_, text) in zip(chunk[::2], rows, strict=False)
    )
    with Workspace(out, "run") as workspace:
        write_results(workspace, staging.pages(), NAMES)
        final = workspace.publish()
    want = expected(list(staging.rows()))
    staging.close()
    assert (final / "results.csv").read_bytes() == want.encode(errors="surrogateescape")
