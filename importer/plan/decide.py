"""What to do with a valid row, by what the ledger knows of it. Pure.

Everything that needs no request is decided here; the rest is delivered by the protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.delivery.protocol.states import Done, Rejected, State
from importer.delivery.protocol.updating import (
    BALANCE,
    CURRENCY,
    Foreseen,
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


@value
class Decision:
    """An outcome without a request, or (``outcome`` None) a delivery."""

    outcome: Outcome | None = None
    customer_id: str = ""
    error_code: str = ""
    error: str = ""


DELIVER = Decision()
CHANGED_AT_MOMENT = "changed_at_moment"
AMOUNT_AND_CURRENCY = "amount_and_currency"


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
