"""Jobs on whole ledgers: a copy into another one, a new base URL. Nothing is sent.

Both ledgers are held meanwhile as a run holds its own, so that no run changes what is being copied.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from importer.base_url import DEFAULT_BASE_URL
from importer.errors import UsageError
from importer.job.signals import leave_at_once, watch
from importer.ledger.account import Account
from importer.ledger.copying import Copy
from importer.ledger.interface import OlderLedger
from importer.ledger.opening import hold, open_tables, read_accounts
from importer.ledger.renamed import move, to_move

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from importer.clock import Clock
    from importer.ledger.address import LedgerAddress
    from importer.ledger.copying import Copied
    from importer.ledger.renamed import Moved
    from importer.ledger.statements import Database

COPY = "ledger copy"
MOVE = "ledger move"
"""What holds a ledger meanwhile, for who is kept away."""
_ANYBODY = Account(DEFAULT_BASE_URL, "test")


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
    with watch(leave_at_once):
        accounts = [one for one in _accounts(source, clock) if name in {None, one.name}]
        if not accounts:
            called = f" called {name}" if name is not None else ""
            raise UsageError(
                f"the ledger {source} holds no account{called}", hint="importer status lists them"
            )
        for account in accounts:
            with (
                _held(source, [account], clock, COPY) as from_here,
                _held(target, [account], clock, COPY, create=True) as to_there,
            ):
                yield Copy(from_here, to_there, told=told).account(account)


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
    with watch(leave_at_once):
        pairs = to_move(_accounts(address, clock), base_url, name=name, before=before)
        with _held(address, [one for pair in pairs for one in pair], clock, MOVE) as store:
            return move(store, pairs)


def _refuse_one_for_both(source: LedgerAddress, target: LedgerAddress) -> None:
    same = source == target
    if source.path is not None and target.path is not None:
        paths = source.path, target.path
        same = same or (all(one.exists() for one in paths) and paths[0].samefile(paths[1]))
    if same:
        raise UsageError(f"{source} is both source and target", hint="name two ledgers")


def _accounts(address: LedgerAddress, clock: Clock) -> list[Account]:
    """All accounts of a ledger, which is brought up to this version if need be."""
    try:
        return read_accounts(address)
    except OlderLedger:
        with _held(address, [_ANYBODY], clock, "ledger upgrade"):
            return read_accounts(address)


@contextmanager
def _held(
    address: LedgerAddress,
    accounts: Sequence[Account],
    clock: Clock,
    what: str,
    *,
    create: bool = False,
) -> Iterator[Database]:
    """The tables of a ledger, in which nobody else works on these accounts meanwhile."""
    now = clock.now()
    with ExitStack() as stack:
        # A file is held as a whole, whoever's account it is for.
        held = accounts if address.is_shared else accounts[:1]
        leases = [
            stack.enter_context(hold(address, one, run_id=what, started_at=now)) for one in held
        ]
        store = open_tables(address, create=create, lease=leases[0])
        stack.callback(store.close)
        yield store
