"""What a ledger knows of many references, as frames: see ``LedgerReader.versions``. Pure.

Loaded by who plans a run; a command that looks at a ledger needs no polars.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

FINGERPRINT = 32
"""Bytes of a fingerprint (SHA-256)."""
NO_VERSION = bytes(FINGERPRINT)
"""Stands for no version where each must have as many bytes as a fingerprint."""
COLUMNS = {
    "index": pl.UInt32,
    "known": pl.Binary,
    "customer_id": pl.String,
    "first_run": pl.UInt32,
}
_AS_TEXT = {**COLUMNS, "known": pl.String}
_FROM_TEXT = (
    pl.col("known").fill_null("").str.decode("hex"),
    pl.col("customer_id").fill_null(""),
)


def of_lines(lines: str, start: int) -> pl.DataFrame:
    """Lines ``INDEX,FINGERPRINT,CUSTOMER_ID,RUN``, the fingerprint in hex; some may be empty.

    ``start`` is added to each index.
    """
    found = pl.read_csv(io.StringIO(lines), has_header=False, schema=_AS_TEXT)
    return found.with_columns(pl.col("index") + start, *_FROM_TEXT)


class Range(NamedTuple):
    """All that a ledger holds between two references, column by column; ascending."""

    rows: int
    references: str
    """A line for each; so with the other texts."""
    fingerprints: bytes
    """``FINGERPRINT`` bytes for each: ``NO_VERSION`` where there is none."""
    customer_ids: str
    first_runs: str


def of_range(held: Range, wanted: pl.Series, start: int) -> pl.DataFrame | None:
    """Those rows of a range that are wanted; None where its texts cannot be told apart.

    Args:
        held: the range.
        wanted: ascending references; the first and the last bound the range.
        start: index of the first of them.
    """
    number = held.rows
    customer_ids, first_runs = _split(held.customer_ids), _first_runs(held)
    size = FINGERPRINT * number
    if not customer_ids.len() == first_runs.len() == number or len(held.fingerprints) != size:
        return None
    prints: Sequence[bytes] = struct.unpack(f"{FINGERPRINT}s" * number, held.fingerprints)
    if NO_VERSION in held.fingerprints:
        prints = [b"" if one == NO_VERSION else one for one in prints]
    found = pl.DataFrame(
        [
            pl.Series("known", prints, dtype=pl.Binary),
            customer_ids.rename("customer_id"),
            first_runs.rename("first_run"),
        ]
    )
    asked = str(wanted.str.join("\n")[0])
    if number == len(wanted) and asked == held.references and asked.count("\n") == number - 1:
        index = pl.int_range(start, start + number, dtype=pl.UInt32, eager=True)
        return found.insert_column(0, index.alias("index"))
    references = _split(held.references)
    if references.len() != number:
        return None
    rows = wanted.alias("reference").to_frame()
    known = found.with_columns(reference=references)
    joined = rows.with_row_index("index", start).join(known, on="reference", maintain_order="left")
    return joined.select(COLUMNS.keys())


def _first_runs(held: Range) -> pl.Series:
    first = held.first_runs.partition("\n")[0]
    if held.first_runs == "\n".join([first] * held.rows):
        return pl.repeat(int(first), held.rows, dtype=pl.UInt32, eager=True)
    return _split(held.first_runs).cast(pl.UInt32)


def _split(text: str) -> pl.Series:
    return pl.Series([text], dtype=pl.String).str.split("\n").explode()
