"""The outcomes in words; shown on the terminal and held against the docs by a test."""

from __future__ import annotations

OUTCOME_WORDS: dict[str, str] = {
    "created": "is in Moment now",
    "found": "was in Moment already; its id was looked up",
    "unchanged": "was settled by an earlier run, and the row is the same",
    "changed": "was settled by an earlier run, and is not in step with its row; nothing was sent",
    "updated": "was changed in Moment as the source says",
    "conflict": "was changed at Moment by somebody else, too; that was left alone",
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

SENDING_WORDS: dict[str, str] = {
    "would_create": "is new here; would be sent",
    "in_flight": "was sent by an earlier run, outcome unknown; would be asked for again",
    "corrected": "was refused by Moment and differs now; would be sent",
    "retried": "was refused by Moment; would be sent again, as asked",
    "would_update": "differs, and would be changed in Moment, as asked",
}
"""Why a plan would send a row, in words."""
