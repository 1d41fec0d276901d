"""Amounts as people write them to minor units, as text all the way: never through a float. Pure.

What is understood: ``1 234,50``, ``R 1,234.50``, ``-12.00``, ``12.00-``, ``(12.00)``,
``12.00 CR``, ``EUR 12``, ``5.-``, ``500/-``, ``0E-9``, and ``-`` for nothing, with any of the
spaces that files have. Which sign means decimals is declared or chosen for the whole column
(money_format.py), never cell by cell.

Which currencies a sign beside an amount may stand for. Pure.

A sign that is not listed makes the cell unreadable: ``12k`` is not 12, and ``50¢`` not 50. One
that is listed must be able to stand for the currency of its row: ``$12`` is no amount in ZAR.

Which sign stands for which code is the table of ``importer.rows.currencies``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from importer.mapping.converted import Converted, Failed
from importer.mapping.money.money_format import FORMATS, Ambiguous, Amounts, NumberFormat, choose
from importer.rows.currencies import ACTIVE, SIGNS, minor_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_WITH_STOP = "BR BS DH DHS DIN FR FT KR KSH RP RS SFR SH TK TSH USH ГРН РУБ"
"""Abbreviations that may end in a full stop; ``R.50`` could be 50 or 0.50, so it is neither."""
_IN_FRONT_ONLY = frozenset("BDEKLMNPQT")
"""Behind an amount these are units of another kind, or magnitudes: ``12k``, ``5M``."""


def _meanings() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {code: {code} for code in ACTIVE}
    for sign, codes in SIGNS.items():
        found.setdefault(sign, set()).update(codes)
    for sign in _WITH_STOP.split():
        found[f"{sign}."] = found[sign]
    return {sign: frozenset(codes) for sign, codes in found.items()}


MEANINGS = _meanings()
"""Sign, in capitals -> the codes that it may stand for."""
IN_FRONT = tuple(sorted(MEANINGS))
"""Signs that may stand before an amount."""
BEHIND = tuple(sign for sign in IN_FRONT if sign not in _IN_FRONT_ONLY)
"""Signs that may stand after one."""
PAIRS = tuple(sorted(f"{sign}:{code}" for sign, codes in MEANINGS.items() for code in codes))
"""``SIGN:CODE`` of all that go together."""
CODE_LIKE = "^[A-Z]{3}$"
"""What looks like a code may be one that was withdrawn: it names another currency."""

__all__ = ["FORMATS", "Ambiguous", "Amounts", "NumberFormat", "detect", "split", "to_minor"]

UNREADABLE = "amount_unreadable"
NO_CURRENCY = "amount_without_currency"
DECIMALS = "amount_decimals"
OTHER_CURRENCY = "amount_other_currency"
SIDE = "amount_other_side"

_SPACES = "[\u00a0\u2000-\u200a\u202f\u205f\u3000]"
_MINUSES = "[\u2010-\u2013\u2212\ufe63\uff0d]"
_APOSTROPHES = "[\u2019\u02bc\u00b4`]"
_NAME = r"(?:\p{L}{1,4}\.?|\p{L}{0,3}\p{Sc})"
_AMOUNT = (
    rf"^(?P<opened>\()?\s*(?P<before>[+-])?\s*(?P<first>{_NAME})?\s*(?P<within>[+-])?\s*"
    rf"(?P<number>[0-9.,][0-9.,' ]*?)\s*(?P<behind>-)?\s*(?P<last>{_NAME})?"
    rf"\s*(?P<side>[A-Za-z]{{2}})?\s*(?P<closed>\))?$"
)
_WITHOUT_CENTS = r"([0-9])([.,])(?:-{1,2}|[\u2014\u2015])(\s|\p{L}|\p{Sc}|\)|$)"
"""``5.-`` and ``1.234,--``: no cents, as people write in Switzerland, Germany, Scandinavia."""
_WITHOUT_SHILLINGS = r"([0-9])/[-=](\s|\p{L}|\p{Sc}|\)|$)"
"""``500/-`` and ``500/=``, as people write in India and East Africa."""
_ZERO = r"^0(?:[.,]0+)?[eE][+-]?[0-9]+$"
"""``0E-9``: a zero of nine decimals, as Java writes one (Zuora, Spark)."""
_NOTHING = rf"^({_NAME})?\s*[-\u2014\u2015](?:[.,][-\u2014\u2015]{{1,2}})?\s*({_NAME})?$"
"""A dash in place of an amount is zero: accounting formats print it so."""
_WITHOUT_ORE = r"([0-9]):-(\s|\p{L}|\p{Sc}|\)|$)"
"""``500:-``, as people write in Sweden."""
_IN_BRACKETS = rf"^({_NAME})\s*\((.+)\)$"
"""``$ (5.00)``: the accounting format of spreadsheets has the sign in front of the brackets."""
OWES = r"(?:(?i:dr|debit|d\u00e9bit|debet|soll|dare|debe|wn)\.?|[DS])"
"""What stands behind an amount that the customer owes; single letters in capitals only."""
HAS = r"(?:(?i:cr|credit|cr\u00e9dit|kredit|haben|avere|haber|ma)\.?|[CH])"
"""The same of one that the customer has: Haben, credit, haber."""
_BEHIND_AMOUNT = r"^(.*[0-9][^\p{L}(]*|.*[0-9].*\s)\(?"
_AS_PEOPLE_WRITE = (
    (rf"{_BEHIND_AMOUNT}{OWES}\)?$", "${1} DR"),
    (rf"{_BEHIND_AMOUNT}{HAS}\)?$", "${1} CR"),
    (_ZERO, "0"),
    (_WITHOUT_CENTS, "${1}${2}00${3}"),
    (_WITHOUT_SHILLINGS, "${1}${2}"),
    (_WITHOUT_ORE, "${1}${2}"),
    (_NOTHING, "${1} 0 ${2}"),
    (_IN_BRACKETS, "(${1} ${2})"),
)
_SIDES = ("CR", "DR")
_LIKE_THOUSANDS = 3
"""So many decimals may be a group of digits: ``1.000``."""
_PLAIN = "^-?[0-9.,][0-9.,' ]*$"


def split(text: pl.Series) -> Amounts:
    """Take each cell apart; two marks of sign, or a word that is no currency, make no amount."""
    cell = pl.col("cell")
    for characters, plain in ((_SPACES, " "), (_MINUSES, "-"), (_APOSTROPHES, "'")):
        cell = cell.str.replace_all(characters, plain)
    cells = text.to_frame("cell").select(cell.fill_null("").str.strip_chars())
    if cells["cell"].str.contains(f"{_PLAIN}|^$").all():
        return _plainly(cells["cell"])
    cell = pl.col("cell")
    for written, plain in _AS_PEOPLE_WRITE:
        cell = cell.str.replace(written, plain)
    parts = cells.select("cell", cell.str.strip_chars().str.extract_groups(_AMOUNT).alias("part"))
    parts = parts.unnest("part")
    is_side = pl.col("last").str.to_uppercase().is_in(_SIDES)
    parts = parts.with_columns(
        side=pl.coalesce("side", pl.when(is_side).then("last")).str.to_uppercase(),
        last=pl.when(~is_side).then("last"),
    )
    marks = ("opened", "before", "within", "behind", "side")
    sound = (
        (pl.sum_horizontal(pl.col(mark).is_not_null() for mark in marks) <= 1)
        & (pl.col("opened").is_not_null() == pl.col("closed").is_not_null())
        & (pl.col("first").is_null() | pl.col("last").is_null())
        & (pl.col("side").is_null() | pl.col("side").is_in(_SIDES))
        & (_stands(pl.col("first"), IN_FRONT) & _stands(pl.col("last"), BEHIND))
    )
    negative = pl.col("opened").is_not_null() | pl.any_horizontal(
        (pl.col(mark) == "-").fill_null(value=False) for mark in ("before", "within", "behind")
    )
    taken = parts.select(
        pl.when(sound).then("number").alias("numbers"),
        negative.alias("negative"),
        "side",
        pl.coalesce("first", "last").alias("names"),
        (pl.col("cell") != "").alias("given"),
    )
    return Amounts(*taken.get_columns())


def _stands(name: pl.Expr, known: tuple[str, ...]) -> pl.Expr:
    """Whether what stands beside a number is nothing, or may be a currency."""
    return name.is_null() | name.str.to_uppercase().is_in(known) | name.str.contains(CODE_LIKE)


def _plainly(cells: pl.Series) -> Amounts:
    """The quick way for a column of nothing but numbers, some with a minus in front."""
    absent = pl.repeat(None, len(cells), dtype=pl.String, eager=True)
    given = cells != ""
    frame = pl.DataFrame({"cell": cells.str.strip_prefix("-"), "given": given})
    numbers = frame.select(pl.when("given").then("cell")).to_series()
    return Amounts(numbers, cells.str.starts_with("-"), absent, absent, given)


def detect(parts: Iterable[pl.Series | tuple[pl.Series, Sequence[int]]]) -> NumberFormat:
    """The number format of a whole column.

    Args:
        parts: its cells, one part after the other, where they are known with their lines.

    Raises:
        Ambiguous: it could be read in two ways (``str()`` shows both), or is mixed.
    """
    return choose(_with_lines(part) for part in parts)


def _with_lines(part: pl.Series | tuple[pl.Series, Sequence[int]]) -> tuple[pl.Series, pl.Series]:
    cells, lines = (part, None) if isinstance(part, pl.Series) else part
    numbered = pl.Series("line", lines or [None] * len(cells), dtype=pl.Int64)
    return split(cells).numbers, numbered


def to_minor(text: pl.Series, currencies: pl.Series, fmt: NumberFormat, positive: str) -> Converted:
    """Minor units of each cell, as the API counts them: what the customer owes is positive.

    Args:
        text: the cells; null or "" is no amount.
        currencies: the ISO 4217 code of each row.
        fmt: how numbers are written.
        positive: what an amount without ``CR`` or ``DR`` means when it is positive: "debit" (the
            customer owes it) or "credit".

    Returns:
        Whole numbers as text. An amount with more decimals than its currency has is an error.
    """
    amounts = split(text)
    units = {code: exponent for code in ACTIVE if (exponent := minor_units(code)) is not None}
    known = pl.DataFrame(
        {"code": list(units), "exponent": list(units.values())},
        schema={"code": pl.String, "exponent": pl.Int64},
    )
    rows = pl.DataFrame(
        {
            **amounts._asdict(),
            "currency": currencies.fill_null(""),
        }
    ).join(known, left_on="currency", right_on="code", how="left", maintain_order="left")
    rows = rows.with_columns(fmt.plain(pl.col("numbers")).alias("plain"))
    parts = pl.col("plain").str.split_exact(".", 1)
    rows = rows.with_columns(
        parts.struct.field("field_0").alias("whole"),
        parts.struct.field("field_1").fill_null("").alias("fraction"),
    )
    rows = rows.with_columns(_wrong(fmt).alias("wrong"))
    owed = pl.col("side") == "DR"
    owed = (
        pl.when(pl.col("side").is_null())
        .then(pl.col("negative") if positive == "credit" else ~pl.col("negative"))
        .otherwise(owed)
    )
    # Only zeros stand behind the decimals of the currency: the rest is an error.
    fraction = pl.col("fraction").str.pad_end(pl.col("exponent"), "0")
    digits = pl.concat_str("whole", fraction.str.slice(0, pl.col("exponent")))
    digits = digits.str.strip_chars_start("0")
    digits = pl.when(digits == "").then(pl.lit("0")).otherwise(digits)
    signed = (
        pl.when(owed | (digits == "0")).then(digits).otherwise(pl.concat_str(pl.lit("-"), digits))
    )
    fine = pl.col("given") & pl.col("wrong").is_null() & pl.col("exponent").is_not_null()
    values = rows.select(pl.when(fine).then(signed)).to_series().alias(text.name)
    wrong = rows.with_row_index("at").filter(pl.col("wrong").is_not_null())
    errors = [
        Failed(at, code, _message(code, fmt, exponent))
        for at, code, exponent in wrong.select("at", "wrong", "exponent").iter_rows()
    ]
    return Converted(values, errors, int((values != text).sum()))


def _wrong(fmt: NumberFormat) -> pl.Expr:
    """The code of what is wrong with a row; null where nothing is."""
    # An unknown currency is an error of the row already; the amount is not to blame.
    is_known = (pl.col("currency") == "") | pl.col("currency").is_in(sorted(ACTIVE))
    pair = pl.concat_str(pl.col("names").str.to_uppercase(), pl.lit(":"), "currency")
    fraction = pl.col("fraction")
    # Zeros at the end lose nothing, but 1.000 may be a thousand in a file of mixed habits.
    length = (
        pl.when((fraction.str.len_bytes() == _LIKE_THOUSANDS) & (not fmt.thousandths))
        .then(_LIKE_THOUSANDS)
        .otherwise(fraction.str.strip_chars_end("0").str.len_bytes())
    )
    return (
        pl.when(~pl.col("given"))
        .then(None)
        .when(pl.col("plain").is_null())
        .then(pl.lit(UNREADABLE))
        .when(pl.col("exponent").is_null() & is_known)
        .then(pl.lit(NO_CURRENCY))
        .when(pl.col("names").is_not_null() & is_known & ~pair.is_in(PAIRS))
        .then(pl.lit(OTHER_CURRENCY))
        .when(length > pl.col("exponent"))
        .then(pl.lit(DECIMALS))
    )


def _message(code: str, fmt: NumberFormat, exponent: int | None) -> str:
    match code:
        case "amount_unreadable":
            return f'this is no amount written as "{fmt}"; correct it, or set number_format'
        case "amount_without_currency":
            return (
                "an amount needs a currency with minor units (ISO 4217); map it, or give a default"
            )
        case "amount_other_currency":
            return "the amount names another currency than the row; correct one of them"
        case _:
            return f"the currency has {exponent} decimals, and the amount more; correct it"
