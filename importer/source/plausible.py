"""How plausible a text is: whether letters stand where letters stand, and fit together. Pure.

A wrong single-byte encoding betrays itself by shape: capitals after small letters, signs within
words, control characters. The points are relative; ``detect`` compares them.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WRONG = -4.0
"""A character that cannot stand where it stands."""
_COMMON = frozenset("éèêëáàâäãåíïóòôöøúüñçßæÉÖÜÄÅÁÓØÑÇÍÈ")
"""Most names of western Europe, Latin America and southern Africa need no others."""
_RARE = frozenset("ÿƒıªºµ")
_BETWEEN_LETTERS = frozenset("’‘´·-\u00ad")
_BESIDE_DIGITS = frozenset("°ºª²³½¼¾€£§%¥×±№")
_USUAL_SIGNS = frozenset("½¼¾“”„‘’‚–—…•«»°€£§™®©\u00a0¿¡№")
_ALPHABETS = tuple(
    frozenset(letters)
    for letters in (
        "àâæçéèêëîïôœùûü",  # French
        "äöüß",  # German
        "áéíóúüñ",  # Spanish
        "áâãàçéêíóôõú",  # Portuguese
        "àèéìíòóùú",  # Italian
        "åäöæøé",  # Danish, Norwegian, Swedish
        "áéíóúýþðæö",  # Icelandic
        "áäéèëêïíîöóôúûü",  # Afrikaans, Dutch
        "áčďéěíňóřšťúůýžľĺŕôä",  # Czech, Slovak
        "ąćęłńóśźż",  # Polish
        "áéíóöőúüű",  # Hungarian
        "ăâîşţ",  # Romanian
        "čćđšž",  # Croatian, Serbian, Slovene
    )
)


def languages(letters: Iterable[str]) -> int:
    """How many alphabets it takes to write these letters beyond ASCII, about."""
    left = {one.lower() for one in letters if one.isalpha() and not one.isascii()}
    number = 0
    while left:
        most = max(_ALPHABETS, key=lambda alphabet: len(left & alphabet))
        if not left & most:
            return number + len(left)
        left -= most
        number += 1
    return number


def plausibility(word: str) -> tuple[float, int]:
    """Points, and the number of characters beyond ASCII that they are for."""
    points = 0.0
    count = 0
    for index, one in enumerate(word):
        if one.isascii():
            continue
        count += 1
        before = word[index - 1] if index else " "
        after = word[index + 1] if index + 1 < len(word) else " "
        points += _letter(one, before, after) if one.isalpha() else _sign(one, before, after)
    return points, count


def _letter(one: str, before: str, after: str) -> float:
    script = _script(one)
    near = [other for other in (before, after) if other.isalpha()]
    if any(_script(other) != script for other in near):
        return WRONG
    points = _weight(one, script)
    if (one.isupper() and before.islower()) or (one.islower() and after.isupper()):
        return WRONG
    if before.isdigit() or after.isdigit():
        points -= 1.5
    if one.islower() and not before.isalpha():
        points -= 0.7  # names begin with a capital
    if one.isupper() and before.isupper() and after.islower():
        points -= 1.5
    if not near:
        points -= 1.5
    if script == "LATIN":
        beyond = sum(not other.isascii() for other in near)
        points -= (0.0, 0.8, 4.0)[beyond]  # Latin words are mostly ASCII letters
    return points


def _weight(one: str, script: str) -> float:
    if script == "LATIN":
        return 2.0 if one in _COMMON else 0.2 if one in _RARE else 1.0
    return 1.5 if script == "CYRILLIC" else 0.5


def _sign(one: str, before: str, after: str) -> float:
    if unicodedata.category(one) in {"Cc", "Cs", "Co", "Cn", "So"} and one not in _USUAL_SIGNS:
        return WRONG
    if before.isalpha() and after.isalpha():
        return 1.8 if one in _BETWEEN_LETTERS else WRONG
    if one in _BESIDE_DIGITS and (before.isdigit() or after.isdigit()):
        return 1.5
    if one in _USUAL_SIGNS:
        return 0.5 if not (before.isalpha() and one == "¿") else WRONG
    return -1.0


@lru_cache(maxsize=1024)
def _script(one: str) -> str:
    """``LATIN``, ``CYRILLIC`` ..., from the character's name."""
    return unicodedata.name(one, "NONE").partition(" ")[0] if one.isalpha() else ""
