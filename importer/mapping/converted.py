"""Plain text transforms on whole columns. Pure.

What a transform makes of a column.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Failed:
    """A cell that a transform could not read."""

    index: int
    """Row within the column, from 0."""
    code: str
    message: str
    """What is wrong and the fix; never the value in full."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A transformed column."""

    values: pl.Series
    """Strings of the same length; null where the cell was empty or failed."""
    errors: list[Failed]
    """By index."""
    changed: int
    """Cells whose value is another text than before."""


def nfc(text: pl.Series) -> Converted:
    """Unicode normal form C: an ``é`` of two code points becomes one (UAX 15)."""
    return _replaced(text, text.str.normalize("NFC"))


def lowercase_domain(text: pl.Series) -> Converted:
    """The part of an e-mail address after its ``@`` in lower case (RFC 5321 section 2.4).

    What has not exactly one ``@`` is left alone: the address rules judge it.
    """
    cells = text.to_frame("cell")
    one = pl.col("cell").str.count_matches("@", literal=True) == 1
    parts = pl.col("cell").str.split_exact("@", 1)
    local, domain = parts.struct.field("field_0"), parts.struct.field("field_1")
    lowered = pl.concat_str(local, pl.lit("@"), domain.str.to_lowercase())
    return _replaced(text, cells.select(pl.when(one).then(lowered).otherwise("cell")).to_series())


def punycode(text: pl.Series) -> Converted:
    """The domain of each e-mail address in ASCII: ``ada@bücher.de`` is at ``xn--bcher-kva.de``.

    By IDNA 2008 with the mapping of UTS 46. What has no such form is left alone: the address rules
    judge it.
    """
    odd = text.str.contains(r"^[^@]+@[^@]*[^\x00-\x7F][^@]*$")
    if not odd.any():
        return _replaced(text, text)
    spelt = pl.Series([_in_ascii(one) for one in text.filter(odd)], dtype=pl.String)
    return _replaced(text, text.scatter(odd.arg_true(), spelt))


def _in_ascii(address: str) -> str:
    import idna  # noqa: PLC0415 - few files have such a domain

    local, _, domain = address.partition("@")
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"
    except idna.IDNAError:
        return address


def _replaced(before: pl.Series, after: pl.Series) -> Converted:
    changed = (before != after).sum()
    return Converted(after.alias(before.name), [], int(changed))
