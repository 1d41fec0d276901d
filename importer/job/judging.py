"""Judges the records of one source, by way of the mapping where there is one."""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from importer.rows import Problem, Row, in_file_columns, judge_batch, map_columns, with_unseen
from importer.rows.damaged_text import DamagedText
from importer.source.raw import scratch_file, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import polars as pl

    from importer.mapping import Bound, Mapping, Skipped, Transformed
    from importer.mapping.money.money_text import NumberFormat
    from importer.rows import Judged
    from importer.source.records import Layout, RecordBatch

LEFT_OUT = "left out"
"""The name under which a mapping counts values that it drops."""


def mapping_bound(
    mapping: Mapping, layout: Layout, number_format: NumberFormat | None = None
) -> Bound:
    """The mapping on this file.

    Raises:
        SourceError: the file has no such column.
    """
    from importer.mapping import bind  # noqa: PLC0415 - only a run with a mapping needs it

    return bind(mapping, layout, number_format)


class Judge:
    """The rules for one source; ``bound`` is its mapping, None where the header says it all."""

    def __init__(self, layout: Layout, bound: Bound | None, *, strict: bool) -> None:
        self._bound = bound
        self._columns = map_columns(
            layout if bound is None else bound.layout, strict=strict and bound is None
        )
        self._needed = self._columns.needed if bound is None else bound.needed
        self._damaged = DamagedText(layout.name)

    @property
    def warnings(self) -> tuple[str, ...]:
        """About the header."""
        return self._columns.warnings

    @property
    def transforms(self) -> tuple[Transformed, ...]:
        """What the mapping changed so far."""
        return () if self._bound is None else self._bound.report.all()

    def __call__(self, batch: RecordBatch) -> Judged:
        """Judge one batch; every record of it is in the result once."""
        batch = batch.completed(self._needed)
        return with_unseen(self._judged(batch), batch)

    def doubts(self) -> list[str]:
        """About the texts so far: what is valid and looks damaged."""
        return self._damaged.doubts()

    def _judged(self, batch: RecordBatch) -> Judged:
        if self._bound is None:
            self._look(batch)
            return judge_batch(batch, self._columns)
        mapped = self._bound.apply(batch)
        self._look(mapped.batch)
        judged = in_file_columns(
            judge_batch(mapped.batch, self._columns),
            mapped.original,
            mapped.batch.lines,
            mapped.origins,
            self._bound.labels,
            reference=self._bound.reference,
        )
        skipped = tuple(_skipped(batch.source, one) for one in mapped.skipped)
        return replace(judged, skipped=skipped)

    def _look(self, batch: RecordBatch) -> None:
        columns = [
            (self._columns.names[at], batch.frame.to_series(at)) for at in self._columns.free_texts
        ]
        self._damaged.look(columns, batch.lines)


def _skipped(source: int, one: Skipped) -> Row:
    problem = Problem("", one.code, one.text)
    return Row(source, one.line, one.reference, None, None, (problem,), one.cells)


@contextmanager
def looked_through(
    parts: Iterable[RecordBatch], bound: Bound, folder: Path | None
) -> Iterator[tuple[NumberFormat, Iterator[RecordBatch]]]:
    """How a file writes its balances, and the same parts again: its source is read once.

    A column tells its number format as a whole, so that all parts wait in a private file.

    Raises:
        SourceError: the column could be read in two ways, or in none.
        UsageError: the parts cannot be kept.
    """
    with scratch_file(folder) as file:

        def looked_at() -> Iterator[tuple[pl.Series, Sequence[int]]]:
            for part in parts:
                with writing(folder):
                    pickle.dump(part, file, pickle.HIGHEST_PROTOCOL)
                yield bound.amounts(part)

        number_format = bound.detect(looked_at())
        with writing(folder):
            end = file.tell()
            file.seek(0)
        yield number_format, iter(lambda: _next(file, end), None)


def _next(file: BinaryIO, end: int) -> RecordBatch | None:
    if file.tell() == end:
        return None
    part: RecordBatch = pickle.load(file)  # noqa: S301 - written above, to a file without a name
    return part


def mapping_file(path: Path | None) -> dict[str, str]:
    """The mapping file by its name and its contents, for the summary; {} where there is none.

    Raises:
        UsageError: it cannot be read.
    """
    if path is None:
        return {}
    from importer.job.plan_guard import contents_of  # noqa: PLC0415 - only with a mapping

    found = contents_of(str(path))
    return {"file": found.name, "sha256": found.sha256}
