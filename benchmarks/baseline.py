"""The least that a nightly no-op could do: read the file into text columns, and read the ledger.

``python -m benchmarks.baseline FILE LEDGER``. No validation, no comparison, no results.
"""

from __future__ import annotations

import sqlite3
import sys

import polars as pl


def main() -> None:
    """Hold both in memory at once."""
    frame = pl.read_csv(sys.argv[1], infer_schema=False)
    ledger = sqlite3.connect(f"file:{sys.argv[2]}?mode=ro", uri=True)
    rows = ledger.execute("SELECT reference, fingerprint, customer_id FROM customer").fetchall()
    ledger.close()
    print(frame.height, len(rows))


if __name__ == "__main__":
    main()
