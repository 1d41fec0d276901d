"""A raw-socket HTTP server that answers however it likes: no library stands between it and us."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Behaviour = Callable[["Exchange"], Awaitable[None]]

LOOPBACK = "127.0.0.1"
_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
_GONE = (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@dataclass(slots=True)
class Exchange:
    """One request that arrived, and the wire to answer it on."""

    number: int
    """Requests that this server had before."""
    connection: int
    """Which connection it came on, from 0."""
    head: bytes
    body: bytes
    writer: asyncio.StreamWriter
    sent: int = 0
    """Bytes handed to the kernel."""

    @property
    def reference(self) -> str:
        """The reference that the request is about; "" where it names none."""
        if self.body:
            return str(json.loads(self.body).get("external_reference", ""))
        return self.head.split(b" ")[1].rpartition(b"/")[2].decode()

    async def send(self, data: bytes) -> None:
        """Write, and wait until the other side takes it."""
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    def close(self) -> None:
        """Close with FIN, after what was written."""
        self.writer.close()

    def reset(self) -> None:
        """Close with RST."""
        self.writer.transport.abort()


@dataclass
class HostileServer:
    """Reads requests properly, and answers each by ``behaviour``."""

    behaviour: Behaviour
    port: int = 0
    seen: list[Exchange] = field(default_factory=list)
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def connections_used(self) -> list[int]:
        """The connection of each request, in order."""
        return [one.connection for one in self.seen]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it is closed."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        connection, self.connections = self.connections, self.connections + 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                found = _LENGTH.search(head)
                body = await reader.readexactly(int(found[1])) if found else b""
                exchange = Exchange(len(self.seen), connection, head, body, writer)
                self.seen.append(exchange)
                await self.behaviour(exchange)
        except (*_GONE, asyncio.CancelledError):
            pass  # A cancelled task would be reported by asyncio's own callback.
        finally:
            self.tasks.discard(task)
            writer.close()


async def last_turns() -> None:
    """Let the loop close the connections whose other end is gone."""
    for _ in range(5):
        await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(
    behaviour: Behaviour, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HostileServer]:
    """A server on loopback, gone with all its connections at the end of the block."""
    server = HostileServer(behaviour)
    listener = await asyncio.start_server(server.serve, LOOPBACK, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        waiting = list(server.tasks)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting)
        await last_turns()


def response(
    status: bytes = b"201 Created", body: bytes = b"", *headers: bytes, length: bytes | None = None
) -> bytes:
    """An answer with one Content-Length and the given header lines."""
    own = b"Content-Length: " + (str(len(body)).encode() if length is None else length)
    return b"\r\n".join((b"HTTP/1.1 " + status, own, *headers, b"", b"")) + body


def customer(reference: str, customer_id: str = "bcus_1") -> bytes:
    """The body of a customer as Moment writes it."""
    return json.dumps({"id": customer_id, "external_reference": reference}).encode()
