"""How a connection comes about: whom it trusts, by which proxy it goes, and why there is none.

The codes are those of ``stopping.REASONS``, where each has its words and its fix.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from base64 import b64encode
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from importer.base_url import is_loopback
from importer.errors import UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CA_FILE, CA_DIR = "SSL_CERT_FILE", "SSL_CERT_DIR"
"""The variables that OpenSSL reads (SSL_CTX_set_default_verify_paths(3))."""

_HASH = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""How openssl-rehash(1) names certificates."""

# Certificates -------------------------------------------------------------------------------------


def trust(environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Certificates are verified by ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else by certifi's list.

    Raises:
        UsageError: one of the variables names what holds no certificates.
    """
    file, folders = environment.get(CA_FILE, ""), environment.get(CA_DIR, "")
    if not file and not folders:
        import certifi  # noqa: PLC0415 - only https needs it

        return ssl.create_default_context(cafile=certifi.where())
    if folders:
        _check_folders(folders)
    try:
        return ssl.create_default_context(cafile=file or None, capath=folders or None)
    except ssl.SSLError:
        what = "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    raise UsageError(
        f"{CA_FILE}: {file} {what}",
        hint=f"name the file with the certificates of the authorities to trust, or unset {CA_FILE}"
        " to trust the usual ones",
    )


def check_way(base_url: str, environment: Mapping[str, str] = os.environ) -> None:
    """Find out early whether the environment lets anyone connect; nothing is connected for that.

    Raises:
        UsageError: see ``trust`` and ``proxy_for``.
    """
    url = urlsplit(base_url)
    if url.scheme != "https":
        return
    proxy_for(url.scheme, url.hostname or "", environment)
    if environment.get(CA_FILE) or environment.get(CA_DIR):
        trust(environment)


def _check_folders(folders: str) -> None:
    """OpenSSL says nothing of a folder in which it finds nothing, and then trusts nobody."""
    fix = f"name a folder of certificates, or unset {CA_DIR} to trust the usual ones"
    what = "names no folder"
    for folder in filter(None, folders.split(os.pathsep)):
        try:
            names = [one.name for one in Path(folder).iterdir()]
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            continue
        if any(map(_HASH.fullmatch, names)):
            return
        what = "holds no certificate under its hash (like 5ed36f99.0)"
        if names:
            fix = f"openssl rehash {folder} makes those names"
    raise UsageError(f"{CA_DIR}: {folders} {what}", hint=fix)


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
_NUMBER = re.compile(r"\[Errno (\d+)\]")


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


class Proxy(NamedTuple):
    """An HTTP proxy, which lets connections through with CONNECT (RFC 9110 section 9.3.6)."""

    host: str
    port: int
    authorization: bytes = b""
    """Value of ``Proxy-Authorization``; "" where the proxy's URL names nobody."""

    @property
    def where(self) -> str:
        """For messages; without name and password."""
        return f"{self.host}:{self.port}"


class ProxyFailed(Exception):
    """The proxy did not let the connection through, so nothing was sent."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


def proxy_for(scheme: str, host: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy that the environment wants for this host: HTTPS_PROXY, else ALL_PROXY.

    ``NO_PROXY`` names hosts that are reached directly, as in curl: ``*``, ``.example.com``,
    ``10.0.0.0/8``. This machine is never asked for by way of a proxy, nor is plain http, which is
    for this machine only.

    Raises:
        UsageError: the variable names a proxy that cannot be used; what it holds is not shown.
    """
    found = {name.lower(): value for name, value in environment.items() if value and name.isupper()}
    # Where both spellings are set, the one in small letters counts, as in curl.
    found |= {name: value for name, value in environment.items() if value and name.islower()}
    variable = "https_proxy" if found.get("https_proxy") else "all_proxy"
    text = found.get(variable, "").strip()
    if not text or scheme != "https" or is_loopback(host):
        return None
    if any(_is_direct(host, one.strip()) for one in found.get("no_proxy", "").split(",")):
        return None
    return _proxy(text, variable.upper())


def _is_direct(host: str, entry: str) -> bool:
    """Whether an entry of NO_PROXY means this host: a name and all below it, an address, a net."""
    host, entry = host.lower(), entry.lower().removeprefix("*.").lstrip(".")
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return bool(entry) and (host == entry or host.endswith(f".{entry}"))


def _proxy(text: str, variable: str) -> Proxy:
    fix = f"for example {variable}=http://proxy.example.com:3128; or unset it, to connect directly"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port = None, 0
    if not host or re.search(r"[^!-~]", text):
        raise UsageError(f"{variable} names no proxy", hint=fix)
    if parts.scheme != "http":
        raise UsageError(
            f"{variable} names a proxy of a kind that importer cannot use"
            " (only http://, which carries TLS as it is)",
            hint=fix,
        )
    if parts.username is None:
        return Proxy(host, port)
    who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(host, port, b"Basic " + b64encode(who.encode()))


async def tunnel(opened: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Have the proxy connect this socket to a host (RFC 9110 section 9.3.6).

    Raises:
        ProxyFailed: it does not.
        OSError: the connection to it broke.
    """
    loop = asyncio.get_running_loop()
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1".encode(), f"Host: {where}".encode()]
    if proxy.authorization:
        lines.append(b"Proxy-Authorization: " + proxy.authorization)
    await loop.sock_sendall(opened, b"\r\n".join([*lines, b"", b""]))
    head = b""
    while b"\r\n\r\n" not in head and len(head) < MAX_PROXY_HEAD:
        more = await loop.sock_recv(opened, MAX_PROXY_HEAD)
        head += more
        if not more:
            break
    # The server behind it speaks only once it is greeted: bytes after the head are nobody's.
    if _TUNNELLED.match(head) and head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1:
        return
    line = printable(head.partition(b"\r\n")[0][:80].decode("latin-1")) or "no answer"
    refused = _REFUSED.match(head)
    code = "proxy_refused" if refused else "proxy_failed"
    raise ProxyFailed(Failure(code, f"{proxy.where} says: {line}", is_certain=bool(refused)))
