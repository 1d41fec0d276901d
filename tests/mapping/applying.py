"""A mapping applied to a few records, in a few words."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import polars as pl

from importer.job.source_reading import Judge
from importer.mapping.bound import Bound, Mapped, bind
from importer.mapping.model import Mapping
from importer.source.records import CellFault, Layout, Malformed, RecordBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.mapping.money.money_text import NumberFormat
    from importer.rows.judged import Judged

REFERENCE = '[fields.external_reference]\ncolumn = "Nr"\n'


def mapping_of(toml: str) -> Mapping:
    """A mapping from the text of its file, without the line that names the version."""
    return Mapping.model_validate(tomllib.loads(f"version = 1\n{toml}"))


def batch_of(
    columns: Sequence[str],
    *records: Sequence[str | None],
    malformed: tuple[Malformed, ...] = (),
    faults: tuple[CellFault, ...] = (),
) -> RecordBatch:
    """Records of one source; the first stands on line 2, as after a header."""
    cells = [[record[at] for record in records] for at in range(len(columns))]
    frame = pl.DataFrame(
        [
            pl.Series(name, column, dtype=pl.String)
            for name, column in zip(columns, cells, strict=True)
        ]
    )
    return RecordBatch(0, frame, range(2, 2 + len(records)), malformed, faults)


def bound_to(toml: str, columns: Sequence[str], number_format: NumberFormat | None = None) -> Bound:
    """A mapping bound to a file with these columns."""
    return bind(mapping_of(toml), Layout("export.csv", tuple(columns)), number_format)


def apply(toml: str, batch: RecordBatch) -> Mapped:
    """The batch, mapped."""
    return bound_to(toml, batch.frame.columns).apply(batch)


def values(toml: str, batch: RecordBatch, field: str) -> list[str]:
    """One field of every record that is kept."""
    return apply(toml, batch).batch.frame[field].to_list()


def judged(toml: str, batch: RecordBatch) -> Judged:
    """The batch, mapped and judged, in the file's own columns."""
    layout = Layout("export.csv", tuple(batch.frame.columns))
    return Judge(layout, bound_to(toml, layout.columns), strict=False)(batch)
