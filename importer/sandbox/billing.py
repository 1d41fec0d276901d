"""The customer calls in the order a request meets them: key, rate limit, faults, the call.

What a 429 looks like; Moment documents none of its headers, so they are settings.

Who is calling: API key -> account (key mode and merchant), or a refusal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from email.utils import formatdate
from math import ceil
from typing import TYPE_CHECKING

import anyio

from importer.sandbox.config import DEFAULT_MERCHANT
from importer.sandbox.customers import create_customer, get_customer, store_answer, update_customer
from importer.sandbox.faults import FaultKind
from importer.sandbox.messages import GATEWAY_PAGE, HTML, RESET, UNAVAILABLE, Reply, Wire, problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from importer.sandbox.core import Core
    from importer.sandbox.faults import Fault
    from importer.sandbox.messages import Request
    from importer.sandbox.store import Account


def throttled(core: Core, wait: float) -> Reply:
    """Build the 429 for a caller that should wait that many seconds."""
    seconds = max(1, ceil(wait))
    headers: list[tuple[bytes, bytes]] = []
    if core.config.retry_after == "seconds":
        headers.append((b"retry-after", str(seconds).encode()))
    elif core.config.retry_after == "http-date":
        # Rounded up: an HTTP-date has whole seconds and must not name a time too early.
        date = formatdate(ceil(core.clock.wall()) + seconds, usegmt=True)
        headers.append((b"retry-after", date.encode()))
    if core.config.ratelimit_headers:
        # draft-ietf-httpapi-ratelimit-headers: quota and window, what is left and for how long.
        quota = core.config.bucket_size
        window = max(1, ceil(quota / (core.config.rate or 1)))
        headers.append((b"ratelimit-policy", f'"default";q={quota};w={window}'.encode()))
        headers.append((b"ratelimit", f'"default";r=0;t={seconds}'.encode()))
    return problem(
        429,
        "too-many-requests",
        "Too many requests",
        "Slow down and retry with exponential backoff.",
        instance=core.next_instance(),
        headers=tuple(headers),
    )


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


FAULT_WAIT = 1.0
"""Seconds that an injected 429 asks for."""

_ON_ANSWER = frozenset({FaultKind.LOST, FaultKind.CUT, FaultKind.GARBAGE})


async def answer(core: Core, request: Request, customer: str | None) -> Reply:
    """Answer one request to the collection (``customer`` None) or to one customer."""
    who = authenticate(request.headers.get(b"authorization"), core.config.keys)
    if isinstance(who, Refusal):
        return _refused(core, who)
    account = core.store.account(who)
    wait = core.take_token(who)
    if wait:
        return _limited(core, account, request, wait)
    fault = core.draw_fault(request.method, _reference_of(core, account, request, customer))
    if fault is None:
        return await _call(core, account, request, customer, None)
    early = _before(core, account, request, fault)
    if early is not None:
        return early
    if fault.kind is FaultKind.LATENCY:
        core.statistics.faults[fault.kind] += 1
    reply = await _call(core, account, request, customer, fault)
    return _after(core, reply, fault)


def _reference_of(
    core: Core, account: Account, request: Request, customer: str | None
) -> str | None:
    """The reference that a request is about, by whatever it names its customer."""
    if customer is None:
        return request.reference
    found = core.store.find(account, customer)
    return found.reference if found else customer


async def _call(
    core: Core, account: Account, request: Request, customer: str | None, fault: Fault | None
) -> Reply:
    if customer is None:
        return await create_customer(core, account, request, fault)
    delay = core.delay(fault.delay_ms if fault else 0.0)
    if delay:
        await anyio.sleep(delay)
    if request.method == "GET":
        return get_customer(core, account, customer)
    return update_customer(core, account, customer, request, fault)


def _refused(core: Core, refusal: Refusal) -> Reply:
    challenge = ((b"www-authenticate", b"Bearer"),) if refusal.status == 401 else ()  # noqa: PLR2004
    return problem(
        refusal.status,
        refusal.kind,
        refusal.title,
        refusal.detail,
        instance=core.next_instance(),
        headers=challenge,
    )


def _limited(core: Core, account: Account, request: Request, wait: float) -> Reply:
    reply = throttled(core, wait)
    if core.config.store_429 and request.method == "POST":
        store_answer(core, account, request, reply)
    return reply


def _before(core: Core, account: Account, request: Request, fault: Fault) -> Reply | None:
    """Return the answer of a fault that keeps the request from being processed."""
    reply = None
    if fault.kind is FaultKind.RESET_BEFORE:
        reply = RESET
    elif fault.kind is FaultKind.UNAVAILABLE:
        reply = UNAVAILABLE
    elif fault.kind is FaultKind.THROTTLED:
        reply = _limited(core, account, request, FAULT_WAIT)
    if reply is not None:
        core.statistics.faults[fault.kind] += 1
    return reply


def _after(core: Core, reply: Reply, fault: Fault) -> Reply:
    """Return what a fault leaves of the answer to a request that was processed."""
    if fault.kind not in _ON_ANSWER:
        return reply
    core.statistics.faults[fault.kind] += 1
    if fault.kind is FaultKind.LOST:
        return reply.on_wire(Wire.RESET)
    if fault.kind is FaultKind.CUT:
        return reply.on_wire(Wire.CUT)
    status = reply.status if reply.status < 300 else 201  # noqa: PLR2004 - any success
    return replace(reply, status=status, body=GATEWAY_PAGE, media=HTML)
