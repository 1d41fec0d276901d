"""Where the API is: a base URL as a person types it, checked before anything is sent, one spelling.

What is wrong is refused with the right spelling where that is certain; nothing is repaired in
silence, because the API key goes to whatever host is named here. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from importer.errors import UsageError
from importer.values import pattern

if TYPE_CHECKING:
    from typing import NoReturn

DEFAULT_BASE_URL = "https://api.momentco.io"
"""The API page's host; newer examples use another, so it is a setting."""
_MOMENT = (".momentco.io", ".momentpay.net")
"""Moment's own domains (API pages): their API is at the host itself, below no path."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65535
_LONGEST_NAME = 253
"""Characters of a host name (RFC 1035 section 2.3.4, without the root)."""
_LABEL = pattern(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
"""RFC 1123 section 2.1; and ``_``, which names of containers have."""
_SEGMENT = pattern(r"[A-Za-z0-9._~!$&'()*+,;=:-]+")
"""One part of a path, without escapes (RFC 3986 section 3.3)."""
_KEY = pattern(r"\b[sp]k_\w{8}")
_SCHEME = pattern(r"(https?)[:/]*[:/]", re.IGNORECASE)


def check_base_url(text: str) -> str:
    """The base URL in one spelling: scheme, host in ASCII, port if it is not the default, path.

    Raises:
        UsageError: it names no API that could be spoken to, or would send the key in the clear.
    """
    text = text.strip()
    scheme, authority, path = _parts(text)
    host_text, port = _host_and_port(authority)
    host = _host(host_text)
    if scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"--base-url http://{host} is plain http: the key would travel in the clear",
            hint="use https; plain http is for the sandbox on this machine only",
        )
    origin = f"{scheme}://{host}" + ("" if port in {None, _DEFAULT_PORTS[scheme]} else f":{port}")
    return origin + _path(path, origin, host)


def normalised(base_url: str) -> str:
    """One spelling for one API (RFC 3986 section 6.2.2 and 6.2.3), also of what was kept long ago.

    Raises:
        UsageError: it is no http(s) URL, or holds more than scheme, host, port and path.
    """
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port
    except ValueError:
        raise UsageError("the base URL is not a URL") from None
    host = parts.hostname
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise UsageError("the base URL is not an http(s) URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError("the base URL may hold a scheme, a host, a port and a path only")
    host = f"[{host}]" if ":" in host else host
    shown = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{host}{shown}{parts.path.rstrip('/')}"


def _refuse(what: str, fix: str = f"for example {DEFAULT_BASE_URL}") -> NoReturn:
    raise UsageError(f"--base-url {what}", hint=fix)


def _parts(text: str) -> tuple[str, str, str]:
    """Scheme, authority and path.

    No message shows what was given before it is sure that it is no password and no key.
    """
    if not text:
        _refuse("is empty")
    if not text.isprintable() or any(one.isspace() for one in text):
        _refuse("holds a blank, a line end or a sign that cannot be seen", "type it by hand")
    if "\\" in text:
        _refuse("holds a backslash", f"a URL has slashes: for example {DEFAULT_BASE_URL}")
    if "@" in text or _KEY.search(text):
        _refuse(
            "holds a name, a password or a key: none has a place in it",
            "the API key goes into MOMENT_API_KEY",
        )
    scheme, colon, rest = text.partition("://")
    scheme = scheme.lower()
    if not colon or not scheme:
        _no_scheme(text)
    if scheme not in _DEFAULT_PORTS:
        _refuse("is not an http(s) URL")
    if "?" in rest or "#" in rest:
        _refuse(
            "holds a query or a fragment", "it takes a scheme, a host, a port and a path, no more"
        )
    authority, slash, path = rest.partition("/")
    return scheme, authority, slash + path


def _no_scheme(text: str) -> NoReturn:
    if found := _SCHEME.match(text):
        _refuse("has no :// after its scheme", f"write {found[1].lower()}://")
    try:
        host, port = _host_and_port(re.split("[/?#]", text)[0])
        host = _host(host)
    except UsageError:
        host, port = "", None
    # A word without a dot may be anything, also a key.
    is_name = "." in host or host == "localhost"
    right = f"{'http' if is_loopback(host) else 'https'}://{host}" + (f":{port}" if port else "")
    _refuse("has no scheme", f"write {right}" if is_name else f"for example {DEFAULT_BASE_URL}")


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            _refuse("has a bracket that is not closed", "an IPv6 address is written [::1]")
        host, colon, port = host + bracket, rest[:1], rest[1:]
    else:
        host, colon, port = authority.partition(":")
        if ":" in port:
            _refuse(
                "has more than one colon in its host",
                "an IPv6 address stands in brackets: https://[::1]",
            )
    if not host:
        _refuse("names no host")
    if not colon:
        return host, None
    if not (port.isascii() and port.isdigit()) or not 0 < int(port[:9]) <= _HIGHEST_PORT:
        _refuse(
            "has a port that is none",
            f"a port is a number from 1 to {_HIGHEST_PORT}; leave the colon out for the usual one",
        )
    return host, int(port)


def _host(text: str) -> str:
    if text.startswith("["):
        return _ipv6(text[1:-1])
    host = text.lower() if text.isascii() else _ascii_name(text)
    labels = host.split(".")
    if "" in labels:
        right = ".".join(label for label in labels if label)
        _refuse(
            "has a dot too many in its host",
            f"did you mean {right}?" if _is_name(right) else f"for example {DEFAULT_BASE_URL}",
        )
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            _refuse("names a host that is no IPv4 address", "that is four numbers from 0 to 255")
    if not _is_name(host):
        _refuse(
            "names a host that cannot be one",
            f"letters, digits and hyphens between single dots: for example {DEFAULT_BASE_URL}",
        )
    if any(label.startswith("xn--") for label in labels):
        _in_unicode(host)
    return host


def _is_name(host: str) -> bool:
    return len(host) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, host.split(".")))


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        address = None
    if address is None or address.scope_id is not None:
        _refuse(
            "has brackets around what is no IPv6 address",
            "only an IPv6 address without a zone stands in brackets: https://[::1]",
        )
    return f"[{address}]"


def _ascii_name(host: str) -> str:
    """An internationalised name as DNS knows it (RFC 5891); look-alike signs are not mapped."""
    import idna  # noqa: PLC0415 - hardly any host needs it

    try:
        return idna.encode(host.lower(), strict=True).decode("ascii")
    except UnicodeError:
        _refuse(
            "names a host with signs that no host name has",
            "a quotation mark or an invisible sign that was copied with it? type it by hand",
        )


def _in_unicode(host: str) -> None:
    import idna  # noqa: PLC0415 - hardly any host needs it

    try:
        idna.decode(host)
    except UnicodeError:
        _refuse("names a host whose xn-- part means nothing")


def _path(path: str, origin: str, host: str) -> str:
    path = path.rstrip("/")
    if not path:
        return ""
    if host.endswith(_MOMENT) or "billing" in path.split("/"):
        # A gateway may stand below a path; Moment does not, and /billing/customers is added here.
        _refuse(
            "holds a path",
            f"give the host alone, {origin}: importer adds /billing/customers itself"
            if host.endswith(_MOMENT)
            else "leave out /billing and what follows: importer adds /billing/customers itself",
        )
    segments = path[1:].split("/")
    if any(one in {".", ".."} or not _SEGMENT.fullmatch(one) for one in segments):
        _refuse(
            "holds a path with empty parts, dots or signs that would have to be escaped",
            f"most APIs need no path: {origin}",
        )
    return path


def is_loopback(host: str) -> bool:
    """Whether a host is this machine; an IPv6 address with or without its brackets."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
