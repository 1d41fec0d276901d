"""A database as the ledger's tables see it: a few calls that both kinds of ledger have.

SQL that is written against these is standard, with ``?`` for values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

T = TypeVar("T")


class Reads(Protocol):
    """Where rows can be read."""

    def read(self, sql: str, parameters: Iterable[Any] = (), /) -> list[Any]:
        """All rows of a query, as tuples.

        Raises:
            LedgerFailed: it could not be read.
        """
        ...


class Transaction(Reads, Protocol):
    """An open transaction."""

    def execute(self, sql: str, parameters: Iterable[Any] = (), /) -> int:
        """Run one statement; how many rows it changed."""
        ...


class Database(Reads, Protocol):
    """An open ledger's database."""

    def transact(self, work: Callable[[Any], T], /) -> T:
        """Run ``work`` in one transaction that is durable when this returns.

        ``work`` may be run again from its beginning: nothing of an earlier run is left then.

        Raises:
            LedgerFailed: nothing of it was applied.
        """
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """The same as a block, which is not run again."""
        ...

    def close(self) -> None:
        """Close it; everything that was applied is durable already."""
        ...
