"""The default network: httpx's transport interface over asyncio's own connections.

httpx's connection pool looks at every connection for every request, which costs milliseconds at
64 connections, and any general client pays for what this job never uses (docs/performance.md).
Everything above still speaks httpx: requests, responses and exceptions.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import aiohappyeyeballs
import httpx

from importer.delivery.deadlines import Deadlines
from importer.delivery.http1 import Http1Connection

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from importer.delivery.http1 import Answer

KEEP_ALIVE = 15.0
"""Seconds after which an idle connection is not used again: the server may be about to close it."""
ADDRESSES_FOR = 10.0
"""Seconds for which a name is not resolved again."""
CLOSE_WITHIN = 1.0
"""Seconds that closing may take."""
ATTEMPT_DELAY = 0.25
"""Seconds until the next address is tried as well (RFC 8305 section 5)."""

Origin = tuple[str, str, int]
"""scheme, host, port"""


class AsyncioTransport(httpx.AsyncBaseTransport):
    """Keeps as many connections as requests are sent at once, one request on each at a time.

    HTTP/1.1, TLS verified, no cookies, redirects, decompression, proxies or retries. A request is
    never sent twice. For one asyncio loop.

    Raises (from ``handle_async_request`` and while the body is read):
        httpx.ConnectError, httpx.ConnectTimeout: no connection, so nothing was sent.
        httpx.TransportError: anything else; the request may have been processed.
    """

    keeps_total = True
    """No exchange takes longer than the timeouts ``connect`` and ``read`` together.

    ``read`` counts here from the connection to the last byte of the answer, not between two bytes.
    """

    def __init__(self, *, verify: ssl.SSLContext | None = None) -> None:
        self._verify = verify
        self._idle: dict[Origin, list[Http1Connection]] = {}
        self._open: set[Http1Connection] = set()
        self._all_lost: asyncio.Event | None = None
        self._deadlines = Deadlines()
        self._addresses: dict[Origin, tuple[float, list[aiohappyeyeballs.AddrInfoType]]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its body must have been read (bytes, no stream)."""
        loop = asyncio.get_running_loop()
        data = _bytes_of(request)
        seconds = request.extensions.get("timeout", {})
        origin = _origin(request.url)
        connection = self._take(origin, loop)
        if connection is None:
            connection = await self._connect(origin, seconds.get("connect"), loop)
        if (read := seconds.get("read")) is not None:
            self._deadlines.watch(connection, read, loop)
        try:
            answer = await connection.exchange(data)
        finally:
            self._deadlines.forget(connection)
            self._give_back(connection, origin, loop)
        response = httpx.Response(
            answer.head.status,
            headers=answer.head.headers,
            stream=_Body(answer),
            request=request,
        )
        # Said here, because httpx otherwise works it out again for every header that is read.
        response.headers.encoding = "latin-1"
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        self._deadlines.close()
        self._idle.clear()
        for connection in list(self._open):
            connection.abort()
        if self._open:
            self._all_lost = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN):
                    await self._all_lost.wait()

    def _lost(self, connection: Http1Connection) -> None:
        self._open.discard(connection)
        if not self._open and self._all_lost is not None:
            self._all_lost.set()

    def _take(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> Http1Connection | None:
        """The connection that was used last, if one is good; it is most likely still open."""
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            is_fresh = loop.time() - connection.idle_since <= KEEP_ALIVE
            if is_fresh and connection.is_reusable():
                return connection
            connection.abort()
        return None

    def _give_back(
        self, connection: Http1Connection, origin: Origin, loop: asyncio.AbstractEventLoop
    ) -> None:
        if connection.keeps:
            connection.idle_since = loop.time()
            self._idle.setdefault(origin, []).append(connection)
        else:
            connection.abort()

    async def _connect(
        self, origin: Origin, seconds: float | None, loop: asyncio.AbstractEventLoop
    ) -> Http1Connection:
        scheme, host, _ = origin
        context = self._context() if scheme == "https" else None
        try:
            async with asyncio.timeout(seconds):
                opened = await aiohappyeyeballs.start_connection(
                    await self._resolve(origin, loop), happy_eyeballs_delay=ATTEMPT_DELAY
                )
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _, connection = await loop.create_connection(
                    partial(Http1Connection, self._lost),
                    sock=opened,
                    ssl=context,
                    server_hostname=host if context is not None else None,
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        self._open.add(connection)
        return connection

    async def _resolve(
        self, origin: Origin, loop: asyncio.AbstractEventLoop
    ) -> list[aiohappyeyeballs.AddrInfoType]:
        known = self._addresses.get(origin)
        if known is None or loop.time() - known[0] > ADDRESSES_FOR:
            found = await loop.getaddrinfo(origin[1], origin[2], type=socket.SOCK_STREAM)
            known = self._addresses[origin] = (loop.time(), list(found))
        return known[1]

    def _context(self) -> ssl.SSLContext:
        # Certificates take longer to load than a small file takes to import.
        if self._verify is None:
            self._verify = httpx.create_ssl_context()
        return self._verify


class _Body(httpx.AsyncByteStream):
    """A body that has arrived, followed by what cut it short."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._answer.body:
            yield self._answer.body
        if self._answer.error is not None:
            raise self._answer.error


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _bytes_of(request: httpx.Request) -> bytes:
    """The request on the wire (RFC 9112 section 3).

    Raises:
        httpx.LocalProtocolError: a header would end its line.
    """
    headers = request.headers.raw
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in headers]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers):
        raise httpx.LocalProtocolError("a header holds a line end")
    return b"%s\r\n\r\n%s" % (head, request.content)
