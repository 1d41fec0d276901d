"""What the job tells whoever watches: a terminal, a log, a test."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING

from importer.values import record

if TYPE_CHECKING:
    from importer.results.summary import Summary


@record
class Progress:
    """Where delivery stands; one object that is updated in place."""

    total: int = 0
    """Rows to deliver."""
    outcomes: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    waiting: int = 0
    """Rows that wait for their next request."""
    holding: str = ""
    """What delivery waits for, in words, "" if nothing holds it."""

    @property
    def done(self) -> int:
        """Rows that this run is done with."""
        return self.outcomes.total()


class Observer:
    """Hears of everything worth an operator's time. Does nothing by itself."""

    def started(self, run_id: str, command: str, account: str) -> None:
        """The run begins."""

    def warning(self, code: str, text: str) -> None:
        """Something is odd but does not stop the run; ``text`` holds no personal data."""

    def reading(self, source: str, records: int) -> None:
        """So many records of the source have been read and validated."""

    def verified(self, records: int, invalid: int) -> None:
        """The whole input has been read; nothing has been sent so far."""

    def following(self, digest: str, *, begun: bool) -> None:
        """The run follows a saved plan; ``begun`` if an earlier run of that plan did some of it."""

    def planned(self, outcomes: dict[str, int], to_deliver: int) -> None:
        """The plan is made."""

    def delivering(self, progress: Progress) -> None:
        """Delivery goes on; called every now and then."""

    def interrupted(self, name: str, in_flight: int) -> None:
        """A signal asked the run to stop."""

    def finished(self, summary: Summary, results: str) -> None:
        """The results stand in this folder."""
