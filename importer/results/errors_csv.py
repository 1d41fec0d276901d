"""``errors.csv``: every row that is not in Moment, as it was, ready to be corrected and fed back.

One file per source (``errors.csv``, ``errors-2.csv`` ...), because each keeps its source's own
columns, order and delimiter. The added columns start with ``_``; what they say is read when the
file is fed back (``importer.source.fed_back``).
"""

from __future__ import annotations

import csv
from contextlib import ExitStack
from typing import TYPE_CHECKING, TextIO

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

    from importer.plan import StagedRow
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
        kept = [escape_cell(cells[i]) if i < len(cells) else "" for i in self._kept]
        self._write([*kept, *added, *self._format])

    def _write(self, cells: list[str]) -> None:
        writer = self._quoted if any("\r" in cell for cell in cells) else self._plain
        writer.writerow(cells)


def _readable(text: str) -> str:
    """Text that every program can read: bytes that are no character become U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
