"""Answers: a status, bytes and headers; problem details (RFC 9457) built in one place.

One API request as the calls need it, and its body read strictly as JSON (RFC 8259).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.sandbox.contract import FieldError


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


JSON = b"application/json"
PROBLEM = b"application/problem+json"
HTML = b"text/html; charset=utf-8"

# Moment documents no type URIs: these are the sandbox's own, on a reserved host (RFC 2606).
PROBLEM_BASE = "https://sandbox.example/problems/"

GATEWAY_PAGE = b"""<html>
<head><title>503 Service Temporarily Unavailable</title></head>
<body><center><h1>503 Service Temporarily Unavailable</h1></center></body>
</html>
"""


class Wire(Enum):
    """What happens to an answer on its way out."""

    SEND = "send"
    RESET = "reset"
    """The connection is reset; not a byte of the answer leaves."""
    CUT = "cut"
    """Half of the body leaves, then the connection closes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    body: bytes
    media: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    wire: Wire = Wire.SEND

    def on_wire(self, wire: Wire) -> Reply:
        """Return the same answer with another fate."""
        return replace(self, wire=wire)


RESET = Reply(0, b"", wire=Wire.RESET)
UNAVAILABLE = Reply(503, GATEWAY_PAGE, HTML)


def to_json(value: Any) -> bytes:
    """Serialise compactly, as UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def problem(
    status: int,
    kind: str,
    title: str,
    detail: str,
    *,
    instance: str,
    errors: Sequence[FieldError] = (),
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Reply:
    """Build a problem; ``kind`` ends its type URI, ``instance`` names this one request."""
    document: dict[str, Any] = {
        "type": PROBLEM_BASE + kind,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
    }
    if errors:
        document["errors"] = [
            {"pointer": error.pointer, "rule": error.rule, "detail": error.detail}
            for error in errors
        ]
    return Reply(status, to_json(document), PROBLEM, headers)
