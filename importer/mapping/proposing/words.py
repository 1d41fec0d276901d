"""Words for counts. Pure."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """``1 record``, ``1,204 records``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def most_of(fitting: int, of: int, what: str) -> str:
    """``all of its 12 values are WHAT``, ``all but 3 of its 12 values are WHAT``."""
    but = "all" if fitting == of else f"all but {of - fitting:,}"
    return f"{but} of its {counted(of, 'value')} are {what}"
