"""Makes cells harmless that a spreadsheet would run or rewrite, and takes that back. Pure.

CSV injection: a cell that starts with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return may be
run by the spreadsheet that opens the file. One apostrophe in front stops it. A cell that already
looks escaped gets one more, so that taking one away always gives the original back.

A spreadsheet also takes text for numbers and dates: ``0042`` becomes 42, a reference of 16 digits
1.23E+15, ``MAR-1`` a day. In a file that is to come back the same apostrophe keeps them as they
are.
"""

from __future__ import annotations

import re

_DANGEROUS = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")
_PLAIN_NEGATIVE = re.compile(r"-[0-9]{1,15}")


def escape_formula(text: str) -> str:
    """``text`` with one apostrophe in front where a spreadsheet might run it.

    Plain negative integers of up to 15 digits (a balance in credit) stay as they are.
    """
    if _DANGEROUS.match(text) is None or _PLAIN_NEGATIVE.fullmatch(text) is not None:
        return text
    return "'" + text


def unescape_formula(text: str) -> str:
    """The inverse of ``escape_formula``: one leading apostrophe less where it had put one."""
    return text[1:] if _ESCAPED.match(text) is not None else text


_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_REWRITTEN = "|".join(
    (
        r"\+?0[0-9]+",  # leading zeros
        r"[0-9][0-9., ]*,[0-9]+",  # 951,80 is 95180 where the comma groups thousands
        r"[0-9]{12,}",  # shown as 1.23E+11, and cut after 15 digits
        r"[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+",  # taken for a power of ten
        r"[0-9]{1,4}(?:[-/.][0-9]{1,4}){1,2}",  # taken for a date
        rf"(?:{_MONTHS})[-/. ]?[0-9]{{1,4}}",
        rf"[0-9]{{1,4}}[-/. ]?(?:{_MONTHS})(?:[-/. ]?[0-9]{{2,4}})?",
        r"[0-9]{1,3}:[0-9]{2}(?::[0-9]{2})?",  # taken for a time
    )
)
_DECIMAL = re.compile(r"-?[0-9]{1,11}\.[0-9]+")
"""An amount: a spreadsheet drops zeros at its end, which changes no value."""
_KEPT = re.compile(rf"'*\s*(?:[=+\-@\t\r]|(?:{_REWRITTEN})\s*\Z)", re.IGNORECASE)
_WAS_KEPT = re.compile(rf"'+\s*(?:[=+\-@\t\r]|(?:{_REWRITTEN})\s*\Z)", re.IGNORECASE)


def escape_cell(text: str) -> str:
    """As ``escape_formula``; an apostrophe also where a spreadsheet would rewrite the text."""
    if _KEPT.match(text) is None or _PLAIN_NEGATIVE.fullmatch(text) or _DECIMAL.fullmatch(text):
        return text
    return "'" + text


def unescape_cell(text: str) -> str:
    """The inverse of ``escape_cell``."""
    return text[1:] if _WAS_KEPT.match(text) is not None else text
