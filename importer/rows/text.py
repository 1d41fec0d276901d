"""How cell text is trimmed, and how a value is shown in a message: masked. Pure.

Personal data is masked, so that messages can speak about a value without showing it. A mask never
holds the value, nor its length; it leaves just enough to find the row by.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


STARS = "***"
MASKED = "[masked]"
SHORTEST_REDACTED = 3
"""Shorter values would mask half of every message."""

_SHORTEST_SHOWN = 3
_SHORTEST_PHONE = 8
_TOP_LEVEL = re.compile(r"[a-zA-Z]{2,12}\Z")
_PHONE = re.compile(r"\+[1-9][0-9]+\Z")
_TWO_DIGIT_CODES = frozenset(
    str(code)
    for code in (
        *(20, 27, 36, 39, 81, 82, 84, 86, 98),
        *(*range(30, 35), 40, 41, *range(43, 50), *range(51, 59), *range(60, 67), *range(90, 96)),
    )
)
"""ITU-T E.164 country codes of two digits; 1 and 7 have one digit, all others three."""


def mask_text(value: str) -> str:
    """The first letter or digit and stars; stars alone for short values."""
    return _kept(_initial(value) + STARS, value)


def mask_words(value: str) -> str:
    """Each word masked by itself, the signs between them kept: ``J*** S***, A***``."""
    parts = re.split(r"([\s,;/&()]+)", value)
    shown = "".join(one if at % 2 or not one else mask_text(one) for at, one in enumerate(parts))
    return _kept(shown, value)


def mask_email(value: str) -> str:
    """``j***@e***.com``; stars for every part that is not as expected."""
    local, at, domain = value.rpartition("@")
    if not at:
        return mask_text(value)
    name, dot, top = domain.rpartition(".")
    ending = f".{top}" if dot and _TOP_LEVEL.match(top) else ""
    return _kept(f"{_initial(local)}{STARS}@{_initial(name)}{STARS}{ending}", value)


def mask_phone(value: str) -> str:
    """``+27***01``: the country code and the last two digits of an international number.

    Anything else keeps its last two digits only, and a short one nothing.
    """
    if len(value) < _SHORTEST_PHONE:
        return STARS
    ending = value[-2:] if value[-2:].isascii() and value[-2:].isdigit() else ""
    code = f"+{_country_code(value[1:])}" if _PHONE.match(value) else ""
    return _kept(code + STARS + ending, value)


def redact(text: str, values: Iterable[str]) -> str:
    """``text`` with every occurrence of any value replaced by ``[masked]``.

    Upper and lower case are the same here; values that overlap in the text are masked together.
    A phone number is found without its ``+`` too. Values of fewer than 3 characters are left.
    """
    wanted = {form for value in values for form in (value, value.strip(), value.lstrip("+"))}
    needles = sorted(
        (value for value in wanted if len(value) >= SHORTEST_REDACTED), key=len, reverse=True
    )
    if not needles:
        return text
    # The look-ahead finds occurrences that overlap; the longest value wins at each place.
    pattern = re.compile(f"(?=({'|'.join(map(re.escape, needles))}))", re.IGNORECASE)
    parts: list[str] = []
    done = 0
    open_until = -1
    for match in pattern.finditer(text):
        start, end = match.span(1)
        if start > open_until:
            parts += [text[done:start], MASKED]
        open_until = done = max(end, done)
    return "".join([*parts, text[done:]])


def _initial(value: str) -> str:
    return value[0] if len(value) >= _SHORTEST_SHOWN and value[0].isalnum() else ""


def _country_code(digits: str) -> str:
    if digits[0] in "17":
        return digits[0]
    return digits[:2] if digits[:2] in _TWO_DIGIT_CODES else digits[:3]


def _kept(masked: str, value: str) -> str:
    # A value that is made of stars itself, or nearly, must not come through by accident.
    return STARS if value.strip().casefold() in masked.casefold() else masked


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
    escaped = text[:limit]
    if not escaped.isprintable() or '"' in escaped:
        escaped = "".join(_visible(character) for character in escaped)
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
