"""Jobs on whole ledgers: a copy into another one, a new base URL. Nothing is sent.

Both ledgers are held meanwhile as a run holds its own, so that no run changes what is being copied.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.job.signals import leave_at_once, watch
from importer.ledger import RunLock
from importer.ledger.copying import Copy, accounts_of
from importer.ledger.renamed import move, to_move
from importer.ledger.sqlite.connection import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from importer.clock import Clock
    from importer.ledger import Account
    from importer.ledger.address import LedgerAddress
    from importer.ledger.copying import Copied, Store
    from importer.ledger.renamed import Moved


def copy_ledger(
    source: LedgerAddress,
    target: LedgerAddress,
    *,
    clock: Clock,
    name: str | None = None,
    told: Callable[[str, int], None] = lambda _table, _rows: None,
) -> Iterator[Copied]:
    """Copy every account, or those of one name; each comes out once it is whole and verified.

    Raises:
        UsageError: a ledger is missing or none, both are one, or the target holds other data.
        LedgerInUse: a run, or another copy, works on one of them.
        LedgerFailed: a ledger failed, or a copy is not as its source; the same command goes on.
        Interrupted: a signal came; the same command goes on.
    """
    _refuse_one_for_both(source, target)
    with ExitStack() as stack:
        stack.enter_context(watch(leave_at_once))
        held = _Held(stack, clock, "ledger copy")
        from_here = held.store(source, create=False)
        accounts = [one for one in accounts_of(from_here) if name in {None, one.name}]
        if not accounts:
            called = f" called {name}" if name is not None else ""
            raise UsageError(
                f"the ledger {source} holds no account{called}", hint="importer status lists them"
            )
        to_there = held.store(target, create=True)
        held.accounts(source, accounts)
        held.accounts(target, accounts)
        copy = Copy(from_here, to_there, told=told)
        for account in accounts:
            yield copy.account(account)


def move_accounts(
    address: LedgerAddress, base_url: str, *, clock: Clock, name: str | None, before: str | None
) -> list[Moved]:
    """Give the accounts of one name their new base URL, in both modes.

    Raises:
        UsageError: there is none, it is not clear which, or the new one has customers already.
        LedgerInUse: a run works on one of them.
        LedgerFailed: the ledger failed; nothing was changed.
        Interrupted: a signal came; all of it was changed, or nothing.
    """
    with ExitStack() as stack:
        stack.enter_context(watch(leave_at_once))
        held = _Held(stack, clock, "ledger move")
        store = held.store(address, create=False)
        pairs = to_move(accounts_of(store), base_url, name=name, before=before)
        held.accounts(address, [one for pair in pairs for one in pair])
        return move(store, pairs)


def _refuse_one_for_both(source: LedgerAddress, target: LedgerAddress) -> None:
    same = source == target
    if source.path is not None and target.path is not None:
        paths = source.path, target.path
        same = same or (all(one.exists() for one in paths) and paths[0].samefile(paths[1]))
    if same:
        raise UsageError(f"{source} is both source and target", hint="name two ledgers")


class _Held:
    """The ledgers that a job holds, each until it ends."""

    def __init__(self, stack: ExitStack, clock: Clock, what: str) -> None:
        self._stack = stack
        self._what = what
        self._now = clock.now()

    def store(self, address: LedgerAddress, *, create: bool) -> Store:
        """The ledger as tables, brought up to this version; a file is held from here on."""
        if address.path is None:
            raise UsageError(f"{address} cannot be opened yet")
        path = address.path
        if not create and not path.exists():
            raise UsageError(f"there is no ledger at {path}")
        lock = RunLock(path, run_id=self._what, started_at=self._now)
        self._stack.enter_context(lock)
        db = open_database(
            path,
            create=create,
            read_only=False,
            connect=sqlite3.connect,
            still_ours=lock.check,
        )
        self._stack.callback(db.close)
        return db

    def accounts(self, address: LedgerAddress, accounts: Sequence[Account]) -> None:
        """Hold these accounts of a ledger that is held by the account."""
