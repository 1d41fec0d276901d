"""How sources are to be read."""

from __future__ import annotations

from dataclasses import dataclass

from importer.errors import UsageError
from importer.source.limits import BLOCK_BYTES

DELIMITERS = (",", ";", "\t", "|")
"""What is detected."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Settings that hold for every source of a run.

    Raises:
        UsageError: the delimiter is not one usable ASCII character.
    """

    delimiter: str | None = None
    """One ASCII character; None = detected among ``,`` ``;`` tab and ``|``. CSV only."""
    block_bytes: int = BLOCK_BYTES
    """Bytes of text read at once; the results never depend on it."""

    def __post_init__(self) -> None:
        given = self.delimiter
        if given is None:
            return
        usable = len(given) == 1 and (given == "\t" or " " <= given <= "~") and given != '"'
        if not usable:
            raise UsageError(
                f"the delimiter {given!r} cannot be used",
                hint="give one ASCII character that is no quote, for example ; or a tab",
            )
