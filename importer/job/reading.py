"""Reads and validates every source into staging. Nothing is sent from here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.job.limit import Tally
from importer.results.groups import Groups
from importer.rows import judge_batch, map_columns, parts_of, until_first_invalid
from importer.source import SourceOptions, open_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from importer.job.observer import Observer
    from importer.job.settings import InputSettings
    from importer.job.world import World
    from importer.plan import Staging
    from importer.rows import Row
    from importer.source.records import Layout, RecordBatch


@dataclass(frozen=True, slots=True)
class Input:
    """What was read."""

    layouts: tuple[Layout, ...]
    records: int
    warnings: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    """Records of each source; they add up to ``records``."""
    groups: Groups = field(default_factory=Groups)
    """What is wrong with the rows that are invalid by themselves."""
    first_invalid: Row | None = None
    """The record that ended the reading (``fail_fast``); everything before it was read."""

    def tallies(self, invalid: Mapping[int, int]) -> list[Tally]:
        """The figures of each source, given its number of invalid rows by its index."""
        return [
            Tally(size, invalid.get(index, 0), layout.fed_back)
            for index, (size, layout) in enumerate(zip(self.sizes, self.layouts, strict=True))
        ]


def read_sources(
    settings: InputSettings, staging: Staging, world: World, observer: Observer
) -> Input:
    """Read every source to its end, or (``fail_fast``) up to the first invalid record.

    Raises:
        SourceError: a source cannot be read as a customer file.
        UsageError: the sources make no sense together, or staging failed.
    """
    _check_names(settings.sources)
    options = SourceOptions(delimiter=settings.delimiter)
    layouts: list[Layout] = []
    warnings: list[str] = []
    sizes: list[int] = []
    groups = Groups()
    for index, name in enumerate(settings.sources):
        stdin = world.standard_input() if name == "-" else None
        with open_source(name, index, options, stdin) as source:
            columns = map_columns(source.layout, strict=settings.strict)
            for text in columns.warnings:
                warnings.append(text)
                observer.warning("column_ignored", text)
            layouts.append(source.layout)
            sizes.append(0)
            for batch in source.batches():
                for part in parts_of(batch):
                    judged = judge_batch(part, columns)
                    if settings.fail_fast and judged.invalid:
                        judged = until_first_invalid(judged)
                        first = judged.invalid[0]
                        sizes[-1] += _records_until(first.line, part)
                    else:
                        first = None
                        sizes[-1] += part.frame.height + len(part.malformed)
                    staging.add_batch(judged)
                    groups.add_invalid(judged.invalid)
                    if first is not None:
                        return _input(layouts, warnings, sizes, groups, first)
                observer.reading(name, sum(sizes))
    return _input(layouts, warnings, sizes, groups)


def _input(
    layouts: list[Layout],
    warnings: list[str],
    sizes: list[int],
    groups: Groups,
    first_invalid: Row | None = None,
) -> Input:
    return Input(tuple(layouts), sum(sizes), tuple(warnings), tuple(sizes), groups, first_invalid)


def _records_until(line: int, batch: RecordBatch) -> int:
    # Counted from what was read, not from what was judged: no record may be lost between them.
    lines = (*batch.lines, *(one.line for one in batch.malformed))
    return sum(one <= line for one in lines)


def _check_names(sources: tuple[str, ...]) -> None:
    if not sources:
        raise UsageError("no source", hint="name a CSV or Parquet file, or - for standard input")
    for name in sources:
        if sources.count(name) > 1:
            raise UsageError(f"{name} is named twice", hint="name each source once")
