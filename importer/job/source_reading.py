"""Reads and judges every record of the sources into staging, by the mapping where there is one.

Nothing is sent from here.
"""

from __future__ import annotations

import pickle
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING, BinaryIO

from importer.errors import SourceError, UsageError
from importer.job.limit import Tally
from importer.plan.frames import as_stored, position
from importer.results.groups import Groups
from importer.rows.damaged_text import DamagedText
from importer.rows.header_fields import map_columns
from importer.rows.judged import (
    in_file_columns,
    judge_batch,
    leave_out,
    parts_of,
    until_first_invalid,
    with_unseen,
)
from importer.rows.not_customers import NOT_A_CUSTOMER, EdgeLines, Edges
from importer.rows.row import Problem, Row
from importer.source.opened import open_source
from importer.source.raw import scratch_file, writing
from importer.source.remote import shown_source
from importer.source.source_options import SourceOptions, names_in
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from importer.job.job_settings import InputSettings
    from importer.job.observer import Observer
    from importer.job.world import World
    from importer.mapping.bound import Bound, Skipped
    from importer.mapping.model import Mapping as FileMapping
    from importer.mapping.money.money_text import NumberFormat
    from importer.mapping.transform_report import Transformed
    from importer.plan.staging import Staging
    from importer.rows.judged import Judged
    from importer.rows.memo import Memo, MemoOfSource
    from importer.rows.not_customers import NoCustomer
    from importer.shard import Shard
    from importer.source.records import Layout, RecordBatch


_LEAST_REMEMBERED = 4096
"""Rows of a batch for which it pays to ask what is remembered of them."""
LEFT_OUT = "left out"
"""The name under which a mapping counts values that it drops."""


def mapping_bound(
    mapping: FileMapping, layout: Layout, number_format: NumberFormat | None = None
) -> Bound:
    """The mapping on this file.

    Raises:
        SourceError: the file has no such column.
    """
    from importer.mapping.bound import bind  # noqa: PLC0415 - only a run with a mapping needs it

    return bind(mapping, layout, number_format)


class Judge:
    """The rules for one source; ``bound`` is its mapping, None where the header says it all."""

    def __init__(
        self,
        layout: Layout,
        bound: Bound | None,
        *,
        strict: bool,
        memo: Callable[[], Memo | None] = lambda: None,
    ) -> None:
        """``memo`` gives what the run before remembers; None to judge every row."""
        self._bound = bound
        self._columns = map_columns(
            layout if bound is None else bound.layout, strict=strict and bound is None
        )
        self._needed = self._columns.needed if bound is None else bound.needed
        self._damaged = DamagedText(layout.name)
        self._open_memo = memo
        self._memo: MemoOfSource | None = None

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
            return self._validated(batch, payloads=False)
        mapped = self._bound.apply(batch)
        judged = in_file_columns(
            self._validated(mapped.batch, payloads=True),
            mapped.original,
            mapped.batch.lines,
            mapped.origins,
            self._bound.labels,
            reference=self._bound.reference,
        )
        skipped = tuple(_skipped(batch.source, one) for one in mapped.skipped)
        return replace(judged, skipped=skipped)

    def _validated(self, batch: RecordBatch, *, payloads: bool) -> Judged:
        if batch.frame.height >= _LEAST_REMEMBERED and self._memo is None:
            memo = self._open_memo()
            self._memo = None if memo is None else memo.of(self._columns)
        if self._memo is None or batch.frame.height < _LEAST_REMEMBERED:
            self._look(batch)
            return judge_batch(batch, self._columns)
        recalled = self._memo.recall(batch.frame)
        # What is judged again is judged as if nothing was known of it.
        rows = recalled.rows.clear(batch.frame.height) if recalled.rechecked else recalled.rows
        new = rows["fingerprint"].is_null()
        odd = self._look(batch, new)
        judged = judge_batch(batch, self._columns, rows, payloads=payloads)
        if (found := judged.certain) is not None:
            # What is to be said of a row is said every night.
            told = found["fingerprint"].scatter(odd, None)
            self._memo.note(recalled, found.with_columns(told))
        return judged

    def _look(self, batch: RecordBatch, new: pl.Series | None = None) -> pl.Series:
        """Look at the rows that are new, or at all; the indexes of those that are odd."""
        columns = [
            (self._columns.names[at], batch.frame.to_series(at)) for at in self._columns.free_texts
        ]
        if new is None or new.all():
            return self._damaged.look(columns, batch.lines)
        at = new.arg_true()
        some = [(name, cells.filter(new)) for name, cells in columns]
        return at[self._damaged.look(some, [batch.lines[row] for row in at])]


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


_TOLD = 5
"""Lines that one message tells."""
MOST_WARNINGS = 100
"""Warnings of one kind that are told; thousands of sources may each have some."""


@value
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
    transforms: tuple[Transformed, ...] = ()
    """What the mapping changed."""

    carried: Mapping[str, int] = field(default_factory=dict)
    """Valid records that have a value, by field."""
    skipped: tuple[int, ...] = ()
    """How many records of each source a rule of the mapping left out: nobody judged them."""

    def tallies(self, invalid: Mapping[int, int]) -> list[Tally]:
        """The figures of each source, given its number of invalid rows by its index."""
        return [
            Tally(size - left_out, invalid.get(index, 0))
            for index, (size, left_out) in enumerate(zip(self.sizes, self.skipped, strict=True))
        ]


def read_sources(
    settings: InputSettings,
    staging: Staging,
    world: World,
    observer: Observer,
    folder: Path,
    *,
    memo: Callable[[], Memo] | None = None,
) -> Input:
    """Read every source to its end, or (``fail_fast``) up to the first invalid record.

    Private temporary files are kept in ``folder``. ``memo`` opens what the run before remembers
    of the rows that it judged, when a large input is read; None to judge every row.

    Raises:
        SourceError: a source cannot be read as a customer file.
        UsageError: the sources make no sense together, or staging failed.
    """
    _check_names(settings.sources)
    options = _options(settings, folder)
    reading = _Reading(settings, staging, observer, memo)
    for index, name in enumerate(settings.sources):
        stdin = world.standard_input() if name == "-" else None
        if not reading.read(index, name, options, stdin):
            break
    else:
        reading.remember()
    return reading.result()


class _Reading:
    """What has been read so far."""

    def __init__(
        self,
        settings: InputSettings,
        staging: Staging,
        observer: Observer,
        memo: Callable[[], Memo] | None,
    ) -> None:
        self._open_memo = memo
        self._memo: Memo | None = None
        self._settings = settings
        self._staging = staging
        self._observer = observer
        self._layouts: list[Layout] = []
        self._warnings: list[str] = []
        self._warned: Counter[str] = Counter()
        self._sizes: list[int] = []
        self._skipped: list[int] = []
        self._groups = Groups()
        self._first_invalid: Row | None = None
        self._carried: Counter[str] = Counter()
        self._transforms: list[Transformed] = []
        self._odd: list[NoCustomer] = []
        said = settings.mapping.rows.edges if settings.mapping is not None else None
        self._edges = Edges(settings.edges or said or Edges.STOP)

    def read(self, index: int, name: str, options: SourceOptions, stdin: BinaryIO | None) -> bool:
        """Read one source; False where the first invalid record ends the reading."""
        mapping, bound = self._settings.mapping, None
        with ExitStack() as stack:
            source = stack.enter_context(open_source(name, index, options, stdin))
            edges = EdgeLines(source.layout)
            parts: Iterator[RecordBatch] = (
                part for batch in edges.watched(source.batches()) for part in parts_of(batch)
            )
            layout = source.layout
            if mapping is not None:
                bound = mapping_bound(mapping, source.layout)
                if bound.detects:
                    looked = looked_through(parts, bound, options.folder)
                    number_format, parts = stack.enter_context(looked)
                    bound = mapping_bound(mapping, source.layout, number_format)
                    layout = replace(layout, number_format=str(number_format))
            judge = Judge(source.layout, bound, strict=self._settings.strict, memo=self._memo_once)
            for text in judge.warnings:
                self._warn("column_ignored", text)
            self._layouts.append(layout)
            self._sizes.append(0)
            self._skipped.append(0)
            goes_on = all(self._add(judge, part, edges) for part in parts)
            for text in source.warnings:
                self._warn("source_interpreted", text)
            self._check_edges(source.layout.name)
            # A mapping names what it needs; without one, a column too many may be a mistake.
            self._doubt("column_ignored", source.unnamed if bound is None else ())
            self._doubt("source_doubtful", (*source.doubts, *judge.doubts()))
        self._note_transforms(judge.transforms)
        return goes_on

    def remember(self) -> None:
        """All was read: let the next run find what became of it."""
        if self._memo is not None:
            self._memo.end()

    def _memo_once(self) -> Memo | None:
        """What the run before remembers; opened by the first who asks."""
        if self._memo is None and self._open_memo is not None:
            self._memo = self._open_memo()
        return self._memo

    def result(self) -> Input:
        """All of it."""
        for code, number in self._warned.items():
            if number > MOST_WARNINGS:
                self._tell(code, f"{number - MOST_WARNINGS:,} more warnings of this kind")
        return Input(
            tuple(self._layouts),
            sum(self._sizes),
            tuple(self._warnings),
            tuple(self._sizes),
            self._groups,
            self._first_invalid,
            _merged(self._transforms),
            skipped=tuple(self._skipped),
            carried=self._carried,
        )

    def _doubt(self, code: str, texts: Sequence[str]) -> None:
        """Warn of what may be wrong.

        Raises:
            SourceError: the user is strict.
        """
        for text in texts:
            if self._settings.strict:
                raise SourceError(text, hint="correct it, or leave --strict out to be warned")
            self._warn(code, text)

    def _check_edges(self, name: str) -> None:
        """Stop where lines look like no customers, and nobody has said what they are.

        Raises:
            SourceError: the lines, and what they look like.
        """
        odd = self._odd
        if not odd:
            return
        told = "; ".join(f"line {one.line:,} looks like {one.looks_like}" for one in odd[:_TOLD])
        more = f"; and {len(odd) - _TOLD:,} more" if len(odd) > _TOLD else ""
        raise SourceError(
            f"{name}: {told}{more}: no customers, it seems, and nothing is sent",
            hint="say what they are with --edges skip (left out) or --edges keep (customers), or"
            ' edges = "skip" under [rows] of the mapping; or remove them from the file',
        )

    def _edged(self, judged: Judged, edges: EdgeLines) -> Judged:
        """A judged batch without the lines at the edges that are to be left out."""
        skipped = {row.line for row in judged.skipped}
        odd = [one for one in edges.take(judged) if one.line not in skipped]
        if not odd or self._edges is Edges.KEEP:
            return judged
        if self._edges is Edges.STOP:
            self._odd += odd
            return judged
        texts = {one.line: f"looks like {one.looks_like} (edges = skip)" for one in odd}
        return leave_out(judged, texts, NOT_A_CUSTOMER)

    def _add(self, judge: Judge, part: RecordBatch, edges: EdgeLines) -> bool:
        judged = self._edged(judge(part), edges)
        if self._settings.fail_fast and judged.invalid:
            judged = until_first_invalid(judged)
            self._first_invalid = judged.invalid[0]
            self._sizes[-1] += _records_until(self._first_invalid.line, part)
        else:
            self._sizes[-1] += part.frame.height + len(part.malformed)
        self._skipped[-1] += len(judged.skipped)
        self._staging.add_batch(judged)
        self._carried.update(judged.carried_fields())
        shard = self._settings.shard
        # Each error is told by one shard, as its row is.
        self._groups.add_invalid(row for row in judged.invalid if _is_of(row, shard))
        self._observer.reading(self._layouts[-1].name, sum(self._sizes))
        return self._first_invalid is None

    def _note_transforms(self, transforms: tuple[Transformed, ...]) -> None:
        self._transforms += transforms
        for one in transforms:
            if one.name == LEFT_OUT:
                text = f"{one.column}: {one.changed:,} values could not be read and were left out"
                self._warn("value_left_out", text)

    def _warn(self, code: str, text: str) -> None:
        self._warned[code] += 1
        if self._warned[code] <= MOST_WARNINGS:
            self._tell(code, text)

    def _tell(self, code: str, text: str) -> None:
        self._warnings.append(text)
        self._observer.warning(code, text)


def _is_of(row: Row, shard: Shard) -> bool:
    return shard.holds(as_stored(row.reference), position(row.source, row.line))


def _options(settings: InputSettings, folder: Path) -> SourceOptions:
    """How the sources are read; what is not set is as the mapping file says."""
    delimiter, encoding, sheet = settings.delimiter, settings.encoding, settings.sheet
    header_row, header = settings.header_row, settings.header
    if settings.mapping is not None:
        said = settings.mapping.source
        delimiter, sheet = delimiter or said.delimiter, sheet or said.sheet
        encoding = said.encoding or encoding if encoding == "auto" else encoding
        header_row, header = header_row or said.header_row, header or said.header
    return SourceOptions(
        delimiter=delimiter,
        encoding=encoding,
        sheet=sheet,
        header_row=header_row,
        header=names_in(header) if header else None,
        folder=folder,
        ca_bundle=settings.ca_bundle,
    )


def _merged(transforms: list[Transformed]) -> tuple[Transformed, ...]:
    """One entry for each transform, whichever sources it changed something in."""
    if not transforms:
        return ()
    from importer.mapping.transform_report import merged  # noqa: PLC0415 - only a run with a mapping needs it

    return merged(transforms)


def _records_until(line: int, batch: RecordBatch) -> int:
    # Counted from what was read, not from what was judged: no record may be lost between them.
    lines = (*batch.lines, *(one.line for one in batch.malformed))
    return sum(one <= line for one in lines)


def _check_names(sources: tuple[str, ...]) -> None:
    if not sources:
        raise UsageError("no source", hint="name a file or a URL, or - for standard input")
    for name in sources:
        if sources.count(name) > 1:
            raise UsageError(f"{shown_source(name)} is named twice", hint="name each source once")
