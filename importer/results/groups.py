"""Counts what is wrong by its cause, so that a thousand errors read as a handful. Pure.

Memory is bounded whatever the input: beyond ``MAX_GROUPS`` the details are given up, then the
columns. Counts stay exact, only coarser. Nothing here is personal data: a group knows columns,
codes, and the details that ``importer.rows.mistakes`` lets through.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from importer.values import record, value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.plan.frames import Failure
    from importer.rows.row import Row

MAX_GROUPS = 500
"""Groups that are told apart by their detail; twice as many by their column."""
MAX_LINES = 10
"""Lines that a group remembers, the first ones."""
_REFUSED = 400
"""The least HTTP status that is no success."""
MAX_DETAIL = 40
"""Characters of a detail (a metadata key may be longer)."""

_FIELD = re.compile(
    r"(?<![a-z_])(external_reference|email|phone|currency|balance|metadata|name)(?![a-z_])"
)


@value
class Cause:
    """What the errors of one group have in common."""

    outcome: str
    """``invalid``, ``rejected`` or ``unsettled``."""
    source: int
    """Index into the run's sources."""
    column: str
    """The column as the user named it; the API's field for what Moment refused; "" for none."""
    code: str
    detail: str = ""
    """As in ``Problem``; what sets causes with one column and one code apart."""
    http_status: int = 0
    """Of Moment's answer, 0 where there is none."""


@record
class Group:
    """The rows with one cause."""

    cause: Cause
    rows: int = 0
    lines: list[int] = field(default_factory=list)
    """The first ``MAX_LINES`` physical lines, in input order."""


class Groups:
    """Collects the groups of one run; rows come in input order."""

    def __init__(self) -> None:
        self._groups: dict[Cause, Group] = {}

    def add_invalid(self, rows: Iterable[Row]) -> None:
        """Count rows with problems; a row counts once in each of its groups."""
        for row in rows:
            causes = {
                Cause("invalid", row.source, one.column, one.code, one.detail[:MAX_DETAIL]): None
                for one in row.problems
            }
            for group in {id(group): group for group in map(self._group, causes)}.values():
                _count(group, row.line)

    def add_failures(self, failures: Iterable[Failure]) -> None:
        """Count rows that are valid by themselves and yet not in Moment."""
        for one in failures:
            column = field_named(one.error) if one.outcome == "rejected" else ""
            # A success says nothing of why: a conflict beside fields that were written is the same.
            status = one.http_status if one.http_status >= _REFUSED else 0
            cause = Cause(one.outcome, one.source, column, one.error_code, http_status=status)
            _count(self._group(cause), one.line)

    def ranked(self) -> list[Group]:
        """The groups, most frequent first, then in input order."""
        return sorted(self._groups.values(), key=_rank)

    def _group(self, cause: Cause) -> Group:
        if cause in self._groups:
            return self._groups[cause]
        if len(self._groups) >= MAX_GROUPS and cause.detail:
            return self._group(_without_detail(cause))
        if len(self._groups) >= 2 * MAX_GROUPS and cause.column:
            return self._group(_without_column(cause))
        return self._groups.setdefault(cause, Group(cause))


def field_named(message: str) -> str:
    """The API's field that Moment's words name first; "" where they name none."""
    found = _FIELD.search(message.lower())
    return found[1] if found else ""


def _count(group: Group, line: int) -> None:
    group.rows += 1
    if len(group.lines) < MAX_LINES:
        group.lines.append(line)


def _rank(group: Group) -> tuple[int, int, int]:
    return -group.rows, group.cause.source, group.lines[0]


def _without_detail(cause: Cause) -> Cause:
    return Cause(
        cause.outcome, cause.source, cause.column, cause.code, http_status=cause.http_status
    )


def _without_column(cause: Cause) -> Cause:
    return Cause(cause.outcome, cause.source, "", cause.code, http_status=cause.http_status)
