"""What the job knows of delivery: rows go in, one outcome for each comes out.

An engine says where that happens: in this process, or in workers on other machines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from importer.delivery.stopping import PATIENCE
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from importer.delivery.pool import PoolSettings
    from importer.delivery.protocol.flight import Planned
    from importer.delivery.protocol.updating import UpdatePolicy


@value
class EngineSettings:
    """How rows are delivered. Holds no secret: it may travel to other machines."""

    run_id: str
    base_url: str
    user_agent: str = "importer"
    concurrency: int = 32
    """Most requests in flight, of one process."""
    rate: float | None = None
    """Most requests a second; of all workers together, where they share one."""
    patience: float = PATIENCE
    """Seconds without one settled row after which the delivery stops."""
    retry_rejected: bool = False
    updates: UpdatePolicy | None = None
    pool: PoolSettings | None = None


class Engine(Protocol):
    """Delivers rows once; how it stands may be asked meanwhile.

    Made with an ``on_settled``, which hears the outcome of each row at most once: of all rows,
    unless the delivery stops.
    """

    async def deliver(self, rows: Iterator[Planned]) -> None:
        """Deliver every row of the iterator, or those taken before ``stop``.

        Raises:
            RunStopped: a stop rule fired or the ledger failed. Rows keep their state.
            BugFound: an invariant does not hold.
        """
        ...

    def stop(self) -> None:
        """Take no new rows; ``deliver`` returns when what is in flight has finished."""
        ...

    @property
    def requests(self) -> tuple[int, int, int]:
        """POSTs, GETs and PATCHes that have left, answered or not."""
        ...

    @property
    def answers(self) -> Mapping[tuple[str, int], int]:
        """Of the requests that have left, by (method, HTTP status): 0 where none came back."""
        ...

    @property
    def clock_ahead(self) -> float | None:
        """Seconds that the clock here is ahead of the server's; None where nobody can tell."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answer."""
        ...

    @property
    def waiting(self) -> int:
        """Rows that wait for their next request."""
        ...

    @property
    def holding(self) -> str:
        """Why it is not faster, in plain words; empty when nothing holds it."""
        ...
