"""The audit after a rehearsal: input = sandbox = ledger, and each customer created exactly once."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests import plain_http

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class Audit:
    """What was compared, and what is wrong with it."""

    expected: int
    in_sandbox: int
    in_export: int
    faults: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The verdict in a few lines."""
        head = (
            f"input {self.expected:,} references, sandbox {self.in_sandbox:,} customers,"
            f" export {self.in_export:,} ids"
        )
        if not self.faults:
            return f"{head}: each was created exactly once, and every id is the sandbox's"
        return "\n".join([head, f"{len(self.faults):,} FAULTS:", *self.faults[:20]])


def references_of(path: Path) -> set[str]:
    """The references of a clean CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["external_reference"] for row in csv.DictReader(file)}


def sandbox_customers(base_url: str) -> dict[str, tuple[str, int]]:
    """What the sandbox holds: reference -> (id, times created)."""
    customers: dict[str, tuple[str, int]] = {}
    with plain_http.stream("GET", f"{base_url}/_sandbox/customers", timeout=60) as answer:
        for line in answer.iter_lines():
            one = json.loads(line)
            customers[one["external_reference"]] = (one["id"], one["creations"])
    return customers


def audit(expected: set[str], base_url: str, export: Path) -> Audit:
    """Compare the input's references, the sandbox's content and the exported ids."""
    held = sandbox_customers(base_url)
    with export.open(encoding="utf-8", newline="") as file:
        ids = {row["external_reference"]: row["bcus_id"] for row in csv.DictReader(file)}
    result = Audit(len(expected), len(held), len(ids))
    result.faults += [f"{ref} is missing in the sandbox" for ref in sorted(expected - held.keys())]
    result.faults += [f"{ref} was never in the input" for ref in sorted(held.keys() - expected)]
    result.faults += [
        f"{ref} was created {times} times" for ref, (_, times) in held.items() if times != 1
    ]
    result.faults += [
        f"{ref}: the ledger says {ids.get(ref)}, the sandbox holds {customer_id}"
        for ref, (customer_id, _) in held.items()
        if ids.get(ref) != customer_id
    ]
    result.faults += [f"{ref} is in the export only" for ref in sorted(ids.keys() - held.keys())]
    return result
