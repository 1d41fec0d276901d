"""ASGI in and out: reading a bounded body, sending an answer, cutting a connection."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

from importer.sandbox.messages import Wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping

    from starlette.types import Receive, Send

    from importer.sandbox.messages import Reply

Peer = tuple[str, int]
_LINGER_NOT = struct.pack("ii", 1, 0)


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """Return the whole body, or None where it is larger than ``limit`` bytes.

    Raises:
        ConnectionAbortedError: the client went away before it had sent all.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body", False):
        if len(body) > limit:
            return None
        message = await receive()
        body += message.get("body", b"")
    if message["type"] != "http.request":
        raise ConnectionAbortedError
    return body if len(body) <= limit else None


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a whole answer."""
    await send(_start(reply))
    await send({"type": "http.response.body", "body": reply.body})


async def break_off(
    reply: Reply, receive: Receive, send: Send, transport: asyncio.Transport | None
) -> None:
    """Reset the connection, or send half of the body and close it.

    Raises:
        ConnectionResetError: the server is not the sandbox's own, so there is no transport.
    """
    if transport is None:
        raise ConnectionResetError("the sandbox cut this connection on purpose")
    if reply.wire is Wire.CUT:
        await send(_start(reply))
        half = reply.body[: len(reply.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        transport.close()
    else:
        # With no time to linger, close() sends RST instead of FIN (socket(7), SO_LINGER).
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
    # The server must see the end before this request does, or it reports an unfinished answer.
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(reply: Reply) -> MutableMapping[str, Any]:
    return {
        "type": "http.response.start",
        "status": reply.status,
        "headers": [
            (b"content-type", reply.media),
            (b"content-length", str(len(reply.body)).encode()),
            *reply.headers,
        ],
    }
