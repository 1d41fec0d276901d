"""Drives the product's own protocol.step for the model; no rule of delivery is repeated here.

A ride is a flight together with the command that it waits for, interned to a small number, so
that states of the world compare and hash fast and each call of ``step`` is made only once.
Time is kept as age: ``now`` is always ``NOW``, and a big tick moves the times in the states back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, TypeVar

from importer.delivery.protocol import creating as protocol
from importer.delivery.protocol import events as e
from importer.delivery.protocol.creating import Flight, Policy
from importer.delivery.protocol.states import (
    NEW,
    Done,
    New,
    Sent,
    State,
)

T = TypeVar("T")

NOW = 1_000_000.0
"""Seconds; any number far from zero."""
BIG_TICK = 11 * 3600.0
"""Seconds: two are past the protocol's 20 hours, three past the server's 24."""
OLDEST = 3 * BIG_TICK
"""Seconds; ages beyond it are alike to every rule."""
IDLE = -1
"""No ride."""


class Interner(Generic[T]):
    """Small numbers for values."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._numbers: dict[T, int] = {}

    def number(self, value: T) -> int:
        """The number of this value, the same every time."""
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number


class Driver:
    """All rides of one variant."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.states: Interner[State] = Interner()
        self.new = self.states.number(NEW)
        self._rides: Interner[tuple[Flight, e.Command]] = Interner()
        self._fed: dict[tuple[int, e.Event], int] = {}
        self._begun: dict[tuple[str, int], int] = {}
        self._older_rides: dict[int, int] = {}
        self._older_states: dict[int, int] = {}

    def state(self, number: int) -> State:
        """The ledger's state with this number."""
        return self.states.values[number]

    def flight(self, ride: int) -> Flight:
        """Where the row stands."""
        return self._rides.values[ride][0]

    def command(self, ride: int) -> e.Command:
        """What the ride waits for."""
        return self._rides.values[ride][1]

    def begin(self, version: str, ledger: int) -> int:
        """Take the row up as source and ledger have it now; IDLE if it settles at once."""
        key = (version, ledger)
        if key not in self._begun:
            flight = Flight("REF", version.encode(), self.state(ledger))
            self._begun[key] = self._step(flight, e.Begin(NOW))
        return self._begun[key]

    def feed(self, ride: int, event: e.Event) -> int:
        """Give the ride an event; IDLE if the row is settled for this run."""
        key = (ride, event)
        after = self._fed.get(key)
        if after is None:
            after = self._fed[key] = self._step(self.flight(ride), event)
        return after

    def _step(self, flight: Flight, event: e.Event) -> int:
        after, command = protocol.step(flight, event, self.policy)
        if isinstance(command, e.Settle | e.Halt):
            return IDLE
        # Told to the user, never decided by: leaving them in would only multiply the states.
        return self._rides.number((after._replace(sends=0, note=(0, "", "")), _bare(command)))

    def older_ride(self, ride: int) -> int:
        """The same ride a big tick later (a suspended process keeps what it had read)."""
        if ride not in self._older_rides:
            flight, command = self._rides.values[ride]
            pending = None if flight.pending is None else _older(flight.pending)
            flight = flight._replace(state=_older(flight.state), pending=pending)
            if isinstance(command, e.Commit):
                old = command.transition
                command = e.Commit(replace(old, expected=_older(old.expected), new=_older(old.new)))
            self._older_rides[ride] = self._rides.number((flight, command))
        return self._older_rides[ride]

    def older_state(self, state: int) -> int:
        """The same ledger state a big tick later."""
        if state not in self._older_states:
            self._older_states[state] = self.states.number(_older(self.state(state)))
        return self._older_states[state]


def _older(state: State) -> State:
    if isinstance(state, Sent):
        moved = max(state.first_sent_at - BIG_TICK, NOW - OLDEST)
        return replace(state, first_sent_at=moved)
    return state


def _bare(command: e.Command) -> e.Command:
    if isinstance(command, e.Commit):
        return e.Commit(replace(command.transition, http_status=0))
    return command


def told(state: State) -> str:
    """A ledger state in words."""
    if isinstance(state, New):
        return "New"
    details = f"generation {state.generation}, version {state.fingerprint.decode()}"
    if isinstance(state, Sent):
        age = round((NOW - state.first_sent_at) / 3600)
        return f"Sent({details}, {age} h old)"
    if isinstance(state, Done):
        return f"Done({details}, {state.customer_id}, {state.origin})"
    return f"Rejected({details})"
