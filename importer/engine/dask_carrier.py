"""Carries batches to the workers of a Dask cluster (extra ``dask``), and what runs in a worker.

A batch is a task that is pinned to one worker: who is dead, and how often a batch was on a worker
that died, the coordinator must know, so neither is left to the scheduler. Of Dask's own means of
coordination none is used. A worker has one session for each delivery, in a thread with a loop of
its own.

Nothing here is given a secret: a worker has its API key and the ledger's password from its own
environment. A task that dies with an exception would have its arguments in the worker's log, so
what goes wrong is told in its answer.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import secrets
import socket
import ssl
import threading
import time
import warnings
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.from_thread import start_blocking_portal
from anyio.to_thread import run_sync

from importer import __version__
from importer.delivery.around import Around, loop_options, open_network
from importer.delivery.credentials import read_api_key
from importer.delivery.protocol.updating import UpdatePolicy
from importer.delivery.stopping import stop_error
from importer.engine.coordinator import Coordinator, WorkerLost
from importer.engine.row_batch import Answer, OwnDoing, RowBatch, Standing, Stop
from importer.engine.session import Session
from importer.errors import ExitCode, UsageError, to_install
from importer.ledger.opening import joined, open_ledger, open_rate
from importer.values import value
from importer.way import check_way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from importer.delivery.protocol.flight import Settled
    from importer.engine.row_batch import RunReader
    from importer.engine.seam import EngineSettings
    from importer.errors import RunStopped
    from importer.ledger.account import Account
    from importer.ledger.address import LedgerAddress


_TLS = "DASK_DISTRIBUTED__COMM__TLS__"
_CA, _CERT, _KEY = f"{_TLS}CA_FILE", f"{_TLS}CLIENT__CERT", f"{_TLS}CLIENT__KEY"
"""The variables in which Dask looks for the run's own certificates."""
FORGET_AFTER = 300.0
"""Seconds without a batch after which a session ends: its run is gone, or needs it no more."""
TELL_EVERY = 1.0
"""Seconds between two words about how it stands."""


@value
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
    bundle: Path | None = None
    """The file of ``--ca-bundle``."""


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
        check_way(errand.account.base_url, bundle=errand.bundle)
        around = Around(network=partial(open_network, bundle=errand.bundle))
        enter = self._stack.enter_context
        reader = enter(open_ledger(errand.ledger, errand.account, read_only=True))
        if not hmac.compare_digest(reader.key_digest(key.secret), errand.key_digest):
            raise UsageError(
                "its API key is not the run's",
                hint="give the run and all its workers the same MOMENT_API_KEY, _FILE or _COMMAND",
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
                errand.settings, writer, reader, around, api_key=key.secret, shared=shared
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


T = TypeVar("T")

CONNECTS = 10.0
"""Seconds for the scheduler to answer."""
LISTENS = 2.0
"""Seconds for its word against our certificate, which comes after our side of TLS is done."""
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
    bundle: Path | None = None,
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
        bundle: the file of ``--ca-bundle``, which every worker must have under the same path.

    Raises:
        UsageError: Dask is not installed.
    """
    delivery = f"{settings.run_id}-{secrets.token_hex(4)}"
    errand = Errand(delivery, settings, ledger, account, lease, key_digest, bundle)
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
                # Whether certificates are in the way nobody learns for sure from Dask: it writes
                # before it has read their refusal, which is then often lost to a reset.
                told = await run_sync(tls_trouble, self._address)
                if told is not None:
                    raise told from None
                raise self._unreachable("cannot be reached", error) from None
        for other in ("print", "warn"):
            # What other users of the cluster print would appear in our output.
            self._client.unsubscribe_topic(other)
        self._client.subscribe_topic(topic(self._errand.delivery), self._heard)
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
            said = f"the worker {worker} has {there}, this is importer {__version__}"
            return Stop.of(stop_error("worker_version", message=said))
        unfit: Stop | None = await self._task("greet", worker, greet, self._errand)
        if unfit is None:
            return None
        said = f"the worker {worker} cannot take part: {unfit.message}"
        # The run's own lease has ended, or the database is away.
        kept = unfit.exit_code in {ExitCode.LEDGER_IN_USE, ExitCode.TEMPFAIL}
        code = unfit.exit_code if kept else ExitCode.STOPPED
        return unfit._replace(message=said, reason=unfit.reason or "worker_failed", exit_code=code)

    async def carry(self, worker: str, batch: RowBatch) -> Answer:
        """As ``Carrier.carry``."""
        return await self._task(f"batch-{batch.number}", worker, deliver, self._errand, batch)

    async def standings(self) -> Mapping[str, Standing]:
        """As ``Carrier.standings``."""
        return self._standings.copy()

    async def stop(self) -> None:
        """As ``Carrier.stop``."""
        await self._of_all(stop)

    async def finish(self) -> Mapping[str, tuple[Standing, Stop | None]]:
        """As ``Carrier.finish``."""
        return await self._of_all(finish)

    def _heard(self, event: tuple[float, dict[str, Any]]) -> None:
        """A worker tells how it stands."""
        told = dict(event[1])
        worker = told.pop("worker")
        posts, gets, patches = told.pop("requests")
        # What travels comes as lists.
        answers = tuple((method, status, n) for method, status, n in told.pop("answers"))
        self._standings[worker] = Standing((posts, gets, patches), answers=answers, **told)

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
        what = f"what importer gives to {worker} ({type(error).__name__})"
        return stop_error("cluster_unfit", message=f"the Dask cluster cannot run {what}")

    def _lost(self, error: Exception | None = None) -> RunStopped:
        return self._unreachable("does not answer any more", error)

    def _unreachable(self, what: str, error: Exception | None) -> RunStopped:
        why = f" ({type(error).__name__})" if error is not None else ""
        said = f"the Dask scheduler at {_shown(self._address)} {what}{why}"
        return stop_error("scheduler_lost", message=said)


def _shown(address: str) -> str:
    """The address as a user types it."""
    return address.replace("tcp://", "dask://", 1).replace("tls://", "dask+tls://", 1)


_NO_CERTIFICATES = re.compile("ALERT_(INTERNAL_ERROR|USER_CANCELL?ED|NO_RENEGOTIATION)")
"""Alerts that say nothing of certificates (RFC 8446, section 6.2)."""


def tls_trouble(address: str) -> RunStopped | None:
    """What TLS has against a scheduler, asked by a connection of our own; None if that is nothing.

    Args:
        address: of the scheduler, as Dask takes it.
    """
    scheme, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    wants_tls = scheme == "tls"
    if wants_tls:
        context = load_dask().Security().get_connection_args("client")["ssl_context"]
    else:
        # Only whether it speaks TLS at all: nothing is sent to it that would have to be trusted.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
    speaks_tls, why = False, ""
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECTS) as plain,
            context.wrap_socket(plain) as secure,
        ):
            speaks_tls = True
            if wants_tls:
                secure.settimeout(LISTENS)
                secure.recv(1)
    except ssl.SSLCertVerificationError as error:
        why = f"has a certificate that is not trusted here ({error.verify_message})"
    except ssl.SSLError as error:  # its end is one, too, and says nothing
        reason = error.reason or ""
        if "ALERT" in reason and not _NO_CERTIFICATES.search(reason):
            speaks_tls = True
            alert = reason.partition("ALERT_")[2].lower().replace("_", " ")
            why = f"refuses our certificate ({alert})"
        elif wants_tls and reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
            said = f"the Dask scheduler at {_shown(address)} speaks no TLS"
            return stop_error("scheduler_tls", message=said)
    except (OSError, ValueError):
        pass  # It is away, or says nothing more: who asked knows that already.
    where = f"the Dask scheduler at {_shown(address)}"
    if speaks_tls and not wants_tls:
        return stop_error("scheduler_tls", message=f"{where} speaks TLS")
    return stop_error("scheduler_untrusted", message=f"{where} {why}") if why else None


def check_cluster(address: str) -> None:
    """Refuse what Dask would end in odd ways: certificates that are missing or cannot be used.

    Args:
        address: of the scheduler, as Dask takes it.

    Raises:
        UsageError: Dask is not installed, or its TLS is not set up as the address says.
    """
    security = load_dask().Security()
    if not address.startswith("tls://"):
        if security.require_encryption:
            raise UsageError(
                f"{_shown(address)} is without TLS, and Dask is told to require encryption",
                hint="name the scheduler dask+tls://HOST:PORT",
            )
        return
    files = security.get_tls_config_for_role("client")
    missing = [name for name, key in ((_CA, "ca_file"), (_CERT, "cert")) if not files[key]]
    if missing:
        raise UsageError(
            f"{_shown(address)} needs certificates: set {' and '.join(missing)}",
            hint=f"name the files of the authority, the certificate and its key: {_CA}, {_CERT}"
            f" and {_KEY}",
        )
    try:
        security.get_connection_args("client")
    except (OSError, ValueError) as error:  # those of ssl, too
        named = ", ".join(files[one] for one in ("ca_file", "cert", "key") if files[one])
        raise UsageError(
            f"the certificates for {_shown(address)} cannot be used ({named}):"
            f" {error.strerror if isinstance(error, OSError) else error}",
            hint="they are files in PEM form that this user can read; the key is the"
            " certificate's own, without a password",
        ) from None


def load_dask() -> Any:
    """Dask, which writes nothing to our terminal and logs.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import distributed  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        raise UsageError("--engine dask:// needs Dask", hint=to_install("dask,postgres")) from None
    for name in [name for name in logging.root.manager.loggerDict if _is_dasks(name)]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    return distributed


def _is_dasks(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in {"distributed", "dask", "tornado", "bokeh"}
