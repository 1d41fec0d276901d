"""The same API as server.c where there is no C compiler: uvloop and httptools, slower.

``python -m benchmarks.target.fallback LATENCY_MS`` prints its port on loopback, and serves until
standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from typing import cast

import httptools
import uvloop

_CUSTOMERS = b"/billing/customers"
_POSTS = count(1)
_ANSWERED = [0]


class Server(asyncio.Protocol):
    """One connection."""

    latency = 0.0

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the parser; who sends no HTTP is cut off."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        """Part of the path."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer now, or after the latency."""
        answer = self._answer(self._parser.get_method(), self._url, self._body)
        keep = self._parser.should_keep_alive()
        if self.latency:
            asyncio.get_running_loop().call_later(self.latency, self._send, answer, keep)
        else:
            self._send(answer, keep)

    def _send(self, answer: bytes, keep: bool) -> None:  # noqa: FBT001 - call_later takes positions
        if not self._transport.is_closing():
            self._transport.write(answer)
            if not keep:
                self._transport.close()

    @staticmethod
    def _answer(method: bytes, url: bytes, body: bytes) -> bytes:
        if method == b"POST" and url == _CUSTOMERS and body[:1] == b"{":
            _ANSWERED[0] = next(_POSTS)
            status, said = b"201 Created", b'{"id":"bcus_%012x",' % _ANSWERED[0] + body[1:]
        elif method == b"GET" and url == b"/posts":
            status, said = b"200 OK", b"%d" % _ANSWERED[0]
        else:
            status, said = b"404 Not Found", b'{"status":404}'
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return head % (status, len(said)) + said


async def main() -> None:
    """Serve until standard input ends."""
    Server.latency = float(sys.argv[1]) / 1000
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
