"""How sources are to be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.source.limits import BLOCK_BYTES
from importer.source.text.encodings import AUTO, label_of

if TYPE_CHECKING:
    from pathlib import Path


DELIMITERS = (",", ";", "\t", "|")
"""What is detected."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Settings that hold for every source of a run.

    Raises:
        UsageError: the delimiter is not one usable ASCII character, or the encoding is unknown.
    """

    delimiter: str | None = None
    """One ASCII character; None = detected among ``,`` ``;`` tab and ``|``. CSV only."""
    block_bytes: int = BLOCK_BYTES
    """Bytes of text read at once; the results never depend on it."""

    encoding: str = AUTO
    """``auto``, or a text encoding by any of its names; CSV and JSON Lines only."""
    sheet: str | None = None
    """The sheet of an Excel workbook; None = the first that is visible and holds something."""
    folder: Path | None = None
    """Where private temporary files are kept; None = the system's folder for them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoding", label_of(self.encoding))
        given = self.delimiter
        if given is None:
            return
        usable = len(given) == 1 and (given == "\t" or " " <= given <= "~") and given != '"'
        if not usable:
            raise UsageError(
                f"the delimiter {given!r} cannot be used",
                hint="give one ASCII character that is no quote, for example ; or a tab",
            )

    def by_its_own_rules(self) -> SourceOptions:
        """The options for an errors file: what is said of its source does not hold for it."""
        return replace(self, delimiter=None, encoding=AUTO, sheet=None)
