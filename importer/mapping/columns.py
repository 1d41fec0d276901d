"""Makes the API's columns out of those of a batch, one field after the other. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from importer.mapping import money, phone, references, texts
from importer.mapping.converted import Converted
from importer.mapping.model import BalanceField, EmailField, PhoneField, ReferenceField
from importer.mapping.template import joined, parse
from importer.rows.text import trim

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.mapping.converted import Failed
    from importer.mapping.model import TextField
    from importer.mapping.report import TransformReport

DROPPED = "left out"
"""The name under which dropped values are counted."""
_WHOLE = "^[+-]?[0-9]+$"


@dataclass(frozen=True, slots=True)
class Made:
    """One column."""

    values: pl.Series
    errors: list[Failed] = field(default_factory=list)


class Columns:
    """The columns of one batch: trimmed, "" where they are empty, named by their index."""

    def __init__(
        self,
        cells: pl.DataFrame,
        where: dict[str, int],
        report: TransformReport,
        number_format: money.NumberFormat | None,
    ) -> None:
        self._cells = cells
        self._where = where
        self._report = report
        self._format = number_format
        self._made: dict[str, Made] = {}

    def make(self, fields: dict[str, TextField]) -> dict[str, Made]:
        """Every field's column, in the order given; an amount needs its currency first."""
        later = [name for name, one in fields.items() if isinstance(one, BalanceField)]
        for name in [*(one for one in fields if one not in later), *later]:
            self._made[name] = self._field(name, fields[name])
        return {name: self._made[name] for name in fields}

    def text(self, spec: TextField) -> pl.Series:
        """The text of a field before any transform."""
        return self._cells.select(self._source(spec).alias("text")).to_series()

    def _cell(self, name: str) -> pl.Expr:
        return pl.col(str(self._where[trim(name)]))

    def _source(self, spec: TextField) -> pl.Expr:
        if spec.constant is not None:
            return pl.repeat(spec.constant, pl.len(), dtype=pl.String)
        if spec.template is not None:
            return joined(parse(spec.template), self._cell)
        filled = [pl.when(self._cell(one) != "").then(self._cell(one)) for one in spec.names]
        return pl.coalesce(*filled, pl.lit(""))

    def _field(self, name: str, spec: TextField) -> Made:
        text = self.text(spec)
        if spec.values:
            mapped = text.replace(spec.values)
            self._report.note("values", name, text, mapped)
            text = mapped
        if spec.default is not None:
            filled = text.to_frame("t").select(
                pl.when(pl.col("t") == "").then(pl.lit(spec.default)).otherwise("t")
            )
            self._report.note("default", name, text, filled.to_series())
            text = filled.to_series()
        if spec.nfc:
            text = self._noted("nfc", name, text, texts.nfc).values
        return self._own(name, spec, text)

    def _own(self, name: str, spec: TextField, text: pl.Series) -> Made:
        """What only this kind of field knows."""
        match spec:
            case EmailField(lowercase_domain=True):
                return self._noted("lowercase_domain", name, text, texts.lowercase_domain)
            case ReferenceField(sanitise="escape"):
                return self._noted("sanitise", name, text, references.escape)
            case PhoneField() if spec.converts:
                return self._phone(name, spec, text)
            case BalanceField(unit="major"):
                return self._amount(name, spec, text)
            case BalanceField(positive="credit"):
                return self._noted("positive", name, text, _negated)
            case _:
                return Made(text)

    def _noted(
        self, key: str, name: str, text: pl.Series, transform: Callable[[pl.Series], Converted]
    ) -> Made:
        found = transform(text)
        self._report.note(key, name, text, found.values)
        return Made(found.values.fill_null(""), found.errors)

    def _phone(self, name: str, spec: PhoneField, text: pl.Series) -> Made:
        regions: pl.Series | str = spec.region or ""
        if spec.region_column is not None:
            cell = self._cell(spec.region_column)
            regions = self._cells.select(
                pl.when(cell == "").then(pl.lit(regions)).otherwise(cell)
            ).to_series()
        found = phone.to_e164(text, regions)
        self._report.note("region", name, text, found.values)
        errors = found.errors
        if spec.on_invalid == "drop" and errors:
            self._report.count(DROPPED, name, len(errors))
            errors = []
        return Made(found.values.fill_null(""), errors)

    def _amount(self, name: str, spec: BalanceField, text: pl.Series) -> Made:
        if self._format is None:
            raise ValueError("the number format is not known yet")
        currency = self._made.get("currency")
        codes = (
            currency.values
            if currency is not None
            else pl.repeat("", len(text), dtype=pl.String, eager=True)
        )
        found = money.to_minor(text, codes, self._format, spec.positive)
        self._report.note(f"unit (numbers as {self._format})", name, text, found.values)
        return Made(found.values.fill_null(""), found.errors)


def _negated(text: pl.Series) -> Converted:
    """Whole minor units with the other sign; anything else is left for the rules to refuse."""
    cell = pl.col("t")
    digits = cell.str.strip_prefix("-").str.strip_prefix("+")
    zero = digits.str.contains("^0+$")
    minus = pl.concat_str(pl.lit("-"), digits)
    flipped = pl.when(cell.str.starts_with("-") | zero).then(digits).otherwise(minus)
    values = text.to_frame("t").select(
        pl.when(cell.str.contains(_WHOLE)).then(flipped).otherwise(cell)
    )
    after = values.to_series().alias(text.name)
    return Converted(after, [], int((after != text).sum()))
