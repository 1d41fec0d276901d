"""Turns any text into a reference that Moment takes, so that no two texts share one. Pure.

The API page allows ``^[a-zA-Z0-9_-]+$``. Letters, digits and ``-`` stay; every other character is
written as ``_``, the bytes of its UTF-8 form in hexadecimal, and ``_``: ``A/7`` becomes
``A_2f_7``, and ``_`` itself ``_5f_``. That can be undone, so it never makes two texts one.

Plain text transforms on whole columns. Pure.

What a transform makes of a column.
"""

from __future__ import annotations

import re

import polars as pl

from importer.rows.api_limits import MAX_REFERENCE
from importer.rows.text import TRIMMED
from importer.values import value


@value
class Failed:
    """A cell that a transform could not read."""

    index: int
    """Row within the column, from 0."""
    code: str
    message: str
    """What is wrong and the fix; never the value in full."""


@value
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


TOO_LONG = "reference_too_long"
_STAYS = "[a-zA-Z0-9-]"
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


_TEXT_FORMULA = r'^="((?:[^"]|"")*)"$'
"""What keeps spreadsheets from rewriting a text: ``="0042"``, the quotes within it doubled."""


def is_text_formula(cell: pl.Expr) -> pl.Expr:
    """Whether a trimmed cell is one text as a spreadsheet's formula."""
    return cell.str.contains(_TEXT_FORMULA)


def text_of_formula(cell: pl.Expr) -> pl.Expr:
    """A trimmed cell as the text that it shows, trimmed, where it is such a formula."""
    text = cell.str.extract(_TEXT_FORMULA).str.replace_all('""', '"', literal=True)
    return pl.when(is_text_formula(cell)).then(text.str.strip_chars(TRIMMED)).otherwise(cell)


def without_apostrophe(text: pl.Series) -> Converted:
    """Each cell without the one apostrophe in front that keeps spreadsheets from rewriting it."""
    values = text.str.replace("^'", "")
    return Converted(values, [], int((values != text).sum()))


SANITISE = {"escape": escape, "apostrophe": without_apostrophe}
"""By what the mapping calls them."""


def escaped_one(text: str) -> str:
    """One reference."""
    return _OTHER.sub(lambda match: f"_{match.group().encode().hex()}_", text)
