"""The idempotency key: a pure function of reference and generation (docs/delivery.md)."""

from __future__ import annotations

from uuid import UUID, uuid5

NAMESPACE = UUID("5d0b1c1e-6d0c-5b0e-9a55-0c6f3d1f7a42")
"""Fixed for ever: another namespace would be another key for the same row, and a second request."""


def idempotency_key(reference: str, generation: int) -> str:
    """The ``Idempotency-Key`` of one row: a UUIDv5, 36 characters of ``[0-9a-f-]``.

    Generation 0 depends on the reference alone, so even a lost ledger finds the same key again.
    A reference matches ``[a-zA-Z0-9_-]+`` (API page), so the ``/`` separators are unambiguous.
    """
    return str(uuid5(NAMESPACE, f"customers.create/{reference}/{generation}"))
