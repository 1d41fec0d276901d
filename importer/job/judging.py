"""Judges the records of one source, by way of the mapping where there is one."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from importer.errors import SourceError
from importer.rows import Problem, Row, in_file_columns, judge_batch, map_columns, parts_of
from importer.rows.text import shown
from importer.source import open_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from importer.mapping import Bound, Mapping, Skipped, Transformed
    from importer.mapping.money import NumberFormat
    from importer.rows import Judged
    from importer.source import SourceOptions
    from importer.source.records import Layout, RecordBatch

    Open = Callable[[], BinaryIO | None]

PRIVATE = 0o600
_SPOOL = "standard-input"


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
    mapping: Mapping, name: str, options: SourceOptions, stdin: Open
) -> NumberFormat | None:
    """How a file writes its balances, where the mapping asks for that: the whole column is read.

    Raises:
        SourceError: the column could be read in two ways, or in none.
    """
    balance = mapping.fields.balance
    if balance is None or not balance.detects:
        return None
    from importer.mapping import bind, money  # noqa: PLC0415 - only a run with a mapping needs it

    with open_source(name, 0, options, stdin()) as source:
        bound = bind(mapping, source.layout)
        try:
            return money.detect(
                bound.amounts(part) for batch in source.batches() for part in parts_of(batch)
            )
        except money.Ambiguous as doubt:
            columns = ", ".join(map(shown, balance.names))
            raise SourceError(
                f"{source.layout.name}: the numbers of {columns} can be read in two ways: {doubt}",
                hint='say which is meant: number_format = "..." in [fields.balance]',
            ) from None


def readable_twice(stdin: BinaryIO | None, folder: Path) -> Open:
    """Standard input from its beginning, as often as asked; kept in a private file meanwhile."""
    if stdin is None:
        return lambda: None
    path = folder / _SPOOL
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE)
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(stdin, file)
    return lambda: path.open("rb")
