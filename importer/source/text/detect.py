"""Tells which legacy encoding a text is in, or that it cannot be told. Pure.

Each candidate reads the sampled pieces; candidates that read them all alike are one reading. How
likely a reading is follows from which letters stand beside which in the languages of the world
(``letters.txt``). The best one counts if all others are far less likely; otherwise the choice is
the user's. (Lists of names are too little text for chardet and charset-normalizer: they read
`Hélène` in Mac OS Roman as Windows-1250 and `Yılmaz` in Windows-1254 as Mac OS Latin 2.)
"""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import field
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from importer.source.text.encodings import UTF8, codec_of
from importer.values import pattern, record, value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence


_ASCII = bytes(range(0x80))
# A cell or a word of it. Commas, blanks and quotes are no second byte of any character, letters,
# brackets and a bar are; so a bar ends a piece only where it cannot be one. From the beginning of a
# piece on, so that a long one without a byte beyond ASCII is looked at once.
_PIECE = re.compile(
    rb"(?<![0-9'@-{}~\x80-\xff])[0-9'@-{}~]*+[\x80-\xff](?:[0-9'@-{}~\x80-\xff]|(?<=[\x80-\xff])\|)*+"
)
_MOST_PIECES = 2_000
_MOST_LINES = 20_000
"""Lines whose pieces are all looked at."""
_BEFORE, _AFTER = 20, 60
"""Bytes of a piece that are kept before and after the first byte that is not ASCII."""
_EACH = 20
"""Pieces with one byte value that are kept however many others there are."""


@record
class Sample:
    """Pieces with bytes beyond ASCII, where each was first seen, and which lines are UTF-8.

    Every byte value of the text is in it, also one that occurs once at the end of a large file; but
    for what stands behind the first 60 bytes of a word.
    """

    pieces: dict[bytes, int] = field(default_factory=dict)
    """Piece -> the first line with it."""
    utf8: int = 0
    """Lines beyond ASCII that are UTF-8, and look like it."""
    utf8_line: int = 0
    """The first of them."""
    other: int = 0
    """Lines that are no UTF-8, or may be it by chance only."""
    other_line: int = 0
    chance: int = 0
    """Those that may be UTF-8 by chance."""
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
        valid = is_utf8(content)
        if valid and looks_like_utf8(content):
            self.utf8 += 1
            self.utf8_line = self.utf8_line or line
            return
        self.other += 1
        self.other_line = self.other_line or line
        self.chance += valid
        # What is left of a line without ASCII and the bytes that were seen often enough.
        if content.translate(None, self._known):
            for piece in _PIECE.findall(content):
                at = _first_high(piece)
                self._piece(line, piece[max(0, at - _BEFORE) : at + _AFTER])

    def _piece(self, line: int, piece: bytes) -> None:
        self.pieces.setdefault(piece, line)
        for byte in dict.fromkeys(piece.translate(None, _ASCII)):
            self._seen[byte] += 1
            if self._seen[byte] == _EACH:
                self._often += bytes([byte])
        if self.other > _MOST_LINES or len(self.pieces) > _MOST_PIECES:
            self._known = _ASCII + self._often


def _first_high(piece: bytes) -> int:
    return next(index for index, byte in enumerate(piece) if byte not in _ASCII)


# Likelihoods are natural logarithms.
_WRONG = -8.0
"""A letter that cannot stand where it stands."""
_UNDEFINED = -25.0
"""A byte that means nothing, or a control character."""
_MISPLACED = -18.0
"""A sign that stands where none does."""
_UNKNOWN = 1e-9
"""How likely letters are that no language has beside each other."""
_UNUSUAL = 0.2 / 25
"""The share of a neighbour that is not among the usual ones."""
_OTHER_WORDS = 0.1
"""The share of words of other languages than a file's own."""
_BETWEEN_LETTERS = frozenset("’‘-\u00ad")
_ELIDED = frozenset("odlnmjtkaz")
"""O’Brien, D’Angelo, N’Dour."""
_BESIDE_DIGITS = frozenset("°ºª²³½¼¾€£§%¥×±№")
_BEFORE_LETTERS = frozenset("“„‘’‚«¿¡–—•\u00a0")
_AFTER_LETTERS = frozenset("”“’‘»…™®–—\u00a0")
_USUAL_SIGNS = frozenset("½¼¾“”„‘’‚–—…•«»°€£§™®©\u00a0¿¡№")
_WELL_KNOWN = 6.0
"""How much likelier a reading is for each of its names that everybody knows."""
_WORD = pattern(r"[^\W\d_]{3,}")
_WIDE = pattern(r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef]")
_HALF = pattern(r"[\uff66-\uff9f]")
_WESTERN = ("fr", "de", "es", "pt", "it", "nl", "af", "da", "nb", "sv", "fi", "ca", "ga")
_CENTRAL = ("cs", "sk", "pl", "hu", "hr", "sl", "ro", "de")
_COMMON_CHARACTERS = {
    "ja": ("shift_jis", b"\x81\x40", b"\x98\x73"),
    "zh": ("gb2312", b"\xb0\xa1", b"\xd7\xfa"),
    "zh_Hant": ("big5", b"\xa4\x40", b"\xc6\x7f"),
    "ko": ("euc_kr", b"\xb0\xa1", b"\xc8\xff"),
}
"""Where each character set keeps what everybody writes."""
_Window = tuple[str, str, str]
"""What stands before a letter, the letter, what stands after it; ``_`` for no letter."""


@value
class _Letter:
    """How one language writes one letter."""

    share: float
    before: dict[str, float]
    after: dict[str, float]

    def likelihood(self, before: str, after: str) -> float:
        """Of the letter after one of ASCII or none; "" for an ``after`` that counts by itself."""
        follows = self.after.get(after, _UNUSUAL) if after else 1.0
        return self.share * self.before.get(before, _UNUSUAL) * follows


@value
class _Languages:
    letters: dict[str, dict[str, _Letter]]
    """Letter -> language -> how it is written there."""
    characters: dict[str, dict[str, float]]
    """Language -> character -> how likely it is."""
    sizes: dict[str, int]
    """Script -> how many languages are written in it."""
    names: frozenset[str]
    """Names that everybody knows, in small letters."""


@cache
def _languages() -> _Languages:
    letters: dict[str, dict[str, _Letter]] = {}
    characters: dict[str, dict[str, float]] = {}
    scripts: dict[str, set[str]] = {}
    language = ""
    listed: dict[str, str] = {}
    names: set[str] = set()
    text = resources.files(__package__).joinpath("letters.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("["):
            language = line[1:-1]
        elif line.startswith("= "):
            names.update(line[2:].split(" "))
        elif " " in line:
            letter, before, after = line.split(" ")
            share = int(letter[1:]) / 1000
            letters.setdefault(letter[0], {})[language] = _Letter(
                share, _falling(before), _falling(after)
            )
            scripts.setdefault(_script(letter[0]), set()).add(language)
        else:
            listed[language] = listed.get(language, "") + line
    for one, text in listed.items():
        characters[one] = _falling(text, 15)
    return _Languages(
        letters, characters, {one: len(all_) for one, all_ in scripts.items()}, frozenset(names)
    )


def _falling(text: str, flat: float = 1.5) -> dict[str, float]:
    weights = [1 / (rank + flat) for rank in range(len(text))]
    return {one: 0.8 * weight / sum(weights) for one, weight in zip(text, weights, strict=True)}


@lru_cache(maxsize=1 << 14)
def _script(one: str) -> str:
    """``LATIN``, ``CYRILLIC`` ..., from the character's name; "" for what is no letter."""
    if _in_word(one):
        return unicodedata.name(one, "NONE").partition(" ")[0]
    return ""


@lru_cache(maxsize=1 << 14)
def _in_word(one: str) -> bool:
    return one.isalpha() or unicodedata.category(one).startswith("M")


@lru_cache(maxsize=1 << 14)
def _small(one: str) -> str:
    if not _in_word(one):
        return "_"
    lower = one.lower()
    return lower if len(lower) == 1 else one


def _shape(one: str, before: str, after: str) -> float:
    """What case, digits and other scripts beside a letter cost."""
    cost = 0.0
    script = _script(one)
    for other in (before, after):
        near = _script(other)
        if near and script not in {near, "COMBINING"} and near != "COMBINING":
            cost += _WRONG
        if other.isdigit():
            cost -= 3
    if (one.isupper() and before.islower()) or (one.islower() and after.isupper()):
        cost += _WRONG
    if one.isupper() and before.isupper() and after.islower():
        cost -= 3
    if one.islower() and not _in_word(before):
        cost -= 2  # names begin with a capital
    return cost


def _sign(one: str, before: str, after: str) -> float:
    if unicodedata.category(one) in {"Cc", "Cs", "Co", "Cn"}:
        return _UNDEFINED
    if one in _BESIDE_DIGITS and (before.isdigit() or after.isdigit()):
        return -6.0
    follows, precedes = _in_word(before), _in_word(after)
    if follows and precedes:
        if one not in _BETWEEN_LETTERS:
            return _MISPLACED
        return -7.0 if one not in "’‘" or before.lower() in _ELIDED else -10.0
    if (follows and one not in _AFTER_LETTERS) or (precedes and one not in _BEFORE_LETTERS):
        return _MISPLACED
    return -8.0 if one in _USUAL_SIGNS else -12.0


_WEST = (*_WESTERN, "is", "eu", "gl", "lb", "fo", "sq", "western")
_DOS_WEST = (*_WESTERN, "western")
_CENTER = (*_CENTRAL, "sq", "central")
_BALTIC = ("lt", "lv", "et")
_CYRILLIC = ("ru", "uk", "bg", "mk", "sr", "be")
CANDIDATES: dict[str, tuple[float, tuple[str, ...]]] = {
    "windows-1252": (0, _WEST),
    "iso-8859-15": (-1, (*_WEST, "et")),
    "macroman": (-1, _DOS_WEST),
    "windows-1250": (0, _CENTER),
    "iso-8859-2": (-1, _CENTER),
    "windows-1254": (0, ("tr", "az")),
    "windows-1257": (0, _BALTIC),
    "iso-8859-13": (-1, _BALTIC),
    "windows-1258": (-1, ("vi",)),
    "windows-1251": (0, _CYRILLIC),
    "koi8-r": (-1, ("ru",)),
    "koi8-u": (-1, ("ru", "uk")),
    "cp866": (-1, ("ru", "be")),
    "windows-1253": (0, ("el",)),
    "windows-1255": (0, ("he",)),
    "windows-1256": (0, ("ar", "fa", "ur")),
    "cp850": (-1, _DOS_WEST),
    "cp852": (-1, _CENTER),
    "cp437": (-1, _DOS_WEST),
    "shift-jis": (0, ("ja",)),
    "euc-jp": (-1, ("ja",)),
    "gb18030": (0, ("zh", "zh_Hant")),
    "big5": (0, ("zh_Hant",)),
    "cp949": (0, ("ko",)),
    "cp874": (0, ("th",)),
    "iso-8859-9": (-1, ("tr",)),
    "iso-8859-7": (-1, ("el",)),
    "iso-8859-8": (-1, ("he",)),
    "iso-8859-6": (-2, ("ar",)),
    "iso-8859-5": (-2, _CYRILLIC),
    "cp857": (-3, ("tr",)),
    "cp775": (-3, _BALTIC),
    "cp737": (-2, ("el",)),
    "cp855": (-3, _CYRILLIC),
    "cp862": (-2, ("he",)),
    "cp865": (-4, ("da", "nb")),
    "cp860": (-4, ("pt",)),
    "cp863": (-4, ("fr",)),
    "cp861": (-4, ("is",)),
    "mac-latin2": (-6, _CENTER),
    "mac-turkish": (-6, ("tr",)),
    "mac-cyrillic": (-4, _CYRILLIC),
    "mac-greek": (-4, ("el",)),
    "mac-iceland": (-5, ("is",)),
    "iso-8859-4": (-5, _BALTIC),
    "iso-8859-16": (-5, ("ro",)),
    "iso-8859-14": (-5, ("cy", "ga")),
    "iso-8859-3": (-5, ("mt",)),
}
"""How usual each is, and whose letters it was made for. In this order where they read alike."""
_ANOTHER_LANGUAGE = -4.0
_SURE = 8.0
"""How much more likely the best reading must be, as a whole,"""
_SURE_EACH = 0.4
"""and for each character that differs."""
_BY_CHANCE = 6
"""Bytes of a line that may be UTF-8 by chance, at most."""
_THREE_BYTES = "\u0800"
"""The first character that takes three bytes, which are seldom it by chance."""
_AT_HOME = -11.0
"""How likely a character is, at least, that is UTF-8 by intention."""
_FEW = 5
"""How often each byte value is looked at first."""
_HOPELESS = 60.0
"""How much less likely a reading is on those, to be looked at no further."""
_LEAST = -13.0
"""How likely a letter of it must be on average."""
_SHOWN = 3


def is_utf8(text: bytes, *, ended: bool = True) -> bool:
    """Whether it can be read as UTF-8; its last character may be cut unless it ``ended``."""
    try:
        codecs.getincrementaldecoder(UTF8)().decode(text, ended)
    except UnicodeDecodeError:
        return False
    return True


def looks_like_utf8(line: bytes) -> bool:
    """Whether a line of UTF-8 is it by intention.

    Two letters of another encoding may be one character of UTF-8: `Íñ` in code page 850 are a
    Hebrew accent. More than that is no chance, nor is a character that stands where it may.
    """
    if len(line.translate(None, _ASCII)) > _BY_CHANCE:
        return True
    pieces = set(_PIECE.findall(line))
    places = [place for piece in pieces for place in _places(_decoded(piece, UTF8))]
    if any(_place(*place)[0] <= _AT_HOME for place in places):
        return False
    return (
        any(one >= _THREE_BYTES for _, one, _ in places) or _Scored(UTF8, pieces).mean >= _AT_HOME
    )


@value
class Reading:
    """What one encoding makes of a sampled piece."""

    encoding: str
    contexts: tuple[str, ...]
    """Letters of some pieces with their neighbours, of which nothing else is shown: ``*Hél*``."""


@value
class Verdict:
    """The encoding, or why it cannot be told."""

    encoding: str
    """"" where it cannot be told."""
    lines: tuple[int, ...]
    """Where the pieces stand."""
    readings: tuple[Reading, ...]
    """What the pieces are in each encoding that is possible; the best first."""


def detect(sample: Sample) -> Verdict:
    """Judge a sample that is not UTF-8, or by chance only, and holds at least one piece."""
    possible = [*CANDIDATES, UTF8] if sample.chance == sample.other else list(CANDIDATES)
    first = _scored(possible, _some(sample.pieces))
    near = [one.encoding for one in first if first[0].total - one.total < _HOPELESS]
    best, *others = _scored([one for one in possible if one in near], sample.pieces)
    rivals = [other for other in others if not best.clearly_better(other)]
    sure = best.mean >= _LEAST and not rivals
    if UTF8 in possible and not sure and (best.encoding == UTF8 or best.mean < _AT_HOME):
        # Nothing speaks for anything else, strange as it is.
        return Verdict(UTF8, (), ())
    shown = [best] if sure else [best, *(rivals or others)][:_SHOWN]
    telling = _telling(sample, shown)
    readings = tuple(_reading(one, telling) for one in shown)
    return Verdict(
        best.encoding if sure else "", tuple(sample.pieces[one] for one in telling), readings
    )


def _some(pieces: Iterable[bytes]) -> list[bytes]:
    """Enough of them to tell which encodings need a closer look: each byte value some times."""
    seen: Counter[int] = Counter()
    some: list[bytes] = []
    for piece in pieces:
        values = set(piece.translate(None, _ASCII))
        if any(seen[one] < _FEW for one in values):
            seen.update(values)
            some.append(piece)
    return some


def _scored(encodings: Iterable[str], pieces: Collection[bytes]) -> list[_Scored]:
    """The readings that differ, the likeliest first."""
    scored: list[_Scored] = []
    for encoding in encodings:
        one = _Scored(encoding, pieces)
        if not any(one.texts == known.texts for known in scored):
            scored.append(one)
    return sorted(scored, key=lambda one: -one.total)


class _Scored:
    """One candidate's reading of some pieces, and how likely it is."""

    def __init__(self, encoding: str, pieces: Iterable[bytes]) -> None:
        self.encoding = encoding
        codec = codec_of(encoding)
        usual, expected = CANDIDATES.get(encoding, (0.0, None))
        self.texts = {piece: _decoded(piece, codec) for piece in pieces}
        # A name that occurs again tells nothing new.
        places = Counter(place for text in self.texts.values() for place in _places(text))
        windows: defaultdict[_Window, int] = defaultdict(int)
        wide: defaultdict[str, int] = defaultdict(int)
        rest = 0.0
        for place, weight in places.items():
            cost, window, character = _place(*place)
            rest += weight * cost
            if window:
                windows[window] += weight
            elif character:
                wide[character] += weight
        known = {word for text in self.texts.values() for word in _WORD.findall(text.lower())}
        rest += _WELL_KNOWN * len(known & _languages().names)
        likelihood = rest + _best_language(windows, expected) + _best_characters(wide, expected)
        self.mean = likelihood / max(places.total(), 1)
        self.total = likelihood + usual

    def clearly_better(self, other: _Scored) -> bool:
        """Whether it is far more likely than ``other``."""
        differ = sum(
            sum(a != b for a, b in zip(text, other.texts[piece], strict=False))
            for piece, text in self.texts.items()
        )
        return self.total - other.total >= max(_SURE, _SURE_EACH * differ)


def _decoded(piece: bytes, codec: str) -> str:
    # A piece may have been cut within a character; one that was not ends where a word does.
    if len(piece) - _first_high(piece) < _AFTER:
        return (piece + b" ").decode(codec, "replace")[:-1]
    return codecs.getincrementaldecoder(codec)("replace").decode(piece, final=False)


@lru_cache(maxsize=1 << 16)
def _place(before: str, one: str, after: str) -> tuple[float, _Window | None, str]:
    """What a character beyond ASCII costs where it stands, and what is to be looked up of it."""
    if one == "\ufffd":
        return _UNDEFINED, None, ""
    if _WIDE.match(one):
        return _beside(one, before, after), None, one
    if not _in_word(one):
        return _sign(one, before, after), None, ""
    # A letter that follows counts by itself.
    follows = "" if _in_word(after) and not after.isascii() else _small(after)
    return _shape(one, before, after), (_small(before), _small(one), follows), ""


def _places(text: str) -> Iterator[_Window]:
    before = " "
    for one, after in zip(text, text[1:] + " ", strict=False):
        if not one.isascii():
            yield before, one, after
        before = one


def _best_language(windows: Mapping[_Window, int], expected: tuple[str, ...] | None) -> float:
    """How likely the letters are in the language in which they are most likely."""
    total = 0.0
    gains: defaultdict[str, float] = defaultdict(float)
    for window, weight in windows.items():
        least, more = _in_languages(*window)
        total += weight * least
        for language, gain in more:
            gains[language] += weight * gain
    return total + max(
        (
            gain + (0 if expected is None or language in expected else _ANOTHER_LANGUAGE)
            for language, gain in gains.items()
        ),
        default=0.0,
    )


@lru_cache(maxsize=1 << 16)
def _in_languages(before: str, one: str, after: str) -> tuple[float, tuple[tuple[str, float], ...]]:
    """How likely a letter is in any language, and how much more so in each that has it."""
    known = _languages()
    each = {
        language: letter.likelihood(before, after)
        for language, letter in known.letters.get(one, {}).items()
    }
    if not before.isascii():
        written = known.letters.get(before, {})
        each = {
            language: min(likelihood / written[language].share, 1.0)
            for language, likelihood in each.items()
            if language in written
        }
    mixed = sum(each.values()) / known.sizes.get(_script(one), 1)
    each["*"] = mixed
    for group, members in (("western", _WESTERN), ("central", _CENTRAL)):
        likelihood = sum(each.get(language, 0.0) for language in members) / len(members)
        if likelihood:
            each[group] = likelihood
    least = _OTHER_WORDS * mixed + _UNKNOWN
    return math.log(least), tuple(
        (language, math.log(((1 - _OTHER_WORDS) * likelihood + least) / least))
        for language, likelihood in each.items()
    )


def _best_characters(wide: Mapping[str, int], expected: tuple[str, ...] | None) -> float:
    if not wide:
        return 0.0
    return max(
        sum(weight * math.log(_character(language, one)) for one, weight in wide.items())
        + (0 if expected is None or language in expected else _ANOTHER_LANGUAGE)
        for language in _COMMON_CHARACTERS
    )


@lru_cache(maxsize=1 << 14)
def _character(language: str, one: str) -> float:
    codec, first, last = _COMMON_CHARACTERS[language]
    likelihood = _languages().characters[language].get(one, 0.0)
    if likelihood:
        return likelihood
    common = first <= one.encode(codec, "replace") < last
    return 3e-5 if common else 1e-7


def _beside(one: str, before: str, after: str) -> float:
    near = [other for other in (before, after) if _script(other)]
    cost = -4.0 * sum(not _WIDE.match(other) for other in near)
    if _HALF.match(one) and not any(_HALF.match(other) for other in near):
        cost -= 8
    return cost


def _telling(sample: Sample, shown: Sequence[_Scored]) -> list[bytes]:
    """Some pieces that the readings take for different text; any, where there is one reading."""
    ranked = sorted(sample.pieces, key=lambda piece: -len({one.texts[piece] for one in shown}))
    return ranked[:_SHOWN] if len(shown) > 1 else ranked[:1]


def _reading(one: _Scored, pieces: Iterable[bytes]) -> Reading:
    return Reading(one.encoding, tuple(_context(one.texts[piece]) for piece in pieces))


def _context(text: str) -> str:
    at = next((index for index, one in enumerate(text) if not one.isascii()), 0)
    start, end = max(0, at - 1), at + 2
    return f"{'*' if start else ''}{text[start:end]}{'*' if end < len(text) else ''}"
