"""What delivery and plan may ask of a ledger, and nothing of how it is stored.

``Ledger`` (ledger.py) is the one that runs use, in a SQLite file or a PostgreSQL database
(``open_ledger``); a simulation or a test brings its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from importer.delivery.protocol.states import Hashes
from importer.errors import ExitCode, LedgerFailed, UsageError
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

    import polars as pl

    from importer.delivery.protocol.states import (
        Attempt,
        State,
        Transition,
        UpdateState,
        UpdateTransition,
    )

Hasher = Callable[[str, Mapping[str, Any]], Hashes]
"""(reference, payload or customer as Moment answered it) -> its fields' hashes; asks no file."""


Known = tuple["State", "UpdateState | None"]
"""The state of a row, and how its customer is kept in step if it is ``Done``."""


class NoLedger(UsageError):
    """There is no ledger at this address yet."""


class OlderLedger(UsageError):
    """A reader met a ledger that a writer must bring up to this version first."""


class LeaseLost(LedgerFailed):
    """This run's lease of the account has ended: it may write nothing more, whoever has it now."""

    exit_code = ExitCode.LEDGER_IN_USE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = "lease_lost"


@value
class Share:
    """Which part of one job a run does: those of one job hold the account together."""

    job: str
    """What they have in common; any text."""
    index: int
    """1 to ``of``; each is held once."""
    of: int


class Lease(Protocol):
    """That an account is this run's alone. Held as a context manager around all that is written.

    For a SQLite file it is a lock of the operating system, for a database a row of it.
    """

    @property
    def number(self) -> int:
        """The fencing token, which every write carries; 0 where the lock needs none."""
        ...

    def check(self) -> None:
        """Make sure that it still keeps other runs away.

        Raises:
            LedgerFailed: it does not; ``LeaseLost`` where it has ended.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class LedgerReader(Protocol):
    """The states of one account's customers. Every method may raise ``LedgerFailed``."""

    def states(self, references: Sequence[str]) -> dict[str, State]:
        """What is known of these references; one of which nothing is known is missing."""
        ...

    def updates(self, references: Sequence[str]) -> dict[str, UpdateState]:
        """How those that are ``Done`` are kept in step; the others are missing.

        A customer that was never updated has serial 0, and for a base what Moment confirmed when
        it was made or found: nothing, in a ledger from before that was noted.
        """
        ...

    def known(self, references: Sequence[str]) -> dict[str, Known]:
        """``states`` and ``updates`` of these references, read at once."""
        ...

    def versions(self, references: Sequence[str] | pl.Series) -> Iterator[pl.DataFrame]:
        """What is known of many references, in columns: nothing is paid for each in Python.

        Yields:
            Frames with a row for each known reference, and the columns of ``version_columns``:
            ``index`` into ``references``; ``known``, the fingerprint of what is in Moment, or of
            the version that an update left in step, b"" for none; ``customer_id``, "" if it is
            not done, or if Moment was seen to hold other values; ``first_run``, the number of the
            run that met it first (``series_runs``), 0 if it is not done.

        Ascending references are fastest, most of all where they are a good part of what the ledger
        holds between the first and the last. No read blocks a writer.
        """
        ...

    def hasher(self, *, remember: bool = True) -> Hasher:
        """Makes field hashes as this ledger keeps them, of payloads and of Moment's answers.

        ``remember`` where the customer of each payload is soon seen in an answer.
        """
        ...

    def changed_fields(self, payloads: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """In which fields each payload differs from the version that is known of its reference.

        Args:
            payloads: canonical JSON by reference; one whose fields nobody noted is missing in
                what is returned.
        """
        ...


class LedgerWriter(Protocol):
    """Where delivery makes its changes durable."""

    def apply(
        self,
        transitions: Sequence[Transition | UpdateTransition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
    ) -> list[State | UpdateState | None]:
        """Apply in one transaction that is durable when this returns.

        A change is taken if the ledger still holds the (state, generation) that it expects; a
        ``Done`` is taken over every state but an earlier ``Done``. An update is taken if it
        expects the (customer, serial) that is held. Changes of one reference are applied in the
        order given. What was written is read back before it is committed.

        Returns:
            For each transition None if it was applied, else the state that the ledger holds.

        Raises:
            LedgerFailed: nothing of it was applied; ``LeaseLost`` where this run's time is over.
            BugFound: an invariant does not hold, or something else is read back than was
                written; nothing of it was applied.
        """
        ...
