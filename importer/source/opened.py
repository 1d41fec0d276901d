"""Opens a source by what it holds, whatever it is called."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, Self

from importer.errors import SourceError
from importer.source.csv.csv_source import CsvSource
from importer.source.fed_back import ErrorsFile, is_errors_header
from importer.source.json_lines.json_source import JsonSource, is_json_lines
from importer.source.raw import PARQUET_MAGIC, ZIP_MAGIC, RawStream, first_bytes, open_file
from importer.source.remote import is_url, shown_source
from importer.source.source_options import STANDARD_INPUT, source_name
from importer.source.text.text_stream import TextStream, is_fed_back

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.source.records import Layout, RecordBatch
    from importer.source.source_options import SourceOptions


SourceKind = Literal["csv", "json", "excel", "parquet"]
_KINDS: dict[str, SourceKind] = {
    "CsvSource": "csv",
    "JsonSource": "json",
    "XlsxSource": "excel",
    "ParquetSource": "parquet",
}
"""By reader; those of workbooks and of Parquet are loaded for such a source only."""


class _Reader(Protocol):
    @property
    def layout(self) -> Layout: ...
    @property
    def encoding(self) -> str: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def unnamed(self) -> Sequence[str]: ...
    @property
    def doubts(self) -> Sequence[str]: ...
    def batches(self) -> Iterator[RecordBatch]: ...
    def close(self) -> None: ...


class OpenSource:
    """A source whose header has been read; a context manager that closes it."""

    def __init__(self, reader: _Reader, stack: ExitStack) -> None:
        self._reader = reader
        self._stack = stack
        fed_back = is_errors_header(reader.layout.columns)
        self.layout: Layout = replace(reader.layout, fed_back=fed_back)
        self.kind: SourceKind = _KINDS[type(reader).__name__]
        """What the source holds, whatever it is called."""

    @property
    def encoding(self) -> str:
        """``utf-8`` or another encoding's name; final when all batches have been read."""
        return self._reader.encoding

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was decided about the file and may be wrong; final when all has been read."""
        return tuple(self._reader.warnings)

    @property
    def unnamed(self) -> tuple[str, ...]:
        """The columns without a name that hold something, a text for each; final as above."""
        return tuple(self._reader.unnamed)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What may be damaged or lost: an error for who is strict; final as above."""
        return tuple(self._reader.doubts)

    def batches(self) -> Iterator[RecordBatch]:
        """All records in input order, once.

        Raises:
            SourceError: the rest cannot be read, or the file changed meanwhile.
        """
        if not self.layout.fed_back:
            return self._reader.batches()
        errors = ErrorsFile(self.layout, lambda: self.encoding.startswith("utf"))
        return map(errors.restored, self._reader.batches())

    def close(self) -> None:
        """Close the file (never standard input), remove temporary ones. May be called again."""
        self._reader.close()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_source(
    name: str, index: int, options: SourceOptions, stdin: BinaryIO | None = None
) -> OpenSource:
    """Open one source and read its header.

    The content decides what it is: Parquet, Excel, or CSV or JSON Lines in any encoding, also
    compressed with gzip or zstd.

    Args:
        name: a path, a URL, or ``-`` for standard input.
        index: its place in the run's list of sources, from 0.
        options: settings for all sources.
        stdin: what ``-`` stands for.

    Raises:
        SourceError: it cannot be read as a customer file.
        UsageError: a library that it takes is not installed, or no temporary file can be written.
    """
    with ExitStack() as stack:
        path = name
        if is_url(name):
            from importer.source.remote import fetched  # noqa: PLC0415 - few sources are remote

            path = str(stack.enter_context(fetched(name, options.folder, options.ca_bundle)))
        file = open_file(path, stdin)
        if name != STANDARD_INPUT:
            stack.callback(file.close)
        shown = shown_source(name)
        head = first_bytes(shown, file)
        reader: _Reader
        if head == PARQUET_MAGIC:
            from importer.source.parquet.parquet_source import ParquetSource  # noqa: PLC0415

            _check_seekable(shown, file, "Parquet")
            file.close()
            reader = ParquetSource(shown, index, Path(path))
        elif head == ZIP_MAGIC:
            from importer.source.excel.xlsx_source import XlsxSource  # noqa: PLC0415

            _check_seekable(shown, file, "Excel")
            said = any(
                one is not None for one in (options.sheet, options.header_row, options.header)
            )
            if said and _is_errors_workbook(path, index, options):
                options = options.by_its_own_rules()
            reader = XlsxSource(shown, index, options, file)
        else:
            stream = TextStream(shown, RawStream(shown, file, head), options)
            stack.callback(stream.close)
            if is_fed_back(stream.peek()):
                options = options.by_its_own_rules()
            kind = JsonSource if is_json_lines(shown, stream.peek()) else CsvSource
            reader = kind(shown, index, options, stream)
        return OpenSource(reader, stack.pop_all())


def _is_errors_workbook(path: str, index: int, options: SourceOptions) -> bool:
    """Whether a workbook holds an errors file, which has no sheet of the source's name."""
    from importer.source.excel.xlsx_source import XlsxSource  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        file = stack.enter_context(open_file(path, None))
        try:
            book = XlsxSource(path, index, options.by_its_own_rules(), file)
        except SourceError:
            return False
        stack.callback(book.close)
        return is_errors_header(book.layout.columns)


def _check_seekable(name: str, file: BinaryIO, kind: str) -> None:
    if name == STANDARD_INPUT or not file.seekable():
        raise SourceError(
            f"{source_name(name)}: {kind} cannot be read from a pipe",
            hint="save it to a file and name that; its end must be read first",
        )
