"""Judges the records of one source, by way of the mapping where there is one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from importer.rows import (
    Problem,
    Row,
    in_file_columns,
    judge_batch,
    map_columns,
    parts_of,
    with_unseen,
)
from importer.source import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from importer.mapping import Bound, Mapping, Skipped, Transformed
    from importer.mapping.money.money_text import NumberFormat
    from importer.rows import Judged
    from importer.source import SourceOptions
    from importer.source.records import Layout, RecordBatch

LEFT_OUT = "left out"
"""The name under which a mapping counts values that it drops."""


def mapping_bound(mapping: Mapping, layout: Layout, number_format: NumberFormat | None) -> Bound:
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
        return with_unseen(self._judged(batch), batch)

    def _judged(self, batch: RecordBatch) -> Judged:
        if self._bound is None:
            return judge_batch(batch, self._columns)
        mapped = self._bound.apply(batch)
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


def _skipped(source: int, one: Skipped) -> Row:
    problem = Problem("", one.code, one.text)
    return Row(source, one.line, one.reference, None, None, (problem,), one.cells)


def number_format_of(
    mapping: Mapping, name: str, options: SourceOptions, stdin: BinaryIO | None
) -> NumberFormat:
    """How a file writes its balances: the whole column is read.

    Raises:
        SourceError: the column could be read in two ways, or in none.
    """
    with open_source(name, 0, options, stdin) as source:
        bound = mapping_bound(mapping, source.layout, None)
        return bound.detect(
            bound.amounts(part) for batch in source.batches() for part in parts_of(batch)
        )


def mapping_file(path: Path | None) -> dict[str, str]:
    """The mapping file by its name and its contents, for the summary; {} where there is none.

    Raises:
        UsageError: it cannot be read.
    """
    if path is None:
        return {}
    from importer.job.plan_file import contents_of  # noqa: PLC0415 - only with a mapping

    found = contents_of(str(path))
    return {"file": found.name, "sha256": found.sha256}
