"""The audit area under ``/_sandbox/`` and the page at ``/``: clearly no part of Moment's API."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import anyio.lowlevel
from starlette.applications import Starlette
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from importer.errors import UsageError
from importer.sandbox.contract import load_contract
from importer.sandbox.customers import edit_customer
from importer.sandbox.edits import fields_of
from importer.sandbox.page import render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from importer.sandbox.core import Core

OK = 200
FORM = "application/x-www-form-urlencoded"
MAX_FORM = 1 << 16
"""Bytes."""
_EDIT_FORM = 'send {"customer": "CUST-7", "fields": {"name": "New"}}'
LINES_PER_CHUNK = 1000
MAX_ADVANCE = 10 * 365 * 86400
"""Seconds."""

# The page loads nothing and runs nothing, and sends its form to us; no other site may frame it.
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def state_of(core: Core) -> dict[str, Any]:
    """Return the counts that an audit needs, ready for JSON."""
    statistics = core.statistics
    creations = Counter((event.account, event.reference) for event in core.store.creations)
    accounts = core.store.accounts.values()
    return {
        "customers": sum(len(account.customers) for account in accounts),
        "accounts": {account.name: len(account.customers) for account in accounts},
        "creations": len(core.store.creations),
        "max_creations_per_reference": max(creations.values(), default=0),
        "requests": {
            f"{method} {outcome}": count
            for (method, outcome), count in sorted(statistics.requests.items())
        },
        "replays": statistics.replays,
        "edits": statistics.edits,
        "faults_injected": dict(sorted(statistics.faults.items())),
        "fault_spec": core.fault_spec,
        "stored_answers": sum(len(account.keys) for account in accounts),
        "in_flight": sum(len(account.in_flight) for account in accounts),
        "clock_offset_seconds": core.clock.offset,
        "defects": list(statistics.defects),
    }


class Audit:
    """The calls of the audit area."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def home(self, _: Request) -> Response:
        """Answer the page."""
        return HTMLResponse(render(self._core, state_of(self._core)), headers=PAGE_HEADERS)

    async def state(self, _: Request) -> Response:
        """Answer the counts."""
        return JSONResponse(state_of(self._core))

    async def contract(self, _: Request) -> Response:
        """Answer the OpenAPI document that bodies are validated by."""
        return JSONResponse(load_contract())

    async def customers(self, _: Request) -> Response:
        """Stream every customer as JSON lines, without personal data."""
        return StreamingResponse(_lines(self._core), media_type="application/jsonl")

    async def clock(self, request: Request) -> Response:
        """Move the clock forward: ``{"advance_seconds": N}``."""
        seconds = await _field(request, "advance_seconds", (int, float))
        if seconds is None or not 0 <= seconds <= MAX_ADVANCE:
            return _bad(f'send {{"advance_seconds": N}} with N from 0 to {MAX_ADVANCE}')
        self._core.advance(float(seconds))
        clock = self._core.clock
        return JSONResponse({"now": clock.now(), "offset_seconds": clock.offset})

    async def faults(self, request: Request) -> Response:
        """Replace the fault spec: ``{"spec": "lost=0.05"}``, "" for none."""
        spec = await _field(request, "spec", (str,))
        if spec is None:
            return _bad('send {"spec": "lost=0.05,503=0.01"}; "" for none')
        try:
            self._core.set_faults(spec)
        except UsageError as error:
            return _bad(f"{error.message}; {error.hint}")
        return JSONResponse({"spec": spec})

    async def edit(self, request: Request) -> Response:
        """Change one customer, as a person does at Moment while a run goes on.

        ``{"customer": "CUST-7", "fields": {"name": "New"}}``; metadata is given by its keys, and
        null takes a field or a key away. ``"account"`` says whose, where two accounts have one
        of that name. Or the same as a form, whose ``field`` may be ``metadata.KEY``.
        """
        is_form = request.headers.get("content-type", "").startswith(FORM)
        wanted = await (_form if is_form else _edit)(request)
        answer = self._edited(*wanted) if wanted else _bad(_EDIT_FORM)
        if is_form and answer.status_code == OK:
            return RedirectResponse("/", status_code=303)
        answer.headers["x-sandbox"] = "edit"
        return answer

    def _edited(self, customer: str, account: str, fields: dict[str, Any]) -> Response:
        found = self._core.store.holding(customer, account)
        if len(found) != 1:
            what = f"{len(found)} accounts have one: say which" if found else "no such customer"
            return _bad(what, status=409 if found else 404)
        reply = edit_customer(self._core, *found[0], fields)
        return Response(reply.body, reply.status, media_type=reply.media.decode())

    async def reset(self, _: Request) -> Response:
        """Empty the sandbox; settings, faults and clock are as at the start."""
        self._core.reset()
        return JSONResponse(state_of(self._core))


def audit_app(core: Core) -> Starlette:
    """Build the application for everything that is not the API."""
    audit = Audit(core)
    return Starlette(
        routes=[
            Route("/", audit.home),
            Route("/_sandbox/state", audit.state),
            Route("/_sandbox/openapi.json", audit.contract),
            Route("/_sandbox/customers", audit.customers),
            Route("/_sandbox/clock", audit.clock, methods=["POST"]),
            Route("/_sandbox/edit", audit.edit, methods=["POST"]),
            Route("/_sandbox/faults", audit.faults, methods=["POST"]),
            Route("/_sandbox/reset", audit.reset, methods=["POST"]),
        ]
    )


async def _lines(core: Core) -> AsyncIterator[bytes]:
    counts = Counter((event.account, event.reference) for event in core.store.creations)
    everyone = [
        (account.name, customer)
        for account in core.store.accounts.values()
        for customer in account.customers.values()
    ]
    for start in range(0, len(everyone), LINES_PER_CHUNK):
        lines = (
            json.dumps(
                {
                    "account": name,
                    "id": customer.id,
                    "external_reference": customer.reference,
                    "created_at": customer.created_at,
                    "creations": counts[name, customer.reference],
                }
            )
            for name, customer in everyone[start : start + LINES_PER_CHUNK]
        )
        yield ("\n".join(lines) + "\n").encode()
        await anyio.lowlevel.checkpoint()


async def _field(request: Request, name: str, types: tuple[type, ...]) -> Any:
    """Return one member of a JSON body, None where it is missing or of another type."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, types) and not isinstance(value, bool) else None


async def _edit(request: Request) -> tuple[str, str, dict[str, Any]] | None:
    """(customer, account or "", fields) of an edit as JSON."""
    try:
        body = json.loads(await request.body())
        customer, account, fields = body["customer"], body.get("account", ""), body["fields"]
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
    if not (isinstance(customer, str) and isinstance(account, str) and isinstance(fields, dict)):
        return None
    if not fields or not isinstance(fields.get("metadata", {}), dict):
        return None
    return customer, account, fields


async def _form(request: Request) -> tuple[str, str, dict[str, Any]] | None:
    """The same of the page's form. Only the page may send it, not another site's."""
    origin = urlsplit(request.headers.get("origin", "")).netloc
    form = parse_qs((await request.body())[:MAX_FORM].decode(errors="replace"))
    given = {name: values[0].strip() for name, values in form.items()}
    if origin != request.headers.get("host") or not {"customer", "field"} <= given.keys():
        return None
    fields = fields_of([(given["field"], given.get("value", ""))])
    return given["customer"], given.get("account", ""), fields


def _bad(message: str, *, status: int = 400) -> Response:
    return JSONResponse({"error": message}, status_code=status)
