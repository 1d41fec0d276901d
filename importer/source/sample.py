"""Collects what tells the encoding of a text, over the whole of it and in bounded memory. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

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
