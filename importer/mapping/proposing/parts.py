"""Which column of a file plays which part: its name and its values, weighed together. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from importer.mapping.proposing.headers import roles

if TYPE_CHECKING:
    from importer.mapping.proposing.facts import ColumnFacts, Facts
    from importer.mapping.proposing.headers import Role
    from importer.mapping.proposing.proposal import Confidence


# The share of cells that must have the shape of a part, where the part has one.
_NEEDED: dict[Role, tuple[str, float]] = {
    "email": ("email", 0.5),
    "phone": ("phone", 0.5),
    "balance": ("amount", 0.5),
    "date": ("date", 0.5),
}
_BY_VALUES: tuple[tuple[Role, str], ...] = (("email", "email"), ("currency", "currency"))
"""Parts that values alone give away."""
_SURE = 0.9


@dataclass(slots=True)
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

    def confidence(self, role: Role, column: ColumnFacts) -> Confidence:
        """How sure the part of a column is."""
        score = next((score for score, one in self.by_role[role] if one is column), 0.0)
        return "high" if score >= _SURE else "medium"


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
    for role, shape in _BY_VALUES:
        if role not in found and column.sampled and column.share(shape) >= _SURE:
            found[role] = 0.7
    return found


def _settle_names(parts: Parts) -> None:
    """``Name`` beside ``Vorname`` is the family name, as German and Dutch exports have it."""
    if parts.by_role.get("first_name") and not parts.by_role.get("last_name"):
        whole = parts.by_role.pop("full_name", [])
        if whole:
            parts.by_role["last_name"] = whole[:1]
            parts.by_role["full_name"] = whole[1:]
