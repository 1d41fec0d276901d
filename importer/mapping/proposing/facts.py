"""What the values of a file say of its columns: counts and shares, never a guess. Pure.

Counts are of the whole file; shapes are of a sample (``SAMPLE_ROWS`` first records), because a
habit shows in the first records or not at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING

import polars as pl

from importer.errors import SourceError
from importer.mapping.converted import is_text_formula, text_of_formula
from importer.mapping.filters import is_totals_label
from importer.mapping.proposing.headers import roles
from importer.rows.currencies import ACTIVE
from importer.rows.not_customers import EdgeLines
from importer.rows.text import TRIMMED, trim
from importer.source.records import Kind
from importer.values import record, value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.rows.not_customers import NoCustomer
    from importer.source.records import Layout, Malformed, RecordBatch

SAMPLE_ROWS = 200_000
"""Records that the shapes are taken from."""
TAIL_ROWS = 100
"""Last records that are looked at for totals lines."""
FEW = 20
"""A column with at most so many different values is a group, a type or a status."""
NEARLY_ALL = 0.9
"""The share of cells that makes a shape the column's own."""
_UNIQUE_ENOUGH = 0.9
"""A column with more repeats than this in one batch is no reference, and is counted no further."""
_SHORTEST_COUNT = 5
NOTHING = (
    "NULL",
    "null",
    "(null)",
    "<null>",
    "\\N",
    "NaN",
    "nan",
    "None",
    "#N/A",
    "N/A",
    "n/a",
    "<NA>",
    "*None",
)
"""What programs write for an empty cell. (``NA`` is Namibia, and ``Null`` a family name.)"""
_FIRST_NUMBERS = (0, 1, 2)
_COUNTED = 0.98
"""Of the steps from record to record, how many must be one."""

_OF_A_CUSTOMER = {"reference", "email", "phone"}

_SHAPES = {
    "email": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "at": "@",
    "integer": r"^\d+$",
    # Digits in groups, perhaps with signs, parentheses and a currency sign or code about them.
    "amount": (
        r"(?i)^[-+(\s]*(?:[a-z]{1,3}\.?|[a-z]{0,3}\p{Sc})?[-+(\s]*"
        r"(?:\d+|[.,]\d+)(?:[.,'\x{2019}\s\x{a0}\x{202f}]\d+)*(?:[.,][-\x{2013}-\x{2015}]{1,2}|/[-=])?"
        r"[-)\s]*(?:[a-z]{2,3}\.?|[a-z]{0,3}\p{Sc})?[-)\s]*$"
        r"|^(?:[a-z]{1,3}|[a-z]{0,3}\p{Sc})?\s*[-\x{2013}-\x{2015}]$"
        r"|^0(?:[.,]0+)?e[-+]?\d+$"
    ),
    "decimals": r"(?:^|\d)[.,](?:\d+\D*|[-\x{2013}-\x{2015}]+\D*)$",
    "shortened": r"(?i)^\d(?:[.,]\d+)?e\+?\d+$",
    "date": r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[T ]\d.*)?$",
    # Behind a spreadsheet's apostrophe, or between marks of direction, as address books copy them.
    "phone": (
        r"^['\x{200b}-\x{200f}\x{202a}-\x{202e}]*(?:\+|00)?[\s(]*"
        r"\d(?:[\s()/.\-]*\d){6,14}[\x{200b}-\x{200f}\x{202a}-\x{202e}]*$"
    ),
    "international": r"^['\x{200b}-\x{200f}\x{202a}-\x{202e}]*[\s(]*(?:\+|00)",
    "country": r"^[A-Z]{2}$",
    "api_reference": r"^[a-zA-Z0-9_-]{1,255}$",
    "uppercase_domain": r"@[^@]*[A-Z]",
    "other_domain": r"@[^@]*[^\x00-\x7F]",
    "day_first": r"^(?:1[3-9]|2\d|3[01])[-/.]",
    "month_first": r"^\d{1,2}[-/.](?:1[3-9]|2\d|3[01])[-/.]",
}


@value
class ColumnFacts:
    """One column. All counts are of trimmed cells that are not empty."""

    name: str
    filled: int
    """In the whole file."""
    sampled: int
    """In the sample."""
    shapes: dict[str, int]
    """Of the sample: how many cells have each shape (``email``, ``amount``, ``date`` ...)."""
    top: tuple[tuple[str, int], ...]
    """The values and their counts, most frequent first, where they are at most ``FEW``."""
    distinct: int | None
    """In the whole file; None where most values repeat."""
    row_number: bool = False
    """Whether the values count up by one from record to record."""

    def share(self, shape: str) -> float:
        """How many of the sampled cells have a shape, 0 to 1; 0 for an empty column."""
        return self.shapes.get(shape, 0) / self.sampled if self.sampled else 0.0

    @property
    def repeats(self) -> int | None:
        """Cells that hold a value which another cell holds too; None where most do."""
        return None if self.distinct is None else self.filled - self.distinct


@value
class Facts:
    """What was seen of one file."""

    layout: Layout
    records: int
    """Without the totals lines."""
    malformed: int
    unreadable: Malformed | None
    """The first of them."""
    columns: tuple[ColumnFacts, ...]
    sample: pl.DataFrame
    """The first records, trimmed, "" where nothing is; without the totals lines."""
    totals: tuple[tuple[int, str, str], ...] = ()
    """(line, column, label) of lines near the end that look like totals."""
    repeated: tuple[int, ...] = ()
    """Lines that repeat the header, as where files were joined; no records."""
    edges: tuple[NoCustomer, ...] = ()
    """Other lines that look like no customers, at which a run stops."""
    nothing: tuple[tuple[str, int], ...] = ()
    """(text, cells) of what stands for an empty cell; such cells are empty here."""
    text_formulas: int = 0
    """Cells that are a text as a spreadsheet's formula, ``="0042"``; here they are that text."""
    nested: frozenset[str] = frozenset()
    """Columns of lists and objects, which are empty here: a mapping takes none."""

    def column(self, name: str) -> ColumnFacts:
        """One column by its name."""
        return next(one for one in self.columns if one.name == name)


@record
class _Seen:
    records: int = 0
    malformed: int = 0
    unreadable: Malformed | None = None
    kept: list[pl.DataFrame] = field(default_factory=list)
    kept_rows: int = 0
    tail: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    filled: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, list[pl.Series]] = field(default_factory=dict)
    repeated: list[int] = field(default_factory=list)
    nothing: Counter[str] = field(default_factory=Counter)
    text_formulas: int = 0
    nested: set[str] = field(default_factory=set)


def gather(layout: Layout, batches: Iterable[RecordBatch]) -> Facts:
    """Look at every record once; memory is that of the sample and 8 bytes a unique-looking cell.

    Raises:
        SourceError: no column can be told from the others.
    """
    # A name that stands there twice names no column; spaces around it make no other name.
    header = list(map(trim, layout.columns))
    count = Counter(header)
    names = [name for name in header if name and count[name] == 1]
    if not names:
        raise SourceError(
            f"{layout.name}: no column has a name of its own, so none can be mapped",
            hint="the line of the header must name the columns, each once",
        )
    seen = _Seen(filled=dict.fromkeys(names, 0), hashes={name: [] for name in names})
    edges = EdgeLines(layout)
    for batch in edges.watched(batches):
        seen.malformed += len(batch.malformed)
        seen.unreadable = seen.unreadable or next(iter(batch.malformed), None)
        if batch.frame.height:
            _look(seen, batch, [header.index(name) for name in names], names)
    totals, cells_of_totals = _totals(seen.tail, names)
    for name in cells_of_totals:
        seen.filled[name] -= 1
    empty = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    sample = pl.concat([empty, *seen.kept])
    for _, column, label in totals:
        sample = sample.filter(pl.col(column) != label)
    told = {*seen.repeated, *(line for line, _, _ in totals)}
    labels = [column for _, column, _ in totals]
    columns = tuple(_column(name, sample[name], seen, labels.count(name)) for name in names)
    return Facts(
        layout,
        seen.records - len(totals),
        seen.malformed,
        seen.unreadable,
        columns,
        sample,
        totals,
        tuple(seen.repeated),
        tuple(one for one in edges.rest() if one.line not in told),
        tuple((text, seen.nothing[text]) for text in NOTHING if seen.nothing[text]),
        seen.text_formulas,
        frozenset(seen.nested),
    )


def _look(seen: _Seen, batch: RecordBatch, where: list[int], names: list[str]) -> None:
    frame = pl.DataFrame(
        [batch.frame.to_series(index).alias(name) for index, name in zip(where, names, strict=True)]
    ).select(pl.all().fill_null("").str.strip_chars(TRIMMED))
    frame = _without_nested(seen, frame, batch, where)
    lines = list(batch.lines)
    if len(names) > 1:
        again = frame.select(pl.all_horizontal(pl.col(name) == name for name in names)).to_series()
        if again.any():
            seen.repeated += [lines[at] for at in again.arg_true()]
            frame, lines = frame.filter(~again), [lines[at] for at in (~again).arg_true()]
    formulas = sum(frame.select(is_text_formula(pl.all()).sum()).row(0))
    if formulas:
        seen.text_formulas += formulas
        frame = frame.with_columns(text_of_formula(pl.all()).name.keep())
    frame = _without_nothing(seen, frame)
    seen.records += frame.height
    if seen.kept_rows < SAMPLE_ROWS:
        part = frame.head(SAMPLE_ROWS - seen.kept_rows)
        seen.kept.append(part)
        seen.kept_rows += part.height
    counts = frame.select((pl.all() != "").sum()).row(0)
    for name, count in zip(names, counts, strict=True):
        seen.filled[name] += count
    for name in list(seen.hashes):
        cells = frame[name].filter(frame[name] != "")
        if len(cells) and cells.n_unique() < _UNIQUE_ENOUGH * len(cells):
            del seen.hashes[name]
        else:
            seen.hashes[name].append(cells.hash())
    last = frame.tail(TAIL_ROWS)
    seen.tail += zip(lines[len(lines) - last.height :], last.iter_rows(named=True), strict=True)
    del seen.tail[:-TAIL_ROWS]


def _without_nested(
    seen: _Seen, frame: pl.DataFrame, batch: RecordBatch, where: list[int]
) -> pl.DataFrame:
    for at, kinds in batch.kinds.items():
        if at not in where:
            continue
        name = frame.columns[where.index(at)]
        if isinstance(kinds, Kind):
            nested = pl.repeat(kinds in _NESTED, frame.height, eager=True)
        else:
            nested = kinds.is_in([one.value for one in _NESTED])
        if nested.any():
            seen.nested.add(name)
            cells = pl.when(nested).then(pl.lit("")).otherwise(pl.col(name))
            frame = frame.with_columns(cells.alias(name))
    return frame


_NESTED = (Kind.LIST, Kind.OBJECT)


def _without_nothing(seen: _Seen, frame: pl.DataFrame) -> pl.DataFrame:
    found = frame.select(pl.all().is_in(NOTHING).sum()).row(0) if frame.width else ()
    if not any(found):
        return frame
    for name, count in zip(frame.columns, found, strict=True):
        if count:
            cells = frame[name]
            seen.nothing.update(cells.filter(cells.is_in(NOTHING)).to_list())
    return frame.with_columns(
        pl.when(pl.all().is_in(NOTHING)).then(pl.lit("")).otherwise(pl.all()).name.keep()
    )


def _totals(
    tail: list[tuple[int, dict[str, str]]], names: list[str]
) -> tuple[tuple[tuple[int, str, str], ...], list[str]]:
    """(totals lines, the columns of all their cells that are filled).

    Such a line is one of the last, its first cell is the label of a total, most others are empty,
    and it has no reference, no e-mail and no phone number: who has one is a customer.
    """
    own = [name for name in names if not _OF_A_CUSTOMER.isdisjoint(roles(name))]
    found: list[tuple[int, str, str]] = []
    cells_filled: list[str] = []
    for line, cells in tail:
        filled = [name for name in names if cells[name]]
        if not filled or not is_totals_label(cells[filled[0]]):
            continue
        reachable = any(cells[name] for name in own if name != filled[0])
        if not reachable and len(filled) <= max(2, len(names) // 2):
            found.append((line, filled[0], cells[filled[0]]))
            cells_filled += filled
    return tuple(found), cells_filled


def _column(name: str, cells: pl.Series, seen: _Seen, labels: int) -> ColumnFacts:
    values = cells.filter(cells != "")
    frame = values.to_frame("cell")
    cell = pl.col("cell")
    counts = frame.select(
        **{shape: cell.str.contains(pattern).sum() for shape, pattern in _SHAPES.items()},
        currency=cell.is_in(sorted(ACTIVE)).sum(),
    ).row(0, named=True)
    groups = frame.group_by("cell").len().sort("len", "cell", descending=[True, False])
    few = groups.height <= FEW
    hashes = seen.hashes.get(name)
    distinct = None
    if hashes is not None:
        distinct = (pl.concat(hashes).n_unique() if hashes else 0) - labels
    return ColumnFacts(
        name=name,
        filled=seen.filled[name],
        sampled=len(values),
        shapes={shape: int(count) for shape, count in counts.items()},
        top=tuple(groups.iter_rows()) if few else (),
        distinct=distinct,
        row_number=_counts_up(values),
    )


def _counts_up(values: pl.Series) -> bool:
    """Whether the values are 1, 2, 3 ...: they also may begin at 0, or at 2 as in a sheet."""
    numbers = values.cast(pl.Int64, strict=False)
    if len(numbers) < _SHORTEST_COUNT or numbers[0] not in _FIRST_NUMBERS:
        return False
    return (numbers.diff().drop_nulls() == 1).sum() >= _COUNTED * (len(numbers) - 1)
