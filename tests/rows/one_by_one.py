"""The rows of a batch one by one, valid ones and others, as tests look at them."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from importer.rows.judged import judge_batch
from importer.rows.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.rows.header_fields import ColumnMap
    from importer.rows.judged import Judged
    from importer.source.records import RecordBatch


def rows_of(batch: RecordBatch, columns: ColumnMap) -> Iterator[Row]:
    """Judge one batch; rows come in line order, malformed records among them.

    ``Row.cells`` are the cells as they were read (null is ""), in header order; a malformed
    record may have fewer than the header.
    """
    judged = judge_batch(batch, columns)
    yield from heapq.merge(_valid_rows(judged), judged.invalid, key=lambda row: row.line)


def _valid_rows(judged: Judged) -> Iterator[Row]:
    for (line, reference, fingerprint, payload), cells in zip(
        judged.valid.iter_rows(), judged.cells.iter_rows(), strict=True
    ):
        yield Row(judged.source, line, reference, payload, fingerprint, (), cells)
