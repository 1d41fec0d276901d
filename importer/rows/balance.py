"""Reads a balance: cell text in, whole minor units out, or what is wrong with it. Pure."""

from __future__ import annotations

from importer.rows.currencies import minor_units
from importer.rows.mistakes import Mistake, number_damage
from importer.rows.text import shown
from importer.values import pattern

NOT_INTEGER = "balance_not_integer"
TOO_LONG = "balance_too_long"

_INTEGER = pattern(r"[+-]?[0-9]+\Z")
_DECIMAL = pattern(r"([+-]?)([0-9]+)[.,]([0-9]+)\Z")
_GROUPED = pattern(r"[+-]?[0-9]{1,3}(?:[,.' \u00a0\u2009\u202f][0-9]{3})+(?:[.,][0-9]+)?\Z")
_IN_BRACKETS = pattern(r"\(\s*([0-9]+)\s*\)\Z")
_LONGEST_WORKED_OUT = 30
_LIKE_THOUSANDS = 3


def read_balance(text: str) -> int | None:
    """The integer that ``text`` writes: an optional ``+`` or ``-`` and the digits 0 to 9.

    None where it writes none, or one that is too long to convert (Python converts 4,300 digits);
    ``balance_problem`` then says which.
    """
    if not _INTEGER.match(text):
        return None
    try:
        return int(text)
    except ValueError:
        return _without_leading_zeros(text)


def balance_problem(text: str, currency: str) -> tuple[str, str, str, str]:
    """(code, message, hint, kind of mistake) for a text that ``read_balance`` cannot read.

    Args:
        text: the cell, trimmed.
        currency: the row's currency as found; it decides what a decimal would be.
    """
    if _INTEGER.match(text):
        digits = len(text.lstrip("+-0"))
        return (
            TOO_LONG,
            f"is a number of {digits} digits, which is more than can be sent: {shown(text)}",
            "check whether two cells ran together",
            "",
        )
    mistake, hint = _fault(text, currency)
    return (
        NOT_INTEGER,
        f"is not a whole number of the smallest currency unit: {shown(text)}",
        hint,
        mistake,
    )


def _without_leading_zeros(text: str) -> int | None:
    sign = "-" if text.startswith("-") else ""
    try:
        return int(sign + (text.lstrip("+-0") or "0"))
    except ValueError:
        return None


def _fault(text: str, currency: str) -> tuple[Mistake, str]:  # noqa: PLR0911 - one per mistake
    # 12.500 KWD has three decimals; 12.500 ZAR has a thousands separator.
    if _GROUPED.match(text) and minor_units(currency) != _LIKE_THOUSANDS:
        hint = "leave out the thousands separators, and count in the smallest unit (cents for ZAR)"
        return Mistake.GROUPED, hint
    decimal, damage = _DECIMAL.match(text), number_damage(text)
    if decimal:
        hint = _decimal_hint(text, *decimal.groups(), currency=currency)
        if damage is Mistake.FLOAT:
            return damage, f"{hint}; or export {text} as a whole number, if it is one"
        return Mistake.DECIMALS, hint
    if damage is Mistake.WRAPPED:
        return damage, 'leave out the ="", which is for a spreadsheet'
    if damage is Mistake.SHORTENED:
        return Mistake.SHORTENED, "write all digits; a spreadsheet has shortened this number"
    brackets = _IN_BRACKETS.match(text)
    if brackets:
        amount = brackets.group(1)[:_LONGEST_WORKED_OUT]
        return Mistake.BRACKETS, f"write a credit with a minus sign: -{amount}"
    if text[0] in "\u2212\u2013\u2014" or text.endswith("-"):
        hint = "write a credit with a plain hyphen before the digits, for example -500"
        return Mistake.MINUS, hint
    if any(one.isdigit() and not one.isascii() for one in text):
        return Mistake.FOREIGN_DIGITS, "use the digits 0 to 9"
    if any("0" <= one <= "9" for one in text):
        return Mistake.NOT_ONLY_DIGITS, "write digits only; the currency has its own column"
    hint = "write the amount in the smallest unit, for example 1250 for 12.50 ZAR"
    return Mistake.NO_DIGITS, hint


def _decimal_hint(text: str, sign: str, whole: str, part: str, *, currency: str) -> str:
    exponent = minor_units(currency)
    if exponent is None:
        return "count in the smallest unit of the currency: 12.50 ZAR would be 1250"
    if len(part.rstrip("0")) > exponent:
        plural = "decimal" if exponent == 1 else "decimals"
        return f"{currency} has {exponent or 'no'} {plural}; count in its smallest unit"
    digits = whole + part[:exponent].ljust(exponent, "0")
    if len(digits) > _LONGEST_WORKED_OUT:
        return f"count in the smallest unit of {currency}"
    amount = (sign.replace("+", "") + digits.lstrip("0")) if digits.strip("0") else "0"
    return f"count in the smallest unit: {text} {currency} would be {amount}"
