"""Writes customer files of any size: the same row for the same number, whatever the size.

``python -m benchmarks.data FILE ROWS [--quoted] [--new-every N]``; the format follows from the
name: .csv, .csv.gz, .parquet. With ``--new-every 100`` every 100th row is another customer, the
rest are those of the file without it. A program of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

_FIRST = ("Ada", "Bram", "Cleo", "Dario", "Elin", "Femi", "Gita", "Hugo", "Ines", "Jabu", "Kofi")
_LAST = ("Adeyemi", "Botha", "Castell", "Dlamini", "Eriksen", "Fontein", "Khumalo", "Smit", "Zulu")
_SEGMENTS = ("retail", "premium", "wholesale", "partner", "public")


def customers(rows: int, *, new_every: int = 0) -> pl.LazyFrame:
    """Valid rows 1 to ``rows``; about one cell in ten of the optional columns is empty."""
    n = pl.col("n")
    digits = n.cast(pl.String).str.zfill(8)
    reference = pl.lit("CUST-") + digits
    if new_every:
        reference = pl.when(n % new_every == 0).then(pl.lit("NEW-") + digits).otherwise(reference)
    first, last = _pick(_FIRST), _pick(_LAST)
    with_balance = n % 5 != 0
    email = (first + "." + last).str.to_lowercase() + "." + n.cast(pl.String) + "@example.com"
    balance = (n * 7919) % 500_000 - 50_000
    return (
        pl.LazyFrame()
        .select(pl.int_range(1, rows + 1, dtype=pl.Int64).alias("n"))
        .select(
            reference.alias("external_reference"),
            (first + " " + last).alias("name"),
            pl.when(n % 10 != 3).then(email).alias("email"),
            pl.when(n % 7 != 2).then(pl.lit("+2782") + digits.str.slice(1)).alias("phone"),
            pl.when(with_balance).then(pl.lit("ZAR")).alias("currency"),
            pl.when(with_balance).then(balance.cast(pl.String)).alias("balance"),
            _pick(_SEGMENTS).alias("metadata.segment"),
            digits.alias("metadata.legacy_id"),
        )
    )


def _pick(words: tuple[str, ...]) -> pl.Expr:
    n = pl.col("n")
    numbers = list(range(len(words)))
    return (n % len(words)).replace_strict(numbers, list(words), return_dtype=pl.String)


def write(path: Path, frame: pl.LazyFrame, *, quoted: bool = False) -> None:
    """Write the file in the format that its name says."""
    if path.suffix == ".parquet":
        frame.sink_parquet(path)
    elif path.suffix == ".gz":
        frame.sink_csv(path, compression="gzip", compression_level=6)
    else:
        frame.sink_csv(path, quote_style="always" if quoted else "necessary")


def main() -> None:
    """Write one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("--quoted", action="store_true")
    parser.add_argument("--new-every", type=int, default=0)
    options = parser.parse_args()
    frame = customers(options.rows, new_every=options.new_every)
    write(options.file, frame, quoted=options.quoted)


if __name__ == "__main__":
    main()
