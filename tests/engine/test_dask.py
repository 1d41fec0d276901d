"""A real scheduler and real worker processes, which die; the rest is tested at the seam."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import dask
import pytest

from importer.delivery.around import Around, loop_options
from importer.delivery.protocol.flight import Planned
from importer.delivery.protocol.states import NEW
from importer.engine.dask_carrier import Errand, dask_engine, greet, load_dask, tls_trouble
from importer.engine.seam import EngineSettings
from importer.errors import ExitCode, RunStopped, UsageError
from importer.job.job_settings import DeliverySettings, parse_engine
from importer.job.run import check_engine
from importer.ledger.account import Account
from importer.ledger.address import LedgerAddress
from importer.ledger.opening import hold, open_ledger
from tests.delivery.fake_api import FakeApi, serving
from tests.delivery.test_connecting import certificate, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from importer.delivery.protocol.flight import Settled

KEY = "sk_test_of_the_dask_tests"
DASK = str(Path(sys.executable).with_name("dask"))
ROWS = 400
SETTLED = 60
"""Rows after which something dies."""


@dataclass
class Cluster:
    """A scheduler and two workers, as processes of this test."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


def _start(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "MOMENT_API_KEY": KEY}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [DASK, *command, "--no-dashboard", "--scheduler-file", str(folder / "where.json")],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for all tests of this file: it takes seconds to start."""
    folder = tmp_path_factory.mktemp("dask")
    where = folder / "where.json"
    scheduler = _start(folder, "scheduler", "--host", "127.0.0.1", "--port", "0")
    worker = ("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
    workers = [_start(folder, *worker) for _ in range(2)]
    try:
        while not where.exists() or not where.read_text().endswith("}"):
            assert scheduler.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield Cluster(json.loads(where.read_text())["address"], scheduler, workers)
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


@dataclass
class Ended:
    """How a delivery ended."""

    outcomes: Counter[str]
    error: RunStopped | None
    held: int
    """Customers that the ledger knows."""


def deliver(
    cluster: Cluster,
    api: FakeApi,
    ledger_address: LedgerAddress,
    *,
    key: str = KEY,
    halfway: Callable[[], None] = lambda: None,
) -> Ended:
    """Deliver rows by the cluster; ``halfway`` is called once some have been settled."""
    account = Account(api.url, "test")
    outcomes: Counter[str] = Counter()
    once = threading.Event()

    def settled(one: Settled) -> None:
        outcomes[one.settle.outcome.value] += 1
        if outcomes.total() >= SETTLED and not once.is_set():
            once.set()
            halfway()

    run_id = "20261126T010000Z-00000d"
    with (
        hold(ledger_address, account, run_id=run_id, started_at=time.time()) as lease,
        open_ledger(ledger_address, account, lease=lease) as ledger,
    ):
        hashed = ledger.hasher()
        rows = (
            Planned(
                number,
                f"R-{number}",
                b"f" * 16,
                json.dumps({"external_reference": f"R-{number}", "name": "Ada"}),
                NEW,
                hashed(f"R-{number}", {"name": "Ada"}),
            )
            for number in range(ROWS)
        )
        engine = dask_engine(
            cluster.address,
            EngineSettings(run_id, api.url, concurrency=4),
            on_settled=settled,
            ledger=ledger_address,
            account=account,
            lease=lease.number,
            key_digest=ledger.key_digest(key),
            reader=ledger,
            around=Around(),
            warn=print,
        )
        error = None
        try:
            anyio.run(engine.deliver, rows, backend_options=loop_options())
        except RunStopped as stopped:
            error = stopped
        return Ended(outcomes, error, ledger.totals().get("done", 0))


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ("dask://scheduler", "is not known"),
        ("ray://scheduler:8786", "is not known"),
        ("dask://scheduler:port", "is not known"),
    ],
)
def test_an_engine_that_is_not_known_is_refused(engine: str, says: str) -> None:
    """The message names the form that is."""
    with pytest.raises(UsageError) as refused:
        parse_engine(engine)

    assert says in refused.value.message
    assert "dask://HOST:PORT" in refused.value.hint


def test_addresses_become_those_of_dask() -> None:
    """With and without TLS; none for this process."""
    assert parse_engine("dask://host:8786") == "tcp://host:8786"
    assert parse_engine("dask+tls://[::1]:8786") == "tls://[::1]:8786"
    assert parse_engine("") == ""


def test_an_engine_needs_a_ledger_that_workers_reach(tmp_path: Path) -> None:
    """A file is refused before anything is read."""
    settings = DeliverySettings(
        ledger=LedgerAddress(str(tmp_path / "ledger.db")), engine="tcp://127.0.0.1:9"
    )

    with pytest.raises(UsageError, match="is a file"):
        check_engine(settings)


def test_an_engine_needs_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed the message names the extra."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    shared = LedgerAddress.parse("postgresql://host/database")

    with pytest.raises(UsageError) as refused:
        check_engine(DeliverySettings(ledger=shared, engine="tcp://127.0.0.1:9"))

    assert "'.[dask" in refused.value.hint


@pytest.mark.parametrize(
    ("address", "given", "says"),
    [
        ("tls", {}, "TLS__CA_FILE and "),
        ("tls", {"tls.ca-file": "ca.pem"}, "TLS__CLIENT__CERT"),
        ("tls", {"tls.ca-file": "ca.pem", "tls.client.cert": "no.pem"}, "(ca.pem, no.pem)"),
        ("tcp", {"require-encryption": True}, "dask+tls://"),
    ],
)
def test_tls_that_is_not_set_up_is_told_before_anything_is_read(
    address: str, given: dict[str, object], says: str
) -> None:
    """The message names the variables and the files, and nobody is asked."""
    shared = LedgerAddress.parse("postgresql://host/database")
    settings = {f"distributed.comm.{name}": one for name, one in given.items()}

    with dask.config.set(settings), pytest.raises(UsageError) as refused:
        check_engine(DeliverySettings(ledger=shared, engine=f"{address}://127.0.0.1:9"))

    assert says in f"{refused.value.message} {refused.value.hint}"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Certificates that sign themselves, with their keys."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("theirs", "ours", "expired")}
    whens = {"expired": "past"}
    return {
        name: certificate(folder, when=whens.get(name, "now"), subject=name)
        for name, folder in folders.items()
    }


@contextmanager
def scheduler_like(held: Sequence[tuple[Path, Path]]) -> Iterator[int]:
    """A server with a certificate of its own, and another that it asks for; a port.

    Without any it speaks no TLS.
    """
    context = None
    if held:
        context = served(held[0])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(held[1][0])

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                with suppress(OSError), plain:
                    if context is None:
                        # What is left unread at the end would be a reset, which drops the answer.
                        plain.recv(65536)
                        plain.sendall(b"\0" * 64)
                        plain.shutdown(socket.SHUT_WR)
                        plain.recv(1)
                    else:
                        with context.wrap_socket(plain, server_side=True) as secure:
                            secure.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("scheme", "scheduler", "ours", "says"),
    [
        ("tls", ("theirs", "ours"), ("ours", "theirs"), None),
        ("tls", ("theirs", "theirs"), ("ours", "theirs"), "our certificate (unknown ca)"),
        ("tls", ("theirs", "expired"), ("expired", "theirs"), "(certificate expired)"),
        ("tls", ("theirs", "ours"), ("ours", "ours"), "is not trusted here (self-signed"),
        ("tls", None, ("ours", "theirs"), "speaks no TLS"),
        ("tcp", ("theirs", "ours"), ("ours", "theirs"), "speaks TLS"),
        ("tcp", None, ("ours", "theirs"), None),
    ],
)
def test_what_tls_has_against_a_scheduler_never_passes_by_itself(  # noqa: PLR0917 - a table
    certificates: dict[str, tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    scheduler: tuple[str, str] | None,
    ours: tuple[str, str],
    says: str | None,
) -> None:
    """A certificate that either side refuses, and TLS on one side only: 3, each time, in words."""
    # Each side has its own certificate, and the one that it trusts.
    monkeypatch.setattr("importer.engine.dask_carrier.LISTENS", 0.1)
    load_dask()  # Its own defaults come first, whichever test came before.
    files = {
        "ca-file": certificates[ours[1]][0],
        "client.cert": certificates[ours[0]][0],
        "client.key": certificates[ours[0]][1],
    }
    given = {f"distributed.comm.tls.{name}": str(one) for name, one in files.items()}
    held = [certificates[one] for one in scheduler or ()]

    with dask.config.set(given), scheduler_like(held) as port:
        told = tls_trouble(f"{scheme}://127.0.0.1:{port}")

    assert (told is None) == (says is None), told
    if told is not None and says is not None:
        assert says in told.message
        assert told.exit_code is ExitCode.STOPPED


@pytest.mark.slow
def test_a_worker_with_another_key_takes_no_part(
    cluster: Cluster, postgres_address: LedgerAddress
) -> None:
    """Nothing is sent; the message names the worker, and no key."""
    with serving(lambda _, __: None) as api:
        ended = deliver(cluster, api, postgres_address, key="sk_test_of_somebody_else")

    assert ended.error is not None
    assert "cannot take part: its API key is not the run's" in ended.error.message
    assert KEY not in ended.error.message + ended.error.hint
    assert ended.error.exit_code is ExitCode.STOPPED
    assert not api.posts


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_row(
    cluster: Cluster, postgres_address: LedgerAddress
) -> None:
    """The other one delivers what it had; each customer is made once, each row told once."""
    victim = cluster.workers[0]

    def kill() -> None:
        victim.send_signal(signal.SIGKILL)

    with serving(lambda _, __: None) as api:
        ended = deliver(cluster, api, postgres_address, halfway=kill)

    assert ended.error is None
    assert victim.wait() == -signal.SIGKILL
    assert ended.outcomes.total() == ROWS
    assert ended.outcomes.keys() <= {"created", "found"}
    assert len(api.customers) == ended.held == ROWS


@pytest.mark.slow
def test_a_scheduler_that_is_killed_ends_the_run_in_words(
    cluster: Cluster, postgres_address: LedgerAddress
) -> None:
    """The run may be typed again; each row that was told is in the ledger."""
    with serving(lambda _, __: None) as api:
        ended = deliver(cluster, api, postgres_address, halfway=cluster.scheduler.kill)

    assert ended.error is not None
    assert (ended.error.reason, ended.error.exit_code) == ("scheduler_lost", ExitCode.TEMPFAIL)
    assert SETTLED <= ended.outcomes.total() <= ROWS
    assert ended.held >= ended.outcomes["created"]


def test_a_worker_that_cannot_connect_as_the_run_does_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its key from its own environment, and needs the run's bundle on its own disk."""
    monkeypatch.delenv("MOMENT_API_KEY", raising=False)
    monkeypatch.setenv("MOMENT_API_KEY_COMMAND", f"echo {KEY}")
    ledger = LedgerAddress.parse("postgresql://127.0.0.1:1/none")
    account = Account("https://api.momentco.io", "test")
    settings = EngineSettings("R-1", account.base_url)
    errand = Errand("d", settings, ledger, account, 1, "", bundle=tmp_path / "none.pem")
    stop = greet(errand)
    assert stop is not None
    assert f"--ca-bundle: {tmp_path}/none.pem cannot be read" in stop.message
    monkeypatch.setenv("MOMENT_API_KEY_COMMAND", "false")
    stop = greet(errand)
    assert stop is not None
    assert "false failed with exit code 1" in stop.message
