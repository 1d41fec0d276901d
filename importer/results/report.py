"""Groups of errors in the form of ``summary.json``: plain values, most frequent first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.results.advice import advice_on, as_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from importer.results.advice import Setting
    from importer.results.groups import Group

MOST_GROUPS = 50
"""Groups that a summary holds."""


@dataclass(frozen=True, slots=True)
class GroupReport:
    """One group of errors. No names, addresses, numbers or references are in it."""

    outcome: str
    rows: int
    source: str
    """As the user named it."""
    column: str
    error_code: str
    detail: str
    """The kind of mistake, the currency or the metadata key, "" where there is none."""
    http_status: int
    lines: list[int]
    """The first lines of the group, at most ten."""
    text: str
    """What is wrong, in words."""
    fix: str
    """What would fix the whole group, in words."""
    toml: str
    """Entries for the mapping file that would fix it, "" where there are none."""


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What a run says of its errors."""

    groups: list[GroupReport]
    count: int
    """Groups found; only the most frequent ``MOST_GROUPS`` are in ``groups``."""
    toml: str
    """The entries of all these groups together, as one text to paste."""


def report(ranked: Sequence[Group], sources: Sequence[str]) -> ErrorReport:
    """Put the groups into words.

    Args:
        ranked: the groups, most frequent first.
        sources: the names of the sources, by index.
    """
    told: list[GroupReport] = []
    settings: list[Setting] = []
    for group in ranked[:MOST_GROUPS]:
        advice = advice_on(group.cause)
        settings += advice.settings
        told.append(
            GroupReport(
                outcome=group.cause.outcome,
                rows=group.rows,
                source=sources[group.cause.source],
                column=group.cause.column,
                error_code=group.cause.code,
                detail=group.cause.detail,
                http_status=group.cause.http_status,
                lines=list(group.lines),
                text=advice.text,
                fix=_fix(advice.fix, advice.settings),
                toml=as_toml(advice.settings),
            )
        )
    return ErrorReport(told, len(ranked), as_toml(settings))


def _fix(sentence: str, settings: Iterable[Setting]) -> str:
    entries = " and ".join(f"{one} in [{one.section}]" for one in settings)
    notes = "; ".join(one.note for one in settings if one.note)
    noted = f"{entries} ({notes})" if notes else entries
    return ": ".join(part for part in (sentence, noted) if part)
