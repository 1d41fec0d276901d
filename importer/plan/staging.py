"""Staging: every verified row on disk, so that memory stays bounded and nothing is sent too early.

One SQLite file, private to one run, mode 0600, deleted with the run's workspace. It is scratch: a
killed run's staging is worthless, because the ledger alone says what was sent.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from importer.errors import UsageError
from importer.outcomes import Outcome
from importer.plan.positions import position, source_and_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from importer.delivery.work import Settled
    from importer.rows.row import Row

_SCHEMA = """
CREATE TABLE row (
    position INTEGER PRIMARY KEY,
    reference TEXT NOT NULL,
    payload TEXT,
    fingerprint BLOB,
    cells TEXT NOT NULL,
    extra TEXT,
    outcome TEXT,
    customer_id TEXT,
    idempotency_key TEXT,
    attempts INTEGER,
    http_status INTEGER,
    error_code TEXT,
    error TEXT
);
"""
_PRAGMAS = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA cache_size = -65536",
)
_INSERT = (
    "INSERT INTO row (position, reference, payload, fingerprint, cells, extra, outcome,"
    " error_code, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SETTLE = (
    "UPDATE row SET outcome = ?, customer_id = ?, idempotency_key = ?, attempts = ?,"
    " http_status = ?, error_code = ?, error = ? WHERE position = ?"
)
CHUNK = 2000
"""Rows per read; keeps memory flat and lets writes go on between reads."""


class StagedRow(NamedTuple):
    """One record as staged, in the columns' own form: cheap to make by the million."""

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


@dataclass(frozen=True, slots=True)
class Pending:
    """A valid row that has no outcome yet."""

    position: int
    reference: str
    fingerprint: bytes
    payload: str


class Staging:
    """The staged rows of one run. Not thread-safe.

    Every method raises UsageError where the disk is full or fails: nothing depends on staging.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open a new staging file, or one in memory where ``path`` is None."""
        self._path = path
        with self._translated():
            if path is not None:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(str(path or ":memory:"), isolation_level=None)
            for pragma in _PRAGMAS:
                self._db.execute(pragma)
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close and delete the file."""
        self._db.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            self._db.execute("BEGIN")
            yield
            self._db.execute("COMMIT")

    def _read(self, query: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        with self._translated():
            return self._db.execute(query, parameters).fetchall()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            where = self._path.parent if self._path else "memory"
            message = f"the rows could not be staged in {where}: {error}"
            raise UsageError(
                message, hint="free some disk space, or choose another --out"
            ) from None

    def add(self, rows: Iterable[Row]) -> None:
        """Stage rows as they come from validation; invalid ones have their outcome at once."""
        with self._transaction():
            self._db.executemany(_INSERT, (_inserted(row) for row in rows))

    def index(self) -> None:
        """Prepare the search for equal references; call once, when every row is staged."""
        with self._transaction():
            self._db.execute(
                "CREATE INDEX by_reference ON row (reference) WHERE payload IS NOT NULL"
            )

    def repeated(self) -> Iterator[list[tuple[int, bytes]]]:
        """Each group of valid rows with one reference: (position, fingerprint), in input order."""
        repeats = (
            "SELECT reference FROM row WHERE payload IS NOT NULL AND reference > ?"
            " GROUP BY reference HAVING count(*) > 1 ORDER BY reference LIMIT ?"
        )
        members = (
            "SELECT position, fingerprint FROM row WHERE reference = ? AND payload IS NOT NULL"
            " ORDER BY position"
        )
        last = ""
        while references := self._read(repeats, (last, CHUNK)):
            for (reference,) in references:
                yield self._read(members, (reference,))
            last = references[-1][0]

    def settle(self, outcomes: Iterable[tuple[int, Outcome, str, str, str]]) -> None:
        """Give rows an outcome without a request: (position, outcome, id, error code, error)."""
        with self._transaction():
            self._db.executemany(
                _SETTLE,
                (
                    (outcome.value, customer_id, "", 0, 0, code, error, at)
                    for at, outcome, customer_id, code, error in outcomes
                ),
            )

    def record(self, settled: Sequence[Settled]) -> None:
        """Store what delivery made of rows."""
        with self._transaction():
            self._db.executemany(
                _SETTLE,
                (
                    (
                        one.settle.outcome.value,
                        one.settle.customer_id,
                        one.idempotency_key,
                        one.attempts,
                        one.settle.http_status,
                        one.settle.error_code,
                        one.settle.message,
                        one.planned.position,
                    )
                    for one in settled
                ),
            )

    def pending(self) -> Iterator[list[Pending]]:
        """Valid rows without an outcome, in input order, in chunks; writes may go on meanwhile."""
        query = (
            "SELECT position, reference, fingerprint, payload FROM row"
            " WHERE position > ? AND outcome IS NULL ORDER BY position LIMIT ?"
        )
        last = -1
        while chunk := [Pending(*row) for row in self._read(query, (last, CHUNK))]:
            yield chunk
            last = chunk[-1].position

    def rows(self) -> Iterator[StagedRow]:
        """Every staged record in input order."""
        query = (
            "SELECT position, reference, cells, extra, outcome, customer_id, idempotency_key,"
            " attempts, http_status, error_code, error FROM row ORDER BY position"
        )
        # One by one: a record may hold a mebibyte. Nothing is written while these are read.
        with self._translated():
            yield from map(StagedRow._make, self._db.execute(query))

    def settle_rest(self, outcome: Outcome) -> None:
        """Give every row without an outcome this one."""
        with self._transaction():
            self._db.execute("UPDATE row SET outcome = ? WHERE outcome IS NULL", (outcome.value,))

    def counts(self) -> dict[str, int]:
        """Number of rows by outcome; "" counts those without one."""
        query = "SELECT coalesce(outcome, ''), count(*) FROM row GROUP BY outcome"
        return dict(self._read(query))

    def error_codes(self, limit: int = 20) -> list[tuple[str, str, int]]:
        """(outcome, error code, rows), most frequent first."""
        query = (
            "SELECT outcome, error_code, count(*) AS n FROM row WHERE error_code <> ''"
            " AND outcome IS NOT NULL GROUP BY outcome, error_code ORDER BY n DESC, 1, 2 LIMIT ?"
        )
        return self._read(query, (limit,))

    def has_extra(self, source: int) -> bool:
        """Whether a record of this source had more cells than the header."""
        query = "SELECT 1 FROM row WHERE extra IS NOT NULL AND position BETWEEN ? AND ? LIMIT 1"
        bounds = (position(source, 0), position(source + 1, 0) - 1)
        return bool(self._read(query, bounds))


def _inserted(row: Row) -> tuple[object, ...]:
    invalid = row.payload is None
    return (
        position(row.source, row.line),
        # Lone surrogates (bytes that were no UTF-8) cannot be stored as text.
        row.reference.encode("utf-8", "backslashreplace").decode(),
        row.payload,
        row.fingerprint,
        json.dumps(row.cells),
        json.dumps(row.extra) if row.extra else None,
        Outcome.INVALID.value if invalid else None,
        "; ".join(dict.fromkeys(problem.code for problem in row.problems)) if invalid else "",
        "; ".join(problem.text() for problem in row.problems) if invalid else "",
    )
