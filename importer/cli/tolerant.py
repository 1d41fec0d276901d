"""Keeps a run from dying of its own output: a closed pipe, a hung-up terminal, a full log disk."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from importer.job.observer import Observer, Progress

if TYPE_CHECKING:
    from importer.results import Summary

_CANNOT_TELL = (OSError, ValueError, SystemExit)
"""Writing failed; the stream was closed; rich's answer to a closed pipe."""


class TolerantObserver(Observer):
    """Passes everything on; what cannot be told is lost, and the run goes on."""

    def __init__(self, inner: Observer) -> None:
        self._inner = inner

    def started(self, run_id: str, command: str, account: str) -> None:
        """The run begins."""
        with suppress(*_CANNOT_TELL):
            self._inner.started(run_id, command, account)

    def warning(self, code: str, text: str) -> None:
        """Something is odd."""
        with suppress(*_CANNOT_TELL):
            self._inner.warning(code, text)

    def reading(self, source: str, records: int) -> None:
        """Records were read."""
        with suppress(*_CANNOT_TELL):
            self._inner.reading(source, records)

    def verified(self, records: int, invalid: int) -> None:
        """The whole input has been read."""
        with suppress(*_CANNOT_TELL):
            self._inner.verified(records, invalid)

    def planned(self, outcomes: dict[str, int], to_deliver: int) -> None:
        """The plan is made."""
        with suppress(*_CANNOT_TELL):
            self._inner.planned(outcomes, to_deliver)

    def delivering(self, progress: Progress) -> None:
        """Delivery goes on."""
        with suppress(*_CANNOT_TELL):
            self._inner.delivering(progress)

    def interrupted(self, name: str, in_flight: int) -> None:
        """A signal asked the run to stop."""
        with suppress(*_CANNOT_TELL):
            self._inner.interrupted(name, in_flight)

    def finished(self, summary: Summary, results: str) -> None:
        """The results are there."""
        with suppress(*_CANNOT_TELL):
            self._inner.finished(summary, results)
