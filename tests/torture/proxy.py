"""A TCP proxy that harms connections: refuses, resets, cuts, half-closes, delays and stalls them.

It knows nothing of HTTP: each connection draws its fate and the byte count at which it is met.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FATES = ("refuse", "reset_up", "reset_down", "cut_down", "half_close", "stall", "delay", "none")
WEIGHTS = (1, 2, 2, 2, 1, 1, 2, 3)
PIECE = 4096
LONGEST_LIFE = 40_000
"""Bytes that pass before a connection meets its fate: about a hundred exchanges."""


class Proxy:
    """One listening proxy in front of ``host:port``."""

    def __init__(self, host: str, port: int, seed: str, stall: float) -> None:
        self._target = (host, port)
        self._rng = random.Random(seed)
        self._stall = stall
        self.harming = True
        self.met: Counter[str] = Counter()
        """Fates that connections met."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # That is what happens to connections here.
        finally:
            _reset(writer)
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fate = self._rng.choices(FATES, WEIGHTS)[0] if self.harming else "none"
        budget = self._rng.randrange(1, LONGEST_LIFE)
        if fate == "refuse":
            self.met[fate] += 1
            return
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        try:
            up = self._pump(reader, up_writer, fate, budget, upstream=True)
            down = self._pump(up_reader, writer, fate, budget, upstream=False)
            tasks = [asyncio.ensure_future(up), asyncio.ensure_future(down)]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if fate in {"half_close", "none", "delay"}:
                    await asyncio.wait(tasks, timeout=self._stall)
            finally:
                for one in tasks:
                    one.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if fate == "cut_down":
                # An ordinary end in the middle of an answer, no reset.
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
        finally:
            _reset(up_writer)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        fate: str,
        budget: int,
        *,
        upstream: bool,
    ) -> None:
        mine = fate in {"stall", "delay"} or (fate == "reset_up") == upstream
        while data := await reader.read(PIECE):
            budget -= len(data)
            if mine and fate != "none" and budget <= 0:
                self.met[fate] += 1
                if fate == "half_close":
                    writer.write(data)
                    await writer.drain()
                    writer.write_eof()
                    return
                if fate == "stall":
                    await asyncio.sleep(self._stall)
                    return
                if fate == "delay":
                    await asyncio.sleep(self._rng.uniform(0, 0.5))
                    budget = LONGEST_LIFE // 8
                else:
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    return
            writer.write(data)
            await writer.drain()

    async def close(self) -> None:
        """End every connection."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST (SO_LINGER 0, socket(7)) unless it is closed already."""
    if writer.is_closing():
        return
    with suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@contextmanager
def proxying(target: str, seed: str, stall: float) -> Iterator[tuple[str, Proxy]]:
    """Run a proxy in a thread before the base URL ``target``; its own base URL, and itself."""
    host, _, port = target.removeprefix("http://").partition(":")
    proxy = Proxy(host, int(port), seed, stall)
    listener = socket.create_server(("127.0.0.1", 0))
    ready, loops = threading.Event(), []
    ending = asyncio.Event()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        server = await asyncio.start_server(proxy.serve, sock=listener)
        ready.set()
        await ending.wait()
        server.close()
        await proxy.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="proxy")
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", proxy
    finally:
        loops[0].call_soon_threadsafe(ending.set)
        thread.join()
