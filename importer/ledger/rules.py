"""Whether the ledger takes a change. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.delivery.protocol.states import Done, Sent, generation, kind

if TYPE_CHECKING:
    from importer.delivery.protocol.safeguards import Safeguards
    from importer.delivery.protocol.states import State, Transition


def takes(held: State, transition: Transition, safeguards: Safeguards) -> bool:
    """Whether ``transition`` may change a row whose state is ``held`` (docs/delivery.md).

    - Compare-and-set: (state, generation) must still be what the change was decided on. A
      ``Done`` wins over every state but an earlier ``Done``, which nothing changes.
    - Write-once: a generation that is held as ``Sent`` keeps its fingerprint and its time.
    """
    return (not safeguards.compare_and_set or _expected(held, transition)) and not (
        safeguards.write_once and _rewrites(held, transition.new)
    )


def _expected(held: State, transition: Transition) -> bool:
    if isinstance(held, Done):
        return False
    if isinstance(transition.new, Done):
        return True
    expected = transition.expected
    return kind(held) == kind(expected) and generation(held) == generation(expected)


def _rewrites(held: State, new: State) -> bool:
    return (
        isinstance(held, Sent)
        and isinstance(new, Sent)
        and held.generation == new.generation
        and held != new
    )
