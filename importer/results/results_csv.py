"""``results.csv``: one line per input record, in input order."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from importer.source.formula import escape_formula

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from importer.plan.staging import StagedRow
    from importer.results.workspace import Workspace

COLUMNS = (
    "source",
    "line",
    "external_reference",
    "outcome",
    "bcus_id",
    "idempotency_key",
    "attempts",
    "http_status",
    "error_code",
    "error",
)


def write_results(
    workspace: Workspace, rows: Iterable[StagedRow], source_names: Sequence[str]
) -> None:
    """Write every row, streaming; cells that a spreadsheet would run are made harmless."""
    names = [escape_formula(name) for name in source_names]
    with workspace.open_text("results.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(
            (
                names[row.source],
                row.line,
                escape_formula(row.reference),
                row.outcome,
                row.customer_id,
                row.idempotency_key,
                row.attempts or 0,
                row.http_status or "",
                row.error_code,
                escape_formula(row.error or ""),
            )
            for row in rows
        )
