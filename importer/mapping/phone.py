"""Phone numbers to E.164, by each country's numbering plan (the library phonenumbers). Pure.

A number is taken only if its cell says nothing else than that number, in one reading. What the
plan allows does not decide: the digits of ``030 123456 Fax`` and of ``030 123456 / 57`` make
numbers that somebody else has.

Most cells are read as a whole column (``certain``); what is rare or hard (a plan that countries
share, a prefix with rules of its own) goes to the library one by one. Both obey the same rules.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from importer.mapping.converted import Converted, Failed
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phonenumbers import PhoneNumber

    Read = tuple[str | None, str | None]
    """(number, None), or (None, what is wrong with the fix)."""

INVALID = "phone_invalid"
_CELL, _REGION = "cell", "region"
_ZERO = "0"


def to_e164(text: pl.Series, regions: pl.Series | str) -> Converted:
    """International numbers of each cell, such as ``+27821234567``; each distinct one read once.

    Args:
        text: national or international numbers; null or "" is none.
        regions: the country whose national numbers these are (ISO 3166 alpha-2), one for all or
            one a cell; "" where it is not known, so that only international numbers are read.

    Returns:
        Numbers that are valid in their plan. A valid one in E.164 form is unchanged. A word, an
        extension (E.164 has no place for it), a second number, or digits that may be two numbers
        are errors.
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
    region = str(key[0]).strip().upper()
    written = _in_plain_signs(distinct[_CELL])
    quick = distinct.with_columns(
        certain(written, region).alias("number"), pl.lit(None, dtype=pl.String).alias("wrong")
    )
    doubtful = quick["number"].is_null()
    if not doubtful.any():
        return quick
    rest = distinct.filter(doubtful)
    read = _reader()
    found = [read(cell, region) for cell in written.filter(doubtful)]
    slow = rest.with_columns(
        pl.Series("number", [number for number, _ in found], dtype=pl.String),
        pl.Series("wrong", [wrong for _, wrong in found], dtype=pl.String),
    )
    return pl.concat([quick.filter(~doubtful), slow])


# How a cell is written ---------------------------------------------------------------------------

_NOTHING = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u202d\u2060\u2066\u2068\u2069\ufeff"
"""Marks without a shape, as address books put about a number. (U+202E would turn it round.)"""
_SIGNS = {
    **dict.fromkeys(map(ord, _NOTHING), ""),
    **dict(zip(map(ord, "\uff0b\uff08\uff09\uff0e\uff0f\u2212\u30fc"), "+()./--", strict=True)),
}
_URI = re.compile(r"(?i)tel:(?=[+0-9])")
_AS_TEXT = re.compile(r"""\A(?:'(.*)|="([^"]*)")\Z""", re.DOTALL)
"""``'082`` and ``="082"``: how spreadsheets, and exports for them, say that this is text."""
_FLOAT = re.compile(r"(\+?[0-9]{6,})\.0\Z")
"""What a program keeps as a decimal number, such as ``1701234567.0``: no group has one digit."""
_ENDS_IN_ZERO = re.compile(r"[0-9][^0-9]+[0-9].*\.0+\Z")
_BRACKETS = r"\([ ]?[0-9][0-9 -]*\)"
_ONE_NUMBER = re.compile(
    rf"""(?: \+[ ]?[0-9]+ | \+[ ]?{_BRACKETS} | \(\+[ ]?[0-9][0-9 -]*\) | {_BRACKETS} | [0-9]+ )
    (?: [ ./-]{{0,3}}{_BRACKETS} | [ ./-]{{1,3}}[0-9]+ | (?<=\))[0-9]+ )*\Z""",
    re.VERBOSE,
)
"""Groups of digits with few signs between; parentheses are closed, and hold digits only."""
_LONGEST = 250
"""Signs of a cell that is looked into; the library reads no more either."""
_BETWEEN = re.compile(r"(?<=[0-9])[^0-9]+(?=[0-9])")
_JOINS = re.compile(r"[ ]{1,3}|\)?[.-]|\)[ ]{1,2}|\)")
"""Between two groups of one number; any other sign may begin an extension or a second number."""
_NO_GROUP = 6
"""So many digits before the only point of a cell are a whole number rather than a group."""
_GROUP, _DESK, _ANY = 4, 2, 1 << 30
"""Digits of a long group of a number, and of a desk behind it."""
_DIALLED_ON = {"AT": ("+43", "0043"), "DE": ("+49", "0049")}
"""Where ``123456-57`` is one number, as its end is dialled through to a desk (DIN 5008)."""
_MAY_END = (
    r"[^0-9][0-9]{5,}[./]|[^0-9][0-9]{4}[./][0-9]{1,2}$|/[0-9]+/"
    r"|[0-9]{5,}-[0-9]{1,2}$|[^0-9][0-9]-[0-9]|[0-9]{6,} [0-9]$"
)
"""Cells in which a number may end before the cell does: ``_ends`` looks at those."""
_SHORTENED = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+\Z")
_EXTENSION = re.compile(
    r"(?i)(?:\be?xt(?:n|ension)?\b|[0-9)]\s*(?:x|#|dw|durchwahl|poste|int)\.?:?\s*[0-9])"
)
_SEVERAL = re.compile(r"[0-9]{3}\s*(?:[,;|&+\n\r]|\b(?:or|and|oder|und|ou|et|of|en)\b)[^0-9]*[0-9]")
_MESSAGES = (
    (_SHORTENED, "a spreadsheet has shortened this number; export the column as text"),
    (_EXTENSION, "an extension has no place in an international number; leave it out"),
    (_SEVERAL, "this is more than one number; keep one"),
    (re.compile(r"\A[^0-9]*\Z"), "this is no phone number; correct it, or leave it empty"),
    (re.compile(r".*[^\W\d_]", re.DOTALL), "there are letters in it; leave nothing but the number"),
)


def _in_plain_signs(cells: pl.Series) -> pl.Series:
    """The same cells in ASCII digits, blanks and signs, as far as they mean the same."""
    frame = cells.to_frame(_CELL)
    odd = frame.select(pl.col(_CELL).str.contains(r"[^ -~]|^(?i:tel:)|^['=]|\.0$")).to_series()
    if not odd.any():
        return cells
    plain = [_in_plain(cell) for cell in cells.filter(odd)]
    return cells.scatter(odd.arg_true(), pl.Series(plain, dtype=pl.String))


def _in_plain(cell: str) -> str:
    signs = [_plain_sign(sign) for sign in cell.translate(_SIGNS)]
    text = _URI.sub("", _AS_TEXT.sub(r"\1\2", "".join(signs).strip(" ")), count=1)
    found = _FLOAT.match(text)
    return found[1] if found else text


def _plain_sign(sign: str) -> str:
    if sign.isascii():
        return sign
    category = unicodedata.category(sign)
    if category == "Nd":
        return str(unicodedata.digit(sign))
    return {"Zs": " ", "Pd": "-"}.get(category, sign)


def _said(cell: str) -> str:
    """What a cell says that is no number, with the fix; "" if it says one number only."""
    if _ENDS_IN_ZERO.search(cell):
        return "it ends in .0, which a program writes that keeps decimals; correct it"
    if len(cell) <= _LONGEST and _ONE_NUMBER.match(cell):
        return ""
    cell = cell[:_LONGEST]
    told = (message for pattern, message in _MESSAGES if pattern.search(cell))
    return next(told, "it is not written as one number; leave digits, blanks and + ( ) - . / only")


# The whole column --------------------------------------------------------------------------------

_WRITTEN = (
    r"^\+?[0-9]+(?:[ -][0-9]+)*$|^\([0-9]+\) ?[0-9]+(?:[ -][0-9]+)*$"
    r"|^0[0-9]{1,4}(?:[./][0-9]+)+$"
)
_ZEROS_AT_END = r"\.0+$"
_NOT_DIGITS = "[^0-9+]"


@value
class _Plan:
    """What is certain of one country's numbers. The texts are regular expressions but ``code``."""

    code: str
    """Such as ``27``."""
    prefix: str
    """What stands before a national number inside the country, such as ``0``; "" for nothing."""
    abroad: str
    """How a national number begins that is dialled to another country."""
    kinds: tuple[tuple[str, tuple[int, ...]], ...]
    """Numbers of which one must match in the whole, and their lengths: any, line, mobile."""

    @property
    def shortest(self) -> int:
        """Digits of the shortest number; a group with fewer is no number by itself."""
        return min(self.kinds[0][1], default=0)

    @property
    def may_hold_two(self) -> bool:
        """Whether a number can be as long as two short ones, the second with its prefix."""
        longest = max((*self.kinds[1][1], *self.kinds[2][1]), default=0)
        return longest > 2 * self.shortest


def certain(text: pl.Series, region: str) -> pl.Series:
    """The E.164 form of each number that is certainly valid; null for all others.

    Args:
        text: no cell is null; plain signs only.
        region: ISO 3166 alpha-2, in capitals; one without a simple plan gives nothing.
    """
    plan = _plan(region)
    if plan is None:
        return pl.repeat(None, len(text), dtype=pl.String, eager=True)
    cell, digits, number = pl.col("cell"), pl.col("digits"), pl.col("number")
    within = cell.str.starts_with("+"), digits.str.starts_with(plan.prefix)
    bare = ~within[1] if plan.prefix else pl.lit(value=True)
    lost_plus = bare & digits.str.starts_with(plan.code)
    significant = (
        pl.when(within[0] | lost_plus)
        .then(digits.str.extract(rf"^\+?{plan.code}([1-9][0-9]*)$"))
        .when(~digits.str.contains(plan.abroad))
        .then(digits.str.extract(rf"^(?:{plan.prefix})?([1-9][0-9]*)$"))
    )
    whole, line, mobile = (_is(number, *kind) for kind in plan.kinds)
    # Without prefix and plus a number has lost one of them: mobile ones say enough by themselves.
    one_reading = (
        pl.when(lost_plus)
        .then(~_is(digits, *plan.kinds[0]))
        .otherwise(~bare | mobile if plan.prefix else True)
    )
    first_group = cell.str.extract("^([^/]*)/").str.len_bytes()
    apart = first_group.is_null() | (first_group < plan.shortest + len(plan.prefix))
    apart &= ~cell.str.contains(_MAY_END)
    if plan.may_hold_two:
        apart &= ~cell.str.contains("[^0-9+(]0")
    found = (
        text.to_frame("cell")
        .lazy()
        .with_columns(digits=cell.str.replace_all(_NOT_DIGITS, ""))
        .with_columns(
            number=pl.when(
                cell.str.contains(_WRITTEN) & ~cell.str.contains(_ZEROS_AT_END) & apart
            ).then(significant)
        )
        .select(
            pl.when(whole & (line | mobile) & one_reading).then(
                pl.concat_str(pl.lit(f"+{plan.code}"), number)
            )
        )
    )
    return found.collect().to_series().alias(text.name)


def _is(number: pl.Expr, pattern: str, lengths: tuple[int, ...]) -> pl.Expr:
    return number.str.contains(pattern) & number.str.len_bytes().is_in(lengths)


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
        prefix,
        f"^(?:{metadata.international_prefix or '$'})",
        tuple(
            (f"^(?:{kind.national_number_pattern or '$'})$", tuple(kind.possible_length))
            if kind is not None
            else ("^$", ())
            for kind in kinds
        ),
    )


# One by one --------------------------------------------------------------------------------------


def _reader() -> Callable[[str, str], Read]:
    # Loaded here, because most runs read no phone numbers.
    import phonenumbers as library  # noqa: PLC0415

    def read(cell: str, region: str) -> Read:
        """Of a cell in plain signs; ``region`` in capitals."""
        # An international number needs no region, so a wrong one does no harm to it.
        is_international = "+" in cell
        where = "" if is_international else region
        if where and where not in library.SUPPORTED_REGIONS:
            return None, (
                "the country of the row is no ISO 3166 code such as ZA; correct it, or say what it"
                ' means: regions = { "..." = "ZA" }'
            )
        if said := _said(cell) or _glued(cell, where, through=_dials_through(cell, region)):
            return None, said
        try:
            number = library.parse(cell, where or None)
        except library.NumberParseException as error:
            if error.error_type != library.NumberParseException.INVALID_COUNTRY_CODE:
                return None, "this is no phone number; correct it, or leave it empty"
            if is_international:
                return None, "its country code exists in no numbering plan; correct it"
            return None, "a national number without a region; set region, or region_column"
        wrong = _wrong(number, where)
        if wrong and not is_international and _valid(f"+{cell}", ""):
            wrong += "; if it is international, write its +"
        wrong = wrong or _two_readings(cell, number, where)
        return (None, wrong) if wrong else (_e164(number), None)

    return read


def _e164(number: PhoneNumber) -> str:
    import phonenumbers as library  # noqa: PLC0415

    return library.format_number(number, library.PhoneNumberFormat.E164)


def _wrong(number: PhoneNumber, region: str) -> str:
    """What is wrong with a number that could be read, with the fix; "" if nothing is."""
    import phonenumbers as library  # noqa: PLC0415

    if not library.is_possible_number(number):
        plan = f" for {region}" if region else ""
        return f"the number has too few or too many digits{plan}; correct it"
    if not library.is_valid_number(number):
        country = library.region_code_for_country_code(number.country_code or 0)
        return f"no such number exists in the numbering plan of {country}; correct it"
    return ""


def _valid(cell: str, region: str) -> PhoneNumber | None:
    """The number that a text is by itself, if it is one."""
    import phonenumbers as library  # noqa: PLC0415

    try:
        number = library.parse(cell, region or None)
    except library.NumberParseException:
        return None
    return number if library.is_valid_number(number) else None


def _dials_through(cell: str, region: str) -> bool:
    """Whether people write a desk behind a hyphen in the country of this number."""
    if cell.startswith(("+", "00")):
        return any(map(cell.startswith, _DIALLED_ON.values()))
    return region in _DIALLED_ON


def _glued(cell: str, region: str, *, through: bool) -> str:
    """Whether a number ends inside the cell, and something else begins; "" if it does not."""
    for left, joined, right in _splits(cell, through=through):
        if not joined and _valid(left, region):
            return "it looks like a number and its extension, or two numbers; keep one number"
        if right.startswith(_ZERO) and _valid(left, region) and _valid(right, region):
            return "this is more than one number; keep one"
    return ""


def _splits(cell: str, *, through: bool) -> Iterator[tuple[str, bool, str]]:
    """Each place between two groups: (what is left of it, whether it joins them, what is right)."""
    places = list(_BETWEEN.finditer(cell))
    for place in places:
        left, right = cell[: place.start()], cell[place.end() :]
        sign = place.group()
        joins = _JOINS.fullmatch(sign) is not None
        if sign == "." and len(places) == 1 and len(left) >= _NO_GROUP:
            joins = False
        yield left, joins and not _ends(left, sign.strip(), right, through=through), right


def _ends(left: str, sign: str, right: str, *, through: bool) -> bool:
    """Whether a number may end between two groups: a long one, and then a rest or a short one.

    ``030/123456/57``, ``021-1234567-8``, ``030-123456-0-12``.
    """
    group = re.search("[0-9]*$", left)
    before = len(group[0]) if group else 0
    is_first = before == len(left)
    rest = len(right) if right.isdecimal() else _ANY
    if sign in {".", "/"}:
        return not is_first and (before > _GROUP or (before == _GROUP and rest <= _DESK))
    if not is_first and before == 1 and sign == "-":
        return True
    if through:
        return False
    return (before > _GROUP and rest <= _DESK) if sign else (before > _GROUP + 1 and rest == 1)


def _two_readings(cell: str, number: PhoneNumber, region: str) -> str:
    """Whether digits that lost their plus or their zero may be two numbers; "" if not.

    ``4915112345678`` in Germany: a mobile number without its plus, or a landline without its zero.
    A mobile number without its zero says enough by itself against a number of another country.
    """
    import phonenumbers as library  # noqa: PLC0415

    digits = re.sub("[^0-9]", "", cell)
    prefix = _written_prefix(region)
    if "+" in cell or digits.startswith((_ZERO, prefix or _ZERO)):
        return ""
    abroad = _valid(f"+{digits}", "")
    if abroad is None or _e164(abroad) == _e164(number):
        return ""
    is_mobile = library.number_type(number) in {
        library.PhoneNumberType.MOBILE,
        library.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    }
    if abroad.country_code == number.country_code or (prefix and not is_mobile):
        zero = f" without its {prefix}" if prefix else ""
        return (
            f"it may be a number of {region}{zero}, or an international one without its +;"
            " write it in full"
        )
    return ""


@cache
def _written_prefix(region: str) -> str:
    """What people write before a national number, such as ``0``; "" where they write nothing."""
    import phonenumbers as library  # noqa: PLC0415

    example = library.example_number(region) if region else None
    if example is None:
        return ""
    metadata = library.PhoneMetadata.metadata_for_region(region, None)
    prefix = str(metadata.national_prefix or "") if metadata is not None else ""
    written = library.format_number(example, library.PhoneNumberFormat.NATIONAL)
    digits = re.sub("[^0-9]", "", written)
    national = library.national_significant_number(example)
    return prefix if prefix and digits != national else ""
