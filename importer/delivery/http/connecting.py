"""How a connection comes about through a proxy, and why there is none.

The codes are those of ``stopping.REASONS``, where each has its words and its fix.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple

from importer.errors import printable
from importer.values import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.way import Proxy

# Connections that failed --------------------------------------------------------------------------


class Failure(NamedTuple):
    """Why there is no connection."""

    code: str
    """Stable, for example ``name_not_known``."""
    said: str = ""
    """The system's own words."""
    is_certain: bool = False
    """Asking again cannot help: somebody has to change something first."""


_NO_VERDICT = (
    ssl.SSLEOFError,
    ssl.SSLSyscallError,
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
    ssl.SSLZeroReturnError,
)
"""The other side went away or is slow; nothing is said about its certificate or its TLS."""
_CERTIFICATE = {
    9: "certificate_not_yet_valid",
    10: "certificate_expired",
    2: "certificate_unknown_issuer",
    18: "certificate_unknown_issuer",
    19: "certificate_unknown_issuer",
    20: "certificate_unknown_issuer",
    21: "certificate_unknown_issuer",
    62: "certificate_wrong_host",
    64: "certificate_wrong_host",
}
"""Codes of X509_STORE_CTX_get_error(3)."""
_NOT_TLS = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
}
_ERRNO = {
    errno.ECONNREFUSED: "connection_refused",
    errno.EHOSTUNREACH: "network_unreachable",
    errno.ENETUNREACH: "network_unreachable",
    errno.ENETDOWN: "network_unreachable",
    errno.EADDRNOTAVAIL: "network_unreachable",
    errno.EACCES: "connection_forbidden",
    errno.EPERM: "connection_forbidden",
    errno.ECONNRESET: "connection_reset",
    errno.EPIPE: "connection_reset",
    errno.ETIMEDOUT: "connect_timeout",
    errno.EMFILE: "too_many_open_files",
    errno.ENFILE: "too_many_open_files",
}
_UNKNOWN_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_NUMBER = pattern(r"\[Errno (\d+)\]")


def explain(error: BaseException) -> Failure | None:
    """What is known of a failed connection from the causes of its error; None if nothing is."""
    return next(filter(None, map(_explain_one, _causes(error))), None)


def _explain_one(cause: BaseException) -> Failure | None:
    if isinstance(cause, ProxyFailed):
        return cause.failure
    home = type(cause).__module__
    # A library's own error that is also an SSLError says nothing; the ssl module's does.
    if home == "ssl":
        return _of_tls(cause)
    if isinstance(cause, socket.gaierror):
        unknown = cause.errno in _UNKNOWN_NAME
        code = "name_not_known" if unknown else "name_server_failed"
        return Failure(code, cause.strerror or "", is_certain=unknown)
    return _of_system(cause) if home == "builtins" and isinstance(cause, OSError) else None


def _of_system(cause: OSError) -> Failure | None:
    if type(cause) is TimeoutError and not cause.errno:
        return Failure("connect_timeout", "no connection in time")
    # Where several addresses failed differently, the first code that says something.
    numbers = [cause.errno] if cause.errno else [int(n) for n in _NUMBER.findall(str(cause))]
    known = [number for number in _ERRNO if number in numbers]
    return Failure(_ERRNO[known[0]], os.strerror(known[0])) if known else None


def _of_tls(cause: BaseException) -> Failure:
    if isinstance(cause, ssl.SSLCertVerificationError):
        code = _CERTIFICATE.get(cause.verify_code, "certificate_refused")
        return Failure(code, cause.verify_message, is_certain=True)
    if isinstance(cause, _NO_VERDICT):
        return Failure("connection_reset", "closed during the TLS handshake")
    reason = getattr(cause, "reason", None) or "TLS"
    code = "not_tls" if reason in _NOT_TLS else "tls_failed"
    return Failure(code, reason.replace("_", " ").lower(), is_certain=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# Proxies ------------------------------------------------------------------------------------------

MAX_PROXY_HEAD = 1 << 14
"""Bytes of a proxy's answer, beyond which it is none."""
_TUNNELLED = re.compile(rb"HTTP/1\.[01] 2[0-9][0-9]( |\r\n)")
_REFUSED = re.compile(rb"HTTP/1\.[01] (4[0-9][0-9])( |\r\n)")
_LOGINS = re.compile(rb"\r\nProxy-Authenticate: *([A-Za-z0-9-]{1,20})", re.IGNORECASE)


class ProxyFailed(Exception):
    """The proxy did not let the connection through, so nothing was sent."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class Greeting(asyncio.Protocol):
    """Hears what a proxy answers to CONNECT."""

    def __init__(self) -> None:
        self._head = b""
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        self._head += data
        if b"\r\n\r\n" in self._head or len(self._head) >= MAX_PROXY_HEAD:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy hung up; what it had said is judged."""
        self._end(exc)

    def _end(self, error: Exception | None) -> None:
        if self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)

    async def tunnel(
        self, transport: asyncio.WriteTransport, proxy: Proxy, host: str, port: int
    ) -> None:
        """Have the proxy connect this connection to a host (RFC 9110 section 9.3.6).

        Raises:
            ProxyFailed: it does not.
            OSError: the connection to it broke.
        """
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {where} HTTP/1.1".encode(), f"Host: {where}".encode()]
        if proxy.authorization:
            lines.append(b"Proxy-Authorization: " + proxy.authorization)
        transport.write(b"\r\n".join([*lines, b"", b""]))
        await self._answered
        head = self._head
        # The server behind it speaks only once it is greeted: bytes after the head are nobody's.
        if _TUNNELLED.match(head) and head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1:
            return
        line = printable(head.partition(b"\r\n")[0][:80].decode("latin-1")) or "no answer"
        refused = _REFUSED.match(head)
        if kinds := _LOGINS.findall(head[:MAX_PROXY_HEAD]):
            # Only Basic is spoken here: whoever reads this must see what else is wanted.
            line += f" (it wants {', '.join(one.decode() for one in dict.fromkeys(kinds))})"
        code = "proxy_refused" if refused else "proxy_failed"
        raise ProxyFailed(Failure(code, f"{proxy.where} says: {line}", is_certain=bool(refused)))
