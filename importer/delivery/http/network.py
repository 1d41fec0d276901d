"""The default network: httpx's transport interface over asyncio's own connections.

httpx's connection pool looks at every connection for every request, which costs milliseconds at
64 connections, and any general client pays for what this job never uses (docs/performance.md).
Everything above still speaks httpx: requests, responses and exceptions.

Ends exchanges that take too long, with one timer for all of them.

A timer of its own for each request would cost as much as the rest of the exchange.

One HTTP/1.1 connection: bytes out, one answer in, and whether it may be used again.

llhttp (by way of httptools) frames the messages, strictly; this file decides what their ends mean
(RFC 9112): an answer that is cut, too large, or followed by bytes that nobody had asked for.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

import aiohappyeyeballs
import httptools
import httpx

from importer.delivery.http.connecting import Failure, Greeting, ProxyFailed, explain
from importer.way import Proxy, proxy_for, trust

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path


LOOKS = 8
"""Looks within the time that an exchange may take: it ends at most an eighth of that late."""
RAREST = 1.0
"""Seconds between two looks, at most."""


class Expiring(Protocol):
    """What can be watched."""

    def expire(self) -> None:
        """End as a timeout."""
        ...


class Deadlines:
    """Watches exchanges from their beginning to their end."""

    def __init__(self) -> None:
        self._due: dict[Expiring, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, one: Expiring, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        """End it as a timeout, unless it is forgotten in time."""
        self._due[one] = loop.time() + seconds
        if self._timer is None:
            self._look_later(seconds, loop)

    def forget(self, one: Expiring) -> None:
        """It has ended."""
        self._due.pop(one, None)

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()

    def _look_later(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(min(RAREST, seconds / LOOKS), self._look, seconds, loop)

    def _look(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for one in [one for one, due in self._due.items() if due <= now]:
            self.forget(one)
            one.expire()
        if self._due:
            self._look_later(seconds, loop)


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
    error: Exception | None
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

    def send(self, request: bytes, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Answer]:
        """Send a whole request; the future has the whole answer.

        Raises (from the future, too):
            httpx.TransportError: there is no answer; the request may have been processed.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise httpx.WriteError("the connection is closed")
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._head, self._body, self._seen = [], None, [], 0
        self.keeps = False
        self._waiting = loop.create_future()
        transport.write(request)
        return self._waiting

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
        self._idle: dict[Origin, list[Http1Connection]] = {}
        self._open: set[Http1Connection] = set()
        self._all_lost: asyncio.Event | None = None
        self._deadlines = Deadlines()
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
        connection = self._take(origin, loop)
        if connection is None:
            connection = await self._connect(origin, seconds.get("connect"), loop)
        if (read := seconds.get("read")) is not None:
            self._deadlines.watch(connection, read, loop)
        try:
            return await connection.send(data, loop)
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            self._deadlines.forget(connection)
            self._give_back(connection, origin, loop)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its body must have been read (bytes, no stream)."""
        seconds = request.extensions.get("timeout", {})
        answer = await self.exchange(origin_of(request.url), _bytes_of(request), seconds)
        response = httpx.Response(
            answer.head.status,
            headers=answer.head.headers,
            stream=_Body(answer),
            request=request,
        )
        # Said here, because httpx otherwise works it out again for every header that is read.
        response.headers.encoding = "latin-1"
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        self._deadlines.close()
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

    def _take(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> Http1Connection | None:
        """The connection that was used last, if one is good; it is most likely still open."""
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            is_fresh = loop.time() - connection.idle_since <= KEEP_ALIVE
            if is_fresh and connection.is_reusable():
                return connection
            connection.abort()
        return None

    def _give_back(
        self, connection: Http1Connection, origin: Origin, loop: asyncio.AbstractEventLoop
    ) -> None:
        if connection.keeps:
            connection.idle_since = loop.time()
            self._idle.setdefault(origin, []).append(connection)
        else:
            connection.abort()

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


class _Body(httpx.AsyncByteStream):
    """A body that has arrived, followed by what cut it short."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._answer.body:
            yield self._answer.body
        if self._answer.error is not None:
            raise self._answer.error


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
    lines += map(line_of, headers)
    return b"%s\r\n" % b"\r\n".join(lines)


def line_of(header: tuple[bytes, bytes]) -> bytes:
    """One header, without the end of its line.

    Raises:
        httpx.LocalProtocolError: it would end its line itself.
    """
    line = b"%s: %s" % header
    if b"\n" in line or b"\r" in line:
        raise httpx.LocalProtocolError("a header holds a line end")
    return line
