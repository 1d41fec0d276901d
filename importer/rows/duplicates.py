"""Decides about rows that share one ``external_reference``. Pure.

=========  ======================  =====================================================
policy     all payloads equal      payloads differ
=========  ======================  =====================================================
``error``  first kept, others are  every one is ``invalid``, with every line named
``first``  ``duplicate`` of it     the first is kept, the others are ``duplicate`` of it
``last``   (whatever the policy)   the last is kept, the others are ``duplicate`` of it
=========  ======================  =====================================================

Whatever the policy, rows whose reference a mapping made of different cells are all ``invalid``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.outcomes import OnDuplicate, Outcome
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Sequence

LINES_NAMED = 20
"""Lines that one message names."""


@value
class Member:
    """One row of a group of equal references."""

    position: int
    """Sorting by it gives the input order."""
    source: str
    """The source as the user named it."""
    line: int
    fingerprint: bytes | None
    """None where the row is invalid by itself."""
    origin: int = 0
    """Equal where a mapping made the reference of the same cells."""


@value
class Resolved:
    """What becomes of one member."""

    position: int
    outcome: Outcome | None = None
    """None: the row goes on as it is. Else ``DUPLICATE`` or ``INVALID``."""
    error_code: str = ""
    error: str = ""


def resolve(members: Sequence[Member], policy: OnDuplicate) -> list[Resolved]:
    """Decide about one group, in input order.

    Members that are invalid by themselves keep their own problems, and neither win nor conflict.
    But they hold their reference: corrected, they would become the customer of another one.
    """
    ordered = sorted(members, key=lambda one: one.position)
    if len({one.origin for one in ordered}) > 1:
        error = f"the mapping makes one external_reference of different cells: {_places(ordered)}"
        return [
            Resolved(one.position, Outcome.INVALID, "reference_collision", error) for one in ordered
        ]
    valid = [one for one in ordered if one.fingerprint is not None]
    if len(valid) <= 1:
        return [Resolved(one.position) for one in ordered]
    same = len({one.fingerprint for one in valid}) == 1
    if policy is OnDuplicate.ERROR and not same:
        error = f"rows with this external_reference differ: {_places(valid)}"
        error += " (correct them, or choose one with --on-duplicate first or last)"
        return [
            Resolved(one.position, Outcome.INVALID, "duplicate_conflict", error)
            if one.fingerprint is not None
            else Resolved(one.position)
            for one in ordered
        ]
    winner = valid[-1] if policy is OnDuplicate.LAST and not same else valid[0]
    several = len({one.source for one in valid}) > 1
    return [_beside(one, winner, several=several) for one in ordered]


def _beside(member: Member, winner: Member, *, several: bool) -> Resolved:
    if member is winner or member.fingerprint is None:
        return Resolved(member.position)
    place = _place(winner, with_source=several)
    if member.fingerprint == winner.fingerprint:
        error = f"the same row as {place}"
        return Resolved(member.position, Outcome.DUPLICATE, "duplicate_row", error)
    error = f"{place} has this external_reference with other data, and wins by --on-duplicate"
    return Resolved(member.position, Outcome.DUPLICATE, "duplicate_superseded", error)


def _places(members: Sequence[Member]) -> str:
    several = len({one.source for one in members}) > 1
    named = members[:LINES_NAMED]
    if several:
        texts = [_place(one, with_source=True) for one in named]
    else:
        texts = [str(one.line) for one in named]
    more = len(members) - LINES_NAMED
    if more > 0:
        listed = f"{', '.join(texts)} and {more} more"
    else:
        listed = f"{', '.join(texts[:-1])} and {texts[-1]}"
    return listed if several else f"lines {listed}"


def _place(member: Member, *, with_source: bool) -> str:
    return f"{member.source} line {member.line}" if with_source else f"line {member.line}"
