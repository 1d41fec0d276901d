"""The page at ``/``: what the sandbox holds, in one self-contained HTML document."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
