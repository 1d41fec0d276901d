"""PostgreSQL, a Dask scheduler and its workers, as processes that may be killed and come back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.postgres_server import PASSWORD, PostgresServer
from tests.rehearsal.processes import KEY

if TYPE_CHECKING:
    from pathlib import Path

DASK = [sys.executable, "-m", "dask"]
SECONDS = 60
AWAY = 2.0
"""Seconds between two looks of the supervisor."""


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
        self.workers = range(workers)
        self._port = _free_port()
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise)
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
            if self.workers:
                stack.callback(self._end)
                self._start_scheduler()
                for number in self.workers:
                    self._start_worker(number)
                self._supervisor.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_scheduler(self) -> None:
        """Start it, at the same address each time, and wait until it listens."""
        words = ["scheduler", "--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard"]
        self._scheduler = self._start("scheduler", *words)
        end = time.monotonic() + SECONDS
        while not _listens(self._port):
            if self._scheduler.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self._folder / "scheduler.log").read_text())
            time.sleep(0.05)

    def _start_worker(self, number: int) -> None:
        words = ["worker", f"tcp://127.0.0.1:{self._port}", "--no-nanny", "--no-dashboard"]
        words += ["--nthreads", "1", "--name", f"worker-{number}", "--memory-limit", "0"]
        words += ["--local-directory", str(self._folder / "dask")]
        self._workers[number] = self._start(f"worker-{number}", *words)

    def kill_scheduler(self) -> None:
        """``kill -9``; it is back after some seconds, and knows nothing any more."""
        assert self._scheduler is not None
        self._scheduler.kill()

    def kill_worker(self, number: int) -> None:
        """``kill -9``; it is back after some seconds."""
        self._workers[number].kill()

    def _supervise(self) -> None:
        """Start again whatever is not running; a worker ends by itself without its scheduler."""
        while not self._ended.wait(AWAY):
            if self._scheduler is not None and self._scheduler.poll() is not None:
                self._start_scheduler()
            for number, worker in list(self._workers.items()):
                if worker.poll() is not None:
                    self._start_worker(number)

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
        self._ended.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
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
