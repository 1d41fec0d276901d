"""A CSV record as the body of the request, and its idempotency key: the same for every script."""

from __future__ import annotations

import csv
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk_test_benchmark"
IN_FLIGHT = 32


def arguments() -> tuple[Path, str, int]:
    """FILE, URL and requests in flight, from the command line."""
    in_flight = int(sys.argv[3]) if len(sys.argv) > 3 else IN_FLIGHT
    return Path(sys.argv[1]), sys.argv[2] + "/billing/customers", in_flight


def payloads(path: Path) -> Iterator[dict[str, Any]]:
    """Every record without its empty cells; ``metadata.x`` becomes a member of ``metadata``."""
    with path.open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            yield payload(record)


def payload(record: dict[str, str]) -> dict[str, Any]:
    """One record as the API takes it."""
    body: dict[str, Any] = {}
    for name, value in record.items():
        if not value:
            continue
        if name.startswith("metadata."):
            body.setdefault("metadata", {})[name.removeprefix("metadata.")] = value
        else:
            body[name] = int(value) if name == "balance" else value
    return body


def headers(body: dict[str, Any]) -> dict[str, str]:
    """The headers that belong to one request."""
    key = uuid.uuid5(uuid.NAMESPACE_URL, body["external_reference"])
    return {"Idempotency-Key": str(key)}
