"""Who is calling: API key -> account (key mode and merchant), or a refusal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.sandbox.config import DEFAULT_MERCHANT

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECRET = re.compile(r"sk_(?P<test>test_)?[a-zA-Z0-9_]+", re.ASCII)
_PUBLIC = re.compile(r"pk_[a-zA-Z0-9_]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a caller is not let in. Never holds the key."""

    status: int
    kind: str
    title: str
    detail: str


NO_KEY = Refusal(401, "unauthorised", "No API key", "Send Authorization: Bearer with a secret key.")
INVALID = Refusal(400, "invalid-api-key", "API key not valid", "No account has this API key.")
PUBLIC = Refusal(403, "forbidden", "Public API key", "A public key cannot manage customers.")
EXPIRED = Refusal(403, "forbidden", "API key expired", "This API key was deleted or has expired.")


def authenticate(authorization: bytes | None, keys: Mapping[str, str] | None) -> str | Refusal:
    """Return the account (``test/MERCHANT`` or ``live/MERCHANT``) that a header speaks for.

    ``keys`` maps known keys to merchants; None lets every well-shaped secret key in.
    """
    scheme, _, token = (authorization or b"").decode("latin-1").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return NO_KEY
    key = token.strip()
    if _PUBLIC.fullmatch(key):
        return PUBLIC
    match = _SECRET.fullmatch(key)
    if match is None or key == "sk_test_":
        return INVALID
    if "expired" in key:
        return EXPIRED
    merchant = DEFAULT_MERCHANT if keys is None else keys.get(key)
    if merchant is None:
        return INVALID
    return f"{'test' if match['test'] else 'live'}/{merchant}"
