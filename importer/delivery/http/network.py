"""The default network: httpx's transport interface over asyncio's own connections.

httpx's connection pool looks at every connection for every request, which costs milliseconds at
64 connections, and any general client pays for what this job never uses (docs/performance.md).
Everything above still speaks httpx: requests, responses and exceptions.

Exchanges that take too long are ended, with one timer for all of them: one of its own for each
request would cost as much as the rest of the exchange.

One HTTP/1.1 connection: bytes out, one answer in, and whether it may be used again.

llhttp (by way of httptools) frames the messages, strictly; this file decides what their ends mean
(RFC 9112): an answer that is cut, too large, or followed by bytes that nobody had asked for.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import aiohappyeyeballs
import httptools
import httpx

from importer.delivery.http.connecting import Failure, Greeting, ProxyFailed, explain
from importer.way import Proxy, proxy_for, trust

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path


MAX_HEAD = 1 << 16
"""Bytes before a body begins, beyond which an answer is no answer."""
MAX_BODY = 1 << 21
"""Bytes after that, trailers included; what reads a body (client.MAX_BODY) gives up earlier."""
_INFORMATIONAL = 200
_SWITCHING = 101


Answer = tuple[int, list[tuple[bytes, bytes]], bytes, Exception | None]
"""One final answer: status, headers, body, and why the body is not whole."""


class Http1Connection(asyncio.Protocol):
    """Carries one exchange at a time."""

    def __init__(self, lost: Callable[[Http1Connection], None]) -> None:
        """``lost`` is called with the connection once it is closed."""
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        self._waiting: asyncio.Future[Answer] | None = None
        """Whoever asked, until the answer is whole or known not to come."""
        self._status = 0
        """Of the final answer; 0 until its head is whole."""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self.on_body: Callable[[bytes], None] = self._body.append
        """Called by the parser with each part of a body."""
        self._seen = 0
        self._parser = httptools.HttpResponseParser(self)
        self.keeps = False
        """The last answer was whole, and the connection stays open."""
        self.idle_since = 0.0
        """Set by the pool; seconds on the loop's clock."""
        self.due = NEVER
        """Set by the pool; when the exchange under way has taken too long, on the same clock."""

    def send(self, request: bytes, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Answer]:
        """Send a whole request; the future has the whole answer.

        Raises (from the future, too):
            httpx.TransportError: there is no answer; the request may have been processed.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise httpx.WriteError("the connection is closed")
        self._status = self._seen = 0
        self._body.clear()
        self.keeps = False
        waiting: asyncio.Future[Answer] = loop.create_future()
        self._waiting = waiting
        transport.write(request)
        return waiting

    def is_reusable(self) -> bool:
        """Whether the next answer on it can only be that to the next request.

        Bytes that have arrived and were not read yet would be taken for it; a connection that the
        other side has closed counts as well. The system is asked each time, also right after an
        answer: a server that closes without a word does so then.
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

    @property
    def tls(self) -> Any:
        """What TLS knows of the other side (an ``SSLObject``); None without TLS."""
        return self._transport.get_extra_info("ssl_object") if self._transport else None

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
        if self._waiting is None or self._waiting.done():
            self.abort()  # Nobody had asked for them.
            return
        self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(httpx.RemoteProtocolError("the server wants to switch protocols"))
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(str(error)))
        if self._seen > MAX_HEAD and (not self._status or self._seen > MAX_HEAD + MAX_BODY):
            self._fail(httpx.RemoteProtocolError("the answer is too large"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self.keeps = False
        self._lost(self)
        waiting = self._waiting
        if waiting is None or waiting.done():
            return
        if exc is None and self._status and self._ends_with_connection():
            self._answer(waiting, None)
        elif exc is None:
            self._fail(httpx.RemoteProtocolError("the server closed the connection"))
        else:
            error = httpx.ReadError(str(exc))
            error.__cause__ = exc
            self._fail(error)

    # From the parser, while an answer is waited for ----------------------------------------------

    def on_message_begin(self) -> None:
        """Another message starts: the final answer, or bytes behind it."""
        if self._waiting is None:
            self.abort()
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers come in the same way, behind the body."""
        if not self._status:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        status = self._parser.get_status_code()
        # Informational answers are followed by the final one (RFC 9110 section 15.2).
        if status >= _INFORMATIONAL or status == _SWITCHING:
            self._status = status

    def on_message_complete(self) -> None:
        """The message is whole."""
        if self._status and self._waiting is not None:
            self.keeps = self._parser.should_keep_alive()
            self._answer(self._waiting, None)

    # Inside -------------------------------------------------------------------------------------

    def _ends_with_connection(self) -> bool:
        """RFC 9112 section 6.3: without a length the body lasts until the connection closes."""
        names = {name.lower() for name, _ in self._headers}
        return not names & {b"content-length", b"transfer-encoding"}

    def _answer(self, waiting: asyncio.Future[Answer], error: httpx.TransportError | None) -> None:
        self._waiting = None
        waiting.set_result((self._status, self._headers, b"".join(self._body), error))

    def _fail(self, error: httpx.TransportError) -> None:
        """The exchange ends here, and the connection with it; what is known is handed on."""
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            if self._status:
                self._answer(waiting, error)
            else:
                waiting.set_exception(error)
        self.abort()


NEVER = float("inf")
"""Seconds on the loop's clock."""
LOOKS = 8
"""Looks within the time that an exchange may take: it ends at most an eighth of that late."""
RAREST = 1.0
"""Seconds between two looks, at most."""
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
_Looked = TypeVar("_Looked")


class AsyncioTransport(httpx.AsyncBaseTransport):
    """Keeps as many connections as requests are sent at once, one request on each at a time.

    HTTP/1.1, TLS verified, through a proxy where the environment names one; no cookies, redirects,
    decompression or retries. A request is
    never sent twice. For one asyncio loop.

    Raises (from ``handle_async_request`` and while the body is read):
        httpx.ConnectError, httpx.ConnectTimeout: no connection, so nothing was sent.
        httpx.TransportError: anything else; the request may have been processed.
    """

    keeps_total = True
    """No exchange takes longer than the timeouts ``connect`` and ``read`` together.

    ``read`` counts here from the connection to the last byte of the answer, not between two bytes.
    """

    def __init__(
        self,
        *,
        verify: ssl.SSLContext | None = None,
        bundle: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Authorities and proxies are those of ``importer.way``.

        Args:
            verify: how certificates are verified; None for ``trust(environment, bundle)``.
            bundle: the file of ``--ca-bundle``.
            environment: names proxies and authorities.
        """
        self._verify = verify
        self._bundle = bundle
        self._environment = environment
        self._idle: defaultdict[Origin, list[Http1Connection]] = defaultdict(list)
        self._open: set[Http1Connection] = set()
        self._all_lost: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None
        """Looks for exchanges that have taken too long; None where none is under way."""
        self._addresses: dict[
            tuple[str, int], tuple[float, list[aiohappyeyeballs.AddrInfoType]]
        ] = {}

    async def exchange(self, origin: Origin, data: bytes, seconds: Mapping[str, float]) -> Answer:
        """Send one request, whole and as bytes: httpx's objects cost more than the exchange.

        Args:
            origin: where to.
            data: head and body.
            seconds: the timeouts ``connect`` and ``read``; what is missing is not limited.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        idle = self._idle[origin]
        connection = _good_of(idle, now)
        if connection is None:
            connection = await self._connect(origin, seconds.get("connect"), loop)
            now = loop.time()
        if (read := seconds.get("read")) is not None:
            connection.due = now + read
            if self._timer is None:
                self._look_later(read, loop)
        try:
            return await connection.send(data, loop)
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            connection.due = NEVER
            if connection.keeps:
                connection.idle_since = loop.time()
                idle.append(connection)
            else:
                connection.abort()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its body must have been read (bytes, no stream)."""
        seconds = request.extensions.get("timeout", {})
        origin, data = origin_of(request.url), _bytes_of(request)
        status, headers, body, error = await self.exchange(origin, data, seconds)
        response = httpx.Response(
            status,
            headers=headers,
            stream=_Body(body, error),
            request=request,
        )
        # Said here, because httpx otherwise works it out again for every header that is read.
        response.headers.encoding = "latin-1"
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
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

    def _look_later(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(min(RAREST, seconds / LOOKS), self._look, seconds, loop)

    def _look(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        asked = sorted((one for one in self._open if one.due < NEVER), key=lambda one: one.due)
        for one in asked:
            if one.due <= now:
                one.due = NEVER
                one.expire()
        if asked and asked[-1].due < NEVER:
            self._look_later(seconds, loop)

    async def greet(
        self, url: httpx.URL, seconds: float, look: Callable[[Any], _Looked]
    ) -> _Looked:
        """Connect as for a request, say nothing, and hang up.

        Args:
            url: of the host.
            seconds: until it is given up.
            look: is shown what TLS knows of the other side (an ``SSLObject``); None without TLS.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout: no connection.
        """
        connection = await self._connect(origin_of(url), seconds, asyncio.get_running_loop())
        try:
            return look(connection.tls)
        finally:
            connection.abort()

    async def _connect(
        self, origin: Origin, seconds: float | None, loop: asyncio.AbstractEventLoop
    ) -> Http1Connection:
        scheme, host, port = origin
        context = self._context() if scheme == "https" else None
        proxy = proxy_for(scheme, host, self._environment, port=port)
        try:
            async with asyncio.timeout(seconds):
                if proxy is not None and context is not None:
                    connection = await self._through(proxy, host, port, context, loop)
                else:
                    opened = await self._reach(host, port, loop)
                    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    _, connection = await loop.create_connection(
                        partial(Http1Connection, self._lost),
                        sock=opened,
                        ssl=context,
                        server_hostname=host if context is not None else None,
                    )
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (OSError, ProxyFailed) as error:
            raise httpx.ConnectError(str(error)) from error
        self._open.add(connection)
        return connection

    async def _reach(self, host: str, port: int, loop: asyncio.AbstractEventLoop) -> socket.socket:
        known = self._addresses.get((host, port))
        if known is None or loop.time() - known[0] > ADDRESSES_FOR:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            known = self._addresses[host, port] = (loop.time(), list(found))
        return await aiohappyeyeballs.start_connection(known[1], happy_eyeballs_delay=ATTEMPT_DELAY)

    async def _through(
        self,
        proxy: Proxy,
        host: str,
        port: int,
        context: ssl.SSLContext,
        loop: asyncio.AbstractEventLoop,
    ) -> Http1Connection:
        """TLS to the host within what the proxy lets through, which may be TLS to the proxy."""
        try:
            opened = await self._reach(proxy.host, proxy.port, loop)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport, greeting = await loop.create_connection(
                Greeting,
                sock=opened,
                ssl=context if proxy.is_tls else None,
                server_hostname=proxy.host if proxy.is_tls else None,
            )
        except OSError as error:
            found = explain(error) or Failure("", str(error))
            said = f"{proxy.where}: {found.said}"
            raise ProxyFailed(Failure("proxy_unreachable", said, found.is_certain)) from error
        try:
            await greeting.tunnel(transport, proxy, host, port)
            connection = Http1Connection(self._lost)
            inner = await loop.start_tls(transport, connection, context, server_hostname=host)
        except BaseException:
            transport.abort()
            raise
        if inner is None:
            raise ConnectionResetError("closed during the TLS handshake")
        connection.connection_made(inner)  # start_tls does not tell it.
        return connection

    def _context(self) -> ssl.SSLContext:
        # Certificates take longer to load than a small file takes to import.
        if self._verify is None:
            self._verify = trust(self._environment, self._bundle)
        return self._verify


def _good_of(idle: list[Http1Connection], now: float) -> Http1Connection | None:
    """The connection that was used last, if one is good; it is most likely still open."""
    while idle:
        connection = idle.pop()
        if now - connection.idle_since <= KEEP_ALIVE and connection.is_reusable():
            return connection
        connection.abort()
    return None


class _Body(httpx.AsyncByteStream):
    """A body that has arrived, followed by what cut it short."""

    def __init__(self, body: bytes, error: Exception | None) -> None:
        self._body, self._error = body, error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body
        if self._error is not None:
            raise self._error


def origin_of(url: httpx.URL) -> Origin:
    """Where a URL's requests go to."""
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _bytes_of(request: httpx.Request) -> bytes:
    """The request on the wire (RFC 9112 section 3).

    Raises:
        httpx.LocalProtocolError: a header would end its line.
    """
    head = head_of(request.method, request.url, request.headers.raw)
    return b"%s\r\n%s" % (head, request.content)


def head_of(method: str, url: httpx.URL, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The lines before a body, but for the empty one.

    Raises:
        httpx.LocalProtocolError: a header would end its line.
    """
    lines = [b"%s %s HTTP/1.1" % (method.encode("ascii"), url.raw_path)]
    for header in headers:
        line = b"%s: %s" % header
        if b"\n" in line or b"\r" in line:
            raise httpx.LocalProtocolError("a header holds a line end")
        lines.append(line)
    return b"%s\r\n" % b"\r\n".join(lines)
