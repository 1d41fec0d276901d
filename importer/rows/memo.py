"""What was judged last time: the fingerprints that rows led to, by digests of their cells. Pure.

Most rows of a nightly file are those of yesterday, and judging is a function of a row's cells, the
columns that they stand in and the rules. So a row whose cells were judged before, under the same
columns and rules, is given the fingerprint that they led to then. What that fingerprint means is
decided as ever: by the ledger. A memo that is lost, damaged or of other rules costs time only.

What could cost more is a row that changed and has the digest of what it was: 1 in 2**64, for that
row alone. Where a digest is another row's, the fingerprint is not the one that the ledger knows of
this reference, and its payload is made and compared before anything is sent.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import polars as pl

from importer.errors import BugFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from importer.rows.header_fields import ColumnMap


COLUMNS = {"digest": pl.UInt64, "fingerprint": pl.Binary, "given": pl.UInt8}
"""One row for each record of a part, in input order; ``fingerprint`` is null where it is not to be
remembered: it was judged alone, or something about it is to be said every night. ``given`` has a
bit for each field that the payload carries (``certain.CARRIED``)."""
REACH = 32_768
"""Rows around the expected place in which a row of last time is looked for."""
_FEW = 8
"""Rows that are not in their places are few if they are at most one in so many of their part."""
RECHECKED = 1 / 32
"""Share of the parts that are judged again although they were remembered."""


class Segment(NamedTuple):
    """A part of last time, as the store lists it."""

    tag: bytes
    rows: int


class Store(Protocol):
    """Where parts are kept from one run to the next."""

    seed: int
    """Of the digests, less than 2**64."""

    @property
    def segments(self) -> Sequence[Segment]:
        """What last time left, in its order."""

    def read(self, number: int) -> pl.DataFrame | None:
        """A segment, with ``COLUMNS``; None where it is damaged."""

    def begin(self, kept: int) -> None:
        """Begin what the next run will find: the first ``kept`` segments stay as they are."""

    def append(self, tag: bytes, part: pl.DataFrame) -> None:
        """Add a part."""

    def commit(self) -> None:
        """Let the next run find it."""

    def forget(self) -> None:
        """Let the next run find nothing."""


class Recalled(NamedTuple):
    """What is remembered of the rows of one part."""

    rows: pl.DataFrame
    """``COLUMNS``; ``fingerprint`` and ``given`` are null where nothing is."""
    is_segment: bool
    """Whether the part is the next segment of last time, row by row."""
    rechecked: bool
    """Whether the part is judged all the same, and must lead to the same."""


class MemoOfSource:
    """The memo, for one source."""

    def __init__(self, memo: Memo, columns: ColumnMap) -> None:
        self._memo = memo
        one_each = (("balance", columns.balance), ("metadata", columns.metadata))
        keys = [(f"metadata.{key}", index) for index, key in columns.metadata_keys]
        fields = [(field, index) for index, field in columns.texts]
        fields += [(field, index) for field, index in one_each if index is not None]
        ordered = [*sorted(fields), *sorted(keys)]
        # By the names of the fields: a column that is not sent may come, go or change.
        self._indexes = [index for _, index in ordered]
        names = repr([field for field, _ in ordered]).encode("utf-8", "backslashreplace")
        self._tag = hashlib.sha256(rules_digest() + names).digest()

    def recall(self, frame: pl.DataFrame) -> Recalled:
        """What is remembered of these rows: cells by header index."""
        cells = pl.DataFrame([frame.to_series(at).alias(str(at)) for at in self._indexes])
        return self._memo.recall(cells.fill_null(""), self._tag)

    def note(self, recalled: Recalled, found: pl.DataFrame) -> None:
        """Remember what the rows that were asked about led to.

        Args:
            recalled: the answer to the question.
            found: ``fingerprint``, null where nothing is to be remembered, and ``given``.

        Raises:
            BugFound: rows that were judged again led to something else than before.
        """
        self._memo.note(recalled, found, self._tag)


class Memo:
    """The memo of one run: parts come in input order, each is recalled and then noted."""

    def __init__(self, store: Store, chance: Callable[[], float]) -> None:
        """``chance`` gives a number from 0 to 1, and is asked only where something is recalled."""
        self._store = store
        self._chance = chance
        starts = [0]
        for segment in store.segments:
            starts.append(starts[-1] + segment.rows)
        self._starts = starts
        """The row at which each segment begins, and one after the last."""
        self._tag = b""
        self._next = 0
        """The segment that is read next."""
        self._window = pl.DataFrame(schema=COLUMNS)
        self._first = self._at = 0
        """Rows of last time: where the window begins, and which is expected."""
        self._noted = 0
        """Parts so far. As long as nothing is held or begun, each was the segment of its number."""
        self._held: list[tuple[bytes, pl.DataFrame]] = []
        """A first part that is new: of a short input nothing is kept."""
        self._begun = False
        """Whether what the next run finds is made anew."""

    def of(self, columns: ColumnMap) -> MemoOfSource:
        """The memo for a source with these columns."""
        return MemoOfSource(self, columns)

    def recall(self, cells: pl.DataFrame, tag: bytes) -> Recalled:
        """See ``MemoOfSource``."""
        rows = cells.height
        digest = cells.hash_rows(self._store.seed).alias("digest")
        self._move(rows, tag)
        here = self._window.slice(self._at - self._first, rows)
        if here.height == rows and digest.equals(here["digest"]):
            number = self._noted
            is_segment = number < len(self._store.segments) and (
                self._store.segments[number] == Segment(tag, rows)
                and self._starts[number] == self._at
            )
            self._at += rows
            return Recalled(here, is_segment, self._is_rechecked(here))
        asked = digest.to_frame()
        if here.height == rows and (recalled := self._mostly_as_it_was(asked, here)) is not None:
            self._at += rows
            return Recalled(recalled, is_segment=False, rechecked=self._is_rechecked(recalled))
        if self._window.is_empty():
            absent = [pl.lit(None, COLUMNS[name]).alias(name) for name in ("fingerprint", "given")]
            return Recalled(asked.with_columns(*absent), is_segment=False, rechecked=False)
        known = self._window.with_row_index("row").unique("digest", keep="any")
        found = asked.join(known, on="digest", how="left", maintain_order="left")
        hits = found["row"].drop_nulls()
        self._at = self._first + int(hits[-1]) + 1 if hits.len() else self._at + rows
        recalled = found.select(*COLUMNS)
        return Recalled(recalled, is_segment=False, rechecked=self._is_rechecked(recalled))

    def _mostly_as_it_was(self, asked: pl.DataFrame, here: pl.DataFrame) -> pl.DataFrame | None:
        """What is remembered, where most rows stand in their places; the others are few and new.

        None where that is not so: then rows moved, and each is looked for.
        """
        same = asked["digest"].eq_missing(here["digest"])
        others = asked.filter(~same)
        if others.height * _FEW > asked.height:
            return None
        near = self._window["digest"].is_in(others["digest"].implode())
        if near.any():
            return None
        return asked.hstack(here.drop("digest")).with_columns(
            pl.when(same).then(name).alias(name) for name in ("fingerprint", "given")
        )

    def note(self, recalled: Recalled, found: pl.DataFrame, tag: bytes) -> None:
        """See ``MemoOfSource``."""
        if recalled.rechecked:
            self._check(recalled.rows, found)
        if self._held or self._begun or not recalled.is_segment:
            part = [recalled.rows["digest"], found["fingerprint"], found["given"]]
            self._add(tag, pl.DataFrame(part))
        self._noted += 1

    def end(self) -> None:
        """All was read: let the next run find what was noted."""
        if not (self._begun or self._held) and 0 < self._noted < len(self._store.segments):
            self._begin()
        if self._begun:
            self._store.commit()

    def _add(self, tag: bytes, part: pl.DataFrame) -> None:
        if not self._noted:
            self._held.append((tag, part))
            return
        if not self._begun:
            self._begin()
        self._store.append(tag, part)

    def _begin(self) -> None:
        self._begun = True
        self._store.begin(0 if self._held else self._noted)
        for one in self._held:
            self._store.append(*one)

    def _check(self, then: pl.DataFrame, now: pl.DataFrame) -> None:
        both = then.hstack(now.rename({"fingerprint": "now", "given": "is"}))
        same = pl.col("fingerprint").eq_missing(pl.col("now")) & pl.col("given").eq_missing(
            pl.col("is")
        )
        if not both.filter(pl.col("fingerprint").is_not_null()).select(same.all()).item():
            self._store.forget()
            what = "a row that was judged again has another fingerprint than was remembered"
            raise BugFound(what, safe="nothing was sent; what was remembered is deleted")

    def _is_rechecked(self, rows: pl.DataFrame) -> bool:
        return rows["fingerprint"].null_count() < rows.height and self._chance() < RECHECKED

    def _move(self, rows: int, tag: bytes) -> None:
        """Let the window hold what is near the next ``rows`` rows, of segments with this tag."""
        segments = self._store.segments
        if tag != self._tag:
            self._tag = tag
            later = (at for at in range(self._next, len(segments)) if segments[at].tag == tag)
            self._next = next(later, self._next)
            self._window = self._window.clear()
            self._first = self._at = self._starts[self._next]
        gone = max(0, min(self._at - REACH - self._first, self._window.height))
        pieces = [self._window.slice(gone)]
        self._first += gone
        end = self._first + pieces[0].height
        while (
            end < self._at + rows + REACH
            and self._next < len(segments)
            and segments[self._next].tag == tag
        ):
            found = self._store.read(self._next)
            if found is None:
                # Its rows are not remembered, and those after it keep their places.
                found = pl.DataFrame(
                    {name: [None] * segments[self._next].rows for name in COLUMNS}, schema=COLUMNS
                )
            pieces.append(found)
            end += found.height
            self._next += 1
        if len(pieces) > 1 or gone:
            self._window = pl.concat(pieces)


def rules_digest() -> bytes:
    """What judging depends on beside a row: the program's own text, and polars.

    Where the text is not there (compiled modules alone) it is another one at each call.
    """
    found = hashlib.sha256(pl.__version__.encode())
    texts = sorted(Path(__file__).parent.glob("*.py"))
    for path in texts:
        found.update(path.read_bytes())
    return found.digest() if texts else secrets.token_bytes(32)
