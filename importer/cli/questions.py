"""What a person is asked on a terminal; without one the answer is no.

Apart from the terminal itself, whose tables and bars a run without one need not load.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from importer.errors import UsageError, printable

if TYPE_CHECKING:
    from importer.delivery.credentials import ApiKey


def on_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def confirm_live(key: ApiKey, base_url: str, *, live: bool) -> None:
    """Make sure that a live key is meant.

    Raises:
        UsageError: it is not meant, or nobody can be asked.
    """
    if key.mode != "live" or live:
        return
    question = f"This is a LIVE key: the customers will be created for real at {base_url}. Go on?"
    if on_terminal() and _says_yes(question):
        return
    raise UsageError(
        "the API key is a live key (sk_...), not a test key (sk_test_...)",
        hint="add --live if live customers are meant",
    )


def confirm_new_key() -> bool:
    """Ask whether another API key than last time is the same merchant's."""
    question = "This ledger was last used with another API key. Is the new key the same merchant's?"
    return on_terminal() and _says_yes(question)


def confirm_new_account(doubt: str) -> bool:
    """Ask whether an account that looks like another one of the ledger is a new one."""
    if not on_terminal():
        return False
    typer.echo(printable(doubt), err=True)
    question = "Are these customers of another merchant, to be created for the first time?"
    return _says_yes(question)


def _says_yes(question: str) -> bool:
    """Whether the answer is yes; Ctrl-D is a no, and Ctrl-C ends the command as anywhere else."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort as left:
        typer.echo(err=True)
        if isinstance(left.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return False
