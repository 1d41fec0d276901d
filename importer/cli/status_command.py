"""``importer status``: the ledger in a few lines, or what happened to one customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.markup import escape

from importer.cli.json_output import emit, error_document
from importer.cli.runs_command import account_document, listed, run_document, runs_table
from importer.delivery.protocol.keys import idempotency_key
from importer.delivery.protocol.states import (
    Done,
    Rejected,
    Updating,
    shares_id,
)
from importer.errors import ExitCode, UsageError, printable
from importer.job.world import iso
from importer.ledger.opening import open_ledger, read_accounts

if TYPE_CHECKING:
    from importer.delivery.protocol.states import UpdateState
    from importer.ledger.account import Account
    from importer.ledger.address import LedgerAddress
    from importer.ledger.run_table import Entry, History, Run


LAST_RUNS = 10
STATE_WORDS = {
    "done": "in Moment",
    "sent": "sent, not settled yet",
    "rejected": "refused by Moment",
}


class Known(NamedTuple):
    """What an account knows of a customer."""

    account: Account
    history: History
    update: UpdateState | None
    """How it is kept in step; None where it is not in Moment."""
    run: Run | None
    """The run that was about it last."""
    shares_with: tuple[str, ...] = ()
    """Some of the other references that Moment gave its id to."""


def known_customers(address: LedgerAddress, reference: str, name: str | None = None) -> list[Known]:
    """What each account of the ledger, or of that name, knows of a reference; [] where none does.

    Raises:
        NoLedger: there is none.
        UsageError: an account is half a copy, or none has that name.
    """
    found = []
    for account in read_accounts(address, name):
        with open_ledger(address, account, read_only=True) as ledger:
            if (history := ledger.history(reference)) is not None:
                update = ledger.updates([reference]).get(reference)
                last = history.entries[-1].run_id if history.entries else history.last_run
                others: list[str] = []
                if update is not None and shares_id(update):
                    others = ledger.others_with(update.customer_id, reference)
                found.append(Known(account, history, update, ledger.find_run(last), tuple(others)))
    return found


def not_known(address: LedgerAddress, reference: str, name: str | None) -> str:
    """That a ledger, or an account of it, does not know a reference."""
    whose = f" for account {name}" if name else ""
    return f"the ledger {address} does not know {reference!r}{whose}"


# All of it ---------------------------------------------------------------------------------------


def show_ledger(address: LedgerAddress, name: str | None = None, *, as_json: bool = False) -> None:
    """Print totals and last runs of every account in the ledger, or of those of that name."""
    accounts = read_accounts(address, name)
    if as_json:
        told = [_account_document(address, account) for account in accounts]
        emit("status", {"ledger": str(address), "accounts": told})
        return
    console = Console(highlight=False)
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
        if number := ledger.doubtful():
            console.print(f"  {number:>11,} whose id Moment gave to other references, too")
        runs = listed(account, ledger.runs(LAST_RUNS))
        console.print(runs_table(runs, width=console.width, title="last runs"))


def _account_document(address: LedgerAddress, account: Account) -> dict[str, Any]:
    told: dict[str, Any] = {
        "account": account_document(account),
        "customers": {},
        "open_updates": 0,
        "shared_ids": 0,
        "runs": [],
        "error": None,
    }
    try:
        with open_ledger(address, account, read_only=True) as ledger:
            told["customers"] = ledger.totals()
            told["open_updates"] = ledger.open_updates()
            told["shared_ids"] = ledger.doubtful()
            told["runs"] = [run_document(one) for one in listed(account, ledger.runs(LAST_RUNS))]
    except UsageError as error:
        told["error"] = error_document(error)
    return told


# One customer ------------------------------------------------------------------------------------


def show_customer(
    address: LedgerAddress, reference: str, name: str | None = None, *, as_json: bool = False
) -> ExitCode:
    """Print the history of one reference, by account; the exit code is 1 if none knows it."""
    known = known_customers(address, reference, name)
    code = ExitCode.OK if known else ExitCode.ROWS_LEFT
    if as_json:
        customers = [customer_document(one) for one in known]
        document = {"ledger": str(address), "reference": reference, "customers": customers}
        emit("customer", document, exit_code=code)
        return code
    console = Console(highlight=False)
    for one in known:
        _show_history(console, one)
    if not known:
        console.print(escape(printable(not_known(address, reference, name))))
    return code


def customer_document(known: Known) -> dict[str, Any]:
    """A customer as scripts get it."""
    history, state = known.history, known.history.state
    at = state.generation
    return {
        "account": account_document(known.account),
        "state": state.kind,
        "customer_id": state.customer_id if isinstance(state, Done) else "",
        "origin": state.origin.value if isinstance(state, Done) else "",
        "differed_in": list(state.differs) if isinstance(state, Done) else [],
        "http_status": history.http_status,
        "error_code": state.error_code if isinstance(state, Rejected) else "",
        "generation": at,
        "idempotency_key": idempotency_key(history.reference, max(at, 0)),
        "requests": history.requests,
        "first_sent_at": _iso(history.first_sent_at),
        "settled_at": _iso(history.settled_at),
        "first_run": history.first_run,
        "last_run": history.last_run,
        "update": _update_document(known.update),
        "history": [_entry_document(entry) for entry in history.entries],
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else iso(at)


def _update_document(state: UpdateState | None) -> dict[str, Any] | None:
    if state is None or not state.serial:
        return None
    verdict = state.memory.verdict
    return {
        "open": _open_fields(state),
        "conflicts": [one.field for one in state.memory.conflicts],
        "verdict": verdict
        and {
            "outcome": verdict.outcome.value,
            "http_status": verdict.http_status,
            "error_code": verdict.error_code,
        },
    }


def _open_fields(state: UpdateState) -> list[str]:
    """Fields of an update that may be on its way."""
    if not isinstance(state, Updating):
        return []
    return list(dict.fromkeys(name for name, _ in state.ours))


def _entry_document(entry: Entry) -> dict[str, Any]:
    return {
        "at": iso(entry.at),
        "event": entry.event,
        "run_id": entry.run_id,
        "generation": entry.generation,
        "http_status": entry.http_status,
        "error_code": entry.error_code,
        "fields": entry.detail,
        "seconds": entry.seconds,
        "request_id": entry.request_id,
    }


def _show_history(console: Console, known: Known) -> None:
    history, state = known.history, known.history.state
    console.print(f"[bold]{escape(history.reference)}[/] for {escape(known.account.label)}")
    console.print(f"  state             {STATE_WORDS.get(state.kind, state.kind)}")
    match state:
        case Done():
            console.print(f"  id                {state.customer_id} ({state.origin})")
            if state.differs:
                console.print(f"  differed in       {', '.join(state.differs)}")
        case Rejected():
            code = escape(printable(state.error_code))
            console.print(f"  refused with      HTTP {state.http_status} {code}")
    _show_update(console, known.update)
    at = state.generation
    console.print(f"  generation        {at}")
    console.print(f"  idempotency key   {idempotency_key(history.reference, max(at, 0))}")
    console.print(f"  requests          {history.requests}")
    for entry in history.entries:
        console.print(escape(printable(f"  {_entry_words(entry)}")), soft_wrap=True)


def _entry_words(entry: Entry) -> str:
    about = f"(generation {entry.generation})" if entry.generation >= 0 else ""
    parts = (
        iso(entry.at),
        entry.event,
        f"HTTP {entry.http_status}" if entry.http_status else "",
        entry.error_code,
        f"({entry.detail})" if entry.detail else about,
        "" if entry.seconds is None else f"in {entry.seconds:.2f} s",
        f"request id {entry.request_id}" if entry.request_id else "",
        f"run {entry.run_id}",
    )
    return " ".join(filter(None, parts))


def _show_update(console: Console, state: UpdateState | None) -> None:
    """How the customer is kept in step, if it was ever updated."""
    if state is None or not state.serial:
        return
    if fields := ", ".join(_open_fields(state)):
        console.print(f"  update            open: {escape(printable(fields))}")
    memory = state.memory
    if memory.conflicts:
        fields = ", ".join(one.field for one in memory.conflicts)
        console.print(f"  conflict          {escape(printable(fields))}")
    if memory.verdict is not None:
        code = escape(printable(memory.verdict.error_code))
        what, status = memory.verdict.outcome.value, memory.verdict.http_status
        console.print(f"  {what:<17} {f'HTTP {status} ' * bool(status)}{code}")
