"""The mapping file as typed models (docs/mapping.md says what each key does).

A template such as ``{first_name} {last_name}`` joins columns; there is no code in it. Pure.
"""

from __future__ import annotations

import functools
import operator
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from pydantic import model_validator as validates

from importer.mapping.money.money_format import FORMATS
from importer.mapping.updates import KEY, Policy, Updates, updates_of
from importer.rows.api_limits import MAX_METADATA_KEY, MAX_METADATA_KEYS, MAX_METADATA_VALUE
from importer.rows.currencies import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Callable


_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_BLANKS = r"\s+"


class Part(NamedTuple):
    """A piece of a template: a column's name, or text as it stands."""

    text: str
    is_column: bool


def parse(template: str) -> tuple[Part, ...]:
    """The parts of a template; ``{{`` and ``}}`` are braces.

    Raises:
        ValueError: a brace stands alone, a name is empty, or no column is named.
    """
    parts: list[Part] = []
    for found in _TOKEN.finditer(template):
        token = found.group()
        if token in {"{", "}"}:
            raise ValueError(
                f"the {token!r} at position {found.start() + 1} stands alone; write {token * 2} for"
                " a brace"
            )
        if token in {"{{", "}}"}:
            parts.append(Part(token[0], is_column=False))
        elif found.group(1) is None:
            parts.append(Part(token, is_column=False))
        elif not found.group(1).strip():
            raise ValueError(f"the braces at position {found.start() + 1} name no column")
        else:
            parts.append(Part(found.group(1), is_column=True))
    if not any(part.is_column for part in parts):
        raise ValueError("it names no column; for a fixed text use constant")
    return tuple(parts)


def joined(parts: tuple[Part, ...], cell: Callable[[str], pl.Expr]) -> pl.Expr:
    """The text of each row; ``cell`` gives a column, trimmed, "" where it is empty.

    Where a part is empty the blanks around it become one; where all are, there is no text at all.
    """
    whole = pl.concat_str(
        *(cell(part.text) if part.is_column else pl.lit(part.text) for part in parts)
    )
    empty = [cell(part.text) == "" for part in parts if part.is_column]
    collapsed = whole.str.replace_all(_BLANKS, " ").str.strip_chars()
    return (
        pl.when(functools.reduce(operator.and_, empty))
        .then(pl.lit(""))
        .when(functools.reduce(operator.or_, empty))
        .then(collapsed)
        .otherwise(whole)
    )


AUTO = "auto"
_SOURCES = ("column", "columns", "template", "constant")


def _template(text: str) -> str:
    parse(text)
    return text


def _region(code: str) -> str:
    import phonenumbers  # noqa: PLC0415 - only a mapping with a region needs it

    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{code!r} is no region; give an ISO 3166 code in capitals, such as ZA")
    return code


def _number_format(name: str) -> str:
    if name not in (*FORMATS, AUTO):
        known = ", ".join(f'"{one}"' for one in (*FORMATS, AUTO))
        raise ValueError(f"{name!r} is no number format; give one of {known}")
    return name


def _delimiter(given: str) -> str:
    """As the command line takes it: one character, or the word ``tab``."""
    return "\t" if given in {"tab", "\\t"} else given


def _named(name: str) -> str:
    if not name.strip():
        raise ValueError("a column needs a name")
    return name


ColumnName = Annotated[StrictStr, AfterValidator(_named)]
Region = Annotated[StrictStr, AfterValidator(_region)]


class Strict(BaseModel):
    """Knows all its keys, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TextField(Strict):
    """Where a field's text comes from, and what is done with it."""

    column: ColumnName | None = None
    columns: Annotated[tuple[ColumnName, ...], Field(min_length=1)] | None = None
    """The first that is not empty counts."""
    template: Annotated[StrictStr, AfterValidator(_template)] | None = None
    constant: StrictStr | None = None
    values: dict[StrictStr, StrictStr] = {}
    """Exact texts that become others."""
    default: StrictStr | None = None
    """Where nothing is left."""
    nfc: StrictBool = False

    @validates(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        own = self._own_sources()
        if len(given) + bool(own) > 1:
            raise ValueError(f"{' and '.join((*given, *own))} exclude each other; keep one")
        if not given and not own:
            raise ValueError(f"say where the text comes from: one of {', '.join(_SOURCES)}")
        return self

    def _own_sources(self) -> tuple[str, ...]:
        """Further keys that say where the text comes from, as far as they are given."""
        return ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that the text is made of, in order."""
        if self.template is not None:
            return tuple(part.text for part in parse(self.template) if part.is_column)
        if self.columns is not None:
            return self.columns
        return () if self.column is None else (self.column,)


class EmailField(TextField):
    """An e-mail address."""

    lowercase_domain: StrictBool = False
    punycode: StrictBool = False
    on_invalid: Literal["error", "drop"] = "error"


class ReferenceField(TextField):
    """The reference."""

    sanitise: Literal["escape", "apostrophe"] | None = None

    @validates(mode="after")
    def _own(self) -> Self:
        for key in ("constant", "default"):
            if getattr(self, key) is not None:
                raise ValueError(f"every customer needs a reference of their own; leave {key} out")
        return self


class PhoneField(TextField):
    """A phone number; a region switches the change to E.164 on."""

    region: Region | None = None
    region_column: ColumnName | None = None
    regions: dict[StrictStr, Region] = {}
    """The countries of texts in that column that are no ISO 3166 codes: ``Deutschland``."""
    on_invalid: Literal["error", "drop"] = "error"

    @property
    def converts(self) -> bool:
        """Whether numbers are read by a country's plan."""
        return self.region is not None or self.region_column is not None


class CurrencyField(TextField):
    """A currency."""

    @validates(mode="after")
    def _known(self) -> Self:
        for text in (self.constant, self.default, *self.values.values()):
            if text and text not in ACTIVE:
                raise ValueError(f"{text!r} is not an active ISO 4217 code")
        return self


class BalanceField(TextField):
    """An amount, in one column or in a debit and a credit column."""

    debit: ColumnName | None = None
    """What the customer owes; together with ``credit``."""
    credit: ColumnName | None = None
    """What the customer has."""
    unit: Literal["minor", "major"] = "minor"
    number_format: Annotated[StrictStr, AfterValidator(_number_format)] = AUTO
    positive: Literal["debit", "credit"] = "debit"

    @validates(mode="after")
    def _both_sides(self) -> Self:
        if (self.debit is None) != (self.credit is None):
            raise ValueError("debit and credit belong together; name both columns")
        if self.debit is not None and self.positive == "credit":
            raise ValueError("debit and credit say themselves what is owed; leave positive out")
        if self.debit is not None and self.default not in {None, "0"}:
            raise ValueError("beside debit and credit it can be 0 only: nothing is owed")
        return self

    def _own_sources(self) -> tuple[str, ...]:
        return tuple(name for name in ("debit", "credit") if getattr(self, name) is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that the amount is made of, in order."""
        if self.debit is None or self.credit is None:
            return super().names
        return (self.debit, self.credit)

    @property
    def sides(self) -> tuple[BalanceField, ...]:
        """The columns as amounts of their own: debit and credit, or this one."""
        if self.debit is None:
            return (self,)
        alone: dict[str, Any] = {"debit": None, "credit": None, "default": None}
        return (
            self.model_copy(update={**alone, "column": self.debit}),
            self.model_copy(update={**alone, "column": self.credit, "positive": "credit"}),
        )

    @property
    def detects(self) -> bool:
        """Whether the whole column must be looked at first."""
        return self.unit == "major" and self.number_format == AUTO and bool(self.names)


class Fields(Strict):
    """The fields of a customer."""

    external_reference: ReferenceField
    name: TextField | None = None
    email: EmailField | None = None
    phone: PhoneField | None = None
    currency: CurrencyField | None = None
    balance: BalanceField | None = None


class SourceSection(Strict):
    """How the file is read."""

    encoding: StrictStr | None = None
    delimiter: Annotated[StrictStr, AfterValidator(_delimiter)] | None = None
    sheet: StrictStr | None = None
    header_row: Annotated[StrictInt, Field(ge=1)] | None = None
    """The line of the header; None = the first that holds anything."""
    header: StrictStr | None = None
    """The names of the columns, joined by commas, where no line of the file has them."""
    empty: tuple[Annotated[StrictStr, Field(min_length=1)], ...] = ()
    """Texts that stand for an empty cell, such as ``NULL``."""
    text_formulas: StrictBool = False
    """Whether a cell ``="0042"`` is the text ``0042``."""


Texts = StrictStr | tuple[StrictStr, ...]


class Totals(Strict):
    """Which lines are totals."""

    column: ColumnName
    starts_with: Texts


class RowsSection(Strict):
    """Which records are customers."""

    keep: dict[ColumnName, Texts] = {}
    drop: dict[ColumnName, Texts] = {}
    skip_totals: StrictBool | Totals = False
    edges: Literal["stop", "keep", "skip"] | None = None
    """What is done with lines at the edges of a file that look like no customers."""


class UpdateSection(Strict):
    """Which fields of a customer follow the source, and who wins; nothing does unasked."""

    name: Policy | None = None
    email: Policy | None = None
    phone: Policy | None = None
    currency: Policy | None = None
    balance: Policy | None = None
    metadata: Policy | dict[StrictStr, Policy] | None = None
    """Of all keys, or of each; ``"*"`` are those that have none of their own."""

    @validates(mode="after")
    def _known(self) -> Self:
        updates_of(self._named())
        return self

    @property
    def rules(self) -> Updates:
        """The policies by field, as ``--update`` gives them."""
        return updates_of(self._named())

    def _named(self) -> dict[str, str]:
        given = self.model_dump(exclude_none=True)
        metadata = given.pop("metadata", {})
        if isinstance(metadata, str):
            return {**given, "metadata": metadata}
        keys = {KEY + key: policy for key, policy in metadata.items() if key != _OTHERS}
        others = {"metadata": metadata[_OTHERS]} if _OTHERS in metadata else {}
        return {**given, **others, **keys}


_OTHERS = "*"
MetadataKey = Annotated[StrictStr, Field(min_length=1, max_length=MAX_METADATA_KEY)]


def _mark(value: str) -> str:
    if not value.strip():
        raise ValueError("an empty text marks nobody; a value cannot be removed in Moment")
    return value


MarkValue = Annotated[StrictStr, Field(max_length=MAX_METADATA_VALUE), AfterValidator(_mark)]


class VanishedSection(Strict):
    """How customers are marked that the source no longer has; nobody is unasked."""

    metadata: Annotated[dict[MetadataKey, MarkValue], Field(max_length=MAX_METADATA_KEYS)] = {}


class Mapping(Strict):
    """A whole mapping file."""

    version: Literal[1]
    preset: StrictStr | None = None
    run: dict[StrictStr, Any] = {}
    """Settings of a run; the command line knows their types."""
    guard: dict[StrictStr, Any] = {}
    """The volume guard's; the same."""
    notify: dict[StrictStr, Any] = {}
    """Who is told; the same."""
    source: SourceSection = SourceSection()
    fields: Fields
    metadata: dict[MetadataKey, TextField] = {}
    rows: RowsSection = RowsSection()
    update: UpdateSection = UpdateSection()
    vanished: VanishedSection = VanishedSection()
