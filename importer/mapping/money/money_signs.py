"""Which currencies a sign beside an amount may stand for. Pure.

A sign that is not listed makes the cell unreadable: ``12k`` is not 12, and ``50¢`` not 50. One
that is listed must be able to stand for the currency of its row: ``$12`` is no amount in ZAR.

Which sign stands for which code is the table of ``importer.rows.currencies``.
"""

from __future__ import annotations

from importer.rows.currencies import ACTIVE, SIGNS

_WITH_STOP = "BR BS DH DHS DIN FR FT KR KSH RP RS SFR SH TK TSH USH ГРН РУБ"
"""Abbreviations that may end in a full stop; ``R.50`` could be 50 or 0.50, so it is neither."""
_IN_FRONT_ONLY = frozenset("BDEKLMNPQT")
"""Behind an amount these are units of another kind, or magnitudes: ``12k``, ``5M``."""


def _meanings() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {code: {code} for code in ACTIVE}
    for sign, codes in SIGNS.items():
        found.setdefault(sign, set()).update(codes)
    for sign in _WITH_STOP.split():
        found[f"{sign}."] = found[sign]
    return {sign: frozenset(codes) for sign, codes in found.items()}


MEANINGS = _meanings()
"""Sign, in capitals -> the codes that it may stand for."""
IN_FRONT = tuple(sorted(MEANINGS))
"""Signs that may stand before an amount."""
BEHIND = tuple(sign for sign in IN_FRONT if sign not in _IN_FRONT_ONLY)
"""Signs that may stand after one."""
PAIRS = tuple(sorted(f"{sign}:{code}" for sign, codes in MEANINGS.items() for code in codes))
"""``SIGN:CODE`` of all that go together."""
CODE_LIKE = "^[A-Z]{3}$"
"""What looks like a code may be one that was withdrawn: it names another currency."""
