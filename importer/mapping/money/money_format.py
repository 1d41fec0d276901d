"""How a file writes numbers, and which way of writing a whole column is in. Pure."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable


@value
class NumberFormat:
    """The decimal sign, and the sign between groups of digits."""

    name: str
    """An example: what stands in a mapping file."""
    decimal: str
    group: str = ""
    indian: bool = False
    """Groups of two digits before the last three."""
    thousandths: bool = False
    """Three decimals are decimals: elsewhere they are refused, as ``1.000`` may be a thousand."""

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


_CHOSEN_FROM = {
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
_IN_THOUSANDTHS = {
    one.name: replace(one, name=f"{one.name[:-1]}60", thousandths=True)
    for one in _CHOSEN_FROM.values()
    if not one.indian
}
FORMATS = _CHOSEN_FROM | {one.name: one for one in _IN_THOUSANDTHS.values()}
"""Those, and each in three decimals: ``1234.560``."""


class Ambiguous(ValueError):
    """No one format is sure; ``str()`` says of a column's numbers how they could be read."""


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


FEWEST = 3
"""So many numbers that are not alike in every format make one that does not fit a slip."""
SLIPS = 20
"""Of so many of them, one more may be a slip."""
_TWO_FACED = r"^[0-9]{1,3}[.,][0-9]{3}$"
"""The only numbers that two formats read differently: their sign ends a group or the whole."""


def choose(columns: Iterable[tuple[pl.Series, pl.Series]]) -> NumberFormat:
    """The format of a whole column, whose parts are given one after the other.

    Where each number with decimals has three of them, as some programs write all amounts, these are
    decimals. A format that reads every number is chosen if no other such format reads one of them
    differently: ``1,234`` everywhere is 1234 in one and 1.234 in another, so it has none. Where
    no format reads all, a few numbers may be slips, each an error of its own record; the format
    that reads most is chosen under the same condition.

    Args:
        columns: (numbers without signs, their lines); null is no number, or no known line.

    Raises:
        Ambiguous: both readings, or that no one format reads them all.
    """
    seen = _Seen()
    for numbers, lines in columns:
        seen.look(numbers, lines)
    slips = seen.allowed_slips
    fitting = [name for name in _CHOSEN_FROM if seen.misses(name) == 0]
    if not fitting:
        fitting = [name for name in _CHOSEN_FROM if seen.misses(name) <= slips]
        fitting.sort(key=seen.misses)
    if not fitting:
        raise Ambiguous(seen.mixed())
    for other in fitting[1:]:
        if found := seen.differ.get(frozenset((fitting[0], other))):
            raise Ambiguous(found)
    chosen = FORMATS[fitting[0]]
    always = seen.misses(chosen.name) == 0 and seen.has_three[chosen.decimal]
    return _IN_THOUSANDTHS.get(chosen.name, chosen) if always else chosen


class _Seen:
    """What a column held so far: how much each format reads, and where two of them differ."""

    def __init__(self) -> None:
        self.reads = dict.fromkeys(_CHOSEN_FROM, 0)
        self.readable = 0
        self.alike = 0
        """Numbers that every format reads: they tell nothing."""
        self.has_three: dict[str, bool] = {".": False, ",": False}
        """Whether there are numbers with three digits behind this sign, and none with others."""
        self._has_others: set[str] = set()
        self.differ: dict[frozenset[str], str] = {}
        self._missed: dict[str, str] = {}
        """A number that each format cannot read, and its line."""

    def look(self, numbers: pl.Series, lines: pl.Series) -> None:
        frame = pl.DataFrame({"number": numbers, "line": lines}).drop_nulls("number")
        groups = frame.group_by("number", maintain_order=True)
        distinct = groups.agg(pl.len().alias("times"), pl.col("line").first())
        read = (one.plain(pl.col("number")).alias(one.name) for one in _CHOSEN_FROM.values())
        values = distinct.with_columns(*read)
        values = values.filter(pl.any_horizontal(pl.col(*_CHOSEN_FROM).is_not_null()))
        self.readable += int(values["times"].sum())
        every = values.filter(pl.all_horizontal(pl.col(*_CHOSEN_FROM).is_not_null()))
        self.alike += int(every["times"].sum())
        for name in _CHOSEN_FROM:
            missed = values.filter(pl.col(name).is_null())
            self.reads[name] += int(values["times"].sum()) - int(missed["times"].sum())
            if missed.height and name not in self._missed:
                self._missed[name] = _where(missed.row(0, named=True))
        self._compare(values.filter(pl.col("number").str.contains(_TWO_FACED)))
        self._count_decimals(values["number"])

    def _count_decimals(self, numbers: pl.Series) -> None:
        for sign in self.has_three.keys() - self._has_others:
            if numbers.str.contains(rf"[{sign}](?:[0-9]{{0,2}}|[0-9]{{4,}})$").any():
                self._has_others.add(sign)
                self.has_three[sign] = False
            elif not self.has_three[sign]:
                self.has_three[sign] = bool(numbers.str.contains(f"[{sign}][0-9]{{3}}$").any())

    def _compare(self, values: pl.DataFrame) -> None:
        for one, other in itertools.combinations(_CHOSEN_FROM, 2):
            pair = frozenset((one, other))
            if pair in self.differ or not values.height:
                continue
            unlike = values.filter(_value(one) != _value(other))
            if unlike.height:
                row = unlike.row(0, named=True)
                self.differ[pair] = (
                    f"can be read in two ways: {_where(row)} is {row[one]} if numbers are written"
                    f' as "{one}", and {row[other]} if as "{other}"'
                )

    def misses(self, name: str) -> int:
        return self.readable - self.reads[name]

    @property
    def allowed_slips(self) -> int:
        telling = self.readable - self.alike
        return max(telling // SLIPS, 1 if telling >= FEWEST else 0)

    def mixed(self) -> str:
        name, most = max(self.reads.items(), key=lambda item: item[1])
        return (
            f'are not written in one way: "{name}" reads {most:,} of {self.readable:,}, but not'
            f" {self._missed[name]}, and no format reads them all"
        )


def _where(row: dict[str, Any]) -> str:
    line = f" (line {row['line']:,})" if row["line"] is not None else ""
    return f'"{row["number"]}"{line}'


def _value(name: str) -> pl.Expr:
    """Whatever is equal as a number is equal as this text."""
    text = pl.col(name).str.strip_chars_start("0")
    whole = pl.when(text.str.contains(".", literal=True)).then(
        text.str.strip_chars_end("0").str.strip_suffix(".")
    )
    return whole.otherwise(text)
