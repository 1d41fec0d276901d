"""Joins columns by a template such as ``{first_name} {last_name}``: no code in it. Pure."""

from __future__ import annotations

import functools
import operator
import re
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

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
