"""Finds the delimiter of a CSV file from its header and first records. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.source.careful import Framer
from importer.source.header import split_header
from importer.source.limits import MAX_COLUMNS
from importer.source.naming import source_name
from importer.source.options import DELIMITERS

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE_LINES = 200
_CALLED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def detect_delimiter(name: str, lines: Sequence[str]) -> str:
    """The delimiter that splits the most records as the header, then the one with most columns.

    Quotes are respected. A header that no delimiter splits is one column: ``,``.

    Args:
        name: the source, for messages.
        lines: the header and the first records, with their line endings.

    Raises:
        SourceError: two delimiters fit equally well.
    """
    scores: dict[str, tuple[float, int]] = {}
    for delimiter in DELIMITERS:
        split = split_header(lines, delimiter)
        if split is not None and len(split[0]) > 1:
            cells, used = split
            records = lines[used : used + SAMPLE_LINES]
            scores[delimiter] = (_share(records, delimiter, cells), len(cells))
    if not scores:
        return ","
    best = max(scores.values())
    fitting = [delimiter for delimiter, score in scores.items() if score == best]
    if len(fitting) > 1:
        called = " and ".join(_CALLED[one] for one in fitting)
        raise SourceError(
            f"{source_name(name)}: {called} could both be the delimiter",
            hint="say which one it is with --delimiter",
        )
    return fitting[0]


def _share(lines: Sequence[str], delimiter: str, header: list[str]) -> float:
    """How many of the records have as many cells as the header, 0 to 1; 0 where it is too wide."""
    if len(header) > MAX_COLUMNS:
        return 0.0
    text = "".join(lines).encode(errors="surrogateescape")
    framed = Framer(delimiter, tuple(header)).frame(text, 1, final=False)
    good, bad = len(framed.records), len(framed.malformed)
    return good / (good + bad) if good + bad else 1.0
