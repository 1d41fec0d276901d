"""Finds the staged rows that share a reference, in bounded memory.

Finds which hashes come more than once among many, in bounded memory. Pure.

Equal references have equal hashes, so where no hash repeats, no reference does. Where one does,
the references themselves decide: two different ones may share a hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from importer.plan.staging_file import StagingFile


PART = 1_000_000
"""Hashes that are held at once."""
_SEED = 1


def hashes_of(references: pl.Series) -> pl.Series:
    """64 bits of each reference, the same for equal ones within this process."""
    return references.hash(_SEED)


def repeated_hashes(read: Callable[[], Iterable[pl.Series]], total: int) -> pl.Series:
    """Every hash that comes more than once.

    Args:
        read: gives all hashes, in some pieces; called once for each part of about ``PART``.
        total: how many they are.
    """
    parts = total // PART + 1
    found = [_repeated_in_part(read(), part, parts) for part in range(parts)]
    return pl.concat(found)


def _repeated_in_part(pieces: Iterable[pl.Series], part: int, parts: int) -> pl.Series:
    mine = [pl.Series("hash", [], dtype=pl.UInt64)]
    mine += [
        (piece if parts == 1 else piece.filter(piece % parts == part)).rename("hash")
        for piece in pieces
    ]
    ordered = pl.concat(mine).sort()
    return ordered[1:].filter(ordered[1:] == ordered[:-1]).unique()


READ = 2000
"""Rows per read."""
_TOTAL = (
    "SELECT (SELECT coalesce(sum(height), 0) FROM segment)"
    " + (SELECT count(*) FROM invalid WHERE origin IS NOT NULL AND reference <> '')"
)
_HELD = (
    "SELECT position, reference, origin FROM invalid"
    " WHERE origin IS NOT NULL AND reference <> '' AND position > ? ORDER BY position LIMIT ?"
)
_REPEATED = (
    "SELECT reference FROM suspect WHERE reference > ?"
    " GROUP BY reference HAVING count(*) > 1 ORDER BY reference LIMIT ?"
)
_MEMBERS = "SELECT position, fingerprint, origin FROM suspect WHERE reference = ? ORDER BY position"
_BLAME = (
    "UPDATE invalid SET error_code = error_code || '; ' || ?, error = error || '; ' || ?"
    " WHERE position = ?"
)


class Suspects:
    """Looks for equal references among the staged rows."""

    def __init__(self, file: StagingFile) -> None:
        self._file = file

    def index(self) -> None:
        """Prepare the search for equal references; call once, when every row is staged."""
        repeated = repeated_hashes(self._hashes, self._file.read(_TOTAL)[0][0])
        if repeated.is_empty():
            return
        wanted = repeated.implode()
        for first, _ in self._file.segments():
            hit = self._file.frame("hashes", first).to_series().is_in(wanted)
            if hit.any():
                self._suspect(self._file.frame("keys", first).filter(hit).iter_rows())
        for held in self._held():
            hit = hashes_of(held["reference"]).is_in(wanted)
            self._suspect(
                (at, reference, None, origin)
                for at, reference, origin in held.filter(hit).iter_rows()
            )
        with self._file.transaction() as db:
            db.execute("CREATE INDEX by_reference ON suspect (reference)")

    def repeated(self) -> Iterator[list[tuple[int, bytes | None, int]]]:
        """Groups of rows with one reference: (position, fingerprint, origin), in input order.

        A row that is invalid by itself has no fingerprint; it is there only if a mapping made its
        reference.
        """
        last = ""
        while references := self._file.read(_REPEATED, (last, READ)):
            for (reference,) in references:
                yield self._file.read(_MEMBERS, (reference,))
            last = references[-1][0]

    def blame(self, problems: Iterable[tuple[int, str, str]]) -> None:
        """Add a problem to rows that are invalid by themselves: (position, code, error)."""
        with self._file.transaction() as db:
            db.executemany(_BLAME, ((code, error, at) for at, code, error in problems))

    def _suspect(self, rows: Iterable[tuple[object, ...]]) -> None:
        with self._file.transaction() as db:
            db.executemany("INSERT INTO suspect VALUES (?, ?, ?, ?)", rows)

    def _hashes(self) -> Iterator[pl.Series]:
        for first, _ in self._file.segments():
            yield self._file.frame("hashes", first).to_series()
        for held in self._held():
            yield hashes_of(held["reference"])

    def _held(self) -> Iterator[pl.DataFrame]:
        """Invalid rows whose reference a mapping made: position, reference, origin."""
        schema = {"position": pl.Int64, "reference": pl.String, "origin": pl.Int64}
        last = -1
        while found := self._file.read(_HELD, (last, READ)):
            yield pl.DataFrame(found, schema=schema, orient="row")
            last = found[-1][0]
