"""One HTTP/1.1 connection: bytes out, one answer in, and whether it may be used again.

llhttp (by way of httptools) frames the messages, strictly; this file decides what their ends mean
(RFC 9112): an answer that is cut, too large, or followed by bytes that nobody had asked for.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, NamedTuple, cast

import httptools
import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_HEAD = 1 << 16
"""Bytes before a body begins, beyond which an answer is no answer."""
MAX_BODY = 1 << 21
"""Bytes after that, trailers included; what reads a body (client.MAX_BODY) gives up earlier."""
_INFORMATIONAL = 200
_SWITCHING = 101


class Head(NamedTuple):
    """What came before the body."""

    status: int
    headers: list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """One final answer."""

    head: Head
    body: bytes
    error: httpx.TransportError | None
    """Why the body is not whole."""


class Http1Connection(asyncio.Protocol):
    """Carries one exchange at a time."""

    def __init__(self, lost: Callable[[Http1Connection], None]) -> None:
        """``lost`` is called with the connection once it is closed."""
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        self._waiting: asyncio.Future[Answer] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: Head | None = None
        self._body: list[bytes] = []
        self._seen = 0
        self.keeps = False
        """The last answer was whole, and the connection stays open."""
        self.idle_since = 0.0
        """Set by the pool; seconds on the loop's clock."""

    async def exchange(self, request: bytes) -> Answer:
        """Send a whole request and wait for the whole answer.

        Raises:
            httpx.TransportError: there is no answer; the request may have been processed.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise httpx.WriteError("the connection is closed")
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._head, self._body, self._seen = [], None, [], 0
        self.keeps = False
        self._waiting = asyncio.get_running_loop().create_future()
        transport.write(request)
        try:
            return await self._waiting
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiting = None

    def is_reusable(self) -> bool:
        """Whether the next answer on it can only be that to the next request.

        Bytes that have arrived and were not read yet would be taken for it; a connection that the
        other side has closed counts as well.
        """
        transport = self._transport
        return (
            self.keeps
            and transport is not None
            and not transport.is_closing()
            and not self._poll.poll(0)
        )

    def expire(self) -> None:
        """End the exchange under way as a timeout."""
        self._fail(httpx.ReadTimeout("no answer in time"))

    def abort(self) -> None:
        """Close without any ceremony."""
        self.keeps = False
        if self._transport is not None:
            self._transport.abort()

    # From the event loop ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once."""
        # uvloop's transports have the methods of the class, but do not inherit from it.
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        if self._waiting is None or self._waiting.done() or self._parser is None:
            self.abort()  # Nobody had asked for them.
            return
        self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(httpx.RemoteProtocolError("the server wants to switch protocols"))
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(str(error)))
        if self._seen > (MAX_HEAD if self._head is None else MAX_HEAD + MAX_BODY):
            self._fail(httpx.RemoteProtocolError("the answer is too large"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self.keeps = False
        self._lost(self)
        if self._waiting is None or self._waiting.done():
            return
        if exc is None and self._head is not None and self._ends_with_connection(self._head):
            self._finish(None)
        elif exc is None:
            self._fail(httpx.RemoteProtocolError("the server closed the connection"))
        else:
            error = httpx.ReadError(str(exc))
            error.__cause__ = exc
            self._fail(error)

    # From the parser ----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Another message starts: the final answer, or bytes behind it."""
        if self._waiting is not None and self._waiting.done():
            self.abort()
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers come in the same way, behind the body."""
        if self._head is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._parser is None or self._waiting is None or self._waiting.done():
            return
        status = self._parser.get_status_code()
        # Informational answers are followed by the final one (RFC 9110 section 15.2).
        if status >= _INFORMATIONAL or status == _SWITCHING:
            self._head = Head(status, self._headers)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The message is whole."""
        if self._head is not None and self._parser is not None:
            self.keeps = self._parser.should_keep_alive()
            self._finish(None)

    # Inside -------------------------------------------------------------------------------------

    def _ends_with_connection(self, head: Head) -> bool:
        """RFC 9112 section 6.3: without a length the body lasts until the connection closes."""
        names = {name.lower() for name, _ in head.headers}
        return not names & {b"content-length", b"transfer-encoding"}

    def _finish(self, error: httpx.TransportError | None) -> None:
        if self._waiting is None or self._waiting.done() or self._head is None:
            return
        self._waiting.set_result(Answer(self._head, b"".join(self._body), error))

    def _fail(self, error: httpx.TransportError) -> None:
        """The exchange ends here, and the connection with it; what is known is handed on."""
        if self._head is not None:
            self._finish(error)
        elif self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self.abort()
