"""The outcomes: the one word that says what became of an input record."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What became of one input record; the values are the results file's words."""

    CREATED = "created"
    FOUND = "found"
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    UPDATED = "updated"
    CONFLICT = "conflict"
    MISSING = "missing"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    REJECTED = "rejected"
    UNSETTLED = "unsettled"
    SKIPPED = "skipped"
    WOULD_CREATE = "would_create"
    WOULD_UPDATE = "would_update"


IN_MOMENT = frozenset(
    {
        Outcome.CREATED,
        Outcome.FOUND,
        Outcome.UNCHANGED,
        Outcome.CHANGED,
        Outcome.UPDATED,
        Outcome.DUPLICATE,
    }
)
"""Outcomes whose customer is in Moment (a duplicate stands for its first line).

A ``conflict`` is there as well, but not in step with its source: it counts as not done.
"""


NOT_FAILED = IN_MOMENT | {Outcome.WOULD_CREATE, Outcome.WOULD_UPDATE, Outcome.SKIPPED}
"""Outcomes of which nobody has to put anything right."""


class OnDuplicate(StrEnum):
    """Which row counts where one reference has different data (``--on-duplicate``)."""

    ERROR = "error"
    FIRST = "first"
    LAST = "last"


OUTCOME_WORDS: dict[str, str] = {
    "created": "is in Moment now",
    "found": "was in Moment already; its id was looked up",
    "unchanged": "was settled by an earlier run, and the row is the same",
    "changed": "was settled by an earlier run, and is not in step with its row; nothing was sent",
    "updated": "was changed in Moment as the source says",
    "conflict": "differs where others wrote, or in its currency, or has another's id; left alone",
    "missing": "is not in Moment any more; it is not created again by itself",
    "duplicate": "repeats a reference of this input",
    "would_create": "is valid and would be delivered",
    "would_update": "differs, and would be changed in Moment",
    "skipped": "is no customer by a rule of the mapping",
    "invalid": "breaks a rule of the API; see errors.csv",
    "rejected": "was refused by Moment; see errors.csv",
    "unsettled": "is not settled yet; the same command goes on with it",
}

VANISHED_WORDS = "were delivered before, and the input has no record of them; see vanished.csv"
MARK_WORDS: dict[str, str] = {
    "yes": "of the vanished were marked now",
    "already": "of the vanished are marked already",
    "would_mark": "of the vanished would be marked, with two requests each",
}
"""What became of the marks of vanished customers; other words are those of rows."""
