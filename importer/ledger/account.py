"""Whose customers these are: one merchant account at one API, in test or live mode."""

from __future__ import annotations

from dataclasses import dataclass

from importer.base_url import normalised
from importer.errors import UsageError

MODES = ("test", "live")


@dataclass(frozen=True, slots=True)
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
