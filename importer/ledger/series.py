"""Which runs belong together: those of one nightly file, by its name without the date. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPRESSED = (".gz", ".zst", ".zip")
_DATED = re.compile(
    # A date with or without a time (ISO 8601 and its usual spellings), an epoch, or a counter of
    # digits only, with the sign in front of it.
    r"[-_. ]*(?<![0-9])(?:"
    r"(?:19|20)[0-9]{2}[-_.]?[01][0-9](?:[-_.]?[0-3][0-9])?"
    r"|[0-3][0-9][-_.][01][0-9][-_.](?:19|20)?[0-9]{2}"
    r"|(?:1[5-9]|2[0-9])[0-9]{8}(?:[0-9]{3})?"
    r")(?:[-_ t]?[0-2][0-9][-_.:h]?[0-5][0-9](?:[-_.:m]?[0-5][0-9])?s?z?)?(?![0-9])"
)
_MONTHS = re.compile(
    r"[-_. ]*(?<![a-z])[0-3]?[0-9]?[-_. ]?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
    r"[-_. ]?(?:[0-3]?[0-9][-_. ,]*)?(?:19|20)[0-9]{2}(?![0-9])"
)


def series_of(sources: Sequence[str], named: str = "") -> str:
    """The series that a run of these sources belongs to.

    ``crm_2026-11-25.csv`` and ``crm_2026-11-26.csv.gz`` are both ``crm.csv``; several sources are
    a series of their own. Folders do not count: a night's folder has a date as well.

    Args:
        sources: as the user named them.
        named: what ``--series`` says; it wins.
    """
    return named or " + ".join(sorted({_stable(one) for one in sources}))


def _stable(source: str) -> str:
    name = source.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1].lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    plain = _MONTHS.sub("", _DATED.sub("", stem))
    # A name that is nothing but a date is the series of all such names.
    return f"{plain.strip('-_. ')}{dot}{ending}"
