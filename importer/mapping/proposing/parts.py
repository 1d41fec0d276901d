"""Which column of a file plays which part: its name and its values, weighed together. Pure."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

import polars as pl

from importer.mapping.proposing.headers import roles
from importer.values import record

if TYPE_CHECKING:
    from importer.mapping.proposing.facts import ColumnFacts, Facts
    from importer.mapping.proposing.headers import Role
    from importer.mapping.proposing.proposal import Confidence


# The share of cells that must have the shape of a part, where the part has one.
_NEEDED: dict[Role, tuple[str, float]] = {
    # Also several in one cell: check tells of them, and a column left out would lose all.
    "email": ("at", 0.5),
    "phone": ("phone", 0.5),
    "balance": ("amount", 0.5),
    "debit": ("amount", 0.5),
    "credit": ("amount", 0.5),
    "date": ("date", 0.5),
}
_BY_VALUES: tuple[tuple[Role, str], ...] = (("email", "email"), ("currency", "currency"))
"""Parts that values alone give away."""
SURE = 0.9
_BY_NUMBERS = 0.6
_FAR = 0.4
"""A candidate whose weight is so much smaller is no rival."""
BY_VALUES = 0.4
"""The weight of a column whose name says nothing."""


@record
class Parts:
    """The columns of each part, best first."""

    facts: Facts
    by_role: dict[Role, list[tuple[float, ColumnFacts]]] = field(default_factory=dict)

    def best(self, role: Role) -> ColumnFacts | None:
        """The column that plays a part best; None where none does."""
        return next(iter(self.all(role)), None)

    def all(self, role: Role) -> list[ColumnFacts]:
        """All columns of a part, best first."""
        return [column for _, column in self.by_role.get(role, ())]

    def weight(self, role: Role, column: ColumnFacts) -> float:
        """How well a column plays a part, from 0 to 1."""
        return next((score for score, one in self.by_role.get(role, ()) if one is column), 0.0)

    def rivals(self, role: Role, column: ColumnFacts) -> list[ColumnFacts]:
        """Other columns that may play the part as well, and hold other values."""
        least = self.weight(role, column) - _FAR
        cells = self.facts.sample[column.name]
        return [
            one
            for score, one in self.by_role.get(role, ())
            if one is not column
            and score > least
            and one.filled
            and not cells.equals(self.facts.sample[one.name])
        ]

    def confidence(self, role: Role, column: ColumnFacts) -> Confidence:
        """How sure the part of a column is; a near rival takes the certainty away."""
        sure = self.weight(role, column) >= SURE and not self.rivals(role, column)
        return "high" if sure else "medium"


def assign(facts: Facts) -> Parts:
    """Give each column the part that fits it best, at most one.

    A name without fitting values counts for nothing: a column ``Phone`` full of ``yes`` is none.
    """
    parts = Parts(facts)
    for column in facts.columns:
        found = _fitting(column)
        if found:
            role = max(found, key=lambda one: found[one])
            parts.by_role.setdefault(role, []).append((found[role], column))
    for listed in parts.by_role.values():
        listed.sort(key=lambda one: -one[0])
    _settle_names(parts)
    return parts


def _fitting(column: ColumnFacts) -> dict[Role, float]:
    found: dict[Role, float] = {}
    for role, weight in roles(column.name).items():
        shape, needed = _NEEDED.get(role, ("", 0.0))
        if not shape or not column.sampled or column.share(shape) >= needed:
            found[role] = weight
    if column.sampled and column.share("integer") >= SURE and "full_name" in found:
        # "Kunde" or "Customer" over nothing but numbers is the number of the customer.
        found["reference"] = min(found.pop("full_name"), _BY_NUMBERS)
    for role, shape in _BY_VALUES:
        if role not in found and column.sampled and column.share(shape) >= SURE:
            found[role] = BY_VALUES
    return found


def _settle_names(parts: Parts) -> None:
    """``Name`` beside ``Vorname`` is the family name, as German and Dutch exports have it.

    Not where its cells hold the first name too.
    """
    first = parts.best("first_name")
    if first is None or parts.best("last_name") is not None:
        return
    whole = parts.by_role.get("full_name", [])
    if whole and share_within(parts, first, whole[0][1]) < _MOSTLY:
        parts.by_role["last_name"] = whole[:1]
        parts.by_role["full_name"] = whole[1:]


_MOSTLY = 0.5
_LOOKED_AT = 5_000


def share_within(parts: Parts, first: ColumnFacts, name: ColumnFacts) -> float:
    """In how many records, 0 to 1, a name begins or ends with the first name beside it."""
    sample = parts.facts.sample.select(first=first.name, name=name.name)
    both = sample.filter(pl.all_horizontal(pl.all() != "")).head(_LOOKED_AT)
    if not both.height:
        return 0.0
    within = sum(_is_within(*row) for row in both.iter_rows())
    return within / both.height


def _is_within(first: str, name: str) -> bool:
    given, words = (re.findall(r"\w+", text.casefold()) for text in (first, name))
    size = len(given)
    return 0 < size < len(words) and given in (words[:size], words[-size:])
