"""Questions that are asked on a terminal, and refused without one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from importer.errors import UsageError

if TYPE_CHECKING:
    from importer.job.credentials import ApiKey


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
    if on_terminal() and typer.confirm(question, err=True):
        return
    raise UsageError(
        "the API key is a live key (sk_...), not a test key (sk_test_...)",
        hint="add --live if live customers are meant",
    )


def confirm_new_key() -> bool:
    """Ask whether another API key than last time is the same merchant's."""
    question = "This ledger was last used with another API key. Is the new key the same merchant's?"
    return on_terminal() and typer.confirm(question, err=True)
