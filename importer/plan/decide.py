"""What to do with a valid row, by what the ledger knows of it. Pure.

Everything that needs no request is decided here; the rest is delivered by the protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.delivery.protocol.states import Done, Rejected, State
from importer.delivery.protocol.updating import Foreseen, UpdatePolicy, foresee
from importer.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.delivery.protocol.states import Hashes, UpdateState


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome without a request, or (``outcome`` None) a delivery."""

    outcome: Outcome | None = None
    customer_id: str = ""
    error_code: str = ""
    error: str = ""


DELIVER = Decision()


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
            return _remembered(outcome, state, wanted), foreseen


def _remembered(outcome: Outcome, state: UpdateState, wanted: Hashes) -> Decision:
    """A conflict or a refusal of an earlier night that holds still."""
    verdict = state.memory.verdict
    if verdict is not None and verdict.outcome is outcome:
        fields = ", ".join(name for name, _ in verdict.wanted)
        text = (
            f"HTTP {verdict.http_status} for {fields}, and unchanged since"
            " (--retry-rejected asks again)"
        )
        return Decision(outcome, state.customer_id, verdict.error_code, text)
    gives = dict(wanted)
    known = [one.field for one in state.memory.conflicts if gives.get(one.field) == one.wanted]
    text = f"Moment holds what somebody else wrote in: {', '.join(known)}; that was left alone"
    return Decision(outcome, state.customer_id, "changed_at_moment", text)
