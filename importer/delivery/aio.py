"""The default network: httpx's transport interface, with aiohttp underneath.

httpx's own connection pool looks at every connection for every request, which costs milliseconds at
64 connections (docs/performance.md); aiohttp's does not. Everything above still speaks httpx:
requests, responses and exceptions.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import aiohttp
import httpx
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    import asyncio
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
    """Whether the extension ``timeout`` may hold ``total``: seconds for the whole exchange."""

    def __init__(self, connections: int, *, verify: ssl.SSLContext | None = None) -> None:
        self._connections = connections
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None
        self._seconds: dict[str, float] = {}
        self._timeouts = aiohttp.ClientTimeout()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = _Connector(
                limit=self._connections,
                ssl=self._verify or httpx.create_ssl_context(),
                enable_cleanup_closed=False,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its body must have been read (bytes, no stream)."""
        try:
            answer = await self._open().request(
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
            self._timeouts = aiohttp.ClientTimeout(
                total=seconds.get("total"),
                connect=seconds.get("pool"),
                sock_connect=seconds.get("connect"),
                sock_read=seconds.get("read"),
            )
        return self._timeouts

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


class _Connector(aiohttp.TCPConnector):
    """Never uses a connection again on which something came that nobody had asked for.

    aiohttp asks only whether an idle connection is still open. A second answer to an earlier
    request would be waiting there, and would be taken for the answer to the next one.
    """

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
