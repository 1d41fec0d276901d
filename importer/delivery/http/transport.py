"""The transport under the client: the one seam where the network is exchanged.

Everything above speaks ``httpx.Request``, ``httpx.Response`` and ``httpx.AsyncBaseTransport``;
tests and simulations hand in another transport, and a faster one can be put underneath.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from importer.delivery.http.connecting import trust

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


PER_POOL = 4
"""Connections per pool. httpx scans a whole pool for every request, so pools are kept small."""


class ShardedTransport(httpx.AsyncBaseTransport):
    """Several small httpx connection pools that share the load; each request takes the idlest.

    HTTP/1.1, TLS verified (``connecting.trust``), no
    redirects (a transport follows none), no environment proxies.
    """

    def __init__(self, connections: int, *, verify: ssl.SSLContext | bool = True) -> None:
        pools = max(1, -(-connections // PER_POOL))
        context = trust() if verify is True else verify
        limits = httpx.Limits(max_connections=PER_POOL, max_keepalive_connections=PER_POOL)
        self._pools = [
            httpx.AsyncHTTPTransport(verify=context, limits=limits, trust_env=False)
            for _ in range(pools)
        ]
        self._busy = [0] * pools

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send over the pool with the fewest requests under way."""
        shard = self._busy.index(min(self._busy))
        self._busy[shard] += 1
        try:
            response = await self._pools[shard].handle_async_request(request)
        except BaseException:
            self._busy[shard] -= 1
            raise
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_Released(response, self._busy, shard),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools:
            await pool.aclose()


class _Released(httpx.AsyncByteStream):
    """A response body that gives its pool's place back when it is closed."""

    def __init__(self, response: httpx.Response, busy: list[int], shard: int) -> None:
        self._response = response
        self._busy = busy
        self._shard = shard
        self._open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_raw():
            yield part

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._busy[self._shard] -= 1
            if _holds_more(self._response):
                # Closed, it cannot be used again: httpx drops it when it looks at it next.
                await self._response.extensions["network_stream"].aclose()
            await self._response.aclose()


def _holds_more(response: httpx.Response) -> bool:
    """Whether the connection has read beyond the answer: bytes that answer no request of ours.

    httpx would take them for the answer to the next request. Only its inside knows of them.
    """
    byte_stream: Any = response.stream
    connection = byte_stream._httpcore_stream._stream._connection  # noqa: SLF001 - no other way
    data, _ = connection._h11_state.trailing_data  # noqa: SLF001 - no other way
    return bool(data)
