"""One digest of everything that is staged, so that two plans can be held against each other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from importer.plan.staging import Staging


def digest_of(staging: Staging) -> str:
    """SHA-256 over every record in input order, as hex digits.

    It covers source, line, reference, fingerprint, outcome so far ("" where a request is needed)
    and error code: before the ledger was asked it stands for the input, afterwards for the plan.
    """
    hashed = hashlib.sha256()
    for page in staging.pages():
        frame = page.frame
        prints = pl.lit("")
        if page.segment is not None:
            every = staging.fingerprints(page.segment).bin.encode("hex")
            prints = pl.lit(every.gather(frame["at"]))
        reference = pl.col("reference")
        # The length first: no reference can look like the end of its line.
        parts = (
            *("source", "line", reference.str.len_bytes(), reference),
            *(prints.fill_null(""), pl.col("outcome").fill_null("")),
            pl.col("error_code").fill_null(""),
        )
        lines = frame.select(pl.concat_str(*parts, separator="\t")).to_series()
        hashed.update("".join(f"{line}\n" for line in lines).encode())
    return hashed.hexdigest()
