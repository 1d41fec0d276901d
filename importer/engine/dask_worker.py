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
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from anyio.from_thread import start_blocking_portal
from anyio.to_thread import run_sync

from importer.delivery.around import Around, loop_options
from importer.delivery.credentials import read_api_key
from importer.engine.row_batch import Answer, RowBatch, Standing, Stop
from importer.engine.session import Session
from importer.errors import UsageError
from importer.ledger import joined, open_ledger, open_rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.from_thread import BlockingPortal

    from importer.engine.seam import EngineSettings
    from importer.ledger import Account, LedgerAddress

FORGET_AFTER = 300.0
"""Seconds without a batch after which a session ends: its run is gone, or needs it no more."""
TELL_EVERY = 1.0
"""Seconds between two words about how it stands."""


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

    def tell(self, event: Callable[[str, dict[str, Any]], None], delivery: str) -> None:
        """Tell every now and then how it stands, until it is over or forgotten."""
        self._portal.start_task_soon(self._tell, event, delivery)

    async def _tell(self, event: Callable[[str, dict[str, Any]], None], delivery: str) -> None:
        while not self._session.is_over:
            with suppress(Exception):  # the worker is closing: then nobody need know
                event(topic(delivery), self._session.standing._asdict())
            await anyio.sleep(TELL_EVERY)
            if self.is_forgotten:
                threading.Thread(target=_forget, args=(delivery,), daemon=True).start()

    def deliver(self, batch: RowBatch) -> Answer:
        return self._portal.call(self._session.deliver, batch)

    @property
    def is_forgotten(self) -> bool:
        """Nobody has asked for anything for so long that its run must be gone."""
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


def topic(delivery: str) -> str:
    """Under which workers tell how a delivery stands: events are Dask's own progress."""
    return f"importer-{delivery}"


_RUNNING: dict[str, _Running] = {}
_LOCK = threading.Lock()
"""For ``_RUNNING``; sessions are made under it, so that there is one for a delivery."""


def _running(errand: Errand) -> _Running:
    from distributed import get_worker  # noqa: PLC0415 - only what runs in a worker needs it

    with _LOCK:
        found = _RUNNING.get(errand.delivery)
        if found is None:
            found = _RUNNING[errand.delivery] = _Running(errand)
            found.tell(get_worker().log_event, errand.delivery)
        found.asked_at = time.monotonic()
        return found


def _forget(delivery: str) -> None:
    """End a delivery that was asked for nothing, not even just now."""
    with _LOCK:
        found = _RUNNING.get(delivery)
        if found is None or not found.is_forgotten:
            return
        del _RUNNING[delivery]
    found.finish()


def greet(errand: Errand) -> Stop | None:
    """Make this worker ready; why it cannot take part, if it cannot."""
    try:
        _running(errand)
    except Exception as error:  # noqa: BLE001 - see the top of this file
        return Stop.of(error)
    return None


def deliver(errand: Errand, batch: RowBatch) -> Answer:
    """Deliver a batch; it takes no place in the worker's pool of threads meanwhile."""
    from distributed import secede  # noqa: PLC0415 - only what runs in a worker needs it

    try:
        secede()  # type: ignore[no-untyped-call]
        return _running(errand).deliver(batch)
    except Exception as error:  # noqa: BLE001 - see the top of this file
        return Answer(batch.number, (), Standing(), Stop.of(error))


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
