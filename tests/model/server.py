"""A small model of Moment: unique references, a key store that keeps first answers, look-ups.

It knows one reference. Everything undocumented is a switch of ``ServerRules``, and where a server
may do one thing or another, ``process`` lists every possibility.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from importer.delivery.protocol import answers as a

if TYPE_CHECKING:
    from collections.abc import Iterator

Version = Literal["A", "B", "X"]
"""A payload of the row; X is one that only a foreign creator has."""
Kind = Literal["created", "fault", "refused", "taken", "throttled"]
Taken = Literal["conflict", "silent", "worded", "unprocessable"]
"""409; 400 that does not say why; 400 in plain words; 422 that does not say why."""

KEY_LIFE = 3
"""Big ticks of 11 hours until a key is forgotten: alive at 22 hours, gone at 33."""
MOST_CUSTOMERS = 2
"""One too many; a third would show nothing new."""


@dataclass(frozen=True, slots=True)
class ServerRules:
    """What this Moment does where its documentation leaves a choice."""

    unique: bool = True
    valid: frozenset[str] = field(default=frozenset({"A", "B", "X"}))
    """Payloads that it accepts."""
    taken: tuple[Taken, ...] = ("conflict",)
    """How it may answer a second customer with one reference."""
    keeps_refusals: tuple[bool, ...] = (True,)
    """Whether a refusal is stored under its key; both where it may or may not be."""
    keeps_faults: bool = True
    """500 answers, with and without a customer created, that are stored under the key."""
    gateway: bool = True
    """503 answers in front of it: nothing processed, nothing stored."""
    pages: bool = False
    """A firewall or a gateway turns requests away in its own words, and the API with a 403."""
    throttles: bool = False
    keeps_throttled: bool = False
    slow: bool = False
    """A request may run for a while; meanwhile its key answers 409."""
    forgets: bool = False
    """It may create, fail, and not store the key."""
    checks_body: bool = False
    """A used key with another body is refused with 422; else the stored answer is replayed."""
    worded_key: bool = False
    """That 422 reads "already used", as the IETF draft's example does."""
    lags: bool = False
    """Until the next small tick a replica may not know a new customer."""
    look_up_fails: bool = False


class Customer(NamedTuple):
    """A customer as Moment holds it."""

    ours: bool
    generation: int
    version: str
    fresh: bool
    """A lagging replica may not know it yet."""


class Kept(NamedTuple):
    """The first answer to a key."""

    generation: int
    version: str
    kind: Kind
    style: Taken
    """How a ``taken`` was worded."""
    age: int
    """Big ticks since the request."""


class Server(NamedTuple):
    """What Moment holds of the one reference."""

    customers: tuple[Customer, ...] = ()
    kept: tuple[Kept, ...] = ()


Reply = tuple[str, a.Answer, Server]
"""In words, as the client sees it, and the server afterwards."""


def process(
    rules: ServerRules, server: Server, generation: int, version: str, running: frozenset[int]
) -> Iterator[Reply]:
    """Everything that Moment may do with one POST that arrives now."""
    if rules.throttles:
        yield "Moment answers 429", a.Throttled(), server
    if rules.gateway:
        yield "a gateway answers 503", a.ServerFault(503, "http_503"), server
    if rules.pages:
        yield "a firewall answers 403", a.Blocked(403, of_api=False), server
        yield "Moment answers 403", a.Blocked(403, of_api=True), server
    if generation in running:
        yield (
            "Moment answers 409: the first request is running",
            a.Conflicted("key_running"),
            server,
        )
        return
    for kept in server.kept:
        if kept.generation != generation:
            continue
        if kept.version != version and rules.checks_body:
            refused = a.Refused(422, "key_reused", about_key=rules.worded_key)
            yield "Moment answers 422: the key was used with another body", refused, server
        else:
            answer = _answer(server, kept, version, replayed=True)
            yield f"Moment replays its stored answer ({kept.kind})", answer, server
        return
    yield from execute(rules, server, generation, version)


def execute(rules: ServerRules, server: Server, generation: int, version: str) -> Iterator[Reply]:
    """Everything that Moment may do with the first request of a key."""
    if rules.keeps_throttled:
        yield _first(server, Kept(generation, version, "throttled", "conflict", 0))
    if rules.keeps_faults:
        yield _first(server, Kept(generation, version, "fault", "conflict", 0))
    if version not in rules.valid:
        kept = Kept(generation, version, "refused", "conflict", 0)
        yield from _keep_or_not(rules, server, kept)
    if rules.unique and server.customers:
        for style in rules.taken:
            kept = Kept(generation, version, "taken", style, 0)
            yield from _keep_or_not(rules, server, kept)
    elif version in rules.valid and len(server.customers) < MOST_CUSTOMERS:
        created = server._replace(
            customers=(*server.customers, Customer(True, generation, version, rules.lags))
        )
        yield _first(created, Kept(generation, version, "created", "conflict", 0))
        fault = a.ServerFault(500, "http_500")
        if rules.keeps_faults:
            kept = Kept(generation, version, "fault", "conflict", 0)
            yield (
                "Moment creates the customer, answers 500 and stores that",
                fault,
                _with(created, kept),
            )
        if rules.forgets:
            yield "Moment creates the customer, answers 500 and stores nothing", fault, created


def _keep_or_not(rules: ServerRules, server: Server, kept: Kept) -> Iterator[Reply]:
    for keeps in rules.keeps_refusals:
        words, answer, after = _first(server, kept)
        if keeps:
            yield words, answer, after
        else:
            yield f"{words}, not stored", answer, server


def _first(server: Server, kept: Kept) -> Reply:
    words = {
        "created": "Moment creates the customer and answers 201",
        "fault": "Moment answers 500 and stores that, nothing is created",
        "refused": f"Moment refuses version {kept.version} with 400",
        "taken": f"Moment answers that the reference exists ({kept.style})",
        "throttled": "Moment answers 429 and stores that",
    }[kept.kind]
    return words, _answer(server, kept, kept.version, replayed=False), _with(server, kept)


def _with(server: Server, kept: Kept) -> Server:
    return server._replace(kept=tuple(sorted((*server.kept, kept))))


def _answer(server: Server, kept: Kept, version: str, *, replayed: bool) -> a.Answer:
    match kept.kind:
        case "created":
            index, customer = next(
                (i, c)
                for i, c in reversed(tuple(enumerate(server.customers)))
                if c.ours and c.generation == kept.generation
            )
            differs = ("name",) if replayed and customer.version != version else ()
            return a.Created(customer_id(index), 201, replayed, differs)
        case "fault":
            return a.ServerFault(500, "http_500", replayed)
        case "refused":
            return a.Refused(400, "invalid", replayed=replayed)
        case "throttled":
            return a.Throttled(replayed=replayed)
        case "taken":
            if kept.style == "conflict":
                return a.Conflicted("exists", replayed)
            status = 422 if kept.style == "unprocessable" else 400
            return a.Refused(
                status, "exists", replayed=replayed, says_exists=kept.style == "worded"
            )


def look_up(
    rules: ServerRules, server: Server, version: str
) -> Iterator[tuple[str, a.LookUpAnswer]]:
    """Everything that a GET may answer to an importer that holds ``version``."""
    if rules.look_up_fails:
        yield "the look-up fails with 503", a.LookUpFailed("http_503", 503)
    if rules.pages:
        yield "a gateway answers the look-up with 404", a.LookUpFailed("not_the_api", 404)
    for customer in server.customers[:1]:
        differs = ("name",) if customer.version != version else ()
        yield "the look-up finds the customer", a.Found(customer_id(0), differs)
        if customer.fresh:
            yield "a stale replica answers the look-up with 404", a.Absent()
    if not server.customers:
        yield "the look-up answers 404", a.Absent()


def customer_id(index: int) -> str:
    """The id of the customer at this place."""
    return f"bcus_{index}"


def small_tick(server: Server) -> Server:
    """A few seconds: replicas have caught up."""
    return server._replace(customers=tuple(c._replace(fresh=False) for c in server.customers))


def big_tick(server: Server) -> Server:
    """Eleven hours: keys grow old, and the oldest are forgotten."""
    kept = tuple(k._replace(age=k.age + 1) for k in server.kept if k.age + 1 < KEY_LIFE)
    return small_tick(server)._replace(kept=kept)
