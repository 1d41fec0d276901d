"""The nights after the first: the source changes, somebody edits at Moment, and what must hold."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, NamedTuple

from tests import plain_http
from tests.rehearsal.processes import KEY

if TYPE_CHECKING:
    import random
    from pathlib import Path

UPDATE = ("--update", "name=if_untouched,balance=source")
ENDINGS = ("Nightly", "Later")
"""What each night's source puts behind the names that it changes."""


class Kind(NamedTuple):
    """What happens to one customer."""

    name: bool
    """The source changes its name."""
    balance: bool
    """The source changes its balance."""
    edit: str = ""
    """What somebody sets at Moment before: ``name``, ``same_name`` (as it will be), ``balance``."""


PLAIN = (
    Kind(name=False, balance=True),
    Kind(name=True, balance=False),
    Kind(name=True, balance=True),
)
EDITED = (
    Kind(name=True, balance=True, edit="name"),
    Kind(name=True, balance=False, edit="name"),
    Kind(name=False, balance=True, edit="name"),
    Kind(name=False, balance=False, edit="name"),
    Kind(name=True, balance=True, edit="same_name"),
    Kind(name=False, balance=True, edit="balance"),
)


class Nights:
    """A source that changes night after night, and what Moment must hold when all is settled."""

    def __init__(self, source: Path, rng: random.Random, *, changed: int, edited: float) -> None:
        """Draw so many customers to change; this share of them is edited at Moment as well."""
        self.source = source
        with source.open(encoding="utf-8", newline="") as file:
            self._rows = list(csv.DictReader(file))
        with_balance = [row["external_reference"] for row in self._rows if row["balance"]]
        drawn = rng.sample(with_balance, changed)
        edits = round(changed * edited)
        self.kinds = {
            reference: EDITED[number % len(EDITED)]
            if number < edits
            else PLAIN[number % len(PLAIN)]
            for number, reference in enumerate(drawn)
        }
        self.held: dict[str, dict[str, Any]] = {
            row["external_reference"]: {
                "name": row["name"],
                "balance": int(row["balance"]) if row["balance"] else None,
            }
            for row in self._rows
        }
        self._first_names = {reference: one["name"] for reference, one in self.held.items()}
        self._night = 0

    @property
    def conflicts(self) -> set[str]:
        """Customers of which somebody edited what the source changes."""
        return {ref for ref, kind in self.kinds.items() if kind.name and kind.edit == "name"}

    @property
    def patches(self) -> int:
        """Customers that a PATCH must reach in one night."""
        return sum(kind in PLAIN or kind.balance for kind in self.kinds.values())

    def edit(self, base_url: str) -> None:
        """Somebody changes customers at Moment, before the first of these nights."""
        with plain_http.Client(base_url=base_url, timeout=30) as client:
            for reference, kind in self.kinds.items():
                fields: dict[str, Any] = {}
                if kind.edit == "balance":
                    fields["balance"] = 1
                elif kind.edit:
                    ending = ENDINGS[0] if kind.edit == "same_name" else "Edited"
                    fields["name"] = f"{self._first_names[reference]} {ending}"
                if fields:
                    body = {"customer": reference, "fields": fields}
                    client.post("/_sandbox/edit", json=body).raise_for_status()
                    self.held[reference].update(fields)

    def move_on(self) -> None:
        """The source of the next night."""
        ending = ENDINGS[self._night]
        for row in self._rows:
            reference = row["external_reference"]
            kind = self.kinds.get(reference)
            if kind is None:
                continue
            held = self.held[reference]
            # Once only: whether an edit that says the same became ours is not known before a look.
            if kind.name and (kind.edit != "same_name" or not self._night):
                row["name"] = f"{self._first_names[reference]} {ending}"
                if kind.edit != "name":
                    held["name"] = row["name"]
            if kind.balance:
                row["balance"] = str(int(row["balance"]) + 1001)
                held["balance"] = int(row["balance"])
        self._night += 1
        with self.source.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self._rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)

    def out_of_step(self, base_url: str, rng: random.Random, others: int) -> list[str]:
        """Complaints about what Moment holds: a lost edit, a value that did not arrive.

        Of every customer that changed, and of so many drawn from all.
        """
        references = [*self.kinds, *rng.sample(sorted(self.held), others)]
        headers = {"Authorization": f"Bearer {KEY}"}
        found = []
        with plain_http.Client(base_url=base_url, headers=headers, timeout=30) as client:
            for reference in references:
                answer = client.get(f"/billing/customers/{reference}")
                customer = answer.raise_for_status().json()
                found += [
                    f"{reference}: its {field} is not as it must be ({self.kinds.get(reference)})"
                    for field, value in self.held[reference].items()
                    if customer.get(field) != value
                ]
        return found


class Requests:
    """How many requests the sandbox at ``base_url`` has answered."""

    def __init__(self, base_url: str) -> None:
        # One client for all: a new one costs more than the question.
        self._client = plain_http.Client(base_url=base_url, timeout=60)

    def so_far(self, method: str = "") -> int:
        """The count; of this method only where one is given."""
        counts: dict[str, int] = self._client.get("/_sandbox/state").json()["requests"]
        return sum(count for name, count in counts.items() if name.startswith(method))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
