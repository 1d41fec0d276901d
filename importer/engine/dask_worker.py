"""What runs in a Dask worker: one session for each delivery, in a thread with a loop of its own.

Nothing here is given a secret: a worker has its API key and the ledger's password from its own
environment. A task that dies with an exception would have its arguments in the worker's log, so
what goes wrong is told in its answer.
"""

from __future__ import annotations

import hmac
import os
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio.from_thread import start_blocking_portal
from anyio.to_thread import run_sync

from importer.delivery.around import Around, loop_options
from importer.delivery.credentials import read_api_key
from importer.engine.row_batch import Answer, RowBatch, Standing, Stop
from importer.engine.session import Session
from importer.errors import BugFound, ImporterError, RunStopped, UsageError
from importer.ledger import joined, open_ledger, open_rate

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from importer.engine.seam import EngineSettings
    from importer.ledger import Account, LedgerAddress

FORGET_AFTER = 120.0
"""Seconds after which a session that nobody asks for ends: its run is gone."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a worker must know of a delivery. Travels with each batch; holds no secret."""

    delivery: str
    """Its own name: one run may deliver twice (rows, then marks)."""
    settings: EngineSettings
    ledger: LedgerAddress
    account: Account
    lease: int
    """The number of the run's lease, without which nothing can be written."""
    key_digest: str
    """Of the run's API key, by the ledger's salt."""


class _Running:
    """A session, its loop's thread, and its connections."""

    def __init__(self, errand: Errand) -> None:
        self.asked_at = time.monotonic()
        self._stack = ExitStack()
        try:
            self._session, self._portal = self._open(errand)
        except BaseException:
            self._stack.close()
            raise

    def _open(self, errand: Errand) -> tuple[Session, BlockingPortal]:
        key = read_api_key(os.environ)
        enter = self._stack.enter_context
        reader = enter(open_ledger(errand.ledger, errand.account, read_only=True))
        if not hmac.compare_digest(reader.key_digest(key.secret), errand.key_digest):
            raise UsageError(
                "its API key is not the run's",
                hint="give the run and all its workers the same MOMENT_API_KEY(_FILE)",
            )
        writer = enter(open_ledger(errand.ledger, errand.account, lease=joined(errand.lease)))
        shared = enter(open_rate(errand.ledger, errand.account.base_url, key.secret))
        portal = enter(
            start_blocking_portal(
                backend_options=loop_options(), name=f"importer {errand.settings.run_id}"
            )
        )

        async def make() -> Session:
            return Session(
                errand.settings, writer, reader, Around(), api_key=key.secret, shared=shared
            )

        session = portal.call(make)
        portal.start_task_soon(session.run)
        return session, portal

    def deliver(self, batch: RowBatch) -> Answer:
        self.asked_at = time.monotonic()
        return self._portal.call(self._session.deliver, batch)

    @property
    def standing(self) -> Standing:
        self.asked_at = time.monotonic()
        return self._session.standing

    @property
    def is_forgotten(self) -> bool:
        is_idle = self._session.is_idle or self._session.is_over
        return is_idle and time.monotonic() - self.asked_at > FORGET_AFTER

    def stop(self) -> None:
        self._portal.start_task_soon(self._stop)

    async def _stop(self) -> None:
        self._session.stop()

    def finish(self) -> tuple[Standing, Stop | None]:
        """End it: what was put is delivered, the connections are closed."""

        async def end() -> None:
            self._session.finish()
            await self._session.wait()

        self._portal.call(end)
        standing, stop = self._session.standing, self._session.stopped_by
        self._stack.close()
        return standing, stop


_RUNNING: dict[str, _Running] = {}
_LOCK = threading.Lock()
"""For ``_RUNNING``; sessions are made under it, so that there is one for a delivery."""


def _running(errand: Errand) -> _Running:
    with _LOCK:
        for name in [name for name, one in _RUNNING.items() if one.is_forgotten]:
            threading.Thread(target=_RUNNING.pop(name).finish, daemon=True).start()
        found = _RUNNING.get(errand.delivery)
        if found is None:
            found = _RUNNING[errand.delivery] = _Running(errand)
        return found


def greet(errand: Errand) -> Stop | None:
    """Make this worker ready; why it cannot take part, if it cannot."""
    try:
        _running(errand)
    except Exception as error:  # noqa: BLE001 - see the top of this file
        return Stop.of(_told(error))
    return None


def deliver(errand: Errand, batch: RowBatch) -> Answer:
    """Deliver a batch; it takes no place in the worker's pool of threads meanwhile."""
    from distributed import secede  # noqa: PLC0415 - only what runs in a worker needs it

    try:
        secede()  # type: ignore[no-untyped-call]
        return _running(errand).deliver(batch)
    except Exception as error:  # noqa: BLE001 - see the top of this file
        return Answer(batch.number, (), Standing(), Stop.of(_told(error)))


def standing(delivery: str) -> Standing | None:
    """How a delivery stands; None where this worker has none."""
    found = _RUNNING.get(delivery)
    return None if found is None else found.standing


def stop(delivery: str) -> None:
    """Let a delivery take no new rows."""
    found = _RUNNING.get(delivery)
    if found is not None:
        with suppress(RuntimeError):  # its loop has ended meanwhile
            found.stop()


async def finish(delivery: str) -> tuple[Standing, Stop | None] | None:
    """End a delivery."""
    with _LOCK:
        found = _RUNNING.pop(delivery, None)
    return None if found is None else await run_sync(found.finish)


def _told(error: Exception) -> ImporterError:
    """The error as it may be shown: of others only where they came from, for they quote values."""
    if isinstance(error, ImporterError):
        return error
    if isinstance(error, OSError):
        return RunStopped(f"{error.strerror or type(error).__name__}", reason="worker_failed")
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
    return BugFound(where, safe="everything that was sent is in the ledger")
