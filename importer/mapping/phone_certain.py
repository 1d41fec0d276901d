"""Finds the phone numbers that are certainly valid, all at once, by the library's own plans. Pure.

What does not pass is not wrong: it may be, and the library decides (phone.py). So what is rare or
hard is left out here: a plan that countries share, a prefix with rules of its own, letters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import polars as pl

_WRITTEN = r"^\+?[0-9(][0-9 ()./-]*$"
_NOT_DIGITS = "[^0-9+]"
_ZERO = "0"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is certain of one country's numbers. All but ``code`` are regular expressions."""

    code: str
    """Such as ``27``."""
    national: str
    """A national number, whose second group is what follows the prefix."""
    abroad: str
    """How a national number begins that is dialled to another country."""
    kinds: tuple[tuple[str, tuple[int, ...]], ...]
    """Numbers of which one must match in the whole, and their lengths: any, line, mobile."""


def certain(text: pl.Series, region: str) -> pl.Series:
    """The E.164 form of each number that is certainly valid; null for all others.

    Args:
        text: no cell is null.
        region: ISO 3166 alpha-2, in capitals; one without a simple plan gives nothing.
    """
    plan = _plan(region)
    if plan is None:
        return pl.repeat(None, len(text), dtype=pl.String, eager=True)
    cell = pl.col("cell")
    digits = cell.str.replace_all(_NOT_DIGITS, "")
    is_international = cell.str.starts_with("+")
    inside = digits.str.extract(plan.national)
    significant = (
        pl.when(is_international)
        .then(digits.str.extract(rf"^\+{plan.code}([1-9][0-9]*)$"))
        .when(~digits.str.contains(plan.abroad))
        .then(inside)
    )
    number = pl.col("number")
    whole, line, mobile = (
        number.str.contains(pattern) & number.str.len_bytes().is_in(lengths)
        for pattern, lengths in plan.kinds
    )
    found = (
        text.to_frame("cell")
        .lazy()
        .select(pl.when(cell.str.contains(_WRITTEN)).then(significant).alias("number"))
        .select(
            pl.when(whole & (line | mobile)).then(pl.concat_str(pl.lit(f"+{plan.code}"), number))
        )
    )
    return found.collect().to_series().alias(text.name)


@cache
def _plan(region: str) -> _Plan | None:
    # Loaded here, because most runs read no phone numbers.
    import phonenumbers as library  # noqa: PLC0415

    metadata = library.PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.country_code is None:
        return None
    prefix = metadata.national_prefix_for_parsing or ""
    simple = (
        len(library.COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]) == 1
        and metadata.national_prefix_transform_rule is None
        and (not prefix or (prefix.isdigit() and prefix.startswith(_ZERO)))
    )
    kinds = (metadata.general_desc, metadata.fixed_line, metadata.mobile)
    if not simple:
        return None
    return _Plan(
        str(metadata.country_code),
        rf"^(?:{prefix})?([1-9][0-9]*)$",
        f"^(?:{metadata.international_prefix or '$'})",
        tuple(
            (f"^(?:{kind.national_number_pattern or '$'})$", tuple(kind.possible_length))
            if kind is not None
            else ("^$", ())
            for kind in kinds
        ),
    )
