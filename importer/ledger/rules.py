"""Whether the ledger takes a change. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.delivery.protocol.states import Done, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.delivery.protocol.safeguards import Safeguards
    from importer.delivery.protocol.states import Hashes, State, Transition


def takes(held: State, transition: Transition, safeguards: Safeguards) -> bool:
    """Whether ``transition`` may change a row whose state is ``held`` (docs/delivery.md).

    - Compare-and-set: (state, generation) must still be what the change was decided on. A
      ``Done`` wins over every state but an earlier ``Done``, which nothing changes.
    - Write-once: a generation that is held as ``Sent`` keeps its fingerprint and its time.
    """
    expected, new = transition.expected, transition.new
    if safeguards.compare_and_set and (
        isinstance(held, Done)
        or not (
            held is expected
            or isinstance(new, Done)
            or (type(held) is type(expected) and held.generation == expected.generation)
        )
    ):
        return False
    return not (
        safeguards.write_once
        and isinstance(held, Sent)
        and isinstance(new, Sent)
        and held.generation == new.generation
        and held != new
    )


def base_of(seen: Hashes, *ours: Iterable[tuple[str, bytes]]) -> Hashes:
    """The base of a customer that was created or found: what Moment showed, where it is ours.

    Args:
        seen: of every field that Moment's answer showed.
        ours: of the version that the customer stands for, and of every one whose POST may have
            made it. Anything else that was there when we looked is somebody else's.
    """
    known = set[tuple[str, bytes]]().union(*ours)
    return tuple(pair for pair in seen if pair in known)


def earlier(held: State, new: State, sent: Hashes, before: Hashes) -> Hashes:
    """What versions that the row has left may have brought to Moment; written ahead like them.

    A request that was given up may arrive after the look that did not find it, when another
    version has been sent already.

    Args:
        held: the row as it is.
        new: what it becomes.
        sent: of the version that ``held`` stands for.
        before: what this function gave for ``held``.
    """
    if isinstance(held, Sent) and held.fingerprint != getattr(new, "fingerprint", b""):
        return tuple(sorted({*before, *sent}))
    return before
