"""The fast path: blocks without quotes, parsed by polars after their shape is proven. Pure.

Why no record can be framed wrongly: without quotes and bare carriage returns every line is one
record. polars refuses a line with too many cells. Together the lines hold as many delimiters as
so many full lines must hold, so where none has too many, none has too few either.
"""

from __future__ import annotations

import polars as pl

from importer.source.limits import MAX_FIELD, MAX_RECORD
from importer.source.sniff import UTF8_BOM


def parse_fast(block: bytes, delimiter: str, columns: tuple[str, ...]) -> pl.DataFrame | None:
    """One row per line of ``block``, all columns String; None where the careful path must judge.

    Args:
        block: whole lines, the last one with its line feed.
        delimiter: one ASCII character.
        columns: the header.
    """
    rows, width = block.count(b"\n"), len(columns)
    if (
        width == 1  # a blank line would look like an empty cell
        or b'"' in block
        or block.count(b"\r") != block.count(b"\r\n")
        or block.count(delimiter.encode()) != rows * (width - 1)
        or b"\0" in block
        or block.startswith(UTF8_BOM)  # within the text it is a character, polars would drop it
        or not _is_utf8(block)
    ):
        return None
    try:
        frame = pl.read_csv(
            block,
            has_header=False,
            separator=delimiter,
            quote_char=None,
            schema=dict.fromkeys(columns, pl.String),
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.height == rows and _within_limits(frame) else None


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _within_limits(frame: pl.DataFrame) -> bool:
    # In bytes, so a little stricter than the limits: the careful path then counts characters.
    longest = frame.select(pl.all().str.len_bytes().max()).row(0)
    return bool(max(longest) <= MAX_FIELD and sum(longest) + 2 * len(longest) <= MAX_RECORD)
