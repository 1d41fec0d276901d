"""The mistakes that one code stands for, in words: what sets its problems apart when counted. Pure.

A mistake says nothing about the value but its kind, so it may be shown and logged anywhere.
"""

from __future__ import annotations

from enum import StrEnum

from importer.rows.currencies import is_known
from importer.values import pattern


class Mistake(StrEnum):
    """A kind of mistake; the values are fit to be read after a colon."""

    SHORTENED = "shortened by a spreadsheet"
    FLOAT = "whole numbers written with .0"
    MARKED = "with an apostrophe in front, as spreadsheets want it"
    WRAPPED = 'wrapped in ="" for a spreadsheet'
    FOREIGN_DIGITS = "other digits than 0 to 9"
    # phone
    NATIONAL = "in national form"
    DOUBLE_ZERO = "00 in place of +"
    PUNCTUATION = "spaces or punctuation"
    NO_PLUS = "no + in front"
    TOO_MANY_DIGITS = "too many digits"
    TOO_FEW_DIGITS = "too few digits"
    INVISIBLE = "an invisible character"
    NO_NUMBER = "no phone number at all"
    # balance
    DECIMALS = "an amount with decimals"
    GROUPED = "thousands separators"
    BRACKETS = "in brackets"
    MINUS = "a minus sign that is no plain one in front"
    NOT_ONLY_DIGITS = "more than digits"
    NO_DIGITS = "no digits at all"
    # email
    NO_AT = "no @"
    SEVERAL_ADDRESSES = "more than one address"
    SEVERAL_AT = "more than one @"
    ANGLE_BRACKETS = "a name and angle brackets"
    QUOTED = "quotes before the @"
    LITERAL = "an address literal in brackets"
    CHARACTER = "a character that is not allowed"
    DOTS = "an empty part, or dots where none may be"
    NO_DOT = "no dot after the @"
    LONG_LABEL = "a part after the @ that is too long"
    HYPHEN = "a hyphen at the end of a part"


_FLOAT = pattern(r"[+-]?[0-9]+\.0\Z")
_SCIENTIFIC = pattern(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+\Z")
_WRAPPED = pattern(r'="[^"]*"\Z')
_MARKED = pattern(r"'[^']+\Z")
_GROUPED = pattern(r"[0-9]{1,3}(?:[, '\u00a0\u202f\u2019][0-9]{3})+\Z")
_SHORT = 3


def number_damage(value: str) -> Mistake | None:
    """What a program made of a number before it came here: ``900.0``, ``1.23E+15``, ``="9"``."""
    if _FLOAT.match(value):
        return Mistake.FLOAT
    if _WRAPPED.match(value):
        return Mistake.WRAPPED
    return Mistake.SHORTENED if _SCIENTIFIC.match(value) else None


def reference_damage(value: str) -> Mistake | None:
    """What a program made of a reference: as ``number_damage``, ``'007``, ``1,234``."""
    if _MARKED.match(value):
        return Mistake.MARKED
    return Mistake.GROUPED if _GROUPED.match(value) else number_damage(value)


def shown_currency(value: str) -> str:
    """A wrong currency as it may be counted and shown; "" where it could be anything else.

    Cells may have slipped by a column, so only what is as short as a code and not written like a
    name, or is known to stand for a currency, is taken to be one.
    """
    plain = value.isprintable() and not any(one.isdigit() or one in "@\"'\\" for one in value)
    like_a_code = len(value) <= _SHORT and value in {value.upper(), value.lower()}
    return value if plain and (like_a_code or is_known(value)) else ""
