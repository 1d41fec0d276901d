"""Turns any text into a reference that Moment takes, so that no two texts share one. Pure.

The API page allows ``^[a-zA-Z0-9_-]+$``. Letters, digits and ``-`` stay; every other character is
written as ``_``, the bytes of its UTF-8 form in hexadecimal, and ``_``: ``A/7`` becomes
``A_2f_7``, and ``_`` itself ``_5f_``. That can be undone, so it never makes two texts one.
"""

from __future__ import annotations

import re

import polars as pl

from importer.mapping.converted import Converted, Failed
from importer.rows.api_limits import MAX_REFERENCE

TOO_LONG = "reference_too_long"
_STAYS = "[a-zA-Z0-9-]"
_ESCAPED = re.compile(r"_((?:[0-9a-f]{2})+)_")
_OTHER = re.compile("[^a-zA-Z0-9-]")


def escape(text: pl.Series) -> Converted:
    """The reference of each cell; an empty one stays empty."""
    plain = text.str.contains(f"^{_STAYS}*$").fill_null(value=True)
    if plain.all():
        values, changed = text, 0
    else:
        escaped = [
            one if one is None or is_plain else escaped_one(one)
            for one, is_plain in zip(text, plain, strict=True)
        ]
        values = pl.Series(text.name, escaped, dtype=pl.String)
        changed = int((~plain).sum())
    long = (values.str.len_bytes() > MAX_REFERENCE).fill_null(value=False)
    errors = [
        Failed(
            index,
            TOO_LONG,
            f"written with Moment's characters the reference has over {MAX_REFERENCE}; "
            "choose a shorter column",
        )
        for index in long.arg_true()
    ]
    if errors:
        frame = pl.DataFrame({"value": values, "long": long})
        values = frame.select(pl.when(~pl.col("long")).then("value")).to_series()
    return Converted(values.alias(text.name), errors, changed)


def escaped_one(text: str) -> str:
    """One reference."""
    return _OTHER.sub(lambda match: f"_{match.group().encode().hex()}_", text)


def unescape(reference: str) -> str:
    """The text that ``escape`` was given.

    Raises:
        ValueError: ``escape`` never wrote this.
    """
    text = _ESCAPED.sub(lambda match: bytes.fromhex(match.group(1)).decode(), reference)
    if escaped_one(text) != reference:
        raise ValueError("this is no escaped reference")
    return text
