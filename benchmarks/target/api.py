"""Starts the target server on its own core, and measures how much it can take."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.process import ROOT, BenchmarkError, pinned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.process import Cores

_HERE = Path(__file__).parent
_BUILT = ROOT / "benchmarks" / ".build" / "server"
_FALLBACK = [sys.executable, "-m", "benchmarks.target.fallback"]


@dataclass(frozen=True, slots=True)
class Api:
    """A running target server."""

    url: str
    port: int
    kind: str

    def posts(self) -> int:
        """How many POSTs it has answered so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/posts")
            return int(connection.getresponse().read())
        finally:
            connection.close()


def build() -> Path | None:
    """The compiled server; None where there is no C compiler, or not Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        return None
    source = _HERE / "server.c"
    if not _BUILT.exists() or _BUILT.stat().st_mtime < source.stat().st_mtime:
        _BUILT.parent.mkdir(exist_ok=True)
        # Under a name of its own first: tests in several processes may build at once.
        new = _BUILT.with_suffix(f".{os.getpid()}")
        made = subprocess.run(
            [compiler, "-O2", "-o", str(new), str(source)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise BenchmarkError(f"server.c does not compile: {made.stderr.strip()}")
        new.replace(_BUILT)
    return _BUILT


@contextmanager
def serving(cores: Cores, *, latency_ms: float = 0, fallback: bool = False) -> Iterator[Api]:
    """A server that answers after this latency, until the block ends."""
    built = None if fallback else build()
    command = [str(built)] if built else _FALLBACK
    kind = "C, epoll" if built else "Python, uvloop and httptools"
    with (
        pinned(cores.server),
        subprocess.Popen(
            [*command, str(latency_ms)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server,
    ):
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            with pinned(cores.client):
                yield Api(f"http://127.0.0.1:{port}", port, kind)
        finally:
            server.kill()


def raw_limit(api: Api, cores: Cores, *, connections: int, seconds: float) -> tuple[str, float]:
    """(load generator, requests per second) that the server takes from the client's core."""
    wrk = shutil.which("wrk")
    if wrk is None:
        words = [str(api.port), str(connections), str(seconds)]
        out = _output([sys.executable, "-m", "benchmarks.target.load", *words], cores)
        return "raw asyncio protocol", float(out)
    duration = f"{max(1, round(seconds))}s"
    words = ["-t1", f"-c{connections}", f"-d{duration}", "-s", str(_HERE / "post.lua"), api.url]
    out = _output([wrk, *words], cores)
    found = re.search(r"Requests/sec:\s+([\d.]+)", out)
    if found is None or "Non-2xx" in out:
        raise BenchmarkError(f"wrk was not answered: {out}")
    return "wrk", float(found[1])


def _output(command: list[str], cores: Cores) -> str:
    with pinned(cores.client):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout
