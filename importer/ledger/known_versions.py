"""What a ledger knows of many references, as frames: see ``LedgerReader.versions``. Pure.

Loaded by who plans a run; a command that looks at a ledger needs no polars.
"""

from __future__ import annotations

import io
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


def of_range(held: Range, wanted: Sequence[str], start: int) -> pl.DataFrame | None:
    """Those rows of a range that are wanted; None where its texts cannot be told apart.

    Args:
        held: the range.
        wanted: ascending references; the first and the last bound the range.
        start: index of the first of them.
    """
    columns = [_split(text) for text in (held.references, held.customer_ids, held.first_runs)]
    if any(column.len() != held.rows for column in columns):
        return None
    references, customer_ids, first_runs = columns
    size = FINGERPRINT
    prints = [held.fingerprints[at : at + size] for at in range(0, size * held.rows, size)]
    if NO_VERSION in held.fingerprints:
        prints = [b"" if one == NO_VERSION else one for one in prints]
    found = pl.DataFrame(
        [
            pl.Series("known", prints, dtype=pl.Binary),
            customer_ids.rename("customer_id"),
            first_runs.rename("first_run").cast(pl.UInt32),
        ]
    )
    asked = pl.Series("reference", wanted, dtype=pl.String)
    if references.len() == asked.len() and (references == asked).all():
        index = pl.int_range(start, start + len(wanted), dtype=pl.UInt32, eager=True)
        return found.insert_column(0, index.alias("index"))
    # Ascending on both sides, and each once in the ledger.
    rows = asked.to_frame().with_row_index("index", start)
    known = found.with_columns(reference=references)
    return rows.join(known, on="reference", maintain_order="left").select(COLUMNS.keys())


def _split(text: str) -> pl.Series:
    return pl.Series([text], dtype=pl.String).str.split("\n").explode()
