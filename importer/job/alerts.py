"""What people are told of a run: only what is news, in a few lines. Pure.

What counts is how a run ended beside what was told last of the same series: well or not, and if
not, in which way. A run that fails as the last one did is no news, and neither is one that ends
well as the last one did.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING

from importer.errors import ExitCode, printable
from importer.values import record, value

if TYPE_CHECKING:
    from importer.errors import ImporterError
    from importer.results.summary import Summary

_UNSETTLED = "unsettled"
_VOLUME_GUARD = "volume_guard"
_SIGNAL = 128
"""What shells add to the number of a signal."""
_CAUSES = 5
"""Causes that a message names."""


@value
class State:
    """How a run ended, as far as it makes a difference to whoever is called."""

    exit_code: int = 0
    reason: str = ""
    """The stop rule, or the kind of error where there are no results."""
    causes: tuple[str, ...] = ()
    """``OUTCOME: ERROR_CODE`` of the rows that are not done, sorted. Of those that are unsettled
    only the outcome: which of a bad line's errors a row meets is chance."""
    alarms: tuple[str, ...] = ()
    """Of a run that ended well: codes of what somebody should look at all the same, sorted."""

    @property
    def is_ok(self) -> bool:
        """Nobody has to do anything, and nothing is left over."""
        return self.exit_code == 0

    @property
    def goes_on(self) -> bool:
        """It is not done, and the same command goes on by itself."""
        return self.exit_code == ExitCode.TEMPFAIL

    def __str__(self) -> str:
        """As the ledger keeps it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, text: str) -> State:
        """What ``str`` of a state says; of what cannot be read, that all was well."""
        try:
            found = json.loads(text)
            told = (int(found["exit_code"]), str(found["reason"]), tuple(found["causes"]))
            return cls(*told, tuple(found.get("alarms", ())))
        except (ValueError, TypeError, KeyError):
            return cls()


WELL = State()
"""What is taken for told before anything was."""


class Change(StrEnum):
    """What is new; the values are the words of a title."""

    FAILED = "failed"
    OTHERWISE = "failed in another way"
    WAITS = "goes on by itself"
    RECOVERED = "ok again"
    ALARMED = "ok, but look at it"


def change(told: State, now: State) -> Change | None:
    """What is news about a run; None where nothing is.

    Args:
        told: what was told last of this account and series (``WELL`` if nothing was).
        now: how the run ended.
    """
    if now.is_ok and told.is_ok:
        return Change.ALARMED if {*now.alarms} - {*told.alarms} else None
    if now == told or (now.goes_on and told.goes_on):
        return None
    if now.exit_code == ExitCode.SIGINT:
        return None  # Who pressed Ctrl-C knows.
    if now.is_ok:
        return Change.RECOVERED
    if now.goes_on:
        return Change.WAITS
    return Change.FAILED if told.is_ok else Change.OTHERWISE


@record
class RunEnd:
    """What is known of the end of a run; of one that failed early that is not much."""

    exit_code: int
    began: float
    """Seconds since the epoch."""
    ended: float
    seconds: float = 0.0
    """How long it took, by a watch that nobody sets."""
    account: str = ""
    """Its name; "" where no settings could be read."""
    mode: str = ""
    """``test`` or ``live``."""
    series: str = ""
    shard: str = ""
    error: ImporterError | None = None
    """What ended it, where something did."""
    summary: Summary | None = None
    """Where there are results."""
    results: str = ""
    """The folder with the results."""
    host: str = ""
    """The machine's name."""

    @property
    def state(self) -> State:
        """What of it is compared with other runs."""
        if self.exit_code:
            return State(self.exit_code, self._reason, self._causes)
        alarms = self.summary.alarms if self.summary is not None else {}
        return State(0, self._reason, alarms=tuple(sorted(alarms)))

    @property
    def _reason(self) -> str:
        if self.summary is not None and self.summary.stopped_by:
            return self.summary.stopped_by
        if self.exit_code > _SIGNAL:
            return f"signal {self.exit_code - _SIGNAL}"
        if self.error is not None:
            # Not its words: they name tonight's file.
            return getattr(self.error, "reason", "") or type(self.error).__name__
        return ""

    @property
    def _causes(self) -> tuple[str, ...]:
        groups = self.summary.groups if self.summary is not None else ()
        found = {
            one.outcome if one.outcome == _UNSETTLED else f"{one.outcome}: {one.error_code}"
            for one in groups
        }
        if self.summary is not None and self.summary.stopped_by == _VOLUME_GUARD:
            found |= {f"volume: {name}" for name in _GRAVER if self.summary.volume.get(name)}
        return tuple(sorted(found))


def scope(series: str, shard: str) -> str:
    """Whose ends are compared with each other within an account."""
    return f"{series} {shard}".rstrip()


def title(what: Change, end: RunEnd) -> str:
    """The headline of a message."""
    about = f": {end.series}" if end.series else ""
    live = ", live" if end.mode == "live" else ""
    account = f" (account {end.account}{live})" if end.account else ""
    share = f", shard {end.shard}" if end.shard else ""
    return printable(f"importer {what}{about}{share}{account}")


def body(end: RunEnd, told: State = WELL) -> str:
    """The text of a message: what happened in a sentence, figures, and what to type next."""
    lines = [_sentence(end)]
    summary = end.summary
    if summary is not None:
        counts = ", ".join(f"{number:,} {outcome}" for outcome, number in summary.outcomes.items())
        gone = f"; {summary.vanished:,} vanished" if summary.vanished else ""
        lines.append(f"{summary.records:,} records: {counts}{gone}" if counts else "no records")
    if end.state.causes:
        lines.append(f"causes: {', '.join(end.state.causes[:_CAUSES])}")
    if summary is not None:
        lines += [f"warning: {text}" for text in summary.alarms.values()]
    if not told.is_ok:
        why = told.reason or ", ".join(told.causes[:_CAUSES])
        lines.append(f"before: exit code {told.exit_code}" + (f" ({why})" if why else ""))
    if end.error is not None and end.error.hint and not end.state.is_ok:
        lines.append(f"fix: {end.error.hint}")
    if end.results:
        lines.append(f"results: {end.results}")
    if summary is not None:
        lines.append(f"run: {summary.run_id}")
    if end.host:
        lines.append(f"on: {end.host}")
    if summary is not None and summary.next:
        lines.append(f"next: {summary.next[0]}")
    return "\n".join(map(printable, lines))


_GRAVER = {
    "older": "customers that an input of an earlier run would change back",
    "respelt": "references in another spelling that would become second customers",
    "lost_fields": "fields that no record has any more",
}
"""Figures of the guard that come first, in words: to accept them would do harm."""


def _sentence(end: RunEnd) -> str:
    code, summary = end.exit_code, end.summary
    if not code:
        return "Every row is in Moment."
    if summary is not None and summary.stopped_by == _VOLUME_GUARD:
        # Its own words show references.
        volume = sorted(summary.volume.items(), key=lambda one: one[0] not in _GRAVER)
        figures = (f"{number:,} {_GRAVER.get(name, name)}" for name, number in volume)
        what = f"Nothing was sent: the input is unlike the last good one ({', '.join(figures)})"
    elif end.error is not None:
        what = end.error.message
    elif summary is None:
        what = "The run ended before there were results"
    elif summary.stopped_by:
        what = f"The run was ended by {summary.stopped_by}"
    else:
        what = "The run has ended, and some rows are not in Moment"
    waits = "; the same command goes on by itself" if end.state.goes_on else ""
    return f"{what}{waits} (exit code {code})."
