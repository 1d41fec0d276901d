"""Tells which legacy encoding a text is in, or that it cannot be told. Pure.

Each candidate reads the sampled words. Candidates that read them all alike are one reading. The
best reading counts if it makes sense and every other one makes clearly less, where they differ;
otherwise the choice is the user's. (charset-normalizer took short French and German names for
Windows-1250 and Mac OS Roman for Greek: lists of names are too little text for it.)

Collects what tells the encoding of a text, over the whole of it and in bounded memory. Pure.

How plausible a text is: whether letters stand where letters stand, and fit together. Pure.

A wrong single-byte encoding betrays itself by shape: capitals after small letters, signs within
words, control characters. The points are relative; ``detect`` compares them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_ASCII = bytes(range(0x80))
# From the beginning of a word on, so that a long one without such a byte is looked at once.
_WORD = re.compile(rb"(?<![A-Za-z0-9'\x80-\xff])[A-Za-z0-9']*+[\x80-\xff][A-Za-z0-9'\x80-\xff]*+")
_MOST_WORDS = 5_000
_MOST_LINES = 20_000
"""Lines whose words are all looked at."""
_BESIDE = 20
"""Bytes of a word that are kept before and after the first byte that is not ASCII."""
_EACH = 20
"""Words with one byte value that are kept however many others there are."""


@dataclass(slots=True)
class Sample:
    """The words with bytes beyond ASCII, where each byte was first seen, and which lines are UTF-8.

    Every byte value of the text is in it, also one that occurs once at the end of a large file.
    """

    words: Counter[bytes] = field(default_factory=Counter)
    first: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Byte value -> the first line with it, and the word."""
    utf8: int = 0
    """Lines beyond ASCII that are UTF-8."""
    utf8_line: int = 0
    """The first of them."""
    other: int = 0
    """Lines that are no UTF-8."""
    other_line: int = 0
    _seen: Counter[int] = field(default_factory=Counter)
    _often: bytes = b""
    _known: bytes = _ASCII

    def add(self, text: bytes, first_line: int) -> None:
        """Look at whole lines, the first of which is ``first_line``."""
        if text.isascii():
            return
        for line, content in enumerate(text.split(b"\n"), first_line):
            if not content.isascii():
                self._line(line, content)

    def _line(self, line: int, content: bytes) -> None:
        try:
            content.decode()
        except UnicodeDecodeError:
            self.other += 1
            self.other_line = self.other_line or line
        else:
            self.utf8 += 1
            self.utf8_line = self.utf8_line or line
            return
        # What is left of a line without ASCII and the bytes that were seen often enough.
        if content.translate(None, self._known):
            for word in _WORD.findall(content):
                at = next(index for index, byte in enumerate(word) if byte >= 0x80)  # noqa: PLR2004
                self._word(line, word[max(0, at - _BESIDE) : at + _BESIDE])

    def _word(self, line: int, word: bytes) -> None:
        self.words[word] += 1
        for byte in dict.fromkeys(word.translate(None, _ASCII)):
            self._seen[byte] += 1
            if self._seen[byte] == _EACH:
                self._often += bytes([byte])
            self.first.setdefault(byte, (line, word))
        if self.other > _MOST_LINES or len(self.words) > _MOST_WORDS:
            self._known = _ASCII + self._often


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


CANDIDATES = (
    "windows-1252",
    "iso-8859-15",
    "macroman",
    "windows-1250",
    "iso-8859-2",
    "cp850",
    "cp437",
    "windows-1251",
)
"""In this order where they read alike. ISO-8859-1 reads as Windows-1252, or holds controls."""
_ONLY_IN_DOUBT = {"windows-1251"}
"""What no letter of Western Europe is in: they say that it may be something else altogether."""
_LEAST = 0.8
"""Points a character that a reading must have to make sense."""
_MARGIN = 0.6
"""Points a character by which it must be better, over the characters that differ."""
_LANGUAGE = 0.3
"""Points that each further language costs."""
_SELDOM = 0.01
"""The share of the words below which a letter tells nothing of the languages."""
_UNDEFINED = "\ufffd"
_MOST_COUNTED = 3
"""How often one word counts at most."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one encoding makes of one sampled character."""

    encoding: str
    character: str
    context: str
    """The character in its word, of which nothing else is shown: ``*é*``, ``é*``."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The encoding, or why it cannot be told."""

    encoding: str
    """"" where it cannot be told."""
    line: int
    """Where the sampled character stands."""
    byte: int
    readings: tuple[Reading, ...]
    """What the sampled byte is in each encoding that is possible; the best first."""


def detect(sample: Sample) -> Verdict:
    """Judge a sample that is not UTF-8 and holds at least one word."""
    scored: list[_Scored] = []
    for encoding in CANDIDATES:
        one = _Scored(encoding, sample)
        if not any(one.texts == known.texts for known in scored):
            scored.append(one)
    best, *others = sorted(scored, key=lambda one: -one.total)
    rivals = [other for other in others if not best.clearly_better(other)]
    sure = best.mean >= _LEAST and not rivals and best.encoding not in _ONLY_IN_DOUBT
    shown = [best] if sure else [best, *(rivals or others)][:3]
    byte = _telling_byte(sample, shown)
    line, word = sample.first[byte]
    readings = tuple(_reading(one.encoding, byte, word) for one in shown)
    return Verdict(best.encoding if sure else "", line, byte, readings)


class _Scored:
    """One candidate's reading of the sample, with its points."""

    def __init__(self, encoding: str, sample: Sample) -> None:
        self.encoding = encoding
        self.texts = {word: word.decode(encoding, errors="replace") for word in sample.words}
        self._weights = {word: min(n, _MOST_COUNTED) for word, n in sample.words.items()}
        self._points = {word: _points(text) for word, text in self.texts.items()}
        points = sum(self._weights[word] * self._points[word][0] for word in self.texts)
        self.mean = points / sum(self._weights[word] * self._points[word][1] for word in self.texts)
        letters = Counter(one for text in self.texts.values() for one in set(text))
        self._languages = languages(
            letter for letter, n in letters.items() if n > _SELDOM * len(self.texts)
        )
        self.total = self.mean - _LANGUAGE * self._languages

    def clearly_better(self, other: _Scored) -> bool:
        """Whether it makes more sense, on the characters that ``other`` reads differently."""
        gained, number = 0.0, 0
        for word, text in self.texts.items():
            differ = _differing(text, other.texts[word])
            if differ:
                weight = self._weights[word]
                gained += weight * (self._points[word][0] - other._points[word][0])
                number += weight * differ
        gained += _LANGUAGE * (other._languages - self._languages) * number
        return gained >= _MARGIN * number


def _points(text: str) -> tuple[float, int]:
    if _UNDEFINED in text:
        return WRONG, 1
    return plausibility(text)


def _differing(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _telling_byte(sample: Sample, shown: list[_Scored]) -> int:
    """A byte that the readings take for different characters; any, where there is one reading."""
    for byte, (_, word) in sample.first.items():
        if len({_reading(one.encoding, byte, word).character for one in shown}) == len(shown):
            return byte
    return next(iter(sample.first))


def _reading(encoding: str, byte: int, word: bytes) -> Reading:
    character = bytes([byte]).decode(encoding, errors="replace")
    at = word.index(byte)
    before, after = ("*" if part else "" for part in (word[:at], word[at + 1 :]))
    return Reading(encoding, character, f"{before}{character}{after}")
