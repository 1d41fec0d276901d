"""Batches in, rows out: the one entrance of the validation layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.rows.judge import judge
from importer.rows.row import Problem, Row
from importer.rows.text import trim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.rows.columns import ColumnMap
    from importer.source.records import CellFault, Malformed, RecordBatch


def rows_of(batch: RecordBatch, columns: ColumnMap) -> Iterator[Row]:
    """Judge one batch; rows come in line order, malformed records among them.

    ``Row.cells`` are the cells as they were read (null is ""), in header order; a malformed
    record may have fewer than the header.
    """
    malformed = sorted(batch.malformed, key=lambda one: one.line)
    if not malformed:
        yield from _judged(batch, columns)
        return
    waiting = iter(malformed)
    record = next(waiting, None)
    for row in _judged(batch, columns):
        while record is not None and record.line < row.line:
            yield _malformed_row(batch.source, record, columns)
            record = next(waiting, None)
        yield row
    while record is not None:
        yield _malformed_row(batch.source, record, columns)
        record = next(waiting, None)


def _judged(batch: RecordBatch, columns: ColumnMap) -> Iterator[Row]:
    # A vectorised check of the whole frame belongs here: rows that it clears can skip the model.
    source = batch.source
    faults = _faults_by_index(batch, columns)
    for index, (line, cells) in enumerate(
        zip(batch.lines, batch.frame.fill_null("").iter_rows(), strict=True)
    ):
        yield judge(source, line, cells, columns, faults.get(index, ()))


def _faults_by_index(batch: RecordBatch, columns: ColumnMap) -> dict[int, list[CellFault]]:
    # A cell that is not sent anyway may have any type.
    not_sent = {*columns.ignored, *columns.unknown}
    faults: dict[int, list[CellFault]] = {}
    for fault in batch.faults:
        if trim(fault.column) not in not_sent:
            faults.setdefault(fault.index, []).append(fault)
    return faults


def _malformed_row(source: int, record: Malformed, columns: ColumnMap) -> Row:
    cells = record.cells
    reference = trim(cells[columns.reference]) if columns.reference < len(cells) else ""
    # A record that is no UTF-8 may hold lone surrogates, which nothing downstream can write.
    reference = reference.encode(errors="replace").decode()
    problem = Problem("", record.code, record.message)
    return Row(source, record.line, reference, None, None, (problem,), cells, record.extra)
