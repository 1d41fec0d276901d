"""Carries batches to the workers of a Dask cluster (extra ``dask``).

A batch is a task that is pinned to one worker: who is dead, and how often a batch was on a worker
that died, the coordinator must know, so neither is left to the scheduler. Of Dask's own means of
coordination none is used.
"""

from __future__ import annotations

import logging
import secrets
import warnings
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from importer import __version__
from importer.delivery.protocol.updating import UpdatePolicy
from importer.engine import dask_worker
from importer.engine.coordinator import Coordinator, WorkerLost
from importer.engine.dask_worker import Errand
from importer.engine.reached import OwnDoing
from importer.engine.row_batch import Standing, Stop
from importer.errors import ExitCode, RunStopped, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from importer.delivery.around import Around
    from importer.delivery.protocol.flight import Settled
    from importer.engine.reached import RunReader
    from importer.engine.row_batch import Answer, RowBatch
    from importer.engine.seam import EngineSettings
    from importer.ledger import Account, LedgerAddress

T = TypeVar("T")

CONNECTS = 10.0
"""Seconds for the scheduler to answer."""
CLOSES = 5.0
"""Seconds for saying goodbye to it."""


def dask_engine(
    address: str,
    settings: EngineSettings,
    *,
    on_settled: Callable[[Settled], None],
    ledger: LedgerAddress,
    account: Account,
    lease: int,
    key_digest: str,
    reader: RunReader,
    around: Around,
    warn: Callable[[str], None],
) -> Coordinator:
    """An engine that delivers in the workers of a Dask cluster.

    Args:
        address: of its scheduler, ``tcp://host:port`` or ``tls://host:port``.
        settings: how rows are delivered.
        on_settled: hears each row's outcome.
        ledger: where every worker reaches it.
        account: whose customers these are.
        lease: the number of the run's lease on the account.
        key_digest: of the run's API key.
        reader: the ledger, as this process reads it.
        around: the clock.
        warn: hears of a worker that cannot take part.

    Raises:
        UsageError: Dask is not installed.
    """
    delivery = f"{settings.run_id}-{secrets.token_hex(4)}"
    errand = Errand(delivery, settings, ledger, account, lease, key_digest)
    return Coordinator(
        DaskCarrier(address, errand),
        on_settled=on_settled,
        monotonic=around.monotonic,
        patience=settings.patience,
        warn=warn,
        own=OwnDoing(reader, settings.run_id, settings.updates or UpdatePolicy()),
    )


class DaskCarrier:
    """Reaches workers through a scheduler (``coordinator.Carrier``)."""

    def __init__(self, address: str, errand: Errand) -> None:
        """Of an address as Dask takes it.

        Raises:
            UsageError: Dask is not installed.
        """
        self._distributed = load_dask()
        self._address = address
        self._errand = errand
        self._client: Any = None
        self._standings: dict[str, Standing] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """As ``Carrier.connected``."""
        with warnings.catch_warnings():
            # Of other versions of Dask in the cluster it warns on standard error.
            warnings.simplefilter("ignore")
            try:
                self._client = await self._distributed.Client(
                    self._address,
                    asynchronous=True,
                    set_as_default=False,
                    timeout=CONNECTS,
                    name="importer",
                )
            except (OSError, ImportError, ValueError, RuntimeError) as error:
                raise self._unreachable("cannot be reached", error) from None
        for topic in ("print", "warn"):
            # What other users of the cluster print would appear in our output.
            self._client.unsubscribe_topic(topic)
        self._client.subscribe_topic(dask_worker.topic(self._errand.delivery), self._heard)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSES):
                await self._client._close(fast=True)  # noqa: SLF001 - ``close`` waits for longer

    async def workers(self) -> Mapping[str, bool]:
        """As ``Carrier.workers``."""
        found = await self._asked(self._client.scheduler.identity, n_workers=-1)
        return {name: one["status"] == "running" for name, one in found["workers"].items()}

    async def greet(self, worker: str) -> Stop | None:
        """As ``Carrier.greet``."""
        told = await self._run(version, "importer", workers=[worker])
        if worker not in told:
            raise WorkerLost
        if told[worker] != __version__:
            there = told[worker] if isinstance(told[worker], str) else "no importer"
            return Stop(
                f"the worker {worker} has {there}, this is importer {__version__}",
                "install the same version of importer[dask,postgres] on all machines",
                "worker_version",
                ExitCode.STOPPED,
            )
        unfit: Stop | None = await self._task("greet", worker, dask_worker.greet, self._errand)
        if unfit is None:
            return None
        said = f"the worker {worker} cannot take part: {unfit.message}"
        kept = unfit.exit_code is ExitCode.LEDGER_IN_USE  # the run's own lease has ended
        code = unfit.exit_code if kept else ExitCode.STOPPED
        return unfit._replace(message=said, reason=unfit.reason or "worker_failed", exit_code=code)

    async def carry(self, worker: str, batch: RowBatch) -> Answer:
        """As ``Carrier.carry``."""
        return await self._task(
            f"batch-{batch.number}", worker, dask_worker.deliver, self._errand, batch
        )

    async def standings(self) -> Mapping[str, Standing]:
        """As ``Carrier.standings``."""
        return self._standings.copy()

    async def stop(self) -> None:
        """As ``Carrier.stop``."""
        await self._of_all(dask_worker.stop)

    async def finish(self) -> Mapping[str, tuple[Standing, Stop | None]]:
        """As ``Carrier.finish``."""
        return await self._of_all(dask_worker.finish)

    def _heard(self, event: tuple[float, dict[str, Any]]) -> None:
        """A worker tells how it stands."""
        told = dict(event[1])
        worker = told.pop("worker")
        posts, gets, patches = told.pop("requests")
        self._standings[worker] = Standing((posts, gets, patches), **told)

    # Inside ---------------------------------------------------------------------------------------

    async def _task(self, what: str, worker: str, function: Callable[..., T], *given: Any) -> T:
        """Run a task on one worker, and on no other."""
        unique = f"importer-{self._errand.settings.run_id}-{what}-{secrets.token_hex(4)}"
        future = self._client.submit(
            function,
            *given,
            key=unique,
            pure=False,
            retries=0,
            workers=[worker],
            allow_other_workers=False,
        )
        try:
            result: T = await future
        except (self._distributed.KilledWorker, OSError):
            raise WorkerLost from None
        except self._distributed.client.FutureCancelledError:
            if self._client.status != "running":
                raise self._lost() from None
            raise WorkerLost from None
        except Exception as error:  # noqa: BLE001 - ours are told in answers: Dask could not run it
            raise self._cannot_run(worker, error) from None
        finally:
            future.release()
        return result

    async def _of_all(self, function: Callable[..., Any]) -> dict[str, Any]:
        told = await self._run(function, self._errand.delivery)
        return {
            name: one
            for name, one in told.items()
            if one is not None and not isinstance(one, Exception)
        }

    async def _run(self, function: Callable[..., Any], *given: Any, **how: Any) -> dict[str, Any]:
        """What a function says in each worker that is there, beside its tasks."""
        run = self._client._run  # noqa: SLF001 - ``run`` of an asynchronous client is this
        told: dict[str, Any] = await self._asked(run, function, *given, on_error="return", **how)
        return {name: one for name, one in told.items() if not isinstance(one, OSError)}

    async def _asked(self, ask: Callable[..., Any], *given: Any, **how: Any) -> Any:
        if self._client.status != "running":
            raise self._lost()
        try:
            return await ask(*given, **how)
        except OSError as error:  # Dask's own of a connection that was closed is one
            raise self._lost(error) from None

    def _cannot_run(self, worker: str, error: Exception) -> RunStopped:
        return RunStopped(
            f"the Dask cluster cannot run what importer gives to {worker} ({type(error).__name__})",
            reason="cluster_unfit",
            hint="install the same versions of Python and of importer[dask,postgres] on all"
            " machines, the scheduler's among them",
        )

    def _lost(self, error: Exception | None = None) -> RunStopped:
        return self._unreachable("does not answer any more", error)

    def _unreachable(self, what: str, error: Exception | None) -> RunStopped:
        why = f" ({type(error).__name__})" if error is not None else ""
        return RunStopped(
            f"the Dask scheduler at {_shown(self._address)} {what}{why}",
            reason="scheduler_lost",
            hint="when it is there, type the same command again: nothing is sent twice",
        )


def _shown(address: str) -> str:
    """The address as a user types it."""
    return address.replace("tcp://", "dask://", 1).replace("tls://", "dask+tls://", 1)


def load_dask() -> Any:
    """Dask, which writes nothing to our terminal and logs.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import distributed  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        raise UsageError(
            "--engine dask:// needs Dask", hint="pip install 'importer[dask,postgres]'"
        ) from None
    for name in [name for name in logging.root.manager.loggerDict if _is_dasks(name)]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    return distributed


def _is_dasks(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in {"distributed", "dask", "tornado", "bokeh"}
