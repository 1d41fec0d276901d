"""The customer calls in the order a request meets them: key, rate limit, faults, the call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from importer.sandbox.auth import Refusal, authenticate
from importer.sandbox.create import create_customer, store_answer
from importer.sandbox.existing import get_customer, update_customer
from importer.sandbox.faults import FaultKind
from importer.sandbox.reply import GATEWAY_PAGE, HTML, RESET, UNAVAILABLE, Reply, Wire, problem
from importer.sandbox.throttle import throttled

if TYPE_CHECKING:
    from importer.sandbox.core import Core
    from importer.sandbox.faults import Fault
    from importer.sandbox.request import Request
    from importer.sandbox.store import Account

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
    fault = core.draw_fault(request.method, request.reference)
    if fault is None:
        return await _call(core, account, request, customer, None)
    early = _before(core, account, request, fault)
    if early is not None:
        return early
    if fault.kind is FaultKind.LATENCY:
        core.statistics.faults[fault.kind] += 1
    reply = await _call(core, account, request, customer, fault)
    return _after(core, reply, fault)


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
    return update_customer(core, account, customer, request)


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
