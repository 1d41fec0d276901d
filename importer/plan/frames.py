"""Frames as bytes, for the staging file, and the forms that staged rows have in them. Pure.

One integer says where a record stands: its source and its physical line, in input order.
"""

from __future__ import annotations

import io
import itertools
import json
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from importer.outcomes import Outcome
from importer.rows.judged import SCHEMA, Judged
from importer.source.records import NOTHING_UNSEEN, SourceFault, Unseen
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from importer.plan.decide import Send
    from importer.rows.row import Row


LINE_BITS = 40
"""A source may have 2**40 lines; 2**22 sources fit beside them into SQLite's 63 bits."""


_SOURCE = (pl.col("position") // (1 << LINE_BITS)).alias("source")
_LINE = (pl.col("position") % (1 << LINE_BITS)).alias("line")


def position(source: int, line: int) -> int:
    """The position of a record; sorting by it gives the input order."""
    return source << LINE_BITS | line


def source_and_line(at: int) -> tuple[int, int]:
    """The inverse of ``position``."""
    return at >> LINE_BITS, at & ((1 << LINE_BITS) - 1)


OUTCOME = {
    "position": pl.Int64,
    "outcome": pl.String,
    "customer_id": pl.String,
    "idempotency_key": pl.String,
    "attempts": pl.Int64,
    "http_status": pl.Int64,
    "error_code": pl.String,
    "error": pl.String,
}
"""What became of a row, by its position."""


class StagedRow(NamedTuple):
    """One record as staged, in the columns' own form."""

    position: int
    reference: str
    cells_json: str
    extra_json: str | None
    outcome: str | None
    """A value of ``Outcome``; None while the row is still to be delivered."""
    customer_id: str | None
    idempotency_key: str | None
    attempts: int | None
    http_status: int | None
    error_code: str | None
    error: str | None
    unseen_json: str | None = None

    @property
    def source(self) -> int:
        """Index into the run's sources."""
        return source_and_line(self.position)[0]

    @property
    def line(self) -> int:
        """Physical line, from 1."""
        return source_and_line(self.position)[1]

    @property
    def cells(self) -> tuple[str, ...]:
        """The original cells in header order."""
        return tuple(json.loads(self.cells_json))

    @property
    def extra(self) -> tuple[str, ...]:
        """Cells beyond the header."""
        return tuple(json.loads(self.extra_json)) if self.extra_json else ()

    @property
    def unseen(self) -> Unseen:
        """What the reader of the source knew of the record beside its cells."""
        faults, kinds = json.loads(self.unseen_json or "[[], []]")
        return Unseen(
            tuple(SourceFault(*one) for one in faults), tuple((at, kind) for at, kind in kinds)
        )


class Failure(NamedTuple):
    """A row that is valid by itself and yet not in Moment: a conflict, a refusal, an outage."""

    position: int
    outcome: str
    http_status: int
    """Of Moment's answer, 0 where there is none."""
    error_code: str
    error: str
    """In words, personal data masked; may hold the row's reference."""

    @property
    def source(self) -> int:
        """Index into the run's sources."""
        return source_and_line(self.position)[0]

    @property
    def line(self) -> int:
        """Physical line, from 1."""
        return source_and_line(self.position)[1]


class Pending(NamedTuple):
    """A valid row that has no outcome yet."""

    position: int
    reference: str
    fingerprint: bytes
    payload: str


@value
class Waiting:
    """The rows of one segment that have no outcome yet, by reference."""

    segment: int
    frame: pl.DataFrame
    """``at`` (index within the segment), ``position``, ``reference``, ``fingerprint``."""


@value
class Page:
    """Some consecutive records with what became of them."""

    segment: int | None
    frame: pl.DataFrame
    """``source``, ``line``, ``reference``, the columns of ``OUTCOME`` and ``at``: the index
    within the segment, null for a record that is invalid by itself."""


SEND: dict[str, pl.DataType] = {
    "why": pl.String(),
    "fields": pl.List(pl.String),
    "reads": pl.Boolean(),
}
"""The values of ``Send``."""


def foreseen(sends: Sequence[tuple[int, Send]]) -> pl.DataFrame:
    """``at``, the index of each within its segment, and the columns of ``SEND``."""
    kinds: dict[Send, int] = {}
    codes = [kinds.setdefault(send, len(kinds)) for _, send in sends]
    alike = pl.DataFrame([*kinds], schema=SEND, orient="row")
    at = pl.Series("at", [at for at, _ in sends], dtype=pl.UInt32)
    return alike[codes].insert_column(0, at)


def pack(frame: pl.DataFrame, compression: str = "uncompressed") -> memoryview:
    """A frame as bytes (an Arrow IPC stream: a file's footer would cost a small one most)."""
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compression="lz4" if compression == "lz4" else "uncompressed")
    return buffer.getbuffer()


def unpack(packed: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The inverse of ``pack``, or some columns of it."""
    return pl.read_ipc_stream(packed, columns=list(columns) if columns else None)


def as_page(segment: int | None, frame: pl.DataFrame) -> Page:
    """A page of these rows in input order; ``source`` and ``line`` are added."""
    return Page(segment, frame.sort("position").with_columns(_SOURCE, _LINE))


def keys_of(judged: Judged) -> pl.DataFrame:
    """``position``, ``reference``, ``fingerprint`` and ``origin`` of a batch's valid rows."""
    base = position(judged.source, 0)
    origin = pl.lit(0) if judged.origins is None else pl.lit(judged.origins)
    return judged.valid.select(
        (pl.col("line") + base).alias("position"),
        "reference",
        "fingerprint",
        origin.cast(pl.Int64).alias("origin"),
    )


def as_stored(reference: str) -> str:
    """A reference as text: lone surrogates (bytes that were no UTF-8) cannot be stored."""
    return reference.encode("utf-8", "backslashreplace").decode()


def as_invalid(row: Row, outcome: Outcome) -> tuple[object, ...]:
    """A row that needs no request by itself, as the columns of its table."""
    return (
        position(row.source, row.line),
        as_stored(row.reference),
        # Of a record that is left out nobody asks for the cells: they are in no errors file.
        "[]" if outcome == Outcome.SKIPPED else json.dumps(row.cells),
        json.dumps(row.extra) if row.extra else None,
        "; ".join(dict.fromkeys(problem.code for problem in row.problems)),
        "; ".join(problem.text() for problem in row.problems),
        outcome.value,
        row.origin,
        json.dumps(row.unseen) if row.unseen != NOTHING_UNSEEN else None,
    )


def as_judged(rows: Iterable[Row]) -> Iterator[Judged]:
    """Rows that were judged one by one, as a batch per source."""
    ordered = sorted(rows, key=lambda row: (row.source, row.line))
    for source, group in itertools.groupby(ordered, key=lambda row: row.source):
        members = list(group)
        valid = [row for row in members if row.payload is not None]
        frame = pl.DataFrame(
            [(row.line, row.reference, row.fingerprint, row.payload) for row in valid],
            schema=SCHEMA,
            orient="row",
        )
        cells = [
            pl.Series(str(index), cells, dtype=pl.String)
            for index, cells in enumerate(zip(*(row.cells for row in valid), strict=True))
        ]
        invalid = tuple(row for row in members if row.payload is None)
        yield Judged(source, frame, pl.DataFrame(cells), invalid)
