"""Accounts of one merchant under two names: a host that was renamed, a name that was forgotten.

An account is found by its base URL, mode and name. Under another one the ledger knows nobody, and a
run would send every row again, in silence; so it asks first (``doubt``), and ``move`` gives an
account its new base URL with all that is known of it.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from importer.base_url import is_loopback, normalised
from importer.errors import UsageError
from importer.ledger.account import Account, refuse_half

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from importer.ledger.ledger import Ledger
    from importer.ledger.statements import Database, Transaction

NEW_ACCOUNT = "new_account"
"""The code of the warning."""


class Known(NamedTuple):
    """An account that a ledger holds, and what is known of it."""

    account: Account
    customers: int
    """In any state."""
    same_key: bool
    """Whether its last run used the API key of the run that asks."""


def doubt(
    ledger: Ledger, open_other: Callable[[Account], Ledger], api_key: str | None
) -> UsageError | None:
    """Why this account may be another one of the ledger; None where nothing says so.

    Args:
        ledger: the account's.
        open_other: opens the ledger of another account, to read.
        api_key: of the run; None where there is none yet.
    """
    if sum(ledger.totals().values()):
        return None
    known = []
    for account in ledger.accounts():
        # One that is half a copy is no run's business, and says so to who asks for it.
        with suppress(UsageError), open_other(account) as other:
            known.append(Known(account, sum(other.totals().values()), _used_with(other, api_key)))
    found = look_alikes(ledger.account, known)
    return refusal(ledger.account, found) if found else None


def _used_with(ledger: Ledger, api_key: str | None) -> bool:
    last = ledger.last_key_digest()
    return (
        api_key is not None
        and last is not None
        and hmac.compare_digest(last, ledger.key_digest(api_key))
    )


def look_alikes(account: Account, known: Sequence[Known]) -> list[Known]:
    """Accounts that may be this one under another name; none if this one has customers itself.

    The same key is the same merchant; the same name at another host may be. Another mode is another
    world, and a rehearsal (test mode at this machine's own address) is nobody's account.
    """
    if _is_rehearsal(account) or any(one.customers for one in known if one.account == account):
        return []
    return [
        one
        for one in known
        if one.customers
        and one.account.mode == account.mode
        and not _is_rehearsal(one.account)
        and (one.same_key or one.account.name == account.name)
    ]


def refusal(account: Account, found: Sequence[Known]) -> UsageError:
    """Why nothing is sent for an account that looks like one that the ledger knows."""
    other = max(found, key=lambda one: (one.same_key, one.customers))
    key = ", last used with the same API key" * other.same_key
    if other.account.base_url == account.base_url:
        fix = f"add --account {other.account.name}"
    else:
        name = f" --account {other.account.name}" * (other.account.name != "default")
        fix = f"importer ledger move --base-url {account.base_url}{name} (sends nothing)"
    return UsageError(
        f"the ledger holds nobody of {account.label}, but {other.customers:,} customers of"
        f" {other.account.label}{key}: every row would be sent again",
        hint=f"the same merchant: {fix}; another one: add --accept-new-account, this once",
    )


def _is_rehearsal(account: Account) -> bool:
    host = urlsplit(account.base_url).hostname or ""
    return account.mode == "test" and is_loopback(host)


class Moved(NamedTuple):
    """An account that has a new base URL."""

    before: Account
    after: Account
    customers: int


def to_move(
    accounts: Sequence[Account], base_url: str, *, name: str | None, before: str | None
) -> list[tuple[Account, Account]]:
    """(before, after) of each account that is to get a new base URL: one name, both modes.

    Args:
        accounts: all of the ledger.
        base_url: the new one.
        name: the account's, where there are several.
        before: the old base URL, where there are several.

    Raises:
        UsageError: there is none, or it is not clear which.
    """
    wanted = normalised(before) if before is not None else None
    found = [
        one
        for one in accounts
        if one.base_url != normalised(base_url)
        and name in {None, one.name}
        and (one.base_url == wanted or (wanted is None and not _is_rehearsal(one)))
    ]
    shown = "; ".join(one.label for one in accounts) or "nothing"
    if not found:
        raise UsageError(
            "there is no account to move",
            hint=f"the ledger holds {shown}: see --from and --account",
        )
    if len({one.base_url for one in found}) > 1:
        raise UsageError(
            f"which base URL is the old one? The ledger holds {shown}",
            hint="say it with --from URL",
        )
    if len({one.name for one in found}) > 1:
        raise UsageError(
            f"which account? The ledger holds {shown}", hint="say it with --account NAME"
        )
    return [(one, Account(base_url, one.mode, one.name)) for one in found]


_FIND = "SELECT id, copying FROM account WHERE base_url = ? AND mode = ? AND name = ?"
_CUSTOMERS = "SELECT count(*) FROM customer WHERE account = ?"


def move(store: Database, pairs: Sequence[tuple[Account, Account]]) -> list[Moved]:
    """Give accounts their new base URLs, all of them or none; the ledger is held meanwhile.

    Customers, ids, updates and runs stay as they are. An account of the new base URL for which
    nothing was ever sent gives way; its runs are kept.

    Raises:
        UsageError: the new account has customers already, or one of them is half a copy.
        LedgerFailed: the ledger could not be read or written.
    """
    moved: list[Moved] = []
    statements: list[tuple[str, tuple[object, ...]]] = []
    for before, after in pairs:
        number, there = (_number(store, one) for one in (before, after))
        customers = store.read(_CUSTOMERS, (number,))[0][0]
        if there is not None:
            held = store.read(_CUSTOMERS, (there,))[0][0]
            if held:
                raise UsageError(
                    f"the ledger holds {held:,} customers of {after.label} already, beside"
                    f" {customers:,} of {before.label}: they cannot become one account",
                    hint="nothing was changed; runs go on with the new one as it is",
                )
            statements += [
                ("UPDATE run SET account = ? WHERE account = ?", (number, there)),
                ("DELETE FROM total WHERE account = ?", (there,)),
                ("DELETE FROM news WHERE account = ?", (there,)),
                ("DELETE FROM account WHERE id = ?", (there,)),
            ]
        statements.append(
            ("UPDATE account SET base_url = ? WHERE id = ?", (after.base_url, number))
        )
        moved.append(Moved(before, after, int(customers)))

    def work(db: Transaction) -> None:
        for sql, parameters in statements:
            db.execute(sql, parameters)

    store.transact(work)
    return moved


def _number(store: Database, account: Account) -> int | None:
    for number, copying in store.read(_FIND, (account.base_url, account.mode, account.name)):
        refuse_half(account, copying)
        return int(number)
    return None
