"""One Parquet source: slices in, batches of text out.

Reads a Parquet file in a process of its own first, because a damaged one can end a process.

A footer that lies makes polars panic, with a stack trace on standard error, or ask for so much
memory that the process is aborted, which no ``except`` can catch. What survives the probe is then
read in the same way in this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from importer.errors import SourceError, printable
from importer.source.header import Unnamed, header_of
from importer.source.raw import Stamp, changed
from importer.source.records import CellFault, Kind, Layout, RecordBatch
from importer.source.source_options import BLOCK_BYTES, PARQUET_ROWS
from importer.source.text.encodings import UTF8
from importer.source.typed_cells import text_column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_REFUSED = 3
"""Exit code of a probe that ended with a SourceError, which is on its standard output."""


def probe(name: str, path: Path) -> None:
    """Read the whole file at ``path`` elsewhere; messages call it ``name``.

    Raises:
        SourceError: what the reading raised, or that it ended the process.
    """
    if not sys.executable:
        return  # an embedded interpreter; nothing to start a process with
    # -P: a module of the folder that we happen to stand in must not be taken for one of ours.
    command = [sys.executable, "-P", "-m", __name__, str(path)]
    modules = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(  # noqa: S603 - our own program
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": modules, "RUST_BACKTRACE": "0"},
    )
    if done.returncode == 0:
        return
    if done.returncode == _REFUSED:
        message, hint = json.loads(done.stdout)
        raise SourceError(f"{name}{message}", hint=hint)
    raise SourceError(
        f"{name}: the Parquet file is damaged or cut off: what it says about itself is not true",
        hint="export or copy the file again; nothing of it was imported",
    )


def main(name: str) -> int:
    """What the probe process does; its exit code."""
    try:
        for _ in ParquetSource(name, 0, proven=True).batches():
            pass
    except SourceError as error:
        # Its place is shown as the user named it.
        print(json.dumps([error.message.removeprefix(printable(name)), error.hint]))  # noqa: T201
        return _REFUSED
    return 0


# A panic within polars is no Exception, and would end the program with its own words.
_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


class ParquetSource:
    """A Parquet file whose schema has been read. Its line numbers are row numbers from 1.

    It is read in slices: polars' ``collect_batches`` reads ahead without a bound and is declared
    unstable, a slice holds its rows only.
    """

    def __init__(
        self, name: str, index: int, path: Path | None = None, *, proven: bool = False
    ) -> None:
        """Read the schema and the number of rows; everything, elsewhere, unless it is ``proven``.

        ``path`` is where the file is, if not where its name says.

        Raises:
            SourceError: the file is damaged or cut off, or its column names cannot be used.
        """
        self._name = name
        self._path = (path or Path(name)).absolute()
        self._index = index
        self._stamp = self._status()
        if not proven:
            probe(name, self._path)
        try:
            self._names = self._scan().collect_schema().names()
            self._rows = self._scan().select(pl.len()).collect().item()
        except _BROKEN as error:
            raise self._damaged(error) from None
        self._header = header_of(name, self._names)
        self.layout = Layout(name, self._header.columns)
        self._unnamed = Unnamed(name, self._header)

    @property
    def encoding(self) -> str:
        """Always UTF-8: it is part of the format."""
        return UTF8

    @property
    def warnings(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def unnamed(self) -> Sequence[str]:
        """The columns without a name that hold something; complete at the end."""
        return self._unnamed.found

    @property
    def doubts(self) -> Sequence[str]:
        """What may be damaged: nothing that the format would not refuse."""
        return ()

    def batches(self) -> Iterator[RecordBatch]:
        """All rows in order.

        Raises:
            SourceError: the file is damaged, or changed meanwhile.
        """
        for start in range(0, self._rows, PARQUET_ROWS):
            typed = self._slice(start)
            # Repeated values are small in the file and in polars, but not as Python's texts.
            size = max(BLOCK_BYTES, int(typed.estimated_size()))
            step = max(1, typed.height * BLOCK_BYTES // size)
            for at in range(0, typed.height, step):
                batch = self._batch(typed.slice(at, step), start + at + 1)
                self._unnamed.look(batch.frame, batch.lines)
                yield batch
        self._check_unchanged()

    def close(self) -> None:
        """Nothing stays open between slices."""

    def _slice(self, start: int) -> pl.DataFrame:
        expected = min(PARQUET_ROWS, self._rows - start)
        try:
            typed = self._scan().slice(start, expected).collect()
        except _BROKEN as error:
            self._check_unchanged()
            raise self._damaged(error) from None
        if typed.height != expected:
            self._check_unchanged()
            raise self._damaged(None)
        return typed

    def _batch(self, typed: pl.DataFrame, first: int) -> RecordBatch:
        columns: list[pl.Series] = []
        kinds: dict[int, Kind | pl.Series] = {}
        faults: list[CellFault] = []
        named = zip(self.layout.columns, typed.get_columns(), strict=True)
        for at, (name, series) in enumerate(named):
            try:
                text = text_column(name, series)
            except _BROKEN as error:
                raise self._damaged(error) from None
            columns.append(text.cells.alias(self._header.keys[at]))
            faults += text.faults
            if text.kind is not Kind.TEXT:
                kinds[at] = text.kind
        lines = range(first, first + typed.height)
        frame = pl.DataFrame(columns)
        return RecordBatch(self._index, frame, lines, faults=tuple(faults), kinds=kinds)

    def _scan(self) -> pl.LazyFrame:
        # Hive partitions and wildcards in the path would change what is read.
        return pl.scan_parquet(self._path, glob=False, hive_partitioning=False, low_memory=True)

    def _status(self) -> Stamp | None:
        try:
            return Stamp.of(self._path.stat())
        except OSError:
            return None

    def _check_unchanged(self) -> None:
        if self._status() != self._stamp:
            raise changed(self._name)

    def _damaged(self, error: BaseException | None) -> SourceError:
        # The first line of what polars says; the rest is advice for programmers.
        reason = str(error).strip().partition("\n")[0] if error is not None else "rows are missing"
        return SourceError(
            f"{self._name}: the Parquet file is damaged or cut off: {reason}",
            hint="export or copy the file again; nothing of it was imported",
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
