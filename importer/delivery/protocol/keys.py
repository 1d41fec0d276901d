"""The idempotency key: a pure function of reference and generation (docs/delivery.md)."""

from __future__ import annotations

import hashlib
from uuid import UUID

NAMESPACE = UUID("5d0b1c1e-6d0c-5b0e-9a55-0c6f3d1f7a42")
"""Fixed for ever: another namespace would be another key for the same row, and a second request."""
_BEGUN = hashlib.sha1(NAMESPACE.bytes + b"customers.create/", usedforsecurity=False)


def idempotency_key(reference: str, generation: int) -> str:
    """The ``Idempotency-Key`` of one row: a UUIDv5, 36 characters of ``[0-9a-f-]``.

    Generation 0 depends on the reference alone, so even a lost ledger finds the same key again.
    A reference matches ``[a-zA-Z0-9_-]+`` (API page), so the ``/`` separators are unambiguous.
    """
    hashed = _BEGUN.copy()
    hashed.update(f"{reference}/{generation}".encode())
    digest = hashed.hexdigest()
    # RFC 9562 section 5.5, without the object that uuid.uuid5 makes for each row.
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
