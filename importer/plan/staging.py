"""Staging: every verified row on disk, so that memory stays bounded and nothing is sent too early.

One SQLite file, private to one run, mode 0600, deleted with the run's workspace. It is scratch: a
killed run's staging is worthless, because the ledger alone says what was sent.

The valid rows of a batch are one segment: frames in the form in which they were judged, so that a
row costs nothing of its own; payloads that follow from the cells are made again of the few rows
that somebody asks for. Outcomes lie beside them: many at once as the ids of a segment (unchanged
rows), one by one in a table (everything else). ``Figures`` counts and lists what went wrong.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from importer.errors import BugFound
from importer.outcomes import NOT_FAILED, Outcome
from importer.plan.frames import (
    LINE_BITS,
    OUTCOME,
    Failure,
    Page,
    Pending,
    StagedRow,
    Waiting,
    as_invalid,
    as_judged,
    as_page,
    keys_of,
    pack,
    position,
    source_and_line,
    unpack,
)
from importer.plan.staging_file import LEFT, StagingFile
from importer.plan.suspects import Suspects, hashes_of
from importer.rows.certain import PAYLOAD, payloads_again
from importer.rows.payload import fingerprint
from importer.values import new

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from importer.delivery.protocol.flight import Settled
    from importer.rows.header_fields import ColumnMap
    from importer.rows.judged import Judged
    from importer.rows.row import Row
    from importer.shard import Shard


FAILURES_READ = 2000
"""Failures per read."""
_ERROR_CODES = (
    "SELECT outcome, error_code, count(*) AS n FROM ("
    " SELECT outcome, error_code FROM invalid WHERE outcome = 'invalid'"
    " UNION ALL SELECT outcome, error_code FROM outcome"
    ") WHERE error_code <> '' GROUP BY outcome, error_code ORDER BY n DESC, 1, 2 LIMIT ?"
)
_INVALID_BY_SOURCE = (
    "SELECT position / ?, count(*) FROM ("
    " SELECT position FROM invalid WHERE outcome = 'invalid'"
    " UNION ALL SELECT position FROM outcome WHERE outcome = 'invalid'"
    ") GROUP BY 1"
)
# A row that was not reached has nothing wrong: why not is the run's business.
_FAILURES = (
    "SELECT position, outcome, http_status, error_code, error FROM outcome"
    " WHERE outcome IN ('invalid', 'rejected', 'unsettled', 'conflict', 'missing')"
    " AND error_code <> 'not_reached'"
    " AND position > ? ORDER BY position LIMIT ?"
)


class Figures:
    """Looks back on what is staged, and on what became of it."""

    def __init__(self, file: StagingFile) -> None:
        self._read = file.read

    def error_codes(self, limit: int = 20) -> list[tuple[str, str, int]]:
        """(outcome, error code, rows), most frequent first."""
        return self._read(_ERROR_CODES, (limit,))

    def invalid_by_source(self) -> dict[int, int]:
        """Number of invalid rows by the index of their source; one without any is not there."""
        return dict(self._read(_INVALID_BY_SOURCE, (1 << LINE_BITS,)))

    def failures(self) -> Iterator[Failure]:
        """What went wrong with rows that are valid by themselves, in input order."""
        last = -1
        while found := self._read(_FAILURES, (last, FAILURES_READ)):
            for one in found:
                yield Failure(*one)
            last = found[-1][0]

    def has_extra(self, source: int) -> bool:
        """Whether a record of this source had more cells than the header."""
        query = "SELECT 1 FROM invalid WHERE extra IS NOT NULL AND position BETWEEN ? AND ? LIMIT 1"
        bounds = (position(source, 0), position(source + 1, 0) - 1)
        return bool(self._read(query, bounds))


CHUNK = 2000
"""Rows per read; keeps memory flat and lets writes go on between reads."""
PART = 8192
"""Rows whose payloads are made again without a break."""
_FEW = 8
"""The few rows that are noted by themselves are at most one in so many of their segment."""
_SETTLE = (
    f"INSERT INTO outcome ({', '.join(OUTCOME)})"  # noqa: S608 - constant names
    f" VALUES ({', '.join('?' * len(OUTCOME))})"
)
_SETTLED = "WHERE outcome IN ('created', 'found') AND customer_id <> ''"
_KEYS = Pending._fields[:-1]
_NOT_FAILED = sorted(one.value for one in NOT_FAILED)


def _absent(kinds: Mapping[str, type[pl.DataType]]) -> list[pl.Expr]:
    return [pl.lit(None, dtype=kind).alias(name) for name, kind in kinds.items()]


# Made once: a small segment costs what is made for each.
_UNKNOWN = ("customer_id", "idempotency_key", "attempts", "http_status")
_NO_OUTCOME = [
    *_absent({name: OUTCOME[name] for name in _UNKNOWN}),
    pl.lit("").alias("error_code"),
    pl.lit("").alias("error"),
]
_INVALID = {
    "position": pl.Int64,
    "reference": pl.String,
    "outcome": pl.String,
    "error_code": pl.String,
    "error": pl.String,
}
_NOT_OF_INVALID = _absent({**{name: OUTCOME[name] for name in _UNKNOWN}, "at": pl.UInt32})
_NONE_INVALID = pl.DataFrame(schema=_INVALID).with_columns(*_NOT_OF_INVALID)
_NONE_SETTLED = pl.DataFrame(schema=OUTCOME)


_LANES = [
    pl.col("fingerprint")
    .bin.slice(at, 8)
    .bin.reinterpret(dtype=pl.UInt64, endianness="little")
    .sum()  # Modulo 2**64.
    .alias(f"lane{at}")
    for at in (0, 8)
]
"""The sums of two parts of the fingerprints; the longest integer that polars adds has 64 bits."""


def _parts(frame: pl.DataFrame, first: int) -> Iterator[pl.DataFrame]:
    """The first rows, which a run waits for, and then many at a time, which cost less each."""
    if frame.height:
        yield frame[:first]
        yield from frame[first:].iter_slices(PART)


def _as_pending(rows: pl.DataFrame) -> list[Pending]:
    """Rows whose columns are the fields of ``Pending``."""
    return [*map(partial(new, Pending), rows.iter_rows())]


class Staging:
    """The staged rows of one run. Not thread-safe; its errors are those of ``StagingFile``.

    ``suspects`` finds equal references, ``figures`` looks back on what went wrong.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open a new staging file, or one in memory where ``path`` is None."""
        self._file = StagingFile(path)
        self._columns: dict[int, ColumnMap] = {}
        """What the cells of each source are, where its payloads follow from them."""
        self.suspects = Suspects(self._file)
        self.figures = Figures(self._file)
        self._valid = 0
        self._sums: tuple[int, ...] = (0, 0)

    def close(self) -> None:
        """Close and delete the file."""
        self._file.close()

    # Rows come in -------------------------------------------------------------------------------

    def add(self, rows: Iterable[Row]) -> None:
        """Stage rows that were judged one by one; invalid ones have their outcome at once."""
        for judged in as_judged(rows):
            self.add_batch(judged)

    def add_batch(self, judged: Judged) -> None:
        """Stage a batch; its lines lie before or after those of every other batch."""
        with self._file.transaction() as db:
            db.executemany(
                "INSERT INTO invalid VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    as_invalid(row, outcome)
                    for rows, outcome in (
                        (judged.invalid, Outcome.INVALID),
                        (judged.skipped, Outcome.SKIPPED),
                    )
                    for row in rows
                ),
            )
            if judged.valid.height:
                keys = keys_of(judged)
                first, last = keys["position"][0], keys["position"][-1]
                self._refuse_overlap(first, last)
                db.execute("INSERT INTO segment VALUES (?, ?, ?, NULL)", (first, last, keys.height))
                hashes = hashes_of(keys["reference"]).to_frame()
                body = judged.cells
                if judged.columns is None:
                    body = judged.valid[["payload"]].hstack(body)
                else:
                    self._columns[judged.source] = judged.columns
                self._file.store("hashes", first, pack(hashes))
                self._file.store("keys", first, pack(keys))
                self._file.store("body", first, pack(body, "lz4"))
                sums = zip(self._sums, keys.select(*_LANES).row(0), strict=True)
                self._sums = tuple((one + more) % (1 << 64) for one, more in sums)
                self._valid += keys.height

    @property
    def digest(self) -> str:
        """Tells this input from others: its valid rows, in whatever order; "" where it has none.

        A sum of fingerprints, which are SHA-256: nothing is read again, and none is sorted.
        """
        return "".join(f"{one:016x}" for one in self._sums) if self._valid else ""

    def _refuse_overlap(self, first: int, last: int) -> None:
        if self._file.read("SELECT 1 FROM segment WHERE first <= ? AND last >= ?", (last, first)):
            raise ValueError("a batch lies among the lines of another")

    # Outcomes come in: each row is given one once -----------------------------------------------

    def settle(self, outcomes: Iterable[tuple[int, Outcome, str, str, str]]) -> None:
        """Give rows an outcome without a request: (position, outcome, id, error code, error)."""
        with self._file.transaction() as db:
            db.executemany(
                _SETTLE,
                (
                    (at, outcome.value, customer_id, "", 0, 0, code, error)
                    for at, outcome, customer_id, code, error in outcomes
                ),
            )

    def settle_unchanged(self, segment: int, at: pl.Series, ids: pl.Series) -> None:
        """Settle rows of a segment as unchanged: their indexes, and their customers' ids."""
        if at.is_empty():
            return
        height = self._file.read("SELECT height FROM segment WHERE first = ?", (segment,))[0][0]
        known = self._unchanged(segment)
        column = pl.repeat(None, height, dtype=pl.String, eager=True) if known is None else known
        with self._file.transaction() as db:
            db.execute("DELETE FROM few WHERE first = ?", (segment,))
            self._store_unchanged(db, segment, column.scatter(at, ids))

    def note_few(self, waiting: Waiting, unchanged: pl.Series) -> None:
        """Note which rows wait still, where they are few: then nobody reads the others again.

        Args:
            waiting: the rows of a segment that waited before.
            unchanged: indexes of those that were settled as unchanged since.
        """
        left = waiting.frame.height - unchanged.len()
        if 0 < left * _FEW <= waiting.frame.height:
            frame = waiting.frame.filter(~pl.col("at").is_in(unchanged.implode()))
            with self._file.transaction() as db:
                db.execute("DELETE FROM few WHERE first = ?", (waiting.segment,))
                self._file.store("few", waiting.segment, pack(frame))

    def foresee(self, segment: int, frame: pl.DataFrame) -> None:
        """Note why rows of a segment would be sent: see ``frames.foreseen``."""
        with self._file.transaction() as db:
            db.execute("INSERT OR REPLACE INTO foreseen VALUES (?, ?)", (segment, pack(frame)))

    def foreseen(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """What ``foresee`` noted, by segment, in input order."""
        for (first,) in self._file.read("SELECT first FROM foreseen ORDER BY first"):
            yield first, self._file.frame("foreseen", first)

    def settle_rest(self, outcome: Outcome) -> None:
        """Give every row without an outcome this one."""
        with self._file.transaction() as db:
            db.execute("UPDATE segment SET rest = ? WHERE rest IS NULL", (outcome.value,))

    def record(self, settled: Sequence[Settled]) -> None:
        """Store what delivery made of rows."""
        with self._file.transaction() as db:
            db.executemany(
                _SETTLE,
                (
                    (
                        one.planned.position,
                        one.settle.outcome._value_,  # as in job.deliver
                        one.settle.customer_id,
                        one.idempotency_key,
                        one.attempts,
                        one.settle.http_status,
                        one.settle.error_code,
                        one.settle.message,
                    )
                    for one in settled
                ),
            )

    def ids_settled(self, most: int) -> list[str] | None:
        """The ids of the customers that were created or found; None if they are more than that."""
        query = f"SELECT DISTINCT customer_id FROM outcome {_SETTLED} LIMIT ?"  # noqa: S608 - constant
        found = [one for (one,) in self._file.read(query, (most + 1,))]
        return found if len(found) <= most else None

    def doubt(self, shared: Iterable[tuple[str, str]], code: str) -> int:
        """Make a conflict of each row that is in Moment under one of these ids.

        Args:
            shared: (customer id, text) of each.
            code: the error code of those rows.

        Returns:
            How many rows that are.
        """
        texts = dict(shared)
        with self._file.transaction() as db:
            db.execute("CREATE TEMPORARY TABLE shared (id TEXT PRIMARY KEY, error TEXT NOT NULL)")
            db.executemany("INSERT INTO shared VALUES (?, ?)", texts.items())
            rows = db.execute(
                "UPDATE outcome SET outcome = ?, error_code = ?, error = shared.error FROM shared"
                " WHERE outcome IN ('created', 'found', 'updated', 'changed')"
                " AND customer_id = shared.id",
                (Outcome.CONFLICT.value, code),
            ).rowcount
            db.execute("DROP TABLE shared")
        among = pl.Series([*texts], dtype=pl.String).implode()
        for segment, _ in self._file.segments():
            ids = self._unchanged(segment)
            hit = None if ids is None else ids.is_in(among).fill_null(value=False)
            if ids is not None and hit is not None and hit.any():
                at = self._file.frame("keys", segment, ["position"])["position"].filter(hit)
                with self._file.transaction() as db:
                    self._store_unchanged(db, segment, ids.set(hit, None))
                found = zip(at, ids.filter(hit), strict=True)
                self.settle((one, Outcome.CONFLICT, id_, code, texts[id_]) for one, id_ in found)
                rows += at.len()
        return rows

    def keep(self, shard: Shard) -> int:
        """Drop every record that falls to another shard; how many are left.

        Once it is known what repeats a reference, and what the whole input is like.
        """
        left = self._keep_invalid(shard)
        for first, last in self._file.segments():
            keys = self._file.frame("keys", first)
            mine = pl.Series(shard.mask(keys["reference"], keys["position"]))
            left += int(mine.sum())
            if not mine.all():
                self._keep_of_segment(first, last, keys, mine)
        return left

    def _keep_invalid(self, shard: Shard) -> int:
        left, last = 0, -1
        query = (
            "SELECT position, reference FROM invalid WHERE position > ? ORDER BY position LIMIT ?"
        )
        while found := self._file.read(query, (last, CHUNK)):
            others = [(at,) for at, reference in found if not shard.holds(reference, at)]
            with self._file.transaction() as db:
                db.executemany("DELETE FROM invalid WHERE position = ?", others)
            left += len(found) - len(others)
            last = found[-1][0]
        return left

    def _keep_of_segment(self, first: int, last: int, keys: pl.DataFrame, mine: pl.Series) -> None:
        kept = {"keys": keys.filter(mine)}
        kept |= {name: self._file.frame(name, first).filter(mine) for name in ("hashes", "body")}
        settled = self._file.read(
            "SELECT position FROM outcome WHERE position BETWEEN ? AND ?", (first, last)
        )
        others = {*keys["position"].filter(~mine)}
        unchanged = self._unchanged(first)
        foreseen = self._file.read("SELECT frame FROM foreseen WHERE first = ?", (first,))
        height = kept["keys"].height
        with self._file.transaction() as db:
            db.executemany(
                "DELETE FROM outcome WHERE position = ?",
                [one for one in settled if one[0] in others],
            )
            for name in (*kept, "unchanged", "few", "foreseen"):
                db.execute(f"DELETE FROM {name} WHERE first = ?", (first,))  # noqa: S608 - our own names
            if not height:
                db.execute("DELETE FROM segment WHERE first = ?", (first,))
                return
            db.execute("UPDATE segment SET height = ? WHERE first = ?", (height, first))
            for name, frame in kept.items():
                self._file.store(name, first, pack(frame, "lz4" if name == "body" else ""))
            if unchanged is not None:
                self._store_unchanged(db, first, unchanged.filter(mine))
            for (packed,) in foreseen:
                frame = unpack(packed)
                frame = frame.filter(mine[frame["at"]])
                moved = (mine.cum_sum() - 1).cast(pl.UInt32)[frame["at"]]
                self._file.store("foreseen", first, pack(frame.with_columns(at=moved)))

    # Rows go out --------------------------------------------------------------------------------

    def waiting(self) -> Iterator[Waiting]:
        """Valid rows without an outcome, a segment at a time; writes may go on meanwhile."""
        open_segments = f"SELECT first, last FROM ({LEFT}) WHERE n > 0 AND rest = ''"  # noqa: S608 - constant
        for first, last in self._file.read(open_segments):
            if few := self._file.read("SELECT frame FROM few WHERE first = ?", (first,)):
                keys = unpack(few[0][0])
            else:
                keys = self._file.frame("keys", first).with_row_index("at")
                unchanged = self._unchanged(first)
                if unchanged is not None:
                    keys = keys.filter(unchanged.is_null())
            settled = self._outcomes(first, last)
            if settled.height:
                keys = keys.join(settled, on="position", how="anti")
            yield Waiting(first, keys.sort("reference"))

    def pending(self, most: int = CHUNK) -> Iterator[list[Pending]]:
        """Valid rows without an outcome, in input order, in chunks; writes may go on meanwhile."""
        for waiting in self.waiting():
            frame, body = waiting.frame.sort("at"), self._file.frame("body", waiting.segment)
            for part in _parts(frame, most):
                payloads = self._payloads(waiting.segment, part, body)
                rows = part.select(*_KEYS, payload=payloads)
                for chunk in rows.iter_slices(most):
                    yield _as_pending(chunk)

    def some(self, segment: int, at: pl.Series) -> list[Pending]:
        """Some of a segment's rows, by their indexes."""
        rows = self._file.frame("keys", segment)[at].with_columns(at=at)
        body = self._file.frame("body", segment)
        return _as_pending(rows.select(*_KEYS, payload=self._payloads(segment, rows, body)))

    def references(self) -> Iterator[pl.Series]:
        """Those of all rows that are valid by themselves, in parts; one may stand there twice."""
        for first, _ in self._file.segments():
            yield self._file.frame("keys", first, ("reference",))["reference"]

    def pages(self) -> Iterator[Page]:
        """Every staged record in input order, many at a time."""
        done = -1
        for first, last in self._file.segments():
            yield from self._invalid_pages(done, first)
            yield self._segment_page(first, last)
            done = last
        yield from self._invalid_pages(done, 1 << 62)

    def rows(self) -> Iterator[StagedRow]:
        """Every staged record in input order."""
        for page in self.pages():
            yield from self._staged(page)

    def failed(self) -> Iterator[StagedRow]:
        """The records that are not in Moment (and would not be), in input order."""
        if self.counts().keys() <= set(_NOT_FAILED):
            return
        is_failed = ~pl.col("outcome").is_in(_NOT_FAILED).fill_null(value=False)
        for page in self.pages():
            yield from self._staged(Page(page.segment, page.frame.filter(is_failed)))

    def fingerprints(self, segment: int) -> pl.Series:
        """The fingerprints of a segment's rows; ``Page`` says where each stands."""
        return self._file.frame("keys", segment, ["fingerprint"]).to_series()

    def payloads(self, segment: int, at: pl.Series) -> pl.Series:
        """The payloads of some of a segment's rows, by their indexes.

        Raises:
            BugFound: one that was made again is not what was judged.
        """
        rows = pl.DataFrame({"at": at, "fingerprint": self.fingerprints(segment)[at]})
        return self._payloads(segment, rows, self._file.frame("body", segment))

    def _payloads(self, segment: int, rows: pl.DataFrame, bodies: pl.DataFrame) -> pl.Series:
        """Of rows of a segment: ``at`` and ``fingerprint``."""
        body = bodies[rows["at"]]
        if PAYLOAD in body.columns:
            return body[PAYLOAD]
        source, _ = source_and_line(segment)
        made = payloads_again(body, self._columns[source])
        if made.null_count() or [*map(fingerprint, made)] != rows["fingerprint"].to_list():
            # Under the key of one version another one would be sent.
            what = "a payload that was made again is not the one that was judged"
            raise BugFound(what, safe="none of these rows was sent by this run")
        return made

    # Figures ------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Number of rows by outcome; "" counts those without one."""
        query = (
            "SELECT name, sum(n) FROM ("  # noqa: S608 - constant
            " SELECT outcome AS name, count(*) AS n FROM invalid GROUP BY outcome"
            " UNION ALL SELECT 'unchanged', sum(height) FROM unchanged"
            " UNION ALL SELECT outcome, count(*) FROM outcome GROUP BY outcome"
            f" UNION ALL SELECT rest, n FROM ({LEFT})"
            ") GROUP BY name HAVING sum(n) > 0"
        )
        return dict(self._file.read(query))

    # Inside -------------------------------------------------------------------------------------

    def _store_unchanged(self, db: sqlite3.Connection, segment: int, ids: pl.Series) -> None:
        """Note the customers of a segment's unchanged rows, null for the others."""
        db.execute(
            "INSERT OR REPLACE INTO unchanged VALUES (?, ?, ?)",
            (segment, ids.len() - ids.null_count(), pack(ids.alias("id").to_frame())),
        )

    def _segment_page(self, first: int, last: int) -> Page:
        frame = self._file.frame("keys", first, ["position", "reference"]).with_row_index("at")
        (rest,) = self._file.read("SELECT rest FROM segment WHERE first = ?", (first,))[0]
        unchanged = self._unchanged(first)
        frame = frame.with_columns(pl.lit(rest, dtype=pl.String).alias("outcome"), *_NO_OUTCOME)
        if unchanged is not None:
            frame = frame.with_columns(
                outcome=pl.when(unchanged.is_not_null())
                .then(pl.lit(Outcome.UNCHANGED.value))
                .otherwise("outcome"),
                customer_id=unchanged,
            )
        settled = self._outcomes(first, last)
        if settled.height:
            # One by one wins: these columns are never null there.
            frame = frame.update(settled, on="position")
        invalid = self._invalid(first - 1, last + 1)
        if invalid.height:
            frame = pl.concat([frame, invalid], how="diagonal")
        return as_page(first, frame)

    def _invalid_pages(self, after: int, before: int) -> Iterator[Page]:
        while (frame := self._invalid(after, before, CHUNK // 8)).height:
            yield as_page(None, frame)
            after = frame["position"][-1]

    def _invalid(self, after: int, before: int, limit: int = -1) -> pl.DataFrame:
        query = (
            "SELECT position, reference, outcome, error_code, error FROM invalid"
            " WHERE position > ? AND position < ? ORDER BY position LIMIT ?"
        )
        found = self._file.read(query, (after, before, limit))
        if not found:
            return _NONE_INVALID
        return pl.DataFrame(found, schema=_INVALID, orient="row").with_columns(*_NOT_OF_INVALID)

    def _outcomes(self, first: int, last: int) -> pl.DataFrame:
        query = (
            f"SELECT {', '.join(OUTCOME)} FROM outcome"  # noqa: S608 - constant names
            " WHERE position BETWEEN ? AND ? ORDER BY position"
        )
        found = self._file.read(query, (first, last))
        return pl.DataFrame(found, schema=OUTCOME, orient="row") if found else _NONE_SETTLED

    def _staged(self, page: Page) -> Iterator[StagedRow]:
        frame = page.frame
        if not frame.height:
            return
        # One by one: a record may hold a mebibyte.
        own = "SELECT cells, extra, unseen FROM invalid WHERE position = ?"
        cells: Iterator[tuple[str, ...]] = iter(())
        valid = frame["at"].drop_nulls()
        if page.segment is not None and valid.len():
            body = self._file.frame("body", page.segment).drop(PAYLOAD, strict=False)
            cells = body[valid].iter_rows() if body.width else iter([()] * valid.len())
        columns = frame[["position", "at", "reference", *list(OUTCOME)[1:]]]
        for at, index, reference, *rest in columns.iter_rows():
            if index is not None:
                yield StagedRow(at, reference, json.dumps(next(cells)), None, *rest)
            else:
                texts, extra, unseen = self._file.read(own, (at,))[0]
                yield StagedRow(*(at, reference, texts, extra, *rest, unseen))

    def _unchanged(self, segment: int) -> pl.Series | None:
        found = self._file.read("SELECT frame FROM unchanged WHERE first = ?", (segment,))
        return unpack(found[0][0])["id"] if found else None
