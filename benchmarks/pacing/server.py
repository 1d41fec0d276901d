"""A token-bucket HTTP server for the pacing benchmark, as small and fast as asyncio allows.

``python benchmarks/pacing/server.py RATE BURST LATENCY LATER AFTER FLAGS`` prints its port.
Latency in seconds; after AFTER seconds of traffic it is LATER instead. FLAGS: ``retry-after``,
``hints`` or ``none``. The latency of a refusal is that of an answer.
"""

from __future__ import annotations

import asyncio
import sys
import time

from importer.sandbox.core import TokenBucket

BODY = b'{"id":"bcus_benchmark"}'


class Server(asyncio.Protocol):
    """One connection: counts header ends, answers each after the latency, in order."""

    bucket: TokenBucket | None
    latency = later = 0.0
    after = float("inf")
    flags = "none"
    rate = 0.0
    began: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        """Decide at arrival, as a limiter in front does; answer after the latency."""
        self.rest += data
        while b"\r\n\r\n" in self.rest:
            _, _, self.rest = self.rest.partition(b"\r\n\r\n")
            now = time.monotonic()
            if Server.began is None:
                Server.began = now
            wait = self.bucket.take(now) if self.bucket else 0.0
            latency = self.later if now - Server.began >= self.after else self.latency
            asyncio.get_running_loop().call_later(latency, self.answer, wait)

    def answer(self, wait: float) -> None:
        """Write 201 or 429."""
        head = b"HTTP/1.1 429 Too Many Requests\r\n" if wait else b"HTTP/1.1 201 Created\r\n"
        if wait and self.flags == "retry-after":
            head += b"Retry-After: 1\r\n"
        if self.flags == "hints":
            head += b'RateLimit: "default";r=%d;t=1\r\n' % (0 if wait else 1)
            head += b'RateLimit-Policy: "default";q=%d;w=1\r\n' % self.rate
        if not self.transport.is_closing():
            self.transport.write(head + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)


async def main() -> None:
    """Serve on a free loopback port until the parent closes standard input."""
    rate, burst, Server.latency, Server.later, Server.after = map(float, sys.argv[1:6])
    Server.flags, Server.rate = sys.argv[6], rate
    Server.bucket = TokenBucket(rate, int(burst), time.monotonic()) if rate else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
