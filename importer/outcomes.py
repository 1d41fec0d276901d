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
