"""``importer ledger copy`` and ``importer ledger move``: what was done, in figures."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from importer.cli.next_commands import pasted
from importer.clock import WallClock
from importer.errors import printable
from importer.job.whole_ledgers import copy_ledger, move_accounts
from importer.ledger.address import LedgerAddress, refuse_password

if TYPE_CHECKING:
    from importer.ledger.copying import Copied
    from importer.ledger.renamed import Moved

_TELL_EVERY = 100_000
"""Rows between two lines of progress."""
_WORDS = {
    "customer": "customers",
    "sync": "of them with updates",
    "attempt": "events of their history",
    "run": "runs",
}
_DIGITS = 12


def show_copied(source: str, target: str, account: str | None) -> None:
    """Copy, and print what was found equal on both sides, account by account."""
    addresses = [LedgerAddress.parse(text) for text in (source, target)]
    for address, name in zip(addresses, ("FROM", "TO"), strict=True):
        refuse_password(address, name)
    console = Console(highlight=False)
    told: Counter[str] = Counter()

    def tell(table: str, rows: int) -> None:
        before = told[table] // _TELL_EVERY
        told[table] += rows
        if told[table] // _TELL_EVERY > before:
            print(f"{told[table]:,} rows of {table}", file=sys.stderr)  # noqa: T201 - progress

    for copied in copy_ledger(*addresses, clock=WallClock(), name=account, told=tell):
        told.clear()
        _show(console, copied)
    typed = escape(pasted(str(addresses[1])))
    console.print(f"from now on: --ledger {typed}", soft_wrap=True)
    console.print(
        f"{escape(printable(str(addresses[0])))} is as it was: put it away, so that no job goes on"
        " with it",
        soft_wrap=True,
    )


def _show(console: Console, copied: Copied) -> None:
    how = "goes on with an earlier try" if copied.resumed else "copied"
    if copied.was_there:
        how = "was there already"
    console.print(f"[bold]{escape(printable(copied.account.label))}[/] ({how})", soft_wrap=True)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    for name, words in _WORDS.items():
        digest = copied.digests[name][:_DIGITS]
        table.add_row(f"{copied.rows[name]:>11,}", words, f"the same in both, sha256 {digest}...")
    console.print(table)


def show_moved(ledger: LedgerAddress, base_url: str, account: str | None, old: str | None) -> None:
    """Move, and print what was moved."""
    console = Console(highlight=False)
    for one in move_accounts(ledger, base_url, clock=WallClock(), name=account, before=old):
        console.print(_moved(one), soft_wrap=True)
    console.print(f"from now on: --base-url {escape(pasted(base_url))}", soft_wrap=True)


def _moved(one: Moved) -> str:
    before, after = escape(printable(one.before.label)), escape(printable(one.after.base_url))
    return f"{one.customers:,} customers of {before} are now those of {after}"
