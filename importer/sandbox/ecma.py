r"""ECMA-262 regular expressions (what JSON Schema means by ``pattern``) on Python's ``re``.

Python's ``$`` also matches before a trailing newline, and its ``\d`` matches every script's
digits. ECMA-262 means the very end and 0 to 9 (sections 22.2.2.4 and 22.2.2.9).
"""

from __future__ import annotations

import re
from functools import lru_cache

# Escapes that mean the same in both languages under re.ASCII; others are refused, not guessed.
_SAME = frozenset("dDwWbBtnrfv0^$\\.*+?()[]{}|/-")


@lru_cache(maxsize=256)
def compile_ecma(pattern: str) -> re.Pattern[str]:
    """Compile an ECMA-262 pattern; use ``search``, as patterns are not anchored.

    Raises:
        ValueError: the pattern uses something that this translation does not cover.
    """
    out: list[str] = []
    in_class = False
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in _SAME or not escaped:
                raise ValueError(f"unsupported escape \\{escaped} in pattern {pattern}")
            out.append(f"\\{escaped}")
            continue
        if character == "[" and not in_class:
            in_class = True
        elif character == "]":
            in_class = False
        elif character == "$" and not in_class:
            character = r"\Z"  # noqa: PLW2901 - the translation
        out.append(character)
    text = "".join(out)
    if "(?" in text:
        raise ValueError(f"unsupported group in pattern {pattern}")
    return re.compile(text, re.ASCII)
