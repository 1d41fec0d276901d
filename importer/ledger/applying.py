"""What a batch of changes makes of the rows that are held. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from operator import attrgetter
from typing import TYPE_CHECKING

from importer.delivery.protocol.states import Attempt, Rejected, Sent
from importer.errors import BugFound
from importer.ledger.codec import NOT_REQUESTS, Row, changed, decode, unknown
from importer.ledger.rules import takes
from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from importer.delivery.protocol.safeguards import Safeguards
    from importer.delivery.protocol.states import State, Transition

_STATE = attrgetter("state")
AttemptColumns = tuple[int, str, float, str, int, int, str, str, str, float | None]
"""run, reference, at, event, generation, http_status, error_code, detail, request_id, seconds"""


@record
class Folded:
    """The outcome of a batch."""

    rows: list[Row] = field(default_factory=list)
    """To be written, ordered by reference."""
    results: list[State | None] = field(default_factory=list)
    """One a transition: None if applied, else the state that is held."""
    advances: list[tuple[int, Attempt]] = field(default_factory=list)
    """(run, event) of generations that were left, which their rows no longer tell."""
    moved: Counter[str] = field(default_factory=Counter)
    """How many more customers (or fewer) are in each state."""


def fold(
    held: Mapping[str, Row],
    transitions: Sequence[Transition],
    attempts: Sequence[Attempt],
    *,
    run: int,
    now: float,
    guard: Safeguards,
) -> Folded:
    """Apply the transitions in the order given, and count the attempts.

    A refused transition writes nothing. An attempt of an unknown reference makes a row in state
    ``new``.
    """
    rows: dict[str, Row] = {}
    folded = Folded()
    for one in transitions:
        reference, new = one.reference, one.new
        row = rows.get(reference) or held.get(reference) or unknown(reference, run)
        state = decode(row)
        if not takes(state, one, guard):
            folded.results.append(state)
            continue
        folded.results.append(None)
        if state.kind == new.kind and state == new:
            continue
        if isinstance(new, Sent) and row.state != "new":
            folded.advances += _left_behind(row, new, run)
        if (
            new.generation < row.generation
            and isinstance(new, (Sent, Rejected))
            and guard.compare_and_set
        ):
            what = f"generation {new.generation} of a row after {row.generation}"
            raise BugFound(what, safe="nothing was sent for it")
        rows[reference] = changed(row, one, run=run, now=now, guard=guard)
    for attempt in attempts:
        reference = attempt.reference
        row = rows.get(reference) or held.get(reference) or unknown(reference, run)
        requests = row.attempts + (attempt.event not in NOT_REQUESTS)
        # What is asked for an update changes nothing of how the customer came to be.
        last = run if attempt.generation >= 0 else row.last_run
        rows[reference] = row._replace(attempts=requests, last_run=last)
    references = sorted(rows)
    folded.rows = [*map(rows.__getitem__, references)]
    folded.moved = Counter(map(_STATE, folded.rows))
    left = filter(None, map(held.get, references))
    folded.moved.subtract(Counter(map(_STATE, left)))
    return folded


def attempt_rows(
    advances: Sequence[tuple[int, Attempt]], attempts: Sequence[Attempt], run: int
) -> Iterator[AttemptColumns]:
    """The rows of the attempt table, ordered by reference and, within it, as they came."""
    every = [*((run, attempt) for attempt in attempts), *advances]
    for number, one in sorted(every, key=lambda pair: pair[1].reference):
        yield (
            number,
            one.reference,
            one.at,
            one.event,
            one.generation,
            one.http_status,
            one.error_code,
            one.detail,
            one.request_id,
            one.seconds,
        )


def _left_behind(row: Row, new: Sent, run: int) -> Iterator[tuple[int, Attempt]]:
    """The first sending, which only the row told, and the step to another generation."""
    if row.generation == 0 and row.first_sent_at is not None:
        yield row.first_run, Attempt(row.reference, row.first_sent_at, "sent", 0)
    yield run, Attempt(row.reference, new.first_sent_at, "advanced", new.generation)
