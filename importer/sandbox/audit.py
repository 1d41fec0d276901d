"""The audit area under ``/_sandbox/`` and the page at ``/``: clearly no part of Moment's API.

The page at ``/``: what the sandbox holds, in one self-contained HTML document.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from html import escape
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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from starlette.requests import Request

    from importer.sandbox.core import Core
    from importer.sandbox.store import Customer


SHOWN = 50

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #64748b; --line: #e2e8f0;
        --card: #fff; --paper: #f6f8fa; --accent: #0f766e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #94a3b8; --line: #2b3442; --card: #161d27; --paper: #0d1117;
          --accent: #2dd4bf; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1rem; margin: 2.2rem 0 .7rem; }
.lead { color: var(--soft); margin: .3rem 0 1.6rem; max-width: 46rem; }
.tiles { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.tile, .box { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; }
.tile { padding: .9rem 1rem; }
.tile b { display: block; font-size: 1.6rem; font-variant-numeric: tabular-nums;
          color: var(--accent); line-height: 1.25; }
.tile span { color: var(--soft); font-size: .85rem; }
.pair { display: grid; gap: 0 1.2rem; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
.box { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .5rem .9rem; border-top: 1px solid var(--line);
         vertical-align: top; overflow-wrap: anywhere; }
tr:first-child > * { border-top: 0; }
th { color: var(--soft); font-weight: 500; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font: .86em ui-monospace, monospace; }
form { display: flex; flex-wrap: wrap; gap: .6rem; padding: .9rem; align-items: end; }
label { color: var(--soft); font-size: .85rem; display: grid; gap: .2rem; }
input, select, button { font: inherit; color: var(--ink); background: var(--paper);
    border: 1px solid var(--line); border-radius: .4rem; padding: .3rem .6rem; }
.none { color: var(--soft); padding: .9rem; margin: 0; }
footer { color: var(--soft); font-size: .85rem; margin-top: 2.5rem; }
"""


_EDIT = """<div class="box"><form method="post" action="/_sandbox/edit">
<label>Customer (reference or id) <input name="customer" required autocomplete="off"></label>
<label>Field <input name="field" list="fields" required autocomplete="off"></label>
<label>New value (empty: take it away) <input name="value" autocomplete="off"></label>
<button>Change it, as somebody at Moment would</button>
<datalist id="fields"><option>name<option>email<option>phone<option>currency<option>balance
<option>metadata.status</datalist></form></div>"""


def render(core: Core, state: dict[str, Any]) -> str:
    """Return the page for a state as ``audit.state_of`` gives it."""
    tiles = (
        ("customers", state["customers"]),
        ("most creations of one reference", state["max_creations_per_reference"]),
        ("requests answered", sum(state["requests"].values())),
        ("answers replayed", state["replays"]),
        ("edits by hand", state["edits"]),
        ("faults injected", sum(state["faults_injected"].values())),
        ("requests in flight", state["in_flight"]),
    )
    cards = "".join(
        f'<div class="tile"><b>{value:,}</b><span>{escape(name)}</span></div>'
        for name, value in tiles
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox: {state["customers"]:,} customers</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Moment sandbox</h1>
<p class="lead">A rehearsal copy of the Moment billing API. Nothing here reaches Moment, and no
money moves. Reload to see the latest.</p>
<div class="tiles">{cards}</div>
<div class="pair">
<section><h2>Requests</h2>{_counts(state["requests"], "No requests yet.")}</section>
<section><h2>Faults injected</h2>{_counts(state["faults_injected"], "None so far.")}</section>
</div>
<h2>Last {SHOWN} customers</h2>
{_customers(core.store.newest(SHOWN))}
<h2>Edit a customer</h2>
{_EDIT}
<h2>Settings</h2>
{_table(_settings(core, state))}
<footer>For audits: <code>GET /_sandbox/state</code>, <code>GET /_sandbox/customers</code>,
<code>GET /_sandbox/openapi.json</code>, <code>POST /_sandbox/clock</code>,
<code>POST /_sandbox/faults</code>, <code>POST /_sandbox/edit</code>,
<code>POST /_sandbox/reset</code>.</footer>
</main>
</body>
</html>
"""


def _settings(core: Core, state: dict[str, Any]) -> list[tuple[str, str]]:
    config = core.config
    rate = "no limit"
    if config.rate is not None:
        rate = f"{config.rate:g} requests a second, burst {config.bucket_size}"
    keys = "any secret key" if config.keys is None else f"{len(config.keys)} keys listed"
    lifetime = config.key_lifetime_seconds
    return [
        ("Faults", state["fault_spec"] or "none"),
        ("Seed", str(config.seed)),
        ("Data", "in memory" if config.data is None else str(config.data)),
        ("API keys", keys),
        ("Latency", f"{config.latency_ms:g} ms, jitter {config.jitter_ms:g} ms"),
        ("Rate limit per account", rate),
        ("429", f"Retry-After: {config.retry_after}; stored: {_yes(config.store_429)}"),
        ("Reference that exists", str(config.duplicate_status)),
        ("Idempotency key with another body", config.key_reuse),
        ("Validation failures stored", _yes(config.store_validation_failures)),
        ("Stored answers live for", f"{lifetime:,.0f} s"),
        ("Metadata of a PATCH", f"{config.patch_metadata}s"),
        ("ETag and If-Match", _yes(config.etags)),
        ("Look-up lag", f"{config.lookup_lag_ms:g} ms"),
        ("Clock moved by", f"{state['clock_offset_seconds']:,.0f} s"),
        ("Defects of the sandbox", "; ".join(state["defects"]) or "none"),
    ]


def _counts(counts: dict[str, int], empty: str) -> str:
    if not counts:
        return f'<div class="box"><p class="none">{escape(empty)}</p></div>'
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{count:,}</td></tr>'
        for name, count in counts.items()
    )
    return f'<div class="box"><table>{rows}</table></div>'


def _customers(customers: Iterable[tuple[str, Customer]]) -> str:
    rows = []
    for account, customer in customers:
        fields = json.loads(customer.body)
        created = datetime.fromtimestamp(customer.created_at, UTC)
        money = f"{fields['balance']:,} {fields['currency']}" if "balance" in fields else ""
        cells = (
            f"<td>{created:%Y-%m-%d %H:%M:%S}</td>",
            f"<td>{escape(account)}</td>",
            f"<td><code>{escape(customer.reference)}</code></td>",
            f"<td><code>{escape(customer.id)}</code></td>",
            f"<td>{escape(fields.get('name', ''))}</td>",
            f'<td class="n">{escape(money)}</td>',
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    if not rows:
        return '<div class="box"><p class="none">No customers yet.</p></div>'
    head = "".join(
        f"<th>{name}</th>"
        for name in ("Created (UTC)", "Account", "Reference", "Id", "Name", "Balance (minor units)")
    )
    return f'<div class="box"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _table(pairs: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in pairs
    )
    return f'<div class="box"><table>{rows}</table></div>'


def _yes(value: bool) -> str:  # noqa: FBT001 - a value to show
    return "yes" if value else "no"


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
