"""``results.csv``, a line per input record in input order, and ``errors.csv``, to be fed back.

``errors.csv`` holds every row that is not in Moment, as it was. There is one file per source
(``errors.csv``, ``errors-2.csv`` ...), because each keeps its source's own columns, order and
delimiter. The added columns start with ``_``; what they say is read when the file is fed back
(``importer.source.fed_back``).
"""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack
from typing import TYPE_CHECKING, TextIO

import polars as pl

from importer.errors import BugFound
from importer.outcomes import NOT_FAILED, Outcome
from importer.source.fed_back import (
    ADDED,
    EXTRA,
    FORMAT,
    OWN,
    Digester,
    escape_cell,
    escape_formula,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from importer.plan.frames import Page, StagedRow
    from importer.results.workspace import Workspace
    from importer.source.records import Layout


def errors_name(source: int) -> str:
    """The file name for a source, by its index."""
    return "errors.csv" if source == 0 else f"errors-{source + 1}.csv"


def write_errors(
    workspace: Workspace,
    rows: Iterable[StagedRow],
    layouts: Sequence[Layout],
    with_extra: Sequence[bool],
) -> Iterator[StagedRow]:
    """Pass the rows through, in input order, and write those that are not in Moment on the way.

    The files exist, with their headers, also where nothing went wrong.
    """
    writer: _ErrorsFile | None = None
    begun = 0
    with ExitStack() as stack:

        def begin(source: int) -> _ErrorsFile:
            # One at a time: a run may have more sources than a process may have open files.
            stack.close()
            file = stack.enter_context(workspace.open_text(errors_name(source)))
            return _ErrorsFile(file, layouts[source], extra=with_extra[source])

        for row in rows:
            if row.outcome not in NOT_FAILED:
                while begun <= row.source:
                    writer, begun = begin(begun), begun + 1
                if writer is None or begun != row.source + 1:
                    raise BugFound("rows are not in input order", safe="all is in the ledger")
                writer.write(row)
            yield row
        while begun < len(layouts):
            begin(begun)
            begun += 1


class _ErrorsFile:
    def __init__(self, file: TextIO, layout: Layout, *, extra: bool) -> None:
        self._plain = csv.writer(file, delimiter=layout.delimiter, lineterminator="\n")
        # csv leaves a lone carriage return without quotes, and could not read it back.
        self._quoted = csv.writer(
            file, delimiter=layout.delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL
        )
        self._kept = [i for i, name in enumerate(layout.columns) if name.strip() not in OWN]
        self._extra = extra
        self._digester = Digester(layout.columns)
        names = [layout.columns[i] for i in self._kept]
        # In words, as a spreadsheet would make a number of "1,234.56" alone.
        self._format = [f"as {layout.number_format}"] if layout.number_format else []
        self._write([*names, *ADDED, *([EXTRA] if extra else []), *(FORMAT for _ in self._format)])

    def write(self, row: StagedRow) -> None:
        original = row.cells
        cells = [_readable(one) for one in original]
        error, beyond = _readable(row.error or ""), _readable(row.extra_json or "")
        codes = row.error_code or "" if row.outcome == Outcome.INVALID else ""
        digest = self._digester(cells, beyond, row.unseen, error, codes)
        added = [str(row.line), row.error_code or "", escape_formula(error), digest]
        if self._extra:
            added.append(beyond)
        given = len(cells)
        kept = [escape_cell(cells[i]) for i in self._kept if i < given]
        absent = [""] * (len(self._kept) - len(kept))  # of a short record, the last columns
        self._write([*kept, *absent, *added, *self._format])

    def _write(self, cells: list[str]) -> None:
        writer = self._quoted if "\r" in "".join(cells) else self._plain
        writer.writerow(cells)


def _readable(text: str) -> str:
    """Text that every program can read: bytes that are no character become U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


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
_PAGE_COLUMNS = (
    "line",
    "reference",
    "outcome",
    "customer_id",
    "idempotency_key",
    "attempts",
    "http_status",
    "error_code",
    "error",
)
"""Where all but the first of ``COLUMNS`` stand in a ``Page``."""
_FREE = ("reference", "error_code", "error")
"""Columns that may hold anything."""
_ODD = r"""[",\n]|^['=+\-@\t\r]"""
"""What has to be quoted, and how every cell starts that ``escape_formula`` may change."""


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
            lines = _lines(page.frame)
            for (source,), part in lines.group_by("source", maintain_order=True):
                # A file name may hold bytes that are no UTF-8, which polars cannot: Python joins.
                start = starts[source]
                file.write(f"{start},")
                file.write(f"\n{start},".join(part["line"].to_list()))
                file.write("\n")


def _name_cell(name: str) -> str:
    text = io.StringIO()
    # The second cell keeps csv from quoting an empty first one.
    csv.writer(text, lineterminator="").writerow((escape_formula(name), ""))
    return text.getvalue()[:-1]


def _lines(page: pl.DataFrame) -> pl.DataFrame:
    """``source``, and as ``line`` all other cells as ``csv`` would write them; null is empty."""
    # Mostly all rows of a page say the same in most columns: that is one text for all of them.
    pieces: list[pl.Expr] = []
    text = ""
    for cell in (page[name] for name in _PAGE_COLUMNS):
        same = _same(cell)
        if same is None:
            pieces += [pl.lit(text), pl.lit(_written(cell))]
            text = ","
        else:
            text += f"{_written(same)[0]},"
    return page.select("source", line=pl.concat_str(*pieces, pl.lit(text.removesuffix(","))))


def _same(cells: pl.Series) -> pl.Series | None:
    """One cell, if it stands for all; None where they differ."""
    first = cells.head(1)
    if cells.null_count():
        return first if cells.null_count() == cells.len() else None
    return first if cells.len() > 1 and (cells == first[0]).all() else None


def _written(cells: pl.Series) -> pl.Series:
    """Cells of one column as they stand in the file."""
    if cells.name == "attempts":
        return cells.fill_null(0).cast(pl.String)
    if cells.name == "http_status":
        return cells.replace(0, None).cast(pl.String).fill_null("")
    texts = cells.cast(pl.String).fill_null("")
    if cells.name not in _FREE:
        return texts
    # Few cells need quotes or an apostrophe: Python looks at those alone.
    odd = texts.str.contains(_ODD)
    harmless = str if cells.name == "error_code" else escape_formula
    marked = [_quoted(harmless(cell)) for cell in texts.filter(odd)]
    return texts.scatter(odd.arg_true(), marked) if marked else texts


def _quoted(cell: str) -> str:
    """As the standard library's ``csv`` writes it, with a line feed as line end."""
    if any(one in cell for one in '",\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
