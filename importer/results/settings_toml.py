"""Settings of a mapping file as TOML to paste: sections, keys, values, a word on each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.mapping.toml_text import noted

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_INLINE = 4
"""Pairs of a value map that stand on one line; more get a table of their own."""
VALUES = "values"


@dataclass(frozen=True, slots=True)
class Setting:
    """One entry of a mapping file."""

    section: str
    """For example ``fields.currency``."""
    key: str
    value: str
    """As ``toml_text`` writes it; for ``values`` one pair, without the braces."""
    note: str = ""
    """A comment: what to check before it is taken over."""

    def __str__(self) -> str:
        """The entry on one line, without its note."""
        return f"{self.key} = {{ {self.value} }}" if self.key == VALUES else _entry(self)


def as_toml(settings: Iterable[Setting]) -> str:
    """The settings by section, each once, in the order in which they come; "" for none."""
    sections: dict[str, list[Setting]] = {}
    for one in dict.fromkeys(settings):
        kept = sections.setdefault(one.section, [])
        # Two notes on one key, or two values for it: the more frequent error came first.
        if one.key == VALUES or all(one.key != other.key for other in kept):
            kept.append(one)
    return "\n".join(line for name, kept in sections.items() for line in _section(name, kept))


def _section(name: str, settings: list[Setting]) -> list[str]:
    pairs = [one for one in settings if one.key == VALUES]
    plain = [noted(_entry(one), one.note) for one in settings if one.key != VALUES]
    notes = "; ".join(dict.fromkeys(one.note for one in pairs if one.note))
    if len(pairs) > MOST_INLINE:
        table = [noted(one.value, one.note) for one in pairs]
        return [*([f"[{name}]", *plain] if plain else []), f"[{name}.{VALUES}]", *table]
    if pairs:
        inside = ", ".join(one.value for one in pairs)
        plain.append(noted(f"{VALUES} = {{ {inside} }}", notes))
    return [f"[{name}]", *plain]


def _entry(setting: Setting) -> str:
    return f"{setting.key} = {setting.value}"
