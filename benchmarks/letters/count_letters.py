"""Writes importer/source/text/letters.txt again: counts the letters beyond ASCII in names.

It needs Faker and Babel (its CLDR data), which importer does not:

    pip install Faker==40.63.0 Babel==2.18.0 && python benchmarks/letters/count_letters.py
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).parents[2] / "importer/source/text/letters.txt"
NAMES = Path(__file__).with_name("names.txt")
HEAD = """\
# How often the letters beyond ASCII are in names of people and places, and what stands beside them.
# Counted by benchmarks/letters/count_letters.py from the lists of names of Faker (MIT), the places
# of CLDR (Unicode licence), and names written down by hand. detect.py reads it.
#
# One language a section. A letter, its share (1/1000), the letters before it, the letters after it:
# the most frequent first, _ where the word begins or ends. Of Chinese, Japanese and Korean: the
# characters only. After =: names that everybody knows.
"""
# CLDR's code -> Faker's locales.
LANGUAGES = {
    "cs": "cs_CZ", "sk": "sk_SK", "pl": "pl_PL", "hu": "hu_HU", "ro": "ro_RO", "hr": "hr_HR",
    "sl": "sl_SI", "tr": "tr_TR", "az": "az_AZ", "lt": "lt_LT", "lv": "lv_LV", "et": "et_EE",
    "da": "da_DK", "nb": "no_NO", "sv": "sv_SE", "fi": "fi_FI", "is": "is_IS",
    "de": "de_DE de_AT de_CH", "fr": "fr_FR fr_CH fr_CA fr_BE fr_QC",
    "es": "es_ES es_MX es_CO es_AR es_CL es", "ca": "es_CA", "pt": "pt_PT pt_BR", "it": "it_IT",
    "nl": "nl_NL nl_BE", "ga": "ga_IE", "vi": "vi_VN", "ru": "ru_RU", "uk": "uk_UA", "bg": "bg_BG",
    "mk": "mk_MK", "el": "el_GR", "he": "he_IL", "ar": "ar_SA ar_AA ar_PS ar_DZ", "fa": "fa_IR",
    "th": "th_TH", "ja": "ja_JP", "ko": "ko_KR", "zh": "zh_CN", "zh_Hant": "zh_TW",
    "sq": "", "sr": "", "be": "", "af": "", "mt": "", "cy": "", "ur": "", "eu": "", "lb": "",
    "gl": "", "fo": "",
}  # fmt: skip
ALSO = {"hr": "sr_Latn"}
"""Of which the places are counted with another language."""
ALL_WORDS = frozenset({"is", *(code for code, locales in LANGUAGES.items() if not locales)})
"""Languages of which the names of languages are counted too, as there are few others."""
CHARACTERS = frozenset({"ja", "ko", "zh", "zh_Hant"})
BY_HAND, OF_FAKER, OF_CLDR = 4, 2, 1
"""How often a word of each counts."""
MOST_BESIDE = 14
CEDILLAS = str.maketrans("șțȘȚ", "şţŞŢ")
"""The letters that Windows-1250 and ISO-8859-2 have for them."""
TONES = "\u0300\u0301\u0303\u0309\u0323"
_WORD = re.compile(
    r"(?:[^\W\d_]|[\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u064b-\u0652\u05b0-\u05c7])+"
)


def texts(value: Any) -> Iterator[str]:
    """All texts in one of Faker's lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from texts(key)
            yield from texts(one)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from texts(one)


def of_faker(locale: str) -> Iterator[str]:
    """Names and places of one locale."""
    for provider in ("person", "address"):
        try:
            module = importlib.import_module(f"faker.providers.{provider}.{locale}")
        except ImportError:
            continue
        for name, value in vars(module.Provider).items():
            if not (name.startswith("__") or "format" in name or "romanized" in name):
                yield from (text for text in texts(value) if not set(text) & set("{#"))


def of_cldr(code: str, *, languages: bool) -> Iterator[str]:
    """Countries and cities, and the names of languages."""
    from babel import Locale  # noqa: PLC0415 - only this needs it

    locale = Locale.parse(code)
    yield from locale.territories.values()
    if languages:
        yield from locale.languages.values()
    yield from (zone["city"] for zone in locale.time_zones.values() if "city" in zone)


def by_hand() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """All names of names.txt, and those that everybody knows."""
    names: dict[str, list[str]] = defaultdict(list)
    known: dict[str, list[str]] = defaultdict(list)
    language = ""
    for line in NAMES.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            language = line[1:-1]
        elif not line.startswith("#"):
            names[language] += line.removeprefix("= ").split()
            if line.startswith("= "):
                known[language] += line[2:].split()
    return names, known


def as_stored(word: str) -> str:
    """Windows-1258 holds the tones of Vietnamese as letters of their own."""
    parts = [unicodedata.normalize("NFD", one) for one in word]
    return "".join(
        unicodedata.normalize("NFC", "".join(mark for mark in part if mark not in TONES))
        + "".join(mark for mark in part if mark in TONES)
        for part in parts
    )


def words(code: str, names: dict[str, list[str]]) -> Iterator[tuple[str, int]]:
    """Each word of a language once for a source, and how often it counts."""

    def split(all_texts: Iterator[str]) -> set[str]:
        return {
            word for text in all_texts for word in _WORD.findall(unicodedata.normalize("NFC", text))
        }

    faker = split(text for locale in LANGUAGES[code].split() for text in of_faker(locale))
    cldr = split(of_cldr(code, languages=code in ALL_WORDS)) - faker
    if code in ALSO:
        cldr |= split(of_cldr(ALSO[code], languages=True))
    own = 3 * OF_FAKER if code in CHARACTERS else OF_FAKER
    for found, times in ((faker, own), (cldr, OF_CLDR), (names.get(code, []), BY_HAND)):
        for word in sorted(found):
            stored = as_stored(word) if code == "vi" else word
            yield (stored.translate(CEDILLAS) if code == "ro" else stored), times


def small(one: str) -> str:
    """In small letters, where that is one letter."""
    lower = one.lower()
    return lower if len(lower) == 1 else one


def section(code: str, names: dict[str, list[str]]) -> Iterator[str]:
    """The lines of one language."""
    shares: Counter[str] = Counter()
    before: defaultdict[str, Counter[str]] = defaultdict(Counter)
    after: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for word, times in words(code, names):
        for at, one in enumerate(word):
            if not one.isascii():
                letter = small(one)
                shares[letter] += times
                before[letter][small(word[at - 1]) if at else "_"] += times
                after[letter][small(word[at + 1]) if at + 1 < len(word) else "_"] += times
    if code in CHARACTERS:
        line = "".join(one for one, _ in shares.most_common() if one > "\u3000")
        yield from (line[at : at + 80] for at in range(0, len(line), 80))
        return
    for letter, times in shares.most_common():
        share = round(1000 * times / shares.total())
        if share and (letter.isalpha() or unicodedata.category(letter).startswith("M")):
            beside = (
                "".join(one for one, _ in found[letter].most_common(MOST_BESIDE))
                for found in (before, after)
            )
            yield " ".join((f"{letter}{share}", *beside))


def known_lines(known: list[str]) -> Iterator[str]:
    """Names that everybody knows."""
    line = "="
    usable = {name.lower() for name in known if not name.isascii() and len(name) > 2}
    for name in sorted(name for name in usable if "\u0307" not in name):  # of a Turkish capital I
        if len(line) + len(name) > 97:
            yield line
            line = "="
        line += f" {name}"
    if known:
        yield line


def main() -> None:
    """Write the file."""
    names, known = by_hand()
    lines = [
        line
        for code in LANGUAGES
        for line in (f"[{code}]", *section(code, names), *known_lines(known.get(code, [])))
    ]
    TARGET.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
