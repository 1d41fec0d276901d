"""``results.csv``: one line per input record, in input order."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import polars as pl

from importer.source.fed_back import escape_formula

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from importer.plan import Page
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
_QUOTED = '[",\n]'
"""What the standard library's ``csv`` puts into quotes, with a line feed as line end."""
_SUSPICIOUS = r"^['=+\-@\t\r]"
"""How every cell starts that ``escape_formula`` may change."""


def write_vanished(workspace: Workspace, customers: Iterable[tuple[str, str, str]]) -> None:
    """Write ``vanished.csv``: (reference, customer id, marked) of who is gone from the source."""
    with workspace.open_text("vanished.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("external_reference", "bcus_id", "marked"))
        writer.writerows((escape_formula(reference), *rest) for reference, *rest in customers)


def write_results(workspace: Workspace, pages: Iterable[Page], source_names: Sequence[str]) -> None:
    """Write every row, streaming; cells that a spreadsheet would run are made harmless."""
    starts = [_name_cell(name) for name in source_names]
    with workspace.open_text("results.csv") as file:
        file.write(",".join(COLUMNS) + "\n")
        for page in pages:
            lines = page.frame.select("source", _line().alias("line"))
            for (source,), part in lines.group_by("source", maintain_order=True):
                # A file name may hold bytes that are no UTF-8, which polars cannot: Python joins.
                start = starts[source]
                file.write(f"{start},")
                file.write(f"\n{start},".join(part["line"]))
                file.write("\n")


def _name_cell(name: str) -> str:
    text = io.StringIO()
    # The second cell keeps csv from quoting an empty first one.
    csv.writer(text, lineterminator="").writerow((escape_formula(name), ""))
    return text.getvalue()[:-1]


def _line() -> pl.Expr:
    """All cells but the first, as ``csv`` would write them; null is an empty cell."""
    reference = _cell(_harmless(pl.col("reference")))
    cells = (
        pl.col("line").cast(pl.String),
        reference,
        *(_or_empty(pl.col(name)) for name in ("outcome", "customer_id", "idempotency_key")),
        pl.col("attempts").fill_null(0).cast(pl.String),
        pl.col("http_status").replace(0, None).cast(pl.String).fill_null(""),
        _cell(_or_empty(pl.col("error_code"))),
        _cell(_harmless(_or_empty(pl.col("error")))),
    )
    return pl.concat_str(*cells, separator=",")


def _or_empty(text: pl.Expr) -> pl.Expr:
    return text.fill_null("")


def _cell(text: pl.Expr) -> pl.Expr:
    quoted = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""', literal=True), pl.lit('"'))
    return pl.when(text.str.contains(_QUOTED)).then(quoted).otherwise(text)


def _harmless(text: pl.Expr) -> pl.Expr:
    # Few cells start like a formula: Python looks at those alone.
    return text.map_batches(_escape_some, return_dtype=pl.String)


def _escape_some(cells: pl.Series) -> pl.Series:
    if not cells.str.contains(_SUSPICIOUS).any():
        return cells
    return pl.Series(cells.name, map(escape_formula, cells), dtype=pl.String)
