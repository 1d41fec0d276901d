"""How cell text is trimmed, and how a value is shown in a message. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

INVISIBLE_SPACES = "\u200b\u2060\ufeff"
"""Zero width space, word joiner, byte order mark: pasted along unseen, no part of any value."""

TRIMMED = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000" + INVISIBLE_SPACES
)
"""Every character that is trimmed: those of ``str.isspace`` and the three invisible ones."""

SHOWN = 40
"""Characters of a value that a message shows."""
CHARACTERS_NAMED = 5
"""Wrong characters that one hint names."""


def trim(text: str) -> str:
    """``text`` without the whitespace around it: ``TRIMMED``, at both ends, nothing inside.

    Joiners and direction marks are no whitespace: they stay, and break a rule where they may not.
    """
    stripped = text.strip()
    return stripped if stripped.isascii() else stripped.strip(TRIMMED)


def shown(text: str, limit: int = SHOWN) -> str:
    """``text`` in double quotes, at most ``limit`` characters, what cannot be printed escaped."""
    cut = text[:limit]
    escaped = "".join(_visible(character) for character in cut)
    return f'"{escaped}…"' if len(text) > limit else f'"{escaped}"'


def character_name(character: str) -> str:
    """A character for a hint: ``"/"`` where it can be seen, else ``U+00A0 NO-BREAK SPACE``."""
    if character == " ":
        return "a space"
    if character.isprintable() and not unicodedata.combining(character):
        return f'"{character}"'
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def wrong_characters(text: str, allowed: Callable[[str], object]) -> str:
    """The first characters that are not allowed, each with its position from 1; "" if none."""
    wrong = [(place, one) for place, one in enumerate(text, 1) if not allowed(one)]
    named = [f"{character_name(one)} at position {place}" for place, one in wrong]
    more = len(named) - CHARACTERS_NAMED
    return ", ".join(named[:CHARACTERS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _visible(character: str) -> str:
    if character.isprintable() and character != '"':
        return character
    return character.encode("unicode_escape").decode() if character != '"' else '\\"'
