"""Writes TOML 1.0: the one place where a text of a file becomes part of a mapping. Pure.

Cells, headers and names of sheets and files may hold quotes, line breaks and whole tables; here
they stay values and comments, whatever they hold.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH = 100
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_NO_CHARACTER = "\ufffd"


def quoted(text: str) -> str:
    """A basic string on one line; half a surrogate pair, which TOML cannot hold, is U+FFFD."""
    return '"' + "".join(map(_escaped, text)) + '"'


def key(text: str) -> str:
    """A key, in quotes where it needs them."""
    return text if _BARE.match(text) else quoted(text)


def value(given: Any) -> str:
    """A string, boolean, number, list or table on one line."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        return quoted(given)
    if isinstance(given, dict):
        pairs = ", ".join(f"{key(str(name))} = {value(one)}" for name, one in given.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(given, (list, tuple)):
        return "[" + ", ".join(value(one) for one in given) + "]"
    return str(given)


def entry(name: str, given: Any, note: str = "") -> str:
    """``name = value`` on one line, with a comment behind it."""
    return noted(f"{key(name)} = {value(given)}", note)


def entries(table: dict[str, Any]) -> list[str]:
    """The lines of a table without its header."""
    return [entry(name, one) for name, one in table.items()]


def header(names: Iterable[str]) -> str:
    """The line that begins a table."""
    return "[" + ".".join(map(key, names)) + "]"


def noted(line: str, note: str) -> str:
    """A line with a comment behind it, if there is one."""
    return f"{line}  # {one_line(note)}" if note else line


def comment(text: str) -> list[str]:
    """Lines of at most 100 signs, each a comment; what hangs below a dash is indented."""
    plain = one_line(text)
    indent = "#   " if plain.lstrip().startswith("- ") else "# "
    return textwrap.wrap(
        plain,
        WIDTH,
        initial_indent="# ",
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
        drop_whitespace=True,
    )


def one_line(text: str) -> str:
    """The text without anything that could end the comment that it stands in."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    if sign == "\t":
        return "\\t"
    if sign.isprintable():
        return sign
    return _NO_CHARACTER if "\ud800" <= sign <= "\udfff" else f"\\U{ord(sign):08X}"
