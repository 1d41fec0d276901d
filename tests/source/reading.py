"""What the tests of this folder share."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.source.opened import open_source
from importer.source.records import Kind, Layout, Malformed, RecordBatch
from importer.source.source_options import SourceOptions

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.source.records import CellFault


__all__ = ["Content", "content_of", "lines_of_records", "zstd"]


@dataclass(frozen=True)
class Content:
    """All of one source: cells by line, and what was wrong."""

    layout: Layout
    rows: list[tuple[int, tuple[str, ...]]]
    malformed: list[Malformed]
    faults: list[tuple[int, CellFault]]
    batches: int
    encoding: str
    warnings: tuple[str, ...]
    doubts: tuple[str, ...]
    unnamed: tuple[str, ...]
    kinds: list[tuple[Kind, ...]]
    """Of each row."""

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The cells without their lines."""
        return [cells for _, cells in self.rows]

    @property
    def codes(self) -> list[tuple[int, str]]:
        """Line and code of every malformed record."""
        return [(one.line, one.code) for one in self.malformed]


def content_of(name: str, options: SourceOptions | None = None) -> Content:
    """Read a whole source; null and "" are both absent."""
    rows: list[tuple[int, tuple[str, ...]]] = []
    malformed: list[Malformed] = []
    faults: list[tuple[int, CellFault]] = []
    kinds: list[tuple[Kind, ...]] = []
    batches = 0
    with open_source(name, 3, options or SourceOptions(), None) as source:
        for batch in source.batches():
            assert batch.source == 3
            assert batch.frame.width == len(source.layout.columns)
            assert len(batch.lines) == batch.frame.height
            rows += list(zip(batch.lines, batch.frame.fill_null("").rows(), strict=True))
            malformed += batch.malformed
            faults += [(batch.lines[one.index], one) for one in batch.faults]
            kinds += [_kinds_of(batch, row) for row in range(batch.frame.height)]
            batches += 1
        known = (source.encoding, source.warnings, source.doubts, source.unnamed)
    return Content(source.layout, rows, malformed, faults, batches, *known, kinds)


def _kinds_of(batch: RecordBatch, row: int) -> tuple[Kind, ...]:
    given = (batch.kinds.get(at, Kind.TEXT) for at in range(batch.frame.width))
    return tuple(one if isinstance(one, Kind) else Kind(one[row]) for one in given)


def lines_of_records(records: Sequence[bytes], first: int) -> list[int]:
    """The first physical line of each record, when the first one starts on line ``first``."""
    lines = []
    for record in records:
        lines.append(first)
        first += record.count(b"\n")
    return lines
