"""Phone numbers to E.164, by each country's numbering plan (the library phonenumbers). Pure.

Finds the phone numbers that are certainly valid, all at once, by the library's own plans. Pure.

What does not pass is not wrong: it may be, and the library decides (phone.py). So what is rare or
hard is left out here: a plan that countries share, a prefix with rules of its own, letters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from importer.mapping.converted import Converted, Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from phonenumbers import PhoneNumber


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


INVALID = "phone_invalid"
_CELL, _REGION = "cell", "region"


def to_e164(text: pl.Series, regions: pl.Series | str) -> Converted:
    """International numbers of each cell, such as ``+27821234567``; each distinct one read once.

    Args:
        text: national or international numbers; null or "" is none.
        regions: the country whose national numbers these are (ISO 3166 alpha-2), one for all or
            one a cell; "" where it is not known, so that only international numbers are read.

    Returns:
        Numbers that are possible and valid in their plan. A valid one in E.164 form is unchanged.
        An extension is an error: the form has no place for it.
    """
    region = regions if isinstance(regions, pl.Series) else pl.lit(regions, dtype=pl.String)
    cells = pl.select(text.alias(_CELL)).with_columns(
        (region if isinstance(region, pl.Expr) else pl.lit(region)).fill_null("").alias(_REGION)
    )
    given = cells.with_row_index("at").filter(pl.col(_CELL).fill_null("") != "")
    distinct = given.select(_CELL, _REGION).unique(maintain_order=True)
    parts = [_read(*part) for part in distinct.partition_by(_REGION, as_dict=True).items()]
    known = pl.concat(parts) if parts else _read(("",), distinct)
    joined = given.join(known, on=[_CELL, _REGION], how="left", maintain_order="left")
    numbers = pl.repeat(None, cells.height, dtype=pl.String, eager=True)
    numbers = numbers.scatter(joined["at"], joined["number"])
    failed = joined.filter(pl.col("wrong").is_not_null()).select("at", "wrong").iter_rows()
    changed = joined.filter(pl.col("number") != pl.col(_CELL)).height
    return Converted(
        numbers.alias(text.name), [Failed(at, INVALID, wrong) for at, wrong in failed], changed
    )


def _read(key: tuple[object, ...], distinct: pl.DataFrame) -> pl.DataFrame:
    """The cells of one region with their numbers, or with what is wrong."""
    region = str(key[0])
    quick = distinct.with_columns(
        certain(distinct[_CELL], region.strip().upper()).alias("number"),
        pl.lit(None, dtype=pl.String).alias("wrong"),
    )
    doubtful = quick["number"].is_null()
    if not doubtful.any():
        return quick
    rest = distinct.filter(doubtful)
    read = _reader()
    found = [read(cell, region) for cell in rest[_CELL]]
    slow = rest.with_columns(
        pl.Series("number", [number for number, _ in found], dtype=pl.String),
        pl.Series("wrong", [wrong for _, wrong in found], dtype=pl.String),
    )
    return pl.concat([quick.filter(~doubtful), slow])


def _reader() -> Callable[[str, str], tuple[str | None, str | None]]:
    # Loaded here, because most runs read no phone numbers.
    import phonenumbers as library  # noqa: PLC0415

    def read(cell: str, region: str) -> tuple[str | None, str | None]:
        """(number, None), or (None, what is wrong with the fix)."""
        # An international number needs no region, so a wrong one does no harm to it.
        is_international = cell.lstrip().startswith("+")
        where = "" if is_international else region.strip().upper()
        if where and where not in library.SUPPORTED_REGIONS:
            return None, "the region of the row is no ISO 3166 code such as ZA; correct it"
        try:
            number = library.parse(cell, where or None)
        except library.NumberParseException as error:
            if error.error_type != library.NumberParseException.INVALID_COUNTRY_CODE:
                return None, "this is no phone number; correct it, or leave it empty"
            if is_international:
                return None, "its country code exists in no numbering plan; correct it"
            return None, "a national number without a region; set region, or region_column"
        wrong = _wrong(number, where)
        return (None, wrong) if wrong else (_e164(number), None)

    return read


def _e164(number: PhoneNumber) -> str:
    import phonenumbers as library  # noqa: PLC0415

    return library.format_number(number, library.PhoneNumberFormat.E164)


def _wrong(number: PhoneNumber, region: str) -> str:
    """What is wrong with a number that could be read, with the fix; "" if nothing is."""
    import phonenumbers as library  # noqa: PLC0415

    if number.extension:
        return "an extension has no place in an international number; leave it out"
    if not library.is_possible_number(number):
        plan = f" for {region}" if region else ""
        return f"the number has too few or too many digits{plan}; correct it"
    if not library.is_valid_number(number):
        country = library.region_code_for_country_code(number.country_code or 0)
        return f"no such number exists in the numbering plan of {country}; correct it"
    return ""
