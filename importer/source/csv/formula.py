"""Makes cells harmless that a spreadsheet would run as a formula, and takes that back. Pure.

CSV injection: a cell that starts with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return may be
run by the spreadsheet that opens the file. One apostrophe in front stops it. A cell that already
looks escaped gets one more, so that taking one away always gives the original back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


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


def unescape_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """``unescape_formula`` on every cell; all columns are String."""
    import polars as pl  # noqa: PLC0415 - results import this module and need no polars

    return frame.with_columns(pl.all().str.replace(r"^'('*[=+\-@\t\r])", "${1}"))
