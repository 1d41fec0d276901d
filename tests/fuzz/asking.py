"""A client against a hostile server, on each of the event loops."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, get_args

import httpx

from importer.clock import WallClock
from importer.delivery.http.client import MomentClient, Timeouts
from importer.delivery.http.network import AsyncioTransport
from importer.delivery.protocol import answers as a
from tests.fuzz.hostile_server import LOOPBACK

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from importer.delivery.http.client import HashesOf
    from importer.delivery.protocol.states import Hashes

LOOPS = ("asyncio", "uvloop")
"""The product runs on both."""
ANSWERS = get_args(a.Answer)
LOOK_UP_ANSWERS = get_args(a.LookUpAnswer)
SHORT = Timeouts(connect=2, write=2, read=2, pool=2, total=4)
REFERENCE = "FUZZ-1"


def _tls() -> ssl.SSLContext:
    global _context  # noqa: PLW0603 - loading the roots takes longer than a whole exchange
    if _context is None:
        _context = httpx.create_ssl_context()
    return _context


_context: ssl.SSLContext | None = None


@asynccontextmanager
async def asking(
    port: int,
    *,
    scheme: str = "http",
    timeouts: Timeouts = SHORT,
    hashes: HashesOf | None = None,
    as_bytes: bool = True,
) -> AsyncIterator[MomentClient]:
    """A client of the server on this port; its connections are closed at the end of the block.

    Without ``as_bytes`` the network looks like any other transport of httpx.
    """
    network = AsyncioTransport(verify=_tls())
    client = MomentClient(
        base_url=f"{scheme}://{LOOPBACK}:{port}",
        api_key="sk_test_fuzz",
        transport=network if as_bytes else _OnlyHttpx(network),
        clock=WallClock(),
        timeouts=timeouts,
        hashes=hashes,
    )
    try:
        yield client
    finally:
        await network.aclose()


class _OnlyHttpx(httpx.AsyncBaseTransport):
    """The same network by way of httpx's requests and responses."""

    def __init__(self, network: AsyncioTransport) -> None:
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""
        return await self._network.handle_async_request(request)


def shown_values(reference: str, document: Mapping[str, Any]) -> Hashes:
    """In place of hashes: what stands in the document, so that a test can say what was read."""
    assert reference == document["external_reference"]
    return tuple(sorted((name, repr(value).encode()) for name, value in document.items()))


def read(came: a.Answer | a.Unread) -> a.Answer:
    """What an answer says, with its body."""
    return came.read() if isinstance(came, a.Unread) else came


async def create(client: MomentClient, reference: str = REFERENCE) -> a.Answer:
    """Create a customer; whatever comes back is typed."""
    payload = json.dumps({"external_reference": reference, "name": "Ada Example"})
    came, _ = await client.create(reference, "00000000-0000-5000-8000-000000000001", payload)
    answer = read(came)
    known: bool = isinstance(answer, ANSWERS)
    assert known
    return answer


async def look_up(client: MomentClient, reference: str = REFERENCE) -> a.LookUpAnswer:
    """Look a customer up; whatever comes back is typed."""
    answer, _ = await client.look_up(reference, json.dumps({"external_reference": reference}))
    known: bool = isinstance(answer, LOOK_UP_ANSWERS)
    assert known
    return answer
