"""One input record after validation: a customer to deliver, or problems to report."""

from __future__ import annotations

from importer.source.records import NOTHING_UNSEEN, Unseen
from importer.values import value


@value
class Problem:
    """One rule that one cell broke."""

    column: str
    """The column as the user named it, or "" where the whole record is wrong."""
    code: str
    """Stable machine-readable code, for example ``phone_not_e164``."""
    message: str
    """The rule in words, with the value masked where it is personal data."""
    hint: str = ""
    """What to change."""
    detail: str = ""
    """Sets problems of one code apart when they are counted: the kind of mistake, a currency or a
    metadata key. Never personal data."""

    def text(self) -> str:
        """The problem on one line, for results and the terminal."""
        place = f"{self.column}: " if self.column else ""
        return f"{place}{self.message}" + (f" ({self.hint})" if self.hint else "")


@value
class Row:
    """A record that was read and judged.

    Either ``problems`` is empty and ``payload`` and ``fingerprint`` are set, or it is not and they
    are None.
    """

    source: int
    line: int
    reference: str
    """``external_reference`` as found ("" where absent), trimmed."""
    payload: str | None
    """The canonical JSON body of the POST (see ``payload.canonical``)."""
    fingerprint: bytes | None
    """SHA-256 of ``payload`` in UTF-8, 32 bytes."""
    problems: tuple[Problem, ...] = ()
    cells: tuple[str, ...] = ()
    """The original cells in header order, for the errors file."""
    extra: tuple[str, ...] = ()
    """Cells beyond the header (a malformed record)."""
    unseen: Unseen = NOTHING_UNSEEN
    """What the reader of its source knew of an invalid record beside the cells."""
    origin: int | None = None
    """64 bits of the cells that a mapping made the reference of; None without a mapping."""
