"""The canonical form of a payload, and its fingerprint. Pure, and frozen for ever.

The ledger compares fingerprints of runs that may lie years apart: another canonical form would
make every settled row look changed. Much like RFC 8785 (JSON Canonicalization Scheme), with keys
sorted by code point instead of UTF-16 unit, and without floats.
"""

from __future__ import annotations

import hashlib
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def canonical(payload: Mapping[str, Any]) -> str:
    """The payload as JSON: keys sorted at every level, no whitespace, characters as they are.

    Two payloads have one text if and only if they are equal.

    Args:
        payload: text keys; values are str, int or again such a mapping.

    Raises:
        TypeError: it holds a float, a bool, None, a list or a key that is no text. A float has
            no form that every serialiser agrees on, and the API has no field for the others.
    """
    parts = []
    for key in sorted(payload):
        value = payload[key]
        # Exact types: a bool is an int to isinstance, and a subclass may write itself differently.
        kind = type(value)
        if kind is str:
            text = encode_basestring(value)
        elif kind is int:
            text = str(value)
        elif kind is dict:
            text = canonical(value)
        else:
            raise TypeError(f"a {kind.__name__} has no canonical form")
        parts.append(f"{encode_basestring(key)}:{text}")
    return f"{{{','.join(parts)}}}"


def fingerprint(canonical_text: str) -> bytes:
    """SHA-256 of the canonical text in UTF-8, 32 bytes."""
    return hashlib.sha256(canonical_text.encode()).digest()
