"""Cells that a spreadsheet would run as a formula, made harmless and back."""

from __future__ import annotations

import re

_ESCAPED = re.compile(r"'*[=+\-@\t\r]")
_PLAIN_NEGATIVE = re.compile(r"-[0-9]{1,15}")


def escape_formula(text: str) -> str:
    """One apostrophe in front of a cell that a spreadsheet would run."""
    if _ESCAPED.match(text) and not _PLAIN_NEGATIVE.fullmatch(text):
        return f"'{text}"
    return text


def unescape_formula(text: str) -> str:
    """The inverse of ``escape_formula``."""
    return text[1:] if text.startswith("'") and _ESCAPED.match(text) else text
