"""A few bits of every field of a row, so that a later version of it can be told apart by field.

The ledger's fingerprint says that a row has changed; these say in which fields. Pure, and frozen:
what was stored is compared for years.
"""

from __future__ import annotations

import json
from hashlib import blake2b

from importer.rows.fingerprint import canonical

FIELDS = ("name", "email", "phone", "currency", "balance", "metadata")
"""What is told apart, as ``differs`` names it; a field more would be a new column."""

WIDTH = 2
"""Bytes of each field. 16 bits miss a change once in 65,536, and let nobody read a value back."""


def fields_of(payload: str, salt: bytes) -> bytes:
    """``WIDTH`` bytes for each of ``FIELDS``, in that order.

    BLAKE2b (RFC 7693) over the ledger's salt, the reference and the value: equal values of two
    customers look different. A field that is absent is all zeros.

    Args:
        payload: a row's canonical JSON.
        salt: the ledger's own.
    """
    row = json.loads(payload)
    own = b"%b%b\0" % (salt, row["external_reference"].encode())
    parts = []
    for name in FIELDS:
        value = row.get(name)
        if value is None:
            parts.append(bytes(WIDTH))
        else:
            text = canonical(value) if isinstance(value, dict) else str(value)
            parts.append(blake2b(own + text.encode(), digest_size=WIDTH).digest())
    return b"".join(parts)


def fields_that_differ(one: bytes, other: bytes) -> tuple[str, ...]:
    """Names of the fields in which two versions of one row differ, in the order of ``FIELDS``."""
    return tuple(
        name
        for at, name in enumerate(FIELDS)
        if one[at * WIDTH : (at + 1) * WIDTH] != other[at * WIDTH : (at + 1) * WIDTH]
    )
