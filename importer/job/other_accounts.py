"""Asks a ledger whether an account of which it knows nobody is one that it knows by another name.

A host that was renamed, or a forgotten ``--account``, would else send every customer again, in
silence. What is alike is decided in ``importer.ledger.renamed``.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.ledger.renamed import Known, look_alikes, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.ledger.account import Account
    from importer.ledger.ledger import Ledger

NEW_ACCOUNT = "new_account"
"""The code of the warning."""


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
