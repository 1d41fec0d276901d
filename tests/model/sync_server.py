"""A small model of Moment for creating **and** updating one customer, field by field.

A hash is the value itself. Values of other writers begin with ``!``, so that it can be seen in
every state whose value a field holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as u

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from importer.delivery.protocol.states import Hashes

ID = "bcus_0"
METADATA = "metadata."


@dataclass(frozen=True, slots=True)
class SyncRules:
    """What this Moment does where its documentation leaves a choice."""

    replaces: bool = False
    """Metadata of a PATCH replaces what was there; else it is merged."""
    lags: bool = False
    """Until the next small tick a replica may show what was there before our last write."""
    edits_lag: bool = False
    """The same of what somebody else writes (a limit)."""
    etags: bool = False
    """A GET carries an ETag, and a PATCH with another one gets 412."""
    clashes: bool = False
    """409 in answer to a PATCH, for no reason that anybody knows."""
    throttles: bool = False
    refuses: frozenset[bytes] = frozenset()
    """Values that no PATCH may hold."""
    respells: tuple[tuple[bytes, bytes], ...] = ()
    """(as sent, as stored)."""
    hides: frozenset[str] = frozenset()
    """Fields that the answer to a PATCH lacks,"""
    never_shows: frozenset[str] = frozenset()
    """and those that the answer to a GET lacks as well."""


class SyncServer(NamedTuple):
    """What Moment holds of the one reference."""

    exists: bool = False
    deleted: bool = False
    fields: Hashes = ()
    stale: Hashes | None = None
    """What a lagging replica may still show."""
    kept: tuple[tuple[int, str], ...] = ()
    """(generation, version) of every POST that was answered with 201."""


class SyncMessage(NamedTuple):
    """A request on the wire: a POST of a version, or a PATCH of fields."""

    post: bool
    owner: int
    version: str
    generation: int = 0
    writes: Hashes = ()
    union: Hashes | None = None
    """All metadata that the body of a PATCH holds; None where it holds none."""
    etag: str = ""


def foreign(value: bytes) -> bool:
    """Whether somebody else wrote this value."""
    return value.startswith(b"!")


def post(
    rules: SyncRules, server: SyncServer, message: SyncMessage, sent: Hashes
) -> Iterator[tuple[str, a.Answer, SyncServer]]:
    """Everything that Moment may do with a POST."""
    yield "a gateway answers 503", a.ServerFault(503, "http_503"), server
    for generation, version in server.kept:
        if generation == message.generation:
            differs = ("name",) * (version != message.version)
            answer = a.Created(ID, 201, replayed=True, differs=differs)
            yield "Moment replays its 201", answer, server
            return
    if server.exists or server.deleted:
        yield "Moment answers 409: the reference exists", a.Conflicted("exists"), server
        return
    kept = tuple(sorted((*server.kept, (message.generation, message.version))))
    created = server._replace(exists=True, fields=sent, kept=kept)
    if rules.lags:
        created = created._replace(stale=())
    yield "Moment creates the customer and answers 201", a.Created(ID), created


def patch(
    rules: SyncRules, server: SyncServer, message: SyncMessage
) -> Iterator[tuple[str, u.PatchAnswer, SyncServer]]:
    """Everything that Moment may do with a PATCH."""
    yield "a gateway answers 503", a.ServerFault(503, "http_503"), server
    if rules.throttles:
        yield "Moment answers 429", a.Throttled(), server
    if rules.clashes:
        yield "Moment answers 409", u.Clashed(409), server
    if not server.exists:
        yield "Moment answers 404", u.Gone(), server
        return
    if message.etag and message.etag != _etag(server):
        yield "Moment answers 412", u.Clashed(412), server
        return
    if any(value in rules.refuses for _, value in message.writes):
        yield "Moment refuses it with 400", a.Refused(400, "bad"), server
        return
    after = _written(rules, server, message)
    seen = tuple(
        pair
        for pair in after.fields
        if pair[0] not in rules.hides and pair[0] not in rules.never_shows
    )
    yield "Moment writes it and answers 200", u.Patched(seen), after
    yield "Moment writes it and answers 500", a.ServerFault(500, "http_500"), after


def _written(rules: SyncRules, server: SyncServer, message: SyncMessage) -> SyncServer:
    fields = dict(server.fields)
    if message.union is not None:
        if rules.replaces:
            fields = {name: v for name, v in fields.items() if not name.startswith(METADATA)}
        fields |= dict(message.union)
    spelt = dict(rules.respells)
    fields |= {name: spelt.get(value, value) for name, value in message.writes}
    stale = server.fields if rules.lags else None
    return server._replace(fields=tuple(sorted(fields.items())), stale=stale)


def read(rules: SyncRules, server: SyncServer) -> Iterator[tuple[str, u.ReadAnswer]]:
    """Everything that a GET by id may answer."""
    yield "the look fails with 503", a.LookUpFailed("http_503", 503)
    if not server.exists:
        yield "the look answers 404", u.Gone()
        return
    yield f"the look shows {spell(server.fields)}", _shown(rules, server, server.fields)
    if server.stale == ():
        yield "a stale replica answers the look with 404", u.Gone()
    elif server.stale is not None and server.stale != server.fields:
        words = f"a stale replica shows {spell(server.stale)}"
        yield words, _shown(rules, server._replace(fields=server.stale), server.stale)


def _shown(rules: SyncRules, server: SyncServer, fields: Hashes) -> u.Shown:
    seen = tuple(pair for pair in fields if pair[0] not in rules.never_shows)
    held = tuple(
        (name.removeprefix(METADATA), value.decode())
        for name, value in fields
        if name.startswith(METADATA)
    )
    return u.Shown(seen, held, _etag(server) if rules.etags else "")


def _etag(server: SyncServer) -> str:
    return spell(server.fields)


def look_up(server: SyncServer, sent: Hashes) -> Iterator[tuple[str, a.LookUpAnswer]]:
    """Everything that a GET by reference may answer."""
    if not server.exists:
        yield "the look-up answers 404", a.Absent()
    else:
        differs = ("name",) * any(pair not in server.fields for pair in sent)
        yield "the look-up finds the customer", a.Found(ID, differs)
        if server.stale == ():
            yield "a stale replica answers the look-up with 404", a.Absent()


def edited(rules: SyncRules, server: SyncServer, field: str, value: bytes) -> SyncServer:
    """Somebody else writes a field; b"" empties it."""
    fields: Mapping[str, bytes] = {**dict(server.fields), field: value}
    kept = tuple(sorted(pair for pair in fields.items() if pair[1]))
    return server._replace(fields=kept, stale=server.fields if rules.edits_lag else None)


def spell(fields: Hashes) -> str:
    """Fields in words."""
    return " ".join(f"{name}={value.decode()}" for name, value in fields) or "nothing"
