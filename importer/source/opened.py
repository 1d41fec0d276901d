"""Opens a source by what it holds, whatever it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from importer.errors import SourceError
from importer.source.csv_source import CsvSource
from importer.source.naming import STANDARD_INPUT, source_name
from importer.source.parquet_source import ParquetSource
from importer.source.raw import PARQUET_MAGIC, RawStream, first_bytes, open_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from importer.source.options import SourceOptions
    from importer.source.records import Layout, RecordBatch


class _Reader(Protocol):
    @property
    def layout(self) -> Layout: ...
    def batches(self) -> Iterator[RecordBatch]: ...
    def close(self) -> None: ...


class OpenSource:
    """A source whose header has been read; a context manager that closes it."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self.layout: Layout = reader.layout

    def batches(self) -> Iterator[RecordBatch]:
        """All records in input order, once.

        Raises:
            SourceError: the rest cannot be read, or the file changed meanwhile.
        """
        return self._reader.batches()

    def close(self) -> None:
        """Close the file (never standard input). May be called again."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_source(
    name: str, index: int, options: SourceOptions, stdin: BinaryIO | None = None
) -> OpenSource:
    """Open one source and read its header.

    The content decides what it is: Parquet, CSV, or CSV compressed with gzip or zstd.

    Args:
        name: a path, or ``-`` for CSV on standard input.
        index: its place in the run's list of sources, from 0.
        options: settings for all sources.
        stdin: what ``-`` stands for.

    Raises:
        SourceError: it cannot be read as a customer file.
    """
    file = open_file(name, stdin)
    try:
        head = first_bytes(name, file)
        if head == PARQUET_MAGIC:
            return OpenSource(_parquet(name, index, file))
        return OpenSource(CsvSource(name, index, options, RawStream(name, file, head)))
    except BaseException:
        if name != STANDARD_INPUT:
            file.close()
        raise


def _parquet(name: str, index: int, file: BinaryIO) -> ParquetSource:
    if name == STANDARD_INPUT or not file.seekable():
        raise SourceError(
            f"{source_name(name)}: Parquet cannot be read from a pipe",
            hint="save it to a file and name that; its end must be read first",
        )
    file.close()
    return ParquetSource(name, index)
