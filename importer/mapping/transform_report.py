"""What the transforms of a mapping did, with a few masked examples: none of them acts unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from importer.rows.header_fields import PREFIX
from importer.rows.text import mask_email, mask_phone, mask_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl


EXAMPLES = 3
_OPEN = frozenset({"external_reference", "currency", "balance"})
"""Fields whose values are no personal data, and tell nothing when masked."""


class Transformed(NamedTuple):
    """One transform of one field."""

    name: str
    """The key in the mapping that asked for it."""
    column: str
    """The field that it made."""
    changed: int
    """Records whose value is another than before."""
    examples: tuple[tuple[str, str], ...]
    """(before, after), masked."""


class TransformReport:
    """Counts as the batches go by."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Transformed] = {}

    def note(self, name: str, column: str, before: pl.Series, after: pl.Series) -> None:
        """Count the cells that differ; what became nothing is an error, and no change."""
        differ = (before != after).fill_null(value=False)
        changed = int(differ.sum())
        held = self._found.get((name, column), Transformed(name, column, 0, ()))
        examples = held.examples
        if changed and len(examples) < EXAMPLES:
            some = differ.arg_true()[: EXAMPLES - len(examples)]
            pairs = zip(before.gather(some), after.gather(some), strict=True)
            examples += tuple((masked(column, old), masked(column, new)) for old, new in pairs)
        self._found[name, column] = held._replace(changed=held.changed + changed, examples=examples)

    def count(self, name: str, column: str, changed: int) -> None:
        """Count what has no values to show."""
        held = self._found.get((name, column), Transformed(name, column, 0, ()))
        self._found[name, column] = held._replace(changed=held.changed + changed)

    def all(self) -> tuple[Transformed, ...]:
        """Every transform that changed something, in the order of the mapping."""
        return tuple(one for one in self._found.values() if one.changed)


def merged(found: Iterable[Transformed]) -> tuple[Transformed, ...]:
    """The same transform of several files as one: counts are added, examples kept to a few."""
    every: dict[tuple[str, str], Transformed] = {}
    for one in found:
        held = every.get((one.name, one.column), one._replace(changed=0, examples=()))
        every[one.name, one.column] = held._replace(
            changed=held.changed + one.changed,
            examples=(*held.examples, *one.examples)[:EXAMPLES],
        )
    return tuple(every.values())


def masked(column: str, value: str | None) -> str:
    """A value as an example shows it."""
    if not value:
        return '""'
    if column in _OPEN:
        return f'"{value}"'
    if column == "email":
        return mask_email(value)
    if column == "phone":
        return mask_phone(value)
    return mask_text(value) if column == "name" or column.startswith(PREFIX) else "***"
