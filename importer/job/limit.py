"""How many invalid rows are too many: then the mapping is wrong, not the rows. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIMIT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?\s*(%?)", re.ASCII)
_ALL = 100


@value
class ErrorLimit:
    """So many invalid rows are tolerated, and no more. One of ``rows``, ``percent`` is set."""

    rows: int | None = None
    percent: Decimal | None = None
    """Of the rows that were judged, 0 to 100."""
    tolerated: int = 0
    """So few invalid rows are never too many, whatever their share."""

    def __str__(self) -> str:
        """As ``--max-errors`` takes it."""
        return f"{self.percent} %" if self.percent is not None else f"{self.rows}"

    def exceeded(self, invalid: int, records: int) -> bool:
        """Whether so many of so many are too many."""
        if self.rows is not None:
            return invalid > self.rows
        share = self.percent if self.percent is not None else _ALL
        return invalid > self.tolerated and invalid * _ALL > share * records


DEFAULT_LIMIT = ErrorLimit(percent=Decimal(10), tolerated=10)
"""What ``run`` tolerates: 10 %, and 10 rows. It holds for a fed-back errors file as well: there
stand the rows that a stopped run did not send, beside those that stopped it."""


@value
class Tally:
    """The rows of one source."""

    records: int
    invalid: int


DEFAULT_FEWER = ErrorLimit(percent=Decimal(20), tolerated=10)
DEFAULT_CHANGED = ErrorLimit(percent=Decimal(30), tolerated=10)
DEFAULT_NEW = ErrorLimit(percent=Decimal(25), tolerated=50)
DEFAULT_VANISHED = ErrorLimit(percent=Decimal(5), tolerated=10)
DEFAULT_OLDER = ErrorLimit(percent=Decimal(0), tolerated=10)
"""What the volume guard still takes for a usual night (plan.volume_guard)."""


def parse_bound(text: str) -> ErrorLimit:
    """A bound of the volume guard, as ``N`` or ``P%``.

    Raises:
        UsageError: it is neither.
    """
    return parse_limit(str(text), "the bound")


def parse_limit(text: str, flag: str = "--max-errors") -> ErrorLimit:
    """The limit that ``N`` or ``P%`` names, exactly: it has no tolerance.

    Raises:
        UsageError: it is neither.
    """
    found = _LIMIT.fullmatch(text.strip())
    if found is None or (found[2] and not found[3]):
        raise UsageError(
            f"{flag} {text!r} is no number of rows and no percentage",
            hint=f"for example {flag} 500 or {flag} 2.5%",
        )
    if not found[3]:
        return ErrorLimit(rows=int(found[1]))
    percent = Decimal(f"{found[1]}.{found[2]}" if found[2] else found[1])
    if percent > _ALL:
        raise UsageError(
            f"{flag} {text} is more than all rows",
            hint=f"{flag} 100% tolerates any number of rows",
        )
    return ErrorLimit(percent=percent)


def too_many(limit: ErrorLimit, tallies: Iterable[Tally]) -> str:
    """What is too much, in words; "" where the limit holds."""
    counted = list(tallies)
    invalid = sum(one.invalid for one in counted)
    records = sum(one.records for one in counted)
    if not limit.exceeded(invalid, records):
        return ""
    share = invalid * _ALL / records
    return f"{invalid:,} of {records:,} rows ({share:.3g} %) are invalid, more than {limit}"
