"""PostgreSQL, a Dask scheduler and its workers, as processes that may be killed and come back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.postgres_server import PASSWORD, PostgresServer
from tests.rehearsal.processes import KEY

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

DASK = [sys.executable, "-m", "dask"]
SECONDS = 60


class Fleet:
    """The processes of one cluster; ``with`` starts and ends them. Logs go to its folder."""

    def __init__(self, folder: Path, *, workers: int = 2, durable: bool = True) -> None:
        """Nothing is started yet; without ``workers`` there is a database only.

        ``durable``: whether the database waits for the disk.
        """
        self.server = PostgresServer(durable=durable)
        self.ledger = self.server.url(tcp=True)
        """Its address; the password is in ``environment``."""
        self._folder = folder
        self._count = workers
        self._port = _free_port()
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()

    @property
    def engine(self) -> str:
        """What ``--engine`` is given."""
        return f"dask://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """The secrets that every process finds in its environment."""
        return {"PGPASSWORD": PASSWORD, "MOMENT_API_KEY": KEY}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.server)
            stack.callback(self._end)
            if self._count:
                self.start_scheduler()
            for number in range(self._count):
                self.start_worker(number)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def workers(self) -> list[int]:
        """The numbers of all workers."""
        return list(range(self._count))

    def start_scheduler(self) -> None:
        """Start it, at the same address each time, and wait until it listens."""
        words = ["scheduler", "--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard"]
        self._scheduler = self._start("scheduler", *words)
        end = time.monotonic() + SECONDS
        while not _listens(self._port):
            if self._scheduler.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self._folder / "scheduler.log").read_text())
            time.sleep(0.05)

    def start_worker(self, number: int) -> None:
        """Start one; it waits for its scheduler, and comes back to one that was away."""
        words = ["worker", f"tcp://127.0.0.1:{self._port}", "--no-nanny", "--no-dashboard"]
        words += ["--nthreads", "1", "--name", f"worker-{number}", "--memory-limit", "0"]
        words += ["--local-directory", str(self._folder / "dask")]
        self._workers[number] = self._start(f"worker-{number}", *words)

    def kill_scheduler(self) -> None:
        """``kill -9``."""
        assert self._scheduler is not None
        self._scheduler.kill()
        self._scheduler.wait()

    def kill_worker(self, number: int) -> None:
        """``kill -9``."""
        self._workers[number].kill()
        self._workers[number].wait()

    def revive(self) -> list[str]:
        """Start again whatever is not running, as a supervisor does; the names of what was."""
        dead = []
        if self._scheduler is not None and self._scheduler.poll() is not None:
            self.start_scheduler()
            dead.append("scheduler")
        for number, worker in list(self._workers.items()):
            if worker.poll() is not None:
                self.start_worker(number)
                dead.append(f"worker-{number}")
        return dead

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*DASK, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )

    def _end(self) -> None:
        for process in [*self._workers.values(), self._scheduler]:
            if process is not None:
                process.kill()
                process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
