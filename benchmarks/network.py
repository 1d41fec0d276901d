"""Posts one prebuilt body COUNT times over one HTTP library, with nothing of importer above it.

``python -m benchmarks.network KIND URL IN_FLIGHT COUNT``. Plain workers over a shared iterator; the
body of each answer is read to its end.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import httpx

    Post = Callable[[], Awaitable[int]]

BODY = (
    b'{"balance":352397,"currency":"ZAR","email":"bram.adeyemi.1@example.com",'
    b'"external_reference":"CUST-00000001","metadata":{"legacy_id":"00000001",'
    b'"segment":"wholesale"},"name":"Bram Adeyemi"}'
)
HEADERS = {
    "Authorization": "Bearer sk_test_benchmark",
    "Content-Type": "application/json",
    "Idempotency-Key": "00000000-0000-5000-8000-000000000000",
}


@asynccontextmanager
async def importers(url: str, in_flight: int) -> AsyncIterator[Post]:
    """The transport that importer runs on."""
    from importer.delivery.around import open_network  # noqa: PLC0415 - only this kind has it

    async with over_transport(open_network(in_flight), url) as post:
        yield post


@asynccontextmanager
async def over_transport(transport: httpx.AsyncBaseTransport, url: str) -> AsyncIterator[Post]:
    """A transport of httpx, called as importer's client does."""
    import httpx  # noqa: PLC0415 - as above

    timeout = {"timeout": {"connect": 10, "read": 30, "write": 10, "pool": 30}}
    where, headers = httpx.URL(url), httpx.Headers({**HEADERS, "Host": url.split("/")[2]})

    async def post() -> int:
        request = httpx.Request("POST", where, headers=headers, content=BODY, extensions=timeout)
        answer = await transport.handle_async_request(request)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        async for _ in answer.stream:
            pass
        await answer.aclose()
        return answer.status_code

    yield post
    await transport.aclose()


@asynccontextmanager
async def httpx_client(url: str, in_flight: int) -> AsyncIterator[Post]:
    """httpx.AsyncClient as it comes, with room for this many connections."""
    import httpx  # noqa: PLC0415 - as above

    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx.AsyncClient(limits=limits, headers=HEADERS) as client:

        async def post() -> int:
            return (await client.post(url, content=BODY)).status_code

        yield post


@asynccontextmanager
async def aiohttp_client(url: str, in_flight: int) -> AsyncIterator[Post]:
    """The session of aiohttp."""
    import aiohttp  # noqa: PLC0415 - as above

    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def post() -> int:
            async with session.post(url, data=BODY) as answer:
                await answer.read()
                return int(answer.status)

        yield post


@asynccontextmanager
async def pyreqwest_client(url: str, in_flight: int) -> AsyncIterator[Post]:
    """The client of pyreqwest (reqwest, hyper: Rust)."""
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - as above

    builder = ClientBuilder().default_headers(HEADERS).max_connections(in_flight)
    async with builder.build() as client:

        async def post() -> int:
            answer = await client.post(url).body_bytes(BODY).build().send()
            await answer.bytes()
            return int(answer.status)

        yield post


KINDS: dict[str, Any] = {
    "importer": importers,
    "httpx": httpx_client,
    "aiohttp": aiohttp_client,
    "pyreqwest": pyreqwest_client,
}


async def main() -> None:
    """Post from this many workers until the count is reached."""
    kind, url, in_flight, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    numbers = iter(range(count))
    async with KINDS[kind](url + "/billing/customers", in_flight) as post:

        async def work() -> None:
            for _ in numbers:
                status = await post()
                if status != 201:
                    raise SystemExit(f"answered with {status}")

        await asyncio.gather(*(work() for _ in range(in_flight)))


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
