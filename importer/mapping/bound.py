"""A mapping bound to the header of one file, and applied to its records batch by batch. Pure.

Makes the API's columns out of those of a batch, one field after the other. Pure.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections import Counter
from dataclasses import field, replace
from typing import TYPE_CHECKING

import polars as pl

from importer.errors import SourceError
from importer.mapping import converted as references
from importer.mapping import converted as texts
from importer.mapping import filters, phone
from importer.mapping.converted import Converted, Failed
from importer.mapping.model import (
    BalanceField,
    EmailField,
    PhoneField,
    ReferenceField,
    joined,
    parse,
)
from importer.mapping.money import money_text as money
from importer.mapping.transform_report import TransformReport
from importer.rows.cell_kinds import INEXACT, CellKinds
from importer.rows.certain import is_email
from importer.rows.header_fields import PREFIX
from importer.rows.text import TRIMMED, shown, trim
from importer.source.fed_back import FORMAT
from importer.source.records import CellFault, Kind, Layout, RecordBatch
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from importer.mapping.model import Mapping, TextField
    from importer.mapping.money.money_text import NumberFormat


DROPPED = "left out"
"""The name under which dropped values are counted."""
_WHOLE = "^[+-]?[0-9]+$"


@value
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
        kinds: CellKinds,
    ) -> None:
        self._cells = cells
        self._kinds = kinds
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

    def amounts(self, spec: BalanceField) -> pl.Series:
        """All cells that an amount is made of: those of one column, then those of the next."""
        return pl.concat([self._written(side) for side in spec.sides])

    def _written(self, spec: BalanceField) -> pl.Series:
        """The cells of one column, "" where a number of the source's own has no format."""
        text, numbers = self.text(spec), self._numbers(spec)
        if numbers is None:
            return text
        return pl.select(pl.when(~numbers).then(text).otherwise(pl.lit(""))).to_series()

    def _cell(self, name: str) -> pl.Expr:
        return pl.col(str(self._where[trim(name)]))

    def _source(self, spec: TextField) -> pl.Expr:
        if spec.constant is not None:
            return pl.repeat(spec.constant, pl.len(), dtype=pl.String)
        if spec.template is not None:
            return joined(parse(spec.template), self._cell)
        filled = [pl.when(self._cell(one) != "").then(self._cell(one)) for one in spec.names]
        return pl.coalesce(*filled, pl.lit(""))

    def _index(self, name: str) -> int:
        return self._where[trim(name)]

    def _misfits(self, name: str, spec: TextField) -> dict[int, CellFault]:
        """The cells that this field is made of and that cannot be it, by row."""
        found: dict[int, CellFault] = {}
        open_rows: pl.Series | None = None
        for column in spec.names:
            cells = self._cells.to_series(self._index(column))
            for row, fault in self._kinds.misfits(name, self._index(column), trim(column)).items():
                said = fault.code != INEXACT and cells[row] in spec.values
                if not said and (open_rows is None or open_rows[row]):
                    found.setdefault(row, fault)
            if spec.columns is not None:
                # What stands behind the first filled column is not looked at.
                empty = cells == ""
                open_rows = empty if open_rows is None else open_rows & empty
        if isinstance(spec, PhoneField) and spec.region_column is not None:
            number = self.text(spec)
            # An international number says its own country.
            national = (number != "") & ~number.str.starts_with("+")
            unread = self._kinds.unreadable(trim(spec.region_column))
            found = {row: one for row, one in unread.items() if national[row]} | found
        return found

    def _numbers(self, spec: TextField) -> pl.Series | None:
        """Where the text is a number of the source's own; None where it is none anywhere."""
        if spec.names and spec.template is None:
            numeric = [self._is_number(name) for name in spec.names]
            if any(one is not None for one in numeric):
                cells = [self._cells.to_series(self._index(name)) for name in spec.names]
                no = pl.lit(value=False)
                chosen = [
                    pl.when(cell != "").then(no if one is None else one)
                    for cell, one in zip(cells, numeric, strict=True)
                ]
                own = pl.coalesce(*chosen, no) & ~self.text(spec).is_in(list(spec.values))
                return pl.select(own).to_series()
        return None

    def _is_number(self, name: str) -> pl.Series | None:
        kinds = self._kinds.of(self._index(name))
        if isinstance(kinds, pl.Series):
            found = kinds.is_in(_NUMBERS)
            return found if found.any() else None
        is_number = kinds.value in _NUMBERS
        return pl.repeat(True, self._cells.height, eager=True) if is_number else None

    def _field(self, name: str, spec: TextField) -> Made:
        if isinstance(spec, BalanceField) and len(spec.sides) > 1:
            return self._two_sided(name, spec)
        wrong = self._misfits(name, spec)
        if not wrong:
            return self._made_of(name, spec, self.text(spec))
        # What cannot be the field takes part in no transform, and stays as it is to be reported.
        text = self.text(spec)
        fits = ~pl.int_range(len(text), eager=True).is_in(list(wrong))
        made = self._made_of(
            name, spec, pl.select(pl.when(fits).then(text).otherwise(pl.lit(""))).to_series()
        )
        values = pl.select(pl.when(fits).then(made.values).otherwise(text)).to_series()
        errors = [Failed(row, one.code, one.message) for row, one in sorted(wrong.items())]
        errors += [one for one in made.errors if one.index not in wrong]
        return Made(values, errors)

    def _made_of(self, name: str, spec: TextField, text: pl.Series) -> Made:
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
            case EmailField():
                return self._email(name, spec, text)
            case ReferenceField(sanitise=str(way)):
                return self._noted("sanitise", name, text, references.SANITISE[way])
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

    def _email(self, name: str, spec: EmailField, text: pl.Series) -> Made:
        for key, transform in (
            ("lowercase_domain", texts.lowercase_domain),
            ("punycode", texts.punycode),
        ):
            if getattr(spec, key):
                text = self._noted(key, name, text, transform).values
        if spec.on_invalid == "drop":
            cell = pl.col("t")
            kept = text.to_frame("t").select(
                pl.when(is_email(cell)).then(cell).otherwise(pl.lit(""))
            )
            after = kept.to_series().alias(text.name)
            if dropped := int((after != text).sum()):
                self._report.count(DROPPED, name, dropped)
            text = after
        return Made(text)

    def _phone(self, name: str, spec: PhoneField, text: pl.Series) -> Made:
        regions: pl.Series | str = spec.region or ""
        if spec.region_column is not None:
            cell = self._cell(spec.region_column).replace(spec.regions)
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
        currency = self._made.get("currency")
        codes = (
            currency.values
            if currency is not None
            else pl.repeat("", len(text), dtype=pl.String, eager=True)
        )
        found = self._minor(spec, text, codes)
        self._report.note(f"unit (numbers as {self._format})", name, text, found.values)
        return Made(found.values.fill_null(""), found.errors)

    def _minor(self, spec: BalanceField, text: pl.Series, codes: pl.Series) -> Converted:
        if self._format is None:
            raise ValueError("the number format is not known yet")
        numbers = self._numbers(spec)
        if numbers is None:
            return money.to_minor(text, codes, self._format, spec.positive)
        # A default is written like the column, and not like a number of the source's own.
        numbers &= text == self.text(spec)
        plain = text.str.replace(r"(\.\d*?)0+$", "${1}").str.strip_suffix(".")
        own = pl.select(pl.when(numbers).then(plain).otherwise(pl.lit(""))).to_series()
        others = pl.select(pl.when(~numbers).then(text).otherwise(pl.lit(""))).to_series()
        read = money.to_minor(own, codes, money.FORMATS["1234.56"], spec.positive)
        if not (others != "").any():
            return read
        rest = money.to_minor(others, codes, self._format, spec.positive)
        values = pl.select(pl.when(numbers).then(read.values).otherwise(rest.values)).to_series()
        errors = sorted((*read.errors, *rest.errors), key=lambda one: one.index)
        return Converted(values, errors, read.changed + rest.changed)

    def _two_sided(self, name: str, spec: BalanceField) -> Made:
        """What a customer owes less what the customer has, each in a column of its own."""
        debit, credit = (self._field(name, side) for side in spec.sides)
        rows = pl.DataFrame({"debit": debit.values, "credit": credit.values})
        errors = {one.index: one for one in (*credit.errors, *debit.errors)}
        # A sign says the opposite of what the column says, and either may be meant.
        for column, turned in (("debit", "^-0*[1-9]"), ("credit", "^[+]?0*[1-9]")):
            for row in rows[column].str.contains(turned).arg_true():
                errors.setdefault(row, Failed(row, money.SIDE, _SIDE))
        neither = pl.all_horizontal(pl.all() == "")
        made = rows.select(
            pl.when(neither)
            .then(pl.lit(spec.default or ""))
            .when(pl.col("credit") == "")
            .then("debit")
            .otherwise("credit")
        ).to_series()
        both = ((rows["debit"] != "") & (rows["credit"] != "")).arg_true()
        if len(both):
            sums = [_sum(*rows.row(row)) for row in both]
            made = made.scatter(both, pl.Series(sums, dtype=pl.String))
        failed = sorted(errors)
        made = made.scatter(failed, "") if failed else made
        return Made(made, [errors[row] for row in failed])


_NUMBERS = [Kind.NUMBER.value, Kind.FLOAT.value]
_SIDE = "a sign, CR or DR contradicts its column; write the amount without, in the column it is for"


def _sum(debit: str, credit: str) -> str:
    """Of two whole numbers; what is none is left for the rules to refuse."""
    for text in (debit, credit):
        if re.match(_WHOLE, text) is None:
            return text
    return str(int(debit) + int(credit))


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


_NAMED = 20
"""Columns that one message names."""
_UNIT = "\x1f"


@value
class Skipped:
    """A record that a rule of the mapping leaves out."""

    line: int
    code: str
    """``filtered`` or ``totals_line``."""
    text: str
    reference: str
    cells: tuple[str, ...]


@value
class Mapped:
    """A batch in the API's columns."""

    batch: RecordBatch
    """Without the records that were skipped; malformed ones are as they were."""
    skipped: tuple[Skipped, ...]
    original: pl.DataFrame
    """The cells of the batch's records as they stood in the file, in header order."""
    origins: pl.Series
    """64 bits of what each record's reference was made of, the same for equal cells."""


class Bound:
    """One mapping on one file. Made by ``bind``."""

    def __init__(
        self, mapping: Mapping, layout: Layout, number_format: NumberFormat | None
    ) -> None:
        self._mapping = mapping
        self._where = {trim(name): index for index, name in enumerate(layout.columns)}
        self._width = len(layout.columns)
        self._format = number_format
        self._told: set[str] = set()
        self._told_at = self._where.get(FORMAT) if layout.fed_back else None
        self.report = TransformReport()
        given = {
            name: field
            for name in type(mapping.fields).model_fields
            if (field := getattr(mapping.fields, name)) is not None
        }
        self._fields: dict[str, TextField] = {
            **given,
            **{PREFIX + key: field for key, field in mapping.metadata.items()},
        }
        self.layout = Layout(
            layout.name, tuple(self._fields), layout.delimiter, fed_back=layout.fed_back
        )
        """The columns that the mapping makes."""
        self.labels = {name: self._label(name, field) for name, field in self._fields.items()}
        """For each of them, how a message names it: the file's column, then the field."""
        self.needed = frozenset(
            self._where[trim(name)] for _, names in _used(mapping) for name in names
        )
        """Indexes of the columns that are looked at."""
        reference = mapping.fields.external_reference
        self.reference = self._where[trim(reference.column)] if reference.column else None
        """Index of the reference's own column in the header, if it has one."""

    @property
    def detects(self) -> bool:
        """Whether the number format is to be found in the whole column first."""
        balance = self._mapping.fields.balance
        return self._format is None and balance is not None and balance.detects

    def apply(self, batch: RecordBatch) -> Mapped:
        """Map one batch."""
        batch = self._without_named(batch)
        cells = batch.frame.fill_null("")
        cells.columns = [str(index) for index in range(cells.width)]
        lines = pl.Series("line", batch.lines, dtype=pl.Int64)
        trimmed = self._trimmed(cells)
        left_out, skipped, unread = self._skip(trimmed, cells, lines, CellKinds(batch))
        if skipped:
            kept = ~left_out
            trimmed, cells, lines = trimmed.filter(kept), cells.filter(kept), lines.filter(kept)
            batch = batch.filter(kept)
            at = kept.cum_sum() - 1
            unread = [replace(one, index=at[one.index]) for one in unread]
        kinds = CellKinds(batch)
        number_format = self._number_format(trimmed, kinds)
        columns = Columns(trimmed, self._where, self.report, number_format, kinds)
        made = columns.make(self._fields)
        frame = pl.DataFrame({name: one.values for name, one in made.items()})
        mapped = RecordBatch(
            batch.source,
            frame,
            lines.to_list(),
            batch.malformed,
            (*unread, *_faults(made)),
        )
        written = self._as_written(trimmed, cells)
        origins = written.select(self._origin().hash(0).reinterpret(signed=True)).to_series()
        return Mapped(mapped, skipped, cells, origins)

    def amounts(self, batch: RecordBatch) -> tuple[pl.Series, Sequence[int]]:
        """The cells whose number format is looked for, with their lines."""
        batch = self._without_named(batch.completed(self.needed))
        cells = batch.frame.fill_null("")
        cells.columns = [str(index) for index in range(cells.width)]
        trimmed = self._trimmed(cells)
        lines = pl.Series("line", batch.lines, dtype=pl.Int64)
        left_out, *_ = self._skip(trimmed, cells, lines, CellKinds(batch))
        kinds = CellKinds(batch.filter(~left_out))
        columns = Columns(trimmed.filter(~left_out), self._where, TransformReport(), None, kinds)
        balance = self._mapping.fields.balance
        if balance is None:
            raise ValueError("the mapping makes no balance")
        if self._told_at is not None:
            told = batch.frame.to_series(self._told_at).unique().drop_nulls()
            self._told |= {one.removeprefix("as ") for one in told} & money.FORMATS.keys()
        return columns.amounts(balance), lines.filter(~left_out).to_list() * len(balance.sides)

    def detect(self, amounts: Iterable[tuple[pl.Series, Sequence[int]]]) -> NumberFormat:
        """The number format of a whole column, given in parts with their lines.

        Raises:
            SourceError: it could be read in two ways (the message shows both), or in none.
        """
        doubt = ""
        try:
            found = money.detect(amounts)
        except money.Ambiguous as error:
            doubt = str(error)
        # An errors file holds a part of the column: what the whole one said holds for it.
        if len(self._told) == 1:
            return money.FORMATS[min(self._told)]
        if len(self._told) > 1:
            doubt = f"come from files with different formats: {', '.join(sorted(self._told))}"
        if doubt:
            balance = self._mapping.fields.balance
            names = balance.names if balance is not None else ()
            columns = ", ".join(map(shown, names)) or "fields.balance"
            raise SourceError(
                f"{self.layout.name}: the numbers of {columns} {doubt}",
                hint='correct them, or say which is meant: number_format = "..." in'
                " [fields.balance]",
            )
        return found

    # Inside -------------------------------------------------------------------------------------

    def _trimmed(self, cells: pl.DataFrame) -> pl.DataFrame:
        trimmed = cells.with_columns(pl.all().str.strip_chars(TRIMMED))
        if self._mapping.source.text_formulas:
            trimmed = trimmed.with_columns(texts.text_of_formula(pl.all()))
        empty = self._mapping.source.empty
        if not empty:
            return trimmed
        cell = pl.all()
        return trimmed.with_columns(pl.when(~cell.is_in(empty)).then(cell).otherwise(pl.lit("")))

    def _as_written(self, trimmed: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
        """The reference's cells with what ``text_formulas`` takes away: no two become one."""
        if not self._mapping.source.text_formulas:
            return trimmed
        names = dict.fromkeys(map(trim, self._mapping.fields.external_reference.names))
        where = [str(self._where[name]) for name in names]
        return pl.DataFrame(
            [
                pl.select(
                    pl.when(trimmed[at] != "")
                    .then(cells[at].str.strip_chars(TRIMMED))
                    .otherwise(pl.lit(""))
                )
                .to_series()
                .alias(at)
                for at in where
            ]
        )

    def _without_named(self, batch: RecordBatch) -> RecordBatch:
        """The batch without the faults of cells that the mapping says are empty: ``#N/A``."""
        empty = self._mapping.source.empty
        if not (empty and batch.faults):
            return batch
        kept = tuple(
            one
            for one in batch.faults
            if one.code == INEXACT
            or (at := self._where.get(trim(one.column))) is None
            or trim(batch.frame.item(one.index, at) or "") not in empty
        )
        return replace(batch, faults=kept)

    def _skip(
        self, trimmed: pl.DataFrame, cells: pl.DataFrame, lines: pl.Series, kinds: CellKinds
    ) -> tuple[pl.Series, tuple[Skipped, ...], list[CellFault]]:
        """(which records are left out, as what, filter cells that cannot be read)."""
        rows = self._mapping.rows
        looked_at = [trim(name) for name in (*rows.keep, *rows.drop)]
        unread = {name: kinds.unreadable(name) for name in looked_at}
        named = zip(looked_at, self._filters(), strict=True)
        rules = [(name, test, filters.FILTERED, text) for name, (test, text) in named]
        column, looks = self._totals_look_at()
        if column:
            unread.setdefault(column, kinds.unreadable(column))
        rules += [(column, test, filters.TOTALS, text) for test, text in self._totals()]
        # Its own fields tell what is wrong with a record that only looks like a totals line.
        blind = {row for name in looks for row in kinds.unreadable(name)}
        left_out = pl.repeat(value=False, n=trimmed.height, dtype=pl.Boolean, eager=True)
        found: dict[int, tuple[str, str]] = {}
        for name, test, code, text in rules:
            hit = trimmed.select(test.fill_null(value=False)).to_series()
            if doubtful := list(unread.get(name, blind)):
                # Nobody can say whether such a record is to be left out.
                hit &= ~pl.int_range(trimmed.height, eager=True).is_in(doubtful)
            for index in hit.arg_true():
                found.setdefault(index, (code, text))
            left_out |= hit
        faults = [
            replace(one, column=f"{name} (rows)", message=f"{one.message} (a filter looks at it)")
            for name, cells_of in unread.items()
            for row, one in sorted(cells_of.items())
            if row not in found
        ]
        if not found:
            return left_out, (), faults
        where = sorted(found)
        records = cells[where].rows()
        references = [""] * len(where)
        if self.reference is not None:
            references = trimmed[:, self.reference][where].to_list()
        skipped = tuple(
            Skipped(lines[index], *found[index], reference, record)
            for index, reference, record in zip(where, references, records, strict=True)
        )
        return left_out, skipped, faults

    def _filters(self) -> list[tuple[pl.Expr, str]]:
        rows = self._mapping.rows
        return filters.rules(rows.keep, rows.drop, self._cell)

    def _totals_look_at(self) -> tuple[str, tuple[str, ...]]:
        """(the column that tells a totals line, or "" and those of reference and contacts)."""
        wanted, fields = self._mapping.rows.skip_totals, self._mapping.fields
        if not isinstance(wanted, bool):
            return trim(wanted.column), ()
        told = [one for one in (fields.external_reference, fields.email, fields.phone) if one]
        return "", tuple(trim(name) for one in told for name in one.names)

    def _totals(self) -> list[tuple[pl.Expr, str]]:
        wanted = self._mapping.rows.skip_totals
        if wanted is False:
            return []
        if wanted is not True:
            return [(filters.totals_of(wanted, self._cell), "rows.skip_totals: a totals line")]
        fields = self._mapping.fields
        contacts = [
            self._cell(name)
            for field in (fields.email, fields.phone)
            if field is not None
            for name in field.names
        ]
        names = fields.external_reference.names
        reference = pl.concat_str(*map(self._cell, names)) if names else pl.lit("")
        every = [pl.col(str(index)) for index in range(self._width)]
        test = filters.totals(reference, contacts, every)
        return [(test, "rows.skip_totals: this looks like a line of totals")]

    def _cell(self, name: str) -> pl.Expr:
        return pl.col(str(self._where[trim(name)]))

    def _origin(self) -> pl.Expr:
        """The source cells that the reference is made of, so that two of them are never one."""
        field = self._mapping.fields.external_reference
        if field.columns is not None:
            # Which column it came from counts: two systems may use the same numbers.
            parts = [
                pl.when(self._cell(name) != "").then(
                    pl.concat_str(pl.lit(f"{at}{_UNIT}"), self._cell(name))
                )
                for at, name in enumerate(field.columns)
            ]
            return pl.coalesce(*parts, pl.lit(""))
        # A struct, and no joined text: no cell can pass for the end of one and the next.
        return pl.struct(self._cell(name).alias(str(at)) for at, name in enumerate(field.names))

    def _number_format(self, trimmed: pl.DataFrame, kinds: CellKinds) -> NumberFormat | None:
        balance = self._mapping.fields.balance
        if balance is None or balance.unit != "major":
            return None
        if balance.number_format in money.FORMATS:
            return money.FORMATS[balance.number_format]
        if self._format is None:
            # Only a look at some records: a job looks at the whole column first.
            columns = Columns(trimmed, self._where, TransformReport(), None, kinds)
            return self.detect([(columns.amounts(balance), ())])
        return self._format

    def _label(self, name: str, field: TextField) -> str:
        columns = "+".join(field.names)
        return name if columns in {"", name} else f"{columns} ({name})"


def bind(mapping: Mapping, layout: Layout, number_format: NumberFormat | None = None) -> Bound:
    """Bind a mapping to the header of a file.

    Args:
        mapping: what each field is made of.
        layout: the file's.
        number_format: of the balances, where the mapping says ``auto`` and the whole column was
            looked at; without it each batch is looked at by itself.

    Raises:
        SourceError: the file has no such column, or two of that name.
    """
    header = Counter(trim(name) for name in layout.columns)
    for key, names in _used(mapping):
        for name in names:
            if header[trim(name)] != 1:
                raise _no_column(layout, header, key, name)
    return Bound(mapping, layout, number_format)


def _used(mapping: Mapping) -> Iterable[tuple[str, tuple[str, ...]]]:
    """(key, columns) of everything in the mapping that names columns."""
    for name in type(mapping.fields).model_fields:
        field = getattr(mapping.fields, name)
        if field is not None:
            yield f"fields.{name}", field.names
    phone = mapping.fields.phone
    if phone is not None and phone.region_column is not None:
        yield "fields.phone.region_column", (phone.region_column,)
    for key, field in mapping.metadata.items():
        yield f"metadata.{key}", field.names
    yield "rows.keep", tuple(mapping.rows.keep)
    yield "rows.drop", tuple(mapping.rows.drop)
    if not isinstance(mapping.rows.skip_totals, bool):
        yield "rows.skip_totals", (mapping.rows.skip_totals.column,)


def _no_column(layout: Layout, header: Counter[str], key: str, name: str) -> SourceError:
    if header[trim(name)]:
        return SourceError(
            f"{layout.name}: {header[trim(name)]} columns are called {shown(name)}, which the"
            f" mapping uses in {key}",
            hint=f"rename one of them, or name all columns: --header-row {layout.header_row or 1}"
            ' --header "NAME,NAME,..."',
        )
    outer, _, inner = trim(name).partition(".")
    if inner and header[outer]:
        # jq is what everybody has who has nested JSON; anything else is said by the words.
        moved = f". + {{{json.dumps(trim(name))}: .{trim(name)}}}"
        return SourceError(
            f"{layout.name}: there is no column {shown(name)}, which the mapping uses in {key};"
            f" what stands within {shown(outer)} is not read",
            hint=f"bring it to the top: jq -c {shlex.quote(moved)} FILE > FILE.jsonl",
        )
    same = [one for one in header if one.casefold() == trim(name).casefold()]
    near = same or difflib.get_close_matches(trim(name), list(header), n=1, cutoff=0.5)
    listed = ", ".join(shown(one) for one in list(header)[:_NAMED])
    return SourceError(
        f"{layout.name}: there is no column {shown(name)}, which the mapping uses in {key}",
        hint=f"did you mean {shown(near[0])}?" if near else f"the columns are {listed}",
    )


def _faults(made: dict[str, Made]) -> list[CellFault]:
    return [
        CellFault(one.index, name, one.code, one.message)
        for name, column in made.items()
        for one in column.errors
    ]
