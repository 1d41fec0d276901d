"""How messages call sources and columns. Pure."""

from __future__ import annotations

from importer.errors import printable

STANDARD_INPUT = "-"
_SHOWN = 60


def source_name(name: str) -> str:
    """A source as messages call it."""
    return "standard input" if name == STANDARD_INPUT else name


def column_name(name: str) -> str:
    """A column's name in double quotes, cut, what cannot be printed escaped."""
    cut = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
    return f'"{printable(cut)}"'


def numbered_column(columns: tuple[str, ...], index: int) -> str:
    """``column "name"``, or ``cell N`` beyond the header; ``index`` counts from 0."""
    if index < len(columns):
        return f"column {column_name(columns[index])}"
    return f"cell {index + 1}"


def called(encoding: str) -> str:
    """An encoding as messages call it."""
    return "UTF-8" if encoding == "utf-8" else encoding
