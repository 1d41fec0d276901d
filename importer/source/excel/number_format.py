"""What a number format of Excel makes of a number (ECMA-376 part 1, 18.8.31). Pure.

A format changes what is shown, not what is stored. Of an amount the stored number counts:
``R 1,234`` is 1234, 50% is 0.5. Of a key what is shown counts: 42 in the format ``"CUST-"0000`` is
CUST-0042 to everybody who reads the sheet, and 42 would be another customer's. So a number is a
text as it is shown where its format has no decimals, and pads it with zeros or writes other
characters around or within it; but not where these only tell a currency, the sign, or thousands.

Of an amount the side counts too: 5 in the format ``0.00 "Cr"`` is ``5 CR``, as accounting programs
(Tally, for one) export what a customer has. A format that writes the other sign than the number has
is refused.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Sequence

_BUILT_IN_DATES = frozenset((*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)))
_ELAPSED_BUILT_IN = 46
_GENERAL = frozenset({"", "general", "standard", "@"})
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)'
    r"|\[(?P<bracket>[^\]]*)\]|(?P<general>General|Standard)|(?P<exponent>[Ee][+-])"
    r"|(?P<digit>[0#?])|(?P<sign>[.,%/@;])|(?P<other>.)",
    re.DOTALL | re.IGNORECASE,
)
_ELAPSED = re.compile(r"(?:h+|m+|s+)\Z", re.IGNORECASE)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[0-9]+(?:\.[0-9]+)?)\Z")
_DATE_LETTERS = frozenset("ymdhsYMDHS")
_ABOUT_AMOUNTS = frozenset(" ()-\u00a0\u202f\u2212")
"""What stands around an amount and is no part of a key."""
_SIDES = {"CR": "CR", "CREDIT": "CR", "DR": "DR", "DEBIT": "DR"}
_MINUSES = ("-", "\u2212", "(")
_CODE = 3
"""Letters of a currency's code."""
_CURRENCY_LETTERS = 4
"""A longer word before a number is no currency."""


class InapplicableError(ValueError):
    """What the format shows cannot be told from the file."""


@value
class _Section:
    """One of the parts between semicolons."""

    items: tuple[tuple[str, str], ...]
    """(what, characters): ``text``, ``digit``, ``comma``, ``point``, ``at``, ``fill``,
    ``currency``, ``general``, ``other`` (percent, exponent, fraction)."""
    condition: tuple[str, float] | None = None
    role: str = "amount"
    """``amount``: the number counts; ``key``: what is shown; ``unknown``: that, but what is it;
    ``CR`` or ``DR``: the number counts, without its sign, and the side with it."""
    minus: bool = False
    """Whether a minus or parentheses stand about its digits."""

    def has(self, what: str) -> bool:
        return any(one == what for one, _ in self.items)


@value
class NumberFormat:
    """A number format, taken apart."""

    date: bool = False
    elapsed: bool = False
    """``[h]:mm``: hours beyond 24."""
    sections: tuple[_Section, ...] = ()
    """Nothing where numbers and texts are shown as they are."""
    currency: str = ""
    """The sign or code that an amount is shown with: ``€``, ``R``, ``USD``."""
    plain: bool = True
    """Whether all that counts of any number is the number."""

    def number(self, value: float) -> str | None:
        """How a key is shown, or an amount with its side; None where the number is what counts.

        Raises:
            InapplicableError: it is shown as something else than its digits, and it cannot be told
                as what.
        """
        if self.plain:
            return None
        section, negative = self._chosen(value)
        if section is None:
            return None
        if section.role in _SIDES.values():
            if negative:
                raise InapplicableError  # -5 Cr
            return f"{Decimal(f'{abs(value):.15g}'):f} {section.role}"
        if section.role == "amount":
            if section.minus and value > 0:
                raise InapplicableError
            return None
        if section.role == "unknown":
            raise InapplicableError
        if not value.is_integer():
            if all(what == "digit" or text in _ABOUT_AMOUNTS for what, text in section.items):
                return None
            raise InapplicableError
        return ("-" if negative else "") + _applied(section, str(abs(int(value)))).strip()

    def text(self, text: str) -> str:
        """How a text is shown."""
        if not self.sections:
            return text
        section = self.sections[-1]
        if not section.has("at") or not any(
            what in {"text", "currency"} and literal.strip() for what, literal in section.items
        ):
            return text
        return "".join(
            text if what == "at" else literal
            for what, literal in section.items
            if what in {"at", "text", "currency"}
        ).strip()

    def _chosen(self, value: float) -> tuple[_Section | None, bool]:
        """The part for a number, and whether a minus sign goes before it."""
        parts = [one for one in self.sections if not one.has("at")]
        if any(one.condition for one in parts):
            for one in parts:
                if one.condition is None or _holds(one.condition, value):
                    return one, value < 0
            return None, False
        if value < 0 and len(parts) > 1:
            return parts[1], False
        if value == 0 and len(parts) > 2:  # noqa: PLR2004 - positive, negative, zero
            return parts[2], False
        return (parts[0] if parts else None), value < 0


GENERAL = NumberFormat()


def built_in(format_id: int) -> NumberFormat:
    """A format that has a number and no code (18.8.30)."""
    return NumberFormat(format_id in _BUILT_IN_DATES, format_id == _ELAPSED_BUILT_IN)


@lru_cache(maxsize=4096)
def parsed(code: str) -> NumberFormat:
    """A format by its code."""
    if code.strip().lower() in _GENERAL:
        return GENERAL
    sections: list[_Section] = []
    items: list[tuple[str, str]] = []
    condition: tuple[str, float] | None = None
    date = elapsed = False
    for token in _TOKEN.finditer(code):
        kind, text = token.lastgroup or "", token[token.lastgroup or 0]
        if kind == "sign" and text == ";":
            sections.append(_Section(tuple(items), condition))
            items, condition = [], None
            continue
        if kind == "bracket":
            elapsed |= _ELAPSED.match(text) is not None
            condition = _condition(text) or condition
            if text.startswith("$") and text[1:].partition("-")[0]:
                items.append(("currency", text[1:].rpartition("-")[0] or text[1:]))
            continue
        if kind == "other" and not sections and text in _DATE_LETTERS:
            date = True
        items.append(_item(kind, text))
    sections.append(_Section(tuple(items), condition))
    if date or elapsed:
        return NumberFormat(date=True, elapsed=elapsed)
    alone = len(sections) == 1
    judged = tuple(
        replace(one, role=_side(one) or _role(one, alone=alone), minus=_has_minus(one))
        for one in sections
    )
    plain = all(one.role == "amount" and not one.minus for one in judged)
    return NumberFormat(sections=judged, plain=plain, currency=_currency(judged[0]))


def _side(section: _Section) -> str:
    """``CR`` or ``DR`` where the format says on which side an amount stands, else ""."""
    if not (section.has("digit") or section.has("general")):
        return ""
    words = _literal(section.items).upper().replace(".", " ").split()
    sides = {_SIDES[word] for word in words if word in _SIDES}
    return sides.pop() if len(sides) == 1 else ""


def _currency(section: _Section) -> str:
    """What an amount is shown with that names a currency; "" for anything else."""
    if section.role not in {"amount", *_SIDES.values()}:
        return ""
    named = [text for what, text in section.items if what == "currency"]
    if named:
        return named[0].strip()
    words = _literal(section.items).replace("-", " ").split()
    signs = [word for word in words if any(unicodedata.category(one) == "Sc" for one in word)]
    codes = [word for word in words if word.isupper() and len(word) <= _CODE and word not in _SIDES]
    return next(iter((*signs, *codes)), "")


def _has_minus(section: _Section) -> bool:
    digits = section.has("digit") or section.has("general")
    return digits and any(sign in _literal(section.items) for sign in _MINUSES)


def _item(kind: str, text: str) -> tuple[str, str]:
    match kind:
        case "quoted" | "escaped" | "other":
            return "text", text
        case "space":
            return "text", " "
        case "sign":
            return {".": "point", ",": "comma", "@": "at"}.get(text, "other"), text
        case "exponent":
            return "other", text
        case _:
            return kind, text


def _condition(text: str) -> tuple[str, float] | None:
    match = _CONDITION.match(text)
    return (match[1], float(match[2])) if match else None


def _holds(condition: tuple[str, float], value: float) -> bool:
    sign, limit = condition
    return {
        "<": value < limit,
        "<=": value <= limit,
        ">": value > limit,
        ">=": value >= limit,
        "=": value == limit,
        "<>": value != limit,
    }[sign]


def _role(section: _Section, *, alone: bool) -> str:
    """Whether what is shown counts, or the number; ``alone`` where there is no other part."""
    items = section.items
    places = [at for at, (what, _) in enumerate(items) if what in {"digit", "general"}]
    if not places or section.has("point"):
        return "amount"
    before = _literal(items[: places[0]])
    after = _literal(items[places[-1] + 1 :])
    within = _literal(items[places[0] : places[-1]])
    digits = "".join(text for what, text in items if what == "digit")
    grouped = section.has("comma")
    padded = not grouped and (digits.count("0") > 1 or (digits[:1] == "0" and len(digits) > 1))
    if section.has("other"):
        within = within.strip()  # between a whole number and its fraction
    marked = bool(within) or _marks(before, alone=alone) or _marks(after, alone=alone)
    if grouped and marked:
        marked = bool(within) or not _like_currency(before)
    if not padded and not marked:
        return "amount"
    if section.has("other"):
        return "unknown" if marked else "amount"
    fills = any(what == "fill" and (text != " " or marked) for what, text in items)
    in_thousands = items[places[-1] + 1 : places[-1] + 2] == (("comma", ","),)
    return "unknown" if fills or in_thousands else "key"


def _literal(items: Sequence[tuple[str, str]]) -> str:
    return "".join(text for what, text in items if what == "text")


def _marks(literal: str, *, alone: bool) -> bool:
    """Whether characters beside a number are part of a key."""
    rest = "".join(
        one for one in literal if one not in _ABOUT_AMOUNTS and unicodedata.category(one) != "Sc"
    )
    return bool(rest) and (alone or rest != "+")


def _like_currency(literal: str) -> bool:
    word = literal.strip(" .\u00a0")
    return len(word) <= _CURRENCY_LETTERS and (not word or word.isalpha())


def _applied(section: _Section, digits: str) -> str:
    if section.has("general"):
        return "".join(
            digits if what == "general" else text
            for what, text in section.items
            if what in {"general", "text", "currency"}
        )
    if digits == "0" and not any(item == ("digit", "0") for item in section.items):
        digits = ""
    places = [text for what, text in section.items if what == "digit"]
    usual, other = (
        _filled(places, digits, after_zero=False),
        _filled(places, digits, after_zero=True),
    )
    if usual != other:
        raise InapplicableError  # programs differ on 0##
    if section.has("comma"):
        return _with_thousands(section, "".join(usual))
    left = iter(usual)
    return "".join(
        next(left) if what == "digit" else text
        for what, text in section.items
        if what in {"digit", "text", "currency"}
    )


def _filled(places: Sequence[str], digits: str, *, after_zero: bool) -> list[str]:
    """The digits for each place; what is too long goes to the first."""
    spare = len(places) - len(digits)
    if spare <= 0:
        return [digits[: 1 - spare], *digits[1 - spare :]] if places else []
    filled: list[str] = []
    zero = False
    for place in places[:spare]:
        zero = zero or (after_zero and place == "0")
        filled.append("0" if place == "0" or zero else "")
    return [*filled, *digits]


def _with_thousands(section: _Section, digits: str) -> str:
    shown = f"{int(digits):,}" if digits and not digits.startswith("0") else digits
    done = False
    parts: list[str] = []
    for what, text in section.items:
        if what == "digit" and not done:
            parts.append(shown)
            done = True
        elif what in {"text", "currency"}:
            parts.append(text)
    return "".join(parts)
