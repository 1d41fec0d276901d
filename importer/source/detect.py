"""Tells which legacy encoding a text is in, or that it cannot be told. Pure.

Each candidate reads the sampled words. Candidates that read them all alike are one reading. The
best reading counts if it makes sense and every other one makes clearly less, where they differ;
otherwise the choice is the user's. (charset-normalizer took short French and German names for
Windows-1250 and Mac OS Roman for Greek: lists of names are too little text for it.)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.source.plausible import WRONG, languages, plausibility

if TYPE_CHECKING:
    from importer.source.sample import Sample

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
