"""What to do with a valid row, by what the ledger knows of it. Pure.

Everything that needs no request is decided here; the rest is delivered by the protocol.
"""

from __future__ import annotations

import json
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from importer.delivery.protocol.states import (
    SHARED_ID,
    Done,
    Rejected,
    Sent,
    State,
    Synced,
    shares_id,
)
from importer.delivery.protocol.updating import (
    BALANCE,
    CURRENCY,
    METADATA,
    Foreseen,
    Rule,
    UpdatePolicy,
    conflicting,
    foresee,
    waiting,
)
from importer.outcomes import Outcome
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from importer.delivery.protocol.states import Hashes, UpdateState
    from importer.ledger.interface import Hasher, Known


@value
class Decision:
    """An outcome without a request, or (``outcome`` None) a delivery."""

    outcome: Outcome | None = None
    customer_id: str = ""
    error_code: str = ""
    error: str = ""


DELIVER = Decision()


class Sending(StrEnum):
    """Why a row would be sent."""

    NEW = "would_create"
    IN_FLIGHT = "in_flight"
    CORRECTED = "corrected"
    RETRIED = "retried"
    UPDATE = "would_update"


class Send(NamedTuple):
    """What is foreseen of a row that would be sent."""

    why: Sending
    fields: tuple[str, ...] = ()
    """Of an update: what may be written."""
    reads: bool = False
    """Of an update: whether Moment is asked first."""


CHANGED_AT_MOMENT = "changed_at_moment"
AMOUNT_AND_CURRENCY = "amount_and_currency"
SHARED_WORDS = (
    "Moment gave the id of this row to another reference as well; nothing is sent"
    " (--retry-rejected asks Moment whose it is)"
)


def differing(fields: Iterable[str]) -> str:
    """That Moment was seen to hold other values in these fields, in words."""
    return f"Moment holds other values in: {', '.join(fields)}"


def decide(state: State, fingerprint: bytes, *, retry_rejected: bool) -> Decision:
    """The decision for one row whose payload has this fingerprint."""
    match state:
        case Done() if state.fingerprint == fingerprint and state.differs:
            # The source is as it was, and so is what Moment was seen to hold instead.
            return Decision(Outcome.CHANGED, state.customer_id, "differs", differing(state.differs))
        case Done():
            if state.fingerprint == fingerprint:
                return Decision(Outcome.UNCHANGED, state.customer_id)
            return Decision(
                Outcome.CHANGED,
                state.customer_id,
                "changed_since",
                "the row differs from the version that is in Moment; nothing was sent",
            )
        case Rejected() if state.fingerprint == fingerprint and not retry_rejected:
            return Decision(
                Outcome.REJECTED,
                "",
                state.error_code,
                f"refused earlier with HTTP {state.http_status} and unchanged since"
                " (--retry-rejected sends it again)",
            )
        case _:
            return DELIVER


def decide_update(
    state: UpdateState, fingerprint: bytes, wanted: Hashes, policy: UpdatePolicy
) -> tuple[Decision, Foreseen]:
    """The decision for a customer that is settled, and what a run would ask and write.

    Args:
        state: how the customer is kept in step.
        fingerprint: of the row's payload.
        wanted: hashes of the fields that the row gives.
        policy: who wins in which field.
    """
    foreseen = foresee(state, fingerprint, wanted, policy)
    match foreseen.outcome:
        case None:
            return DELIVER, foreseen
        case Outcome.UNCHANGED:
            return Decision(Outcome.UNCHANGED, state.customer_id), foreseen
        case Outcome.CHANGED:
            text = "the row differs from what is in Moment, in fields that are never updated"
            return Decision(foreseen.outcome, state.customer_id, "changed_since", text), foreseen
        case outcome:
            return _remembered(outcome, state, wanted, policy), foreseen


MOST_ALIKE = 4096
"""Kinds of updates whose decision is remembered."""


class Decider:
    """Decides of many rows, each once. What is alike is decided once for all of them.

    Of a customer without an open update, conflict or verdict ``foresee`` looks at nothing but which
    fields the row gives, and which of their values Moment is known to hold: among a million rows
    whose balances moved that is a handful.
    """

    def __init__(self, hasher: Hasher, policy: UpdatePolicy, *, retry_rejected: bool) -> None:
        self._hasher = hasher
        self._policy = policy
        self._retry_rejected = retry_rejected
        self._alike: dict[tuple[object, ...], tuple[Decision, Send | None]] = {}
        may_write = {name for name, rule in policy.rules if rule is not Rule.NEVER}
        self._keys = {name.removeprefix(METADATA) for name in may_write if METADATA in name}
        self._fields = {*may_write, BALANCE, CURRENCY}

    def __call__(
        self, reference: str, known: Known, fingerprint: bytes, payload: str
    ) -> tuple[Decision, Send | None]:
        """What ``decide`` or ``decide_update`` says of the row, and what is sent if it is."""
        state, update = known
        if update is None or not (self._policy.rules or update.serial):
            decision = decide(state, fingerprint, retry_rejected=self._retry_rejected)
            return decision, None if decision.outcome else Send(_why(state, fingerprint))
        row = json.loads(payload)
        if self._policy.rules:
            # Fields that are never written do not matter where something is.
            some = self._hasher(reference, self._written(row))
            decision, send = self._decide(update, fingerprint, some)
            if send is not None:
                return decision, send
        return self._decide(update, fingerprint, self._hasher(reference, row))

    def _decide(
        self, update: UpdateState, fingerprint: bytes, wanted: Hashes
    ) -> tuple[Decision, Send | None]:
        memory = update.memory
        if not isinstance(update, Synced) or memory.conflicts or memory.verdict is not None:
            return self._decided(update, fingerprint, wanted)
        base, otherwise = dict(update.base), dict(memory.otherwise)
        kind = (
            update.version == fingerprint,
            tuple([name for name, _ in wanted]),
            tuple([base.get(name) == value for name, value in wanted]),
            tuple([otherwise.get(name) == value for name, value in wanted]) if otherwise else (),
        )
        found = self._alike.get(kind)
        if found is None:
            if len(self._alike) >= MOST_ALIKE:
                self._alike.clear()
            found = self._alike[kind] = self._decided(update, fingerprint, wanted)
        decision, send = found
        if decision.outcome is not None and decision.customer_id != update.customer_id:
            decision = replace(decision, customer_id=update.customer_id)
        return decision, send

    def _decided(
        self, update: UpdateState, fingerprint: bytes, wanted: Hashes
    ) -> tuple[Decision, Send | None]:
        decision, foreseen = decide_update(update, fingerprint, wanted, self._policy)
        if decision.outcome is not None:
            return decision, None
        return decision, Send(Sending.UPDATE, foreseen.fields, foreseen.reads)

    def _written(self, row: dict[str, Any]) -> dict[str, Any]:
        """The fields that may be written, and the two that only go together."""
        found = {name: value for name, value in row.items() if name in self._fields}
        if self._keys and "metadata" in row and "metadata" not in found:
            metadata = row["metadata"]
            found["metadata"] = {key: metadata[key] for key in metadata if key in self._keys}
        return found


def _why(state: State, fingerprint: bytes) -> Sending:
    """Why a row that is no customer yet is sent."""
    match state:
        case Sent():
            return Sending.IN_FLIGHT
        case Rejected():
            same = state.fingerprint == fingerprint
            return Sending.RETRIED if same else Sending.CORRECTED
        case _:
            return Sending.NEW


def conflict_words(fields: Mapping[str, str], waits: Collection[str]) -> tuple[str, str]:
    """(error code, text) of fields that were not written.

    Args:
        fields: each in words, by its name.
        waits: those of them that nobody else caused (``updating.waiting``).
    """
    told = "; ".join(fields.values())
    edited = [name for name in fields if name not in waits]
    parts = []
    if edited:
        where = f" in {', '.join(edited)}" if waits else ""
        parts.append(f"Moment holds something else{where}, which was left alone")
    if BALANCE in waits and CURRENCY in edited:
        parts.append("the balance waits for its currency")
    elif BALANCE in waits:
        parts.append(
            "Moment holds another currency than the source, which may not be written, and an amount"
            " does not go without its currency"
        )
    elif CURRENCY in waits:
        parts.append(
            "the currency waits for its balance: another amount stands in Moment, which"
            " was left alone"
        )
    code = CHANGED_AT_MOMENT if edited else AMOUNT_AND_CURRENCY
    return code, f"{told}; {'; '.join(parts)}"


def _remembered(
    outcome: Outcome, state: UpdateState, wanted: Hashes, policy: UpdatePolicy
) -> Decision:
    """A conflict or a refusal of an earlier night that holds still."""
    verdict = state.memory.verdict
    if shares_id(state):
        return Decision(outcome, state.customer_id, SHARED_ID, SHARED_WORDS)
    if verdict is not None and verdict.outcome is outcome:
        fields = ", ".join(name for name, _ in verdict.wanted)
        text = (
            f"HTTP {verdict.http_status} for {fields}, and unchanged since"
            " (--retry-rejected asks again)"
        )
        return Decision(outcome, state.customer_id, verdict.error_code, text)
    known = conflicting(state, wanted, policy)
    words = {name: f"{name}: the source wants the same as before" for name in known}
    code, text = conflict_words(words, waiting(state, known, policy))
    return Decision(outcome, state.customer_id, code, text)
