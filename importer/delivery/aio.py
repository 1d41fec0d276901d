"""The default network: httpx's transport interface, with aiohttp underneath.

httpx's own connection pool looks at every connection for every request, which costs milliseconds at
64 connections (docs/performance.md); aiohttp's does not. Everything above still speaks httpx:
requests, responses and exceptions.
"""

from __future__ import annotations

import select
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
import httpx
from yarl import URL

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator

    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.tracing import Trace

CHUNK = 65536
"""Bytes of a body handed on at once."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One aiohttp session without cookies, redirects, decompression or environment proxies.

    aiohttp repeats a request by itself only for idempotent methods, never a POST. Must be made
    and closed on a running asyncio loop, where it opens on its first request.

    Raises (from ``handle_async_request`` and while the body is read):
        httpx.ConnectError, httpx.ConnectTimeout: no connection, so nothing was sent.
        httpx.TransportError: anything else; the request may have been processed.
    """

    def __init__(self, connections: int, *, verify: ssl.SSLContext | None = None) -> None:
        self._connections = connections
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None

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
        times = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=times.get("pool"),
            sock_connect=times.get("connect"),
            sock_read=times.get("read"),
        )
        with _translated():
            answer = await self._open().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                data=request.content or None,
                allow_redirects=False,
                timeout=timeout,
            )
        response = httpx.Response(
            answer.status, headers=answer.raw_headers, stream=_Body(answer), request=request
        )
        # Said here, because httpx otherwise works it out again for every header that is read.
        response.headers.encoding = "latin-1"
        return response

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
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return not poll.poll(0)


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for part in self._answer.content.iter_chunked(CHUNK):
                yield part

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body was not read to its end."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


@contextmanager
def _translated() -> Iterator[None]:
    """Raise httpx's exceptions for aiohttp's; the order matters, because some are both."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(str(error)) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(str(error)) from error
    except aiohttp.ServerTimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error
    except aiohttp.ClientResponseError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise httpx.ReadError(str(error)) from error
