"""What to do with a valid row, by what the ledger knows of it. Pure.

Everything that needs no request is decided here; the rest is delivered by the protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.delivery.protocol.states import Done, Rejected, State
from importer.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable


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
