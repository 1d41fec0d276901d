"""A model of Moment: a third reading of the API page, beside the sandbox and the model check."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from tests.simulation.book import acceptable
from tests.simulation.scene import FEW, REPLAY, WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.simulation.luck import Luck
    from tests.simulation.scene import Flavour

_FIELDS = ("external_reference", "name", "email", "phone", "currency", "balance", "metadata")
NOT_FOUND = 404
_RUN_WRONG = (401, 403, 404, 301)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: status, headers, body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer at Moment."""

    id: str
    fields: dict[str, Any]
    created_at: float
    ours: bool
    """Created by a request of the importer's, not by someone else."""

    @property
    def document(self) -> dict[str, Any]:
        """The response body."""
        return {"id": self.id, **self.fields}


@dataclass(slots=True)
class _Key:
    body: bytes
    first_used: float
    reply: Reply | None = None
    """None while the first request is running."""


class Moment:
    """The server; one ``await`` inside a request is its processing time, the rest is atomic."""

    def __init__(
        self, flavour: Flavour, luck: Luck, *, on_created: Callable[[str, Customer], None]
    ) -> None:
        self.flavour = flavour
        self._luck = luck
        self._on_created = on_created
        self.customers: dict[str, list[Customer]] = {}
        """By reference; more than one only where references are not unique."""
        self._keys: dict[str, _Key] = {}
        self.keys_of: dict[str, set[str]] = {}
        """Keys that were ever used for a reference."""
        self.refuses_run = 0
        """The status that every request gets while the API key is refused."""
        self.storm_until = 0.0
        """Until then every request gets 429."""
        self.edits: dict[tuple[str, str], Any] = {}
        """What somebody else wrote, by (reference, field), as long as it stands."""
        self.on_overwritten: Callable[[str, str], None] = lambda _reference, _field: None
        self.curses: dict[str, str] = {}
        """Rows that this server never takes, with what it answers (scene.CURSES)."""
        self.refuses_updates = False
        """Every PATCH is refused with the same words."""
        self.nobody = ""
        """What it answers to everything (scene.NOBODY), "" where it takes rows."""

    def refuse_runs(self) -> None:
        """From now on the key, the URL or the permission is wrong."""
        gone = self.flavour.json_404
        self.refuses_run = NOT_FOUND if gone else self._luck.chance.choice(_RUN_WRONG)

    def curse(self, references: Iterable[str], shares: tuple[tuple[str, float], ...]) -> None:
        """Choose the rows among these that this server will never take."""
        for reference in references:
            for kind, share in shares:
                many = sum(one == kind for one in self.curses.values())
                if self._luck.chance.random() < share and many < FEW.get(kind, many + 1):
                    self.curses[reference] = kind
                    self._luck.faults[kind] += 1

    def foreign(self, reference: str) -> None:
        """Someone else creates a customer with this reference, if it is still free."""
        if reference in self.customers:
            return
        fields = {"external_reference": reference, "name": "Example Foreign", "currency": "ZAR"}
        if self._luck.chance.random() < 0.5:
            fields["name"] = "Example 0"
        self._create(reference, fields, ours=False)

    # Requests -------------------------------------------------------------------------------------

    async def post(self, key: str, body: bytes) -> Reply:
        """``POST /billing/customers``."""
        luck, now = self._luck, trio.current_time()
        if reply := self._turned_away():
            return reply
        known = self._keys.get(key)
        if known is not None and now - known.first_used >= self.flavour.key_hours * 3600:
            luck.faults["key expired"] += 1
            known = None
        if known is not None:
            return self._known_key(known, body)
        fields = json.loads(body)
        if reply := self._not_taken(fields):
            return reply
        entry = self._keys[key] = _Key(body, now)
        self.keys_of.setdefault(str(fields["external_reference"]), set()).add(key)
        await trio.sleep(luck.latency(0.005, 0.5))
        if luck.strikes("slow server"):
            await trio.sleep(luck.chance.uniform(1, 100))
        reply, stored = self._first_answer(fields)
        if stored:
            entry.reply = reply
        elif self._keys.get(key) is entry:
            del self._keys[key]
        if luck.strikes("gateway gives up"):
            return Reply(504, b"<html>gateway timeout</html>")
        return reply

    async def get(self, reference: str) -> Reply:
        """``GET /billing/customers/{external_reference}``, perhaps of a stale replica."""
        luck, now = self._luck, trio.current_time()
        if self.refuses_run == NOT_FOUND and self.flavour.mute and not self.flavour.json_404:
            return Reply(NOT_FOUND, b"<html>not here</html>")
        if reply := self._turned_away():
            return reply
        if luck.strikes("look-up fails"):
            return luck.chance.choice((_problem(503, "Trouble"), self._throttled()))
        if luck.strikes("look-up 404 of a gateway"):
            return Reply(404, b"<html>not here</html>")
        seen_until = now - luck.chance.uniform(0, self.flavour.lag) if self.flavour.lag else now
        by_id = self.by_id(reference)
        for customer in self.customers.get(reference, () if by_id is None else (by_id,)):
            if customer.created_at <= seen_until:
                return _document(200, customer)
        return _problem(404, "Not found")

    async def patch(self, customer_id: str, body: bytes) -> Reply:
        """``PATCH /billing/customers/{id}``; what is in the body replaces what was there."""
        luck = self._luck
        if reply := self._turned_away() or self._not_taken({}):
            return reply
        await trio.sleep(luck.latency(0.005, 0.5))
        customer = self.by_id(customer_id)
        if customer is None:
            return _problem(404, "Not found")
        fields = json.loads(body)
        if self.refuses_updates or not acceptable(fields):
            return _problem(self.flavour.refusal_status, "Not acceptable")
        reference = str(customer.fields["external_reference"])
        for name, value in fields.items():
            if customer.fields.get(name) != value and (reference, name) in self.edits:
                self.on_overwritten(reference, name)
            self.edits.pop((reference, name), None)
            customer.fields[name] = value
        luck.tell(f"Moment updates {customer_id} for {reference}: {fields}")
        if luck.strikes("5xx after, not stored"):
            return _problem(503, "Trouble")
        return _document(200, customer)

    def by_id(self, customer_id: str) -> Customer | None:
        """The customer with this id."""
        everybody = (one for some in self.customers.values() for one in some)
        return next((one for one in everybody if one.id == customer_id), None)

    def edit(self, reference: str, name: str, value: Any) -> None:
        """Somebody else writes a field, or a payment moves a balance."""
        for customer in self.customers.get(reference, ()):
            customer.fields[name] = value
            self.edits[reference, name] = value
            self._luck.tell(f"somebody writes {name}={value} of {reference} at Moment")

    # Inside ---------------------------------------------------------------------------------------

    def _turned_away(self) -> Reply | None:
        if self.refuses_run:
            return _problem(self.refuses_run, "No")
        if self.nobody:
            return _cursed(self.nobody)
        if trio.current_time() < self.storm_until:
            self._luck.faults["429 of a storm"] += 1
            return self._throttled()
        return None

    def _not_taken(self, fields: dict[str, Any]) -> Reply | None:
        """An answer of which nothing is stored, if the request gets one."""
        luck = self._luck
        if luck.strikes("429, not stored"):
            return self._throttled()
        if luck.strikes("5xx before, not stored"):
            return _problem(luck.chance.choice((500, 502, 503, 408)), "Trouble")
        curse = self.curses.get(str(fields.get("external_reference")), "")
        return _cursed(curse) if curse and curse != "500, stored" else None

    def _first_answer(self, fields: dict[str, Any]) -> tuple[Reply, bool]:
        """What the first request with a key gets, and whether that is stored under the key."""
        luck = self._luck
        if str(fields["external_reference"]) in self.curses:
            return _cursed("500, stored"), True
        if luck.strikes("5xx before, stored"):
            return _problem(500, "Internal error"), True
        if luck.strikes("429, stored"):
            return self._throttled(), True
        decided = self._decide(fields)
        if luck.strikes("5xx after, stored"):
            return _problem(500, "Internal error"), True
        if luck.strikes("5xx after, not stored"):
            return _problem(503, "Trouble"), False
        return decided

    def _known_key(self, known: _Key, body: bytes) -> Reply:
        if known.reply is None:
            self._luck.faults["409 while running"] += 1
            return _problem(409, "The first request with this key is still running")
        other = body != known.body
        if other and self.flavour.other_body != REPLAY:
            self._luck.faults["422 for a used key"] += 1
            words = "The idempotency key was already used with another body"
            return _problem(422, words if self.flavour.other_body == WORDS else "Unprocessable")
        self._luck.faults["replayed"] += 1
        headers = {**known.reply.headers, "Idempotent-Replayed": "true"}
        return Reply(known.reply.status, known.reply.body, headers)

    def _decide(self, fields: dict[str, Any]) -> tuple[Reply, bool]:
        flavour, reference = self.flavour, str(fields["external_reference"])
        if not acceptable(fields):
            return _problem(flavour.refusal_status, "Not acceptable"), flavour.stores_refusals
        if flavour.unique and reference in self.customers:
            self._luck.faults["duplicate refused"] += 1
            title = "external_reference already exists" if flavour.duplicate_words else "Bad"
            return _problem(flavour.duplicate_status, title), flavour.stores_refusals
        return _document(201, self._create(reference, fields, ours=True)), True

    def _create(self, reference: str, fields: dict[str, Any], *, ours: bool) -> Customer:
        kept = {name: fields[name] for name in _FIELDS if name in fields}
        number = sum(len(some) for some in self.customers.values()) + 1
        customer = Customer(f"bcus_{number:04d}", kept, trio.current_time(), ours)
        self.customers.setdefault(reference, []).append(customer)
        who = "Moment" if ours else "Moment, for someone else,"
        self._luck.tell(f"{who} creates {customer.id} for {reference} ({kept['name']})")
        self._on_created(reference, customer)
        return customer

    def _throttled(self) -> Reply:
        chance = self._luck.chance
        reply = _problem(429, "Too many requests")
        headers = dict(reply.headers)
        if chance.random() < 0.5:
            headers["Retry-After"] = str(chance.choice((0, 1, 5, 30)))
        if chance.random() < 0.02:
            headers["Retry-After"] = "7200"
        return Reply(429, reply.body, headers)


def _document(status: int, customer: Customer) -> Reply:
    body = json.dumps(customer.document).encode()
    return Reply(status, body, {"Content-Type": "application/json"})


def _cursed(kind: str) -> Reply:
    """What a row gets that the server never takes."""
    return _CURSED.get(kind, _CURSED[""])


def _problem(status: int, title: str) -> Reply:
    body = json.dumps({"title": title, "status": status}).encode()
    return Reply(status, body, {"Content-Type": "application/problem+json"})


_PAGE = {"Content-Type": "text/html"}
_HOURS = {"Retry-After": "36000"}
_CURSED = {
    "": _problem(500, "Internal error"),
    "deleted customer": _problem(409, "Conflict"),
    "firewall's page": Reply(403, b"<html>Request blocked</html>", _PAGE),
    "forbidden by the API": _problem(403, "Forbidden"),
    "gateway's 400": Reply(400, b"<html>Bad request</html>", _PAGE),
    "429 for one row": _problem(429, "Too many requests"),
    "429 for ever": _problem(429, "Too many requests"),
    "429 for hours": Reply(429, _problem(429, "Too many requests").body, _HOURS),
    "503 for hours": Reply(503, _problem(503, "Later").body, _HOURS),
}
