"""Reads and validates every source into staging. Nothing is sent from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.rows import judge_batch, map_columns, parts_of
from importer.source import SourceOptions, open_source, shown_source

if TYPE_CHECKING:
    from pathlib import Path

    from importer.job.observer import Observer
    from importer.job.settings import InputSettings
    from importer.job.world import World
    from importer.plan import Staging
    from importer.source.records import Layout


@dataclass(frozen=True, slots=True)
class Input:
    """What was read."""

    layouts: tuple[Layout, ...]
    records: int
    warnings: tuple[str, ...]


def read_sources(
    settings: InputSettings, staging: Staging, world: World, observer: Observer, folder: Path
) -> Input:
    """Read every source to its end; private temporary files are kept in ``folder``.

    Raises:
        SourceError: a source cannot be read as a customer file.
        UsageError: the sources make no sense together, or staging failed.
    """
    _check_names(settings.sources)
    options = SourceOptions(
        delimiter=settings.delimiter,
        encoding=settings.encoding,
        sheet=settings.sheet,
        folder=folder,
    )
    layouts: list[Layout] = []
    warnings: list[str] = []
    records = 0
    for index, name in enumerate(settings.sources):
        stdin = world.standard_input() if name == "-" else None
        with open_source(name, index, options, stdin) as source:
            columns = map_columns(source.layout, strict=settings.strict)
            for text in columns.warnings:
                warnings.append(text)
                observer.warning("column_ignored", text)
            layouts.append(source.layout)
            for batch in source.batches():
                for part in parts_of(batch):
                    staging.add_batch(judge_batch(part, columns))
                records += batch.frame.height + len(batch.malformed)
                observer.reading(source.layout.name, records)
            for text in source.warnings:
                warnings.append(text)
                observer.warning("source_interpreted", text)
    return Input(tuple(layouts), records, tuple(warnings))


def _check_names(sources: tuple[str, ...]) -> None:
    if not sources:
        raise UsageError("no source", hint="name a file or a URL, or - for standard input")
    for name in sources:
        if sources.count(name) > 1:
            raise UsageError(f"{shown_source(name)} is named twice", hint="name each source once")
