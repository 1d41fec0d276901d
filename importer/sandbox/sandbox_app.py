"""The ASGI application: the API by hand, as it is the hot path; everything else by Starlette.

ASGI in and out: reading a bounded body, sending an answer, cutting a connection.
"""

from __future__ import annotations

import re
import socket
import struct
from pathlib import PurePath
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from importer.sandbox.audit import audit_app
from importer.sandbox.billing import answer
from importer.sandbox.contract import validator_for
from importer.sandbox.core import DEFECTS_KEPT, Core
from importer.sandbox.messages import MAX_BODY, Reply, Request, Wire, parse, problem

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping

    from starlette.types import Receive, Scope, Send

    from importer.sandbox.config import SandboxConfig


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


COLLECTION = "/billing/customers"
_ONE = re.compile(r"/billing/customers/(?P<customer>[a-zA-Z0-9_-]{1,255})", re.ASCII)


class Sandbox:
    """One sandbox as an ASGI 3 application.

    Raises:
        UsageError: a setting or the data file is wrong.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.core = Core(config)
        self.connections: dict[Peer, asyncio.Transport] = {}
        """Open connections by client address, kept by the sandbox's own server."""
        self._others = audit_app(self.core)
        validator_for("CreateCustomer")

    def close(self) -> None:
        """Close the data file; may be called twice."""
        self.core.store.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event, as ASGI wants it."""
        if scope["type"] != "http" or not scope["path"].startswith("/billing/"):
            await self._others(scope, receive, send)
            return
        try:
            reply = await self._reply(scope, receive)
        except ConnectionAbortedError:
            return
        outcome = "reset" if reply.wire is Wire.RESET else str(reply.status)
        self.core.statistics.requests[scope["method"], outcome] += 1
        if reply.wire is Wire.SEND:
            await send_reply(send, reply)
        else:
            transport = self.connections.get(scope["client"])
            await break_off(reply, receive, send, transport)

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        method: str = scope["method"]
        path: str = scope["path"]
        allowed: tuple[str, ...]
        if path == COLLECTION:
            customer, allowed = None, ("POST",)
        elif match := _ONE.fullmatch(path):
            customer, allowed = match["customer"], ("GET", "PATCH")
        else:
            return self._problem(404, "no-such-endpoint", "No such endpoint")
        if method not in allowed:
            allow = ((b"allow", ", ".join(allowed).encode()),)
            return self._problem(405, "method-not-allowed", "Method not allowed", allow)
        raw = await read_body(receive, MAX_BODY)
        if raw is None:
            # The rest of the body is still on its way: this connection cannot be used again.
            close = ((b"connection", b"close"),)
            return self._problem(413, "body-too-large", "Body too large", close)
        headers = dict(scope["headers"])
        document = None if method == "GET" else parse(raw, headers.get(b"content-type", b""))
        try:
            return await answer(self.core, Request(method, headers, raw, document), customer)
        except Exception as error:  # noqa: BLE001 - a defect must not look like a Moment outage
            return self._defect(error)

    def _problem(
        self, status: int, kind: str, title: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> Reply:
        instance = self.core.next_instance()
        return problem(status, kind, title, title + ".", instance=instance, headers=headers)

    def _defect(self, error: Exception) -> Reply:
        # Type and place only: an error's text may hold what a request held.
        frame = extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} at {PurePath(frame.filename).name}:{frame.lineno}"
        self.core.statistics.defects = [*self.core.statistics.defects, place][-DEFECTS_KEPT:]
        return self._problem(500, "sandbox-defect", "The sandbox itself failed")
