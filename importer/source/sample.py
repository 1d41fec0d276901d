"""Collects what tells the encoding of a text, over the whole of it and in bounded memory. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

_ASCII = bytes(range(0x80))
_WORD = re.compile(rb"[A-Za-z0-9'\x80-\xff]*[\x80-\xff][A-Za-z0-9'\x80-\xff]*")
_MOST_WORDS = 5_000
_LONGEST = 40
"""Bytes of a word; of longer ones the beginning."""
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
        if len(self.words) < _MOST_WORDS or any(
            self._seen[byte] < _EACH for byte in set(content.translate(None, _ASCII))
        ):
            for word in _WORD.findall(content):
                self._word(line, word[:_LONGEST])

    def _word(self, line: int, word: bytes) -> None:
        self.words[word] += 1
        for byte in set(word.translate(None, _ASCII)):
            self._seen[byte] += 1
            self.first.setdefault(byte, (line, word))
