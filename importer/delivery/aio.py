"""The default network: httpx's transport interface, with aiohttp underneath.

httpx's own connection pool looks at every connection for every request, which costs milliseconds at
64 connections (docs/performance.md); aiohttp's does not. Everything above still speaks httpx:
requests, responses and exceptions.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import aiohttp
import httpx
from multidict import CIMultiDict
from yarl import URL

from importer.delivery.deadlines import Deadlines

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.tracing import Trace


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One aiohttp session without cookies, redirects, decompression or environment proxies.

    aiohttp repeats a request by itself only for idempotent methods, never a POST. Must be made
    and closed on a running asyncio loop, where it opens on its first request.

    Raises (from ``handle_async_request`` and while the body is read):
        httpx.ConnectError, httpx.ConnectTimeout: no connection, so nothing was sent.
        httpx.TransportError: anything else; the request may have been processed.
    """

    keeps_total = True
    """No exchange takes longer than the timeouts ``pool`` and ``read`` together.

    ``read`` counts here from the connection to the last byte of the answer, not between two bytes.
    """

    def __init__(self, connections: int, *, verify: ssl.SSLContext | None = None) -> None:
        self._connections = connections
        self._verify = verify
        self._connector: _Connector | None = None
        self._session: aiohttp.ClientSession | None = None
        self._seconds: dict[str, float] = {}
        self._timeouts = aiohttp.ClientTimeout()

    def _open(self, scheme: str) -> aiohttp.ClientSession:
        if self._session is None:
            # Certificates take longer to load than a small file takes to import.
            is_tls = scheme == "https"
            verify = (self._verify or httpx.create_ssl_context()) if is_tls else True
            self._connector = _Connector(limit=self._connections, ssl=verify)
            self._session = aiohttp.ClientSession(
                connector=self._connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its body must have been read (bytes, no stream)."""
        session = self._open(request.url.scheme)
        try:
            answer = await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=CIMultiDict(
                    [(name.decode(), value.decode()) for name, value in request.headers.raw]
                ),
                data=request.content or None,
                allow_redirects=False,
                timeout=self._timeout(request.extensions.get("timeout", {})),
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _as_httpx(error) from error
        response = httpx.Response(
            answer.status, headers=answer.raw_headers, stream=_Body(answer), request=request
        )
        # Said here, because httpx otherwise works it out again for every header that is read.
        response.headers.encoding = "latin-1"
        return response

    def _timeout(self, seconds: dict[str, float]) -> aiohttp.ClientTimeout:
        if seconds is not self._seconds:
            self._seconds = seconds
            # aiohttp's own timers for the rest cost too much (deadlines.py).
            self._timeouts = aiohttp.ClientTimeout(
                connect=seconds.get("pool"), sock_connect=seconds.get("connect")
            )
            if self._connector is not None:
                self._connector.deadlines.seconds = seconds.get("read")
        return self._timeouts

    async def aclose(self) -> None:
        """Close every connection."""
        if self._connector is not None:
            self._connector.deadlines.close()
        if self._session is not None:
            await self._session.close()


class _Connector(aiohttp.TCPConnector):
    """Never uses a connection again on which something came that nobody had asked for.

    aiohttp asks only whether an idle connection is still open. A second answer to an earlier
    request would be waiting there, and would be taken for the answer to the next one.
    """

    def __init__(self, *, limit: int, ssl: ssl.SSLContext | bool) -> None:
        super().__init__(limit=limit, ssl=ssl)
        self.deadlines = Deadlines(asyncio.get_running_loop())

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> aiohttp.connector.Connection:
        """Take a connection, and watch it until it is given back."""
        connection = await super().connect(req, traces, timeout)
        self.deadlines.watch(connection)
        return connection

    async def _get(
        self, key: ConnectionKey, traces: list[Trace]
    ) -> aiohttp.connector.Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if _is_clean(connection):
                return connection
            connection.close()
        return None


def _is_clean(connection: aiohttp.connector.Connection) -> bool:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return False
    # What has arrived and was not read yet, be it an answer or the end of the connection.
    poll = _POLLS.get(transport)
    if poll is None:
        poll = _POLLS[transport] = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return not poll.poll(0)


_POLLS: WeakKeyDictionary[asyncio.Transport, select.poll] = WeakKeyDictionary()
"""One for each open connection: its socket does not change."""


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._answer.content
        try:
            while part := await content.readany():
                yield part
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _as_httpx(error) from error

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body was not read to its end."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


def _as_httpx(error: Exception) -> httpx.TransportError:
    """Httpx's exception for aiohttp's; the order matters, because some are both."""
    text = str(error)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx.ConnectTimeout(text)
    if isinstance(error, aiohttp.ClientConnectorError):
        return httpx.ConnectError(text)
    if isinstance(error, aiohttp.ServerTimeoutError):
        return httpx.ReadTimeout(text)
    if isinstance(error, aiohttp.ClientResponseError):
        return httpx.RemoteProtocolError(text)
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout(text)
    return httpx.ReadError(text)
