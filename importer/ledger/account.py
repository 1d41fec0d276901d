"""Whose customers these are (one merchant account at one API, in one mode), and their version.

A version is a token that every change of a customer replaces. A token is random, so none comes
twice: two ledgers with one token hold the same rows. An older copy that was put back has an older
token, and goes on to other ones.

A plan rests on a version. The runs of that plan move it themselves: ``plan`` and ``plan_base`` say
that every move since that version was made by runs of one plan.
"""

from __future__ import annotations

from enum import Enum
from secrets import token_bytes
from typing import TYPE_CHECKING

from importer.base_url import normalised
from importer.errors import UsageError
from importer.values import value

if TYPE_CHECKING:
    from importer.ledger.statements import Reads, Transaction


MODES = ("test", "live")


@value
class Account:
    """Rows of different accounts never mix; a rotated API key changes nothing.

    Raises:
        UsageError: no http(s) URL, an unknown mode, or a name that is empty or not printable.
    """

    base_url: str
    """Normalised: lower-case scheme and host, no default port, no trailing slash."""
    mode: str
    """The kind of API key: ``test`` or ``live``."""
    name: str = "default"
    """Tells merchants apart whose URL and mode are the same (``--account``)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", normalised(self.base_url))
        if self.mode not in MODES:
            raise UsageError(f"the key mode {self.mode!r} is not known", hint="test or live")
        if not self.name.strip() or not self.name.isprintable():
            raise UsageError(
                "the account name is empty or holds characters that cannot be printed",
                hint="--account takes any short name, for example the merchant's",
            )

    @property
    def label(self) -> str:
        """The account in words, for people."""
        return f"{self.base_url}, {self.mode} mode, account {self.name}"


def refuse_half(account: Account, copying: str) -> None:
    """Refuse an account that a copy has not finished: who is missing in it would be sent again.

    Raises:
        UsageError: ``copying`` says that the copy goes on (``account.copying`` in the ledger).
    """
    if copying:
        raise UsageError(
            f"the ledger holds only a part of {account.label}: a copy into it was not finished",
            hint="type the same importer ledger copy command again; it goes on where it ended",
        )


NOTHING_YET = ""
"""The version of an account that the ledger does not know."""
_BYTES = 16
_MOVED = (
    "UPDATE account SET version = ?, plan ="
    " CASE WHEN plan = (SELECT plan FROM run WHERE run.id = ?) THEN plan ELSE '' END WHERE id = ?"
)


class Standing(Enum):
    """How a ledger stands to a plan that was made on one of its versions."""

    AS_PLANNED = "nothing has moved"
    BEGUN = "only runs of this plan have moved it"
    MOVED = "something else has moved it"


def version(db: Reads, account: int | None) -> str:
    """The version as hex digits; ``NOTHING_YET`` for an unknown account."""
    if account is None:
        return NOTHING_YET
    return bytes(db.read("SELECT version FROM account WHERE id = ?", (account,))[0][0]).hex()


def standing(db: Reads, account: int | None, *, plan: str, base: str) -> Standing:
    """How the ledger stands to the plan with this digest, made on the version ``base``."""
    if version(db, account) == base:
        return Standing.AS_PLANNED
    found = db.read("SELECT plan, plan_base FROM account WHERE id = ?", (account,))
    begun = [(named, bytes(held).hex()) for named, held in found] == [(plan, base.lower())]
    return Standing.BEGUN if begun else Standing.MOVED


def write_move(db: Transaction, account: int, run: int) -> None:
    """Replace the version, because this run changes a customer (inside a transaction)."""
    db.execute(_MOVED, (token_bytes(_BYTES), run, account))


def write_plan(db: Transaction, account: int, run: int, *, plan: str, base: str) -> None:
    """Note that a run follows a plan made on the version ``base`` (inside a transaction)."""
    db.execute("UPDATE run SET plan = ? WHERE id = ?", (plan, run))
    db.execute(
        "UPDATE account SET plan = ?, plan_base = ? WHERE id = ?",
        (plan, bytes.fromhex(base), account),
    )
