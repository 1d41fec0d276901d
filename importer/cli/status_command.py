"""``importer status``: the ledger in a few lines, or what happened to one customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from importer.delivery.protocol.keys import idempotency_key
from importer.delivery.protocol.states import Done, Rejected, Updating, generation, kind
from importer.errors import UsageError, printable
from importer.job.world import iso
from importer.ledger import open_ledger, read_accounts

if TYPE_CHECKING:
    from importer.delivery.protocol.states import UpdateState
    from importer.ledger import Account, History, LedgerAddress, Run


LAST_RUNS = 10
STATE_WORDS = {
    "done": "in Moment",
    "sent": "sent, not settled yet",
    "rejected": "refused by Moment",
}


def show_ledger(address: LedgerAddress) -> None:
    """Print totals and last runs of every account in the ledger."""
    console = Console(highlight=False)
    accounts = read_accounts(address)
    if not accounts:
        console.print(f"the ledger {escape(printable(str(address)))} is empty")
    for account in accounts:
        console.print(f"[bold]{escape(printable(account.label))}[/]")
        try:
            _show_account(console, address, account)
        except UsageError as error:
            # A half copy: the others are of use all the same.
            console.print(f"  {escape(error.message)} ({escape(error.hint)})", soft_wrap=True)


def _show_account(console: Console, address: LedgerAddress, account: Account) -> None:
    with open_ledger(address, account, read_only=True) as ledger:
        for state, number in sorted(ledger.totals().items()):
            console.print(f"  {number:>11,} {STATE_WORDS.get(state, state)}")
        if number := ledger.open_updates():
            console.print(f"  {number:>11,} with an update that is not settled yet")
        console.print(_runs_table(ledger.runs(LAST_RUNS)))


def _runs_table(runs: list[Run]) -> Table:
    table = Table(title="last runs", title_justify="left")
    for heading in ("run", "ended", "exit", "outcomes", "sources"):
        table.add_column(heading, overflow="fold")
    for run in runs:
        outcomes = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(run.counts.items()) if n)
        ended = iso(run.ended_at) if run.ended_at else "runs, or was killed"
        code = "" if run.exit_code is None else str(run.exit_code)
        table.add_row(run.run_id, ended, code, outcomes, escape(printable(", ".join(run.sources))))
    return table


def show_customer(address: LedgerAddress, reference: str) -> bool:
    """Print the history of one reference in every account; False if none knows it."""
    console = Console(highlight=False)
    known = False
    for account in read_accounts(address):
        with open_ledger(address, account, read_only=True) as ledger:
            if (history := ledger.history(reference)) is not None:
                known = True
                _show_history(console, account, history, ledger.updates([reference]))
    if not known:
        shown = printable(f"the ledger {address} does not know {reference!r}")
        console.print(escape(shown))
    return known


def _show_history(
    console: Console, account: Account, history: History, updates: dict[str, UpdateState]
) -> None:
    state = history.state
    console.print(f"[bold]{escape(history.reference)}[/] for {escape(account.label)}")
    console.print(f"  state             {STATE_WORDS.get(kind(state), kind(state))}")
    match state:
        case Done():
            console.print(f"  id                {state.customer_id} ({state.origin})")
            if state.differs:
                console.print(f"  differed in       {', '.join(state.differs)}")
        case Rejected():
            code = escape(printable(state.error_code))
            console.print(f"  refused with      HTTP {state.http_status} {code}")
    _show_update(console, updates.get(history.reference))
    at = generation(state)
    console.print(f"  generation        {at}")
    console.print(f"  idempotency key   {idempotency_key(history.reference, max(at, 0))}")
    console.print(f"  requests          {history.requests}")
    for entry in history.entries:
        status = f" HTTP {entry.http_status}" if entry.http_status else ""
        code = f" {escape(printable(entry.error_code))}" if entry.error_code else ""
        about = f" (generation {entry.generation})" if entry.generation >= 0 else ""
        if entry.detail:
            about = f" ({escape(printable(entry.detail))})"
        console.print(f"  {iso(entry.at)} {entry.event}{status}{code}{about} run {entry.run_id}")


def _show_update(console: Console, state: UpdateState | None) -> None:
    """How the customer is kept in step, if it was ever updated."""
    if state is None or not state.serial:
        return
    if isinstance(state, Updating):
        fields = ", ".join(dict.fromkeys(name for name, _ in state.ours))
        console.print(f"  update            open: {escape(printable(fields))}")
    memory = state.memory
    if memory.conflicts:
        fields = ", ".join(one.field for one in memory.conflicts)
        console.print(f"  conflict          {escape(printable(fields))}")
    if memory.verdict is not None:
        code = escape(printable(memory.verdict.error_code))
        what = memory.verdict.outcome.value
        console.print(f"  {what:<17} HTTP {memory.verdict.http_status} {code}")
