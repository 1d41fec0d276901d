"""Judges a whole batch: what is certainly valid at once, the rest row by row."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from importer.rows.cell_kinds import CellKinds
from importer.rows.certain import (
    PAYLOAD,
    REFERENCE,
    carried_by,
    certain_payloads,
    payloads_again,
    references_again,
)
from importer.rows.payload import carried_fields
from importer.rows.row import Problem, Row
from importer.rows.text import trim
from importer.source.records import SourceFault, Unseen
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from importer.rows.header_fields import ColumnMap
    from importer.source.records import CellFault, Malformed, RecordBatch


PART = 32_768
"""Rows that are judged at once: enough to be fast, few enough to need little memory."""
SCHEMA = {
    "line": pl.Int64,
    "reference": pl.String,
    "fingerprint": pl.Binary,
    "payload": pl.String,
}
"""The columns of ``Judged.valid``: those fields of ``Row``."""


@value
class Judged:
    """One batch after validation."""

    source: int
    """Index of the source."""
    valid: pl.DataFrame
    """The valid rows by line, with the columns of ``SCHEMA``; nothing in it is null, but payloads
    that were not made where ``columns`` says that they can be."""
    cells: pl.DataFrame
    """Their cells, row by row: one String column per header column, null is ""."""
    invalid: tuple[Row, ...]
    """All other records by line, malformed ones among them."""
    origins: pl.Series | None = None
    """64 bits of what the reference of each valid row was made of; None where that is itself."""
    skipped: tuple[Row, ...] = ()
    """Records that a rule of the mapping leaves out; their one problem is the rule."""
    carried: Mapping[str, int] | None = None
    """``carried_fields`` of the valid rows, where that came for nothing."""
    columns: ColumnMap | None = None
    """What ``cells`` are, where ``certain_payloads`` makes every payload of them again."""
    certain: pl.DataFrame | None = None
    """Of each row of the batch that came: ``fingerprint``, null where the cells are not certainly
    valid, and ``given`` (``certain.Certain``); None where nobody said what is remembered."""

    def carried_fields(self) -> Mapping[str, int]:
        """How many of the valid rows have each optional field."""
        if self.carried is not None:
            return self.carried
        payloads = self.valid[PAYLOAD]
        if payloads.null_count() and self.columns is not None:
            payloads = payloads_again(self.cells, self.columns)
        return carried_fields(payloads)


def parts_of(batch: RecordBatch) -> Iterator[RecordBatch]:
    """A large batch in parts of at most ``PART`` rows; one with anything odd stays whole."""
    if batch.malformed or batch.faults or batch.frame.height <= PART:
        yield batch
        return
    for start in range(0, batch.frame.height, PART):
        yield batch.slice(start, PART)


def judge_batch(
    batch: RecordBatch,
    columns: ColumnMap,
    recalled: pl.DataFrame | None = None,
    *,
    payloads: bool = True,
) -> Judged:
    """Judge one batch; every record of it is in the result once.

    Args:
        batch: the records.
        columns: what their columns mean.
        recalled: for each row of the batch ``fingerprint`` and ``given`` as they are remembered
            (``memo.Recalled``), null where they are not: those rows are not judged again.
        payloads: whether the payloads of such rows are needed here.
    """
    cells = batch.frame.fill_null("")
    cells.columns = [str(index) for index in range(cells.width)]
    lines = pl.Series("line", batch.lines, dtype=pl.Int64)
    faults = _faults_by_index(batch, columns)
    faulty = pl.int_range(cells.height, eager=True).is_in(list(faults)) if faults else None
    known = None if recalled is None else recalled["fingerprint"].is_not_null()
    if known is not None and faulty is not None:
        known &= ~faulty
    if recalled is None or known is None or not known.any():
        found = _certain_rows(cells, columns)
    else:
        found = _with_recalled(cells, columns, recalled, known)
    certain = found["fingerprint"].is_not_null()
    if faulty is not None:
        certain &= ~faulty
    invalid: list[Row] = []
    found.insert_column(0, lines)
    given = found["given"]
    if certain.all():
        valid = found.select(SCHEMA.keys())
        if payloads and valid[PAYLOAD].null_count():
            valid = valid.with_columns(payloads_again(cells, columns).alias(PAYLOAD))
        carried = carried_by(given)
    else:
        slow, invalid = _judge_rest(batch, cells, ~certain, columns, faults)
        valid = found.select(SCHEMA.keys()).filter(certain)
        if valid[PAYLOAD].null_count() and (payloads or slow.height):
            again = payloads_again(cells.filter(certain), columns)
            valid = valid.with_columns(again.alias(PAYLOAD))
        carried = carried_by(given.filter(certain))
        if slow.height:
            valid = pl.concat([valid, slow]).sort("line")
            others = carried_fields(slow[PAYLOAD])
            carried = {field: number + others[field] for field, number in carried.items()}
        cells = cells.filter(lines.is_in(valid["line"].implode()))
    invalid += [_malformed_row(batch.source, one, columns) for one in batch.malformed]
    invalid.sort(key=_line)
    return Judged(
        batch.source,
        valid,
        cells,
        tuple(invalid),
        carried=carried,
        columns=columns if certain.sum() == valid.height else None,
        certain=None if recalled is None else found.select("fingerprint", "given"),
    )


def in_file_columns(
    judged: Judged,
    original: pl.DataFrame,
    lines: Sequence[int],
    origins: pl.Series,
    labels: Mapping[str, str],
    *,
    reference: int | None,
) -> Judged:
    """A judged batch of mapped records, in the columns of the file that they came from.

    Args:
        judged: the batch after validation of what the mapping made.
        original: the cells of its records as they stood in the file, by ``lines``.
        lines: physical lines.
        origins: what each record's reference was made of, by ``lines``.
        labels: how a message names each column that the mapping made.
        reference: index of the file's own reference column, for malformed records.
    """
    if not judged.invalid:
        return replace(judged, cells=original, origins=origins, columns=None)
    at = pl.Series("line", lines, dtype=pl.Int64)
    is_valid = at.is_in(judged.valid["line"].implode())
    # All at once: a file with a wrong mapping may have nothing but invalid records.
    refused = zip(original.filter(~is_valid).rows(), origins.filter(~is_valid), strict=True)
    sources: dict[int, tuple[tuple[str, ...], int]] = dict(
        zip(at.filter(~is_valid), refused, strict=True)
    )
    invalid = tuple(
        _in_its_columns(row, sources[row.line], labels)
        if row.line in sources
        else replace(row, reference=_cell_at(row.cells, reference))
        for row in judged.invalid
    )
    return replace(
        judged,
        cells=original.filter(is_valid),
        invalid=invalid,
        origins=origins.filter(is_valid),
        columns=None,
    )


def with_unseen(judged: Judged, batch: RecordBatch) -> Judged:
    """The judged batch, each invalid row with what its reader knew beside the cells."""
    if not judged.invalid or not (batch.faults or batch.malformed or batch.kinds):
        return judged
    faults: dict[int, tuple[SourceFault, ...]] = {
        one.line: (SourceFault("", one.code, one.message),) for one in batch.malformed
    }
    for one in batch.faults:
        line = batch.lines[one.index]
        told = SourceFault(one.column, one.code, one.message)
        faults[line] = (*faults.get(line, ()), told)
    lines = {row.line for row in judged.invalid}
    at = {line: index for index, line in enumerate(batch.lines) if line in lines}
    invalid = tuple(
        replace(row, unseen=Unseen(faults.get(row.line, ()), batch.kinds_of(at.get(row.line))))
        for row in judged.invalid
    )
    return replace(judged, invalid=invalid)


def _in_its_columns(
    row: Row, source: tuple[tuple[str, ...], int], labels: Mapping[str, str]
) -> Row:
    cells, origin = source
    problems = tuple(
        replace(one, column=labels.get(one.column, one.column)) for one in row.problems
    )
    return replace(row, cells=cells, origin=origin, problems=problems)


def _cell_at(cells: tuple[str, ...], index: int | None) -> str:
    cell = cells[index] if index is not None and index < len(cells) else ""
    return trim(cell).encode(errors="replace").decode()


def until_first_invalid(judged: Judged) -> Judged:
    """The batch up to its first invalid record, that one included; all of it where none is."""
    if not judged.invalid:
        return judged
    first = judged.invalid[0]
    before = judged.valid["line"] < first.line
    cells = judged.cells.filter(before) if judged.cells.width else judged.cells
    return replace(
        judged,
        valid=judged.valid.filter(before),
        cells=cells,
        invalid=(first,),
        origins=None if judged.origins is None else judged.origins.filter(before),
        skipped=tuple(row for row in judged.skipped if row.line < first.line),
        carried=None,
    )


def leave_out(judged: Judged, lines: Mapping[int, str], code: str) -> Judged:
    """A batch without the records on some lines; they are skipped, with the text of each line."""
    valid_here = judged.valid["line"].is_in(list(lines))
    gone = judged.valid.filter(valid_here)
    cells = judged.cells.filter(valid_here).rows()
    skipped = [
        Row(judged.source, line, reference, None, None, (Problem("", code, lines[line]),), one)
        for line, reference, one in zip(gone["line"], gone["reference"], cells, strict=True)
    ]
    skipped += [
        replace(row, problems=(Problem("", code, lines[row.line]),))
        for row in judged.invalid
        if row.line in lines
    ]
    return replace(
        judged,
        valid=judged.valid.filter(~valid_here),
        cells=judged.cells.filter(~valid_here),
        invalid=tuple(row for row in judged.invalid if row.line not in lines),
        origins=None if judged.origins is None else judged.origins.filter(~valid_here),
        skipped=tuple(sorted((*judged.skipped, *skipped), key=_line)),
        carried=None,
    )


def _certain_rows(cells: pl.DataFrame, columns: ColumnMap) -> pl.DataFrame:
    """``reference``, ``fingerprint``, ``payload`` and ``given``; null where not certainly valid."""
    rows, given = certain_payloads(cells, columns)
    sha256 = hashlib.sha256
    bodies = rows[PAYLOAD].cast(pl.Binary).to_list()
    if rows[PAYLOAD].null_count():
        found = [None if body is None else sha256(body).digest() for body in bodies]
    else:
        found = [sha256(body).digest() for body in bodies]
    fingerprints = pl.Series("fingerprint", found, dtype=pl.Binary)
    return pl.DataFrame([rows[REFERENCE], fingerprints, rows[PAYLOAD], given.alias("given")])


def _with_recalled(
    cells: pl.DataFrame, columns: ColumnMap, recalled: pl.DataFrame, known: pl.Series
) -> pl.DataFrame:
    """``_certain_rows``, of which those that are known have no payload."""
    absent = pl.lit(None, pl.String).alias(PAYLOAD)
    if known.all():
        frame = recalled.select("fingerprint", absent, "given")
        return frame.insert_column(0, references_again(cells, columns))
    there = recalled.select("fingerprint", absent, "given").filter(known)
    there.insert_column(0, references_again(cells.filter(known), columns))
    others = _certain_rows(cells.filter(~known), columns)
    at = pl.concat([known.arg_true(), (~known).arg_true()])
    return pl.concat([there, others])[at.arg_sort()]


def _judge_rest(
    batch: RecordBatch,
    cells: pl.DataFrame,
    rest: pl.Series,
    columns: ColumnMap,
    faults: dict[int, list[CellFault]],
) -> tuple[pl.DataFrame, list[Row]]:
    """(the valid rows, the others) of the rows that are not certain."""
    from importer.rows.judge import judge  # noqa: PLC0415 - a file without such rows needs no model

    valid: list[tuple[object, ...]] = []
    invalid: list[Row] = []
    where = rest.arg_true()
    for index, record in zip(where, cells.filter(rest).iter_rows(), strict=True):
        line = batch.lines[index]
        row = judge(batch.source, line, record, columns, faults.get(index, ()))
        if row.payload is None:
            invalid.append(row)
        else:
            valid.append((line, row.reference, row.fingerprint, row.payload))
    return pl.DataFrame(valid, schema=SCHEMA, orient="row"), invalid


def _faults_by_index(batch: RecordBatch, columns: ColumnMap) -> dict[int, list[CellFault]]:
    # A cell that is not sent anyway may have any type.
    not_sent = {*columns.ignored, *columns.unknown}
    faults: dict[int, list[CellFault]] = {}
    for fault in batch.faults:
        if trim(fault.column) not in not_sent:
            faults.setdefault(fault.index, []).append(fault)
    if batch.kinds:
        kinds = CellKinds(replace(batch, faults=()))
        for index in batch.kinds:
            name = columns.names[index]
            if name not in not_sent:
                for row, fault in kinds.misfits(name, index, name).items():
                    faults.setdefault(row, []).append(fault)
    return faults


def _malformed_row(source: int, record: Malformed, columns: ColumnMap) -> Row:
    cells = record.cells
    reference = trim(cells[columns.reference]) if columns.reference < len(cells) else ""
    # A record that is no UTF-8 may hold lone surrogates, which nothing downstream can write.
    reference = reference.encode(errors="replace").decode()
    problem = Problem("", record.code, record.message)
    return Row(source, record.line, reference, None, None, (problem,), cells, record.extra)


def _line(row: Row) -> int:
    return row.line
