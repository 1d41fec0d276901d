"""What can be counted and listed of the staged rows that went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.plan.frames import LINE_BITS, Failure, position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.plan.staging_file import StagingFile

FAILURES_READ = 2000
"""Failures per read."""
_ERROR_CODES = (
    "SELECT outcome, error_code, count(*) AS n FROM ("
    " SELECT outcome, error_code FROM invalid WHERE outcome = 'invalid'"
    " UNION ALL SELECT outcome, error_code FROM outcome"
    ") WHERE error_code <> '' GROUP BY outcome, error_code ORDER BY n DESC, 1, 2 LIMIT ?"
)
_INVALID_BY_SOURCE = (
    "SELECT position / ?, count(*) FROM ("
    " SELECT position FROM invalid WHERE outcome = 'invalid'"
    " UNION ALL SELECT position FROM outcome WHERE outcome = 'invalid'"
    ") GROUP BY 1"
)
# A row that was not reached has nothing wrong: why not is the run's business.
_FAILURES = (
    "SELECT position, outcome, http_status, error_code, error FROM outcome"
    " WHERE outcome IN ('invalid', 'rejected', 'unsettled', 'conflict', 'missing')"
    " AND error_code <> 'not_reached'"
    " AND position > ? ORDER BY position LIMIT ?"
)


class Figures:
    """Looks back on what is staged, and on what became of it."""

    def __init__(self, file: StagingFile) -> None:
        self._read = file.read

    def error_codes(self, limit: int = 20) -> list[tuple[str, str, int]]:
        """(outcome, error code, rows), most frequent first."""
        return self._read(_ERROR_CODES, (limit,))

    def invalid_by_source(self) -> dict[int, int]:
        """Number of invalid rows by the index of their source; one without any is not there."""
        return dict(self._read(_INVALID_BY_SOURCE, (1 << LINE_BITS,)))

    def failures(self) -> Iterator[Failure]:
        """What went wrong with rows that are valid by themselves, in input order."""
        last = -1
        while found := self._read(_FAILURES, (last, FAILURES_READ)):
            for one in found:
                yield Failure(*one)
            last = found[-1][0]

    def has_extra(self, source: int) -> bool:
        """Whether a record of this source had more cells than the header."""
        query = "SELECT 1 FROM invalid WHERE extra IS NOT NULL AND position BETWEEN ? AND ? LIMIT 1"
        bounds = (position(source, 0), position(source + 1, 0) - 1)
        return bool(self._read(query, bounds))
