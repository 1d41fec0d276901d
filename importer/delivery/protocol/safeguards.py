"""The safeguards of the delivery protocol, by name.

All of them are on, always: no flag or setting reaches this. They can be named so that the tests
can switch one off and show that the checkers notice (an ablation, docs/reliability.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Safeguards:
    """Each is one sentence of the protocol; False removes it."""

    write_ahead: bool = True
    """``Sent`` is durable before a request leaves."""
    write_once: bool = True
    """A later send never changes the fingerprint or the time of a generation."""
    replay_attribution: bool = True
    """A replayed refusal is never charged to the payload just sent."""
    lookup_before_resend: bool = True
    """A ``Sent`` row that is old, or whose source changed, is looked up before it is sent again."""
    advance_on_proof: bool = True
    """The generation advances only when a finished request and a 404 prove that nothing exists."""
    compare_and_set: bool = True
    """The ledger applies a change only to the state that it was decided on."""
    echo_check: bool = True
    """An id is believed only with a well-formed body that echoes our reference."""
    canary: bool = True
    """The first row is sent alone."""
    verified_read: bool = True
    """Nothing is sent before the whole input has been read."""
    confirm_absence: bool = True
    """After an earlier send, one 404 (perhaps of a stale replica) does not reject a row."""


ALL_ON = Safeguards()
