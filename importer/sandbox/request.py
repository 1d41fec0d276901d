"""One API request as the calls need it, and its body read strictly as JSON (RFC 8259)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NoReturn

MAX_BODY = 1024 * 1024
"""Bytes; ten times the largest body that the contract allows."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A body that is no JSON."""

    detail: str


@dataclass(frozen=True, slots=True)
class Request:
    """Method and path are known to be right when one of these exists."""

    method: str
    headers: dict[bytes, bytes]
    """Names in lower case."""
    raw: bytes
    document: Any
    """The parsed body, ``Malformed``, or None for a GET."""

    @property
    def digest(self) -> bytes:
        """Identify the body, to notice that a key is used with another one."""
        return blake2b(self.raw, digest_size=16).digest()

    @property
    def reference(self) -> str | None:
        """The ``external_reference`` as sent, valid or not."""
        if isinstance(self.document, dict):
            found = self.document.get("external_reference")
            return found if isinstance(found, str) else None
        return None


def parse(raw: bytes, content_type: bytes) -> Any:
    """Return the JSON value, or ``Malformed`` with what is wrong (never with a value)."""
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        return Malformed("The Content-Type must be application/json.")
    try:
        return json.loads(raw.decode(), parse_constant=_no_constant)
    except UnicodeDecodeError:
        return Malformed("The body is not UTF-8.")
    except json.JSONDecodeError as error:
        return Malformed(f"The body is no JSON, from line {error.lineno} column {error.colno}.")
    except (ValueError, RecursionError):
        return Malformed("The body holds a number or a depth that no JSON reader need accept.")


def _no_constant(_: str) -> NoReturn:
    raise ValueError
