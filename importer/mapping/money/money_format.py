"""How a file writes numbers, and which way of writing a whole column is in. Pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """The decimal sign, and the sign between groups of digits."""

    name: str
    """An example: what stands in a mapping file."""
    decimal: str
    group: str = ""
    indian: bool = False
    """Groups of two digits before the last three."""

    def __str__(self) -> str:
        """As in a mapping file."""
        return self.name

    @property
    def pattern(self) -> str:
        """A regular expression of the numbers without sign that this format allows.

        Groups have three digits each, so ``1,23`` is never 123; a number without groups is as
        good. There is a digit on both sides of a decimal sign, or none before it.
        """
        decimal, group = _literal(self.decimal), _literal(self.group)
        fraction = f"(?:{decimal}[0-9]+)"
        whole = "[0-9]+"
        if self.group:
            grouped = f"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+"
            if self.indian:
                grouped = f"[0-9]{{1,2}}(?:{group}[0-9]{{2}})*{group}[0-9]{{3}}"
            whole = f"(?:{whole}|{grouped})"
        return f"^(?:{whole}{fraction}?|{fraction})$"

    def plain(self, number: pl.Expr) -> pl.Expr:
        """The number with a point and no groups; null where this format does not allow it."""
        text = number
        if self.group:
            text = text.str.replace_all(self.group, "", literal=True)
        if self.decimal != ".":
            text = text.str.replace(self.decimal, ".", literal=True)
        return pl.when(number.str.contains(self.pattern)).then(text)


def _literal(sign: str) -> str:
    return f"[{sign}]" if sign else ""


FORMATS = {
    one.name: one
    for one in (
        NumberFormat("1234.56", "."),
        NumberFormat("1234,56", ","),
        NumberFormat("1,234.56", ".", ","),
        NumberFormat("1.234,56", ",", "."),
        NumberFormat("1 234.56", ".", " "),
        NumberFormat("1 234,56", ",", " "),
        NumberFormat("1'234.56", ".", "'"),
        NumberFormat("1,23,456.00", ".", ",", indian=True),
    )
}
"""By name. Where several read every number of a column alike, the first of them is taken."""


class Ambiguous(ValueError):
    """No one format is sure; ``str()`` of it shows how the column could be read."""


class Amounts(NamedTuple):
    """A column taken apart; nothing is decided yet. All of one length."""

    numbers: pl.Series
    """Digits with their decimal and group signs; null where the cell is empty or no amount."""
    negative: pl.Series
    """Whether it is marked as negative, by a minus or by parentheses."""
    side: pl.Series
    """``CR``, ``DR`` or null."""
    names: pl.Series
    """What stands for the currency in the cell, or null."""
    given: pl.Series
    """Whether the cell holds anything."""


def choose(columns: Iterable[Amounts]) -> NumberFormat:
    """The format of a whole column, whose parts are given one after the other.

    A format is chosen only if it reads every number that any format reads, and no other that does
    so reads one of them differently. A column such as ``1,234`` everywhere is 1234 in one and
    1.234 in another, so it has none.

    Raises:
        Ambiguous: both readings, or that no one format reads them all.
    """
    reads = dict.fromkeys(FORMATS, 0)
    readable = 0
    differ: dict[tuple[str, str], str] = {}
    for amounts in columns:
        numbers = amounts.numbers.drop_nulls().unique(maintain_order=True).to_frame("number")
        values = numbers.select(
            "number", *(one.plain(pl.col("number")).alias(one.name) for one in FORMATS.values())
        )
        readable += values.filter(pl.any_horizontal(pl.col(*FORMATS).is_not_null())).height
        for name in FORMATS:
            reads[name] += values.height - values[name].null_count()
        # A format that has missed a number is out of the choice, whatever comes.
        _note_differences(values, [name for name in FORMATS if reads[name] == readable], differ)
    best = [name for name in FORMATS if reads[name] == readable]
    if not best:
        raise Ambiguous(_no_one_fits(reads, readable))
    for one, other in itertools.combinations(best, 2):
        if (one, other) in differ:
            raise Ambiguous(differ[one, other])
    return FORMATS[best[0]]


def _note_differences(
    values: pl.DataFrame, names: Iterable[str], differ: dict[tuple[str, str], str]
) -> None:
    for one, other in itertools.combinations(names, 2):
        if (one, other) in differ:
            continue
        unlike = values.filter(_value(one) != _value(other))
        if unlike.height:
            row = unlike.row(0, named=True)
            differ[one, other] = (
                f'"{row["number"]}" is {row[one]} if numbers are written as "{one}", and'
                f' {row[other]} if as "{other}"'
            )


def _value(name: str) -> pl.Expr:
    """Whatever is equal as a number is equal as this text."""
    text = pl.col(name).str.strip_chars_start("0")
    whole = pl.when(text.str.contains(".", literal=True)).then(
        text.str.strip_chars_end("0").str.strip_suffix(".")
    )
    return whole.otherwise(text)


def _no_one_fits(reads: dict[str, int], readable: int) -> str:
    name, most = max(reads.items(), key=lambda item: item[1])
    if not most:
        return "no number could be read in any format"
    return (
        f'"{name}" reads {most:,} of {readable:,} different numbers, and no format reads them all'
    )
