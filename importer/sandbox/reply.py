"""Answers: a status, bytes and headers; problem details (RFC 9457) built in one place."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.sandbox.contract import FieldError

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
