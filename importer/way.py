"""The way out of this machine: whose certificates are trusted, and by which proxy it goes.

Decided here for all that connects: delivery, sources by URL, ``importer config`` and ``doctor``.
What is decided comes from one setting (``--ca-bundle``) and the variables that curl and OpenSSL
read; nothing is connected.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from importer.base_url import is_loopback
from importer.errors import UsageError
from importer.values import pattern

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

# Certificates -------------------------------------------------------------------------------------

CA_BUNDLE = "--ca-bundle"
CA_FILE, CA_DIR = "SSL_CERT_FILE", "SSL_CERT_DIR"
"""The variables that OpenSSL reads (SSL_CTX_set_default_verify_paths(3))."""

_HASH = pattern(r"[0-9a-f]{8}\.[0-9]+")
"""How openssl-rehash(1) names certificates."""


class Authorities(NamedTuple):
    """Whose certificates are trusted: those of a file, of folders, or of both."""

    file: str
    folders: str
    """Separated as in ``PATH``."""
    said_by: str
    """``--ca-bundle``, the variables, or "" where nobody names any: then certifi's list is it."""

    @property
    def where(self) -> str:
        """For messages."""
        return " and ".join(filter(None, (self.file, self.folders)))


def authorities(
    environment: Mapping[str, str] = os.environ, bundle: Path | None = None
) -> Authorities:
    """Those of ``--ca-bundle``, else of ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else certifi's."""
    if bundle is not None:
        return Authorities(str(bundle), "", CA_BUNDLE)
    file, folders = environment.get(CA_FILE, ""), environment.get(CA_DIR, "")
    if file or folders:
        named = " and ".join(name for name, value in ((CA_FILE, file), (CA_DIR, folders)) if value)
        return Authorities(file, folders, named)
    import certifi  # noqa: PLC0415 - only https needs it

    return Authorities(certifi.where(), "", "")


def trust(
    environment: Mapping[str, str] = os.environ, bundle: Path | None = None
) -> ssl.SSLContext:
    """Certificates are verified by the authorities that are named, and by no other.

    Raises:
        UsageError: what is named holds no certificates.
    """
    import ssl  # noqa: PLC0415 - few commands connect

    found = authorities(environment, bundle)
    if found.folders:
        _check_folders(found.folders)
    variable = CA_BUNDLE if found.said_by == CA_BUNDLE else CA_FILE
    verb = "leave out" if variable == CA_BUNDLE else "unset"
    fix = (
        f"name the file with the certificates of the authorities to trust, or {verb} {variable}"
        " to trust the usual ones"
    )
    try:
        context = ssl.create_default_context(
            cafile=found.file or None, capath=found.folders or None
        )
    except ssl.SSLError:
        what = "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        if _is_der(found.file):
            what = "holds a certificate in DER form, not in PEM form"
            command = f"openssl x509 -inform der -in {found.file} -out authority.pem"
            fix = f"{command}; then name that file with {variable}"
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    else:
        # As curl, and Python from 3.13 on: what is named is trusted, though it is no root.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if found.said_by:
            # Python from 3.13 on refuses what many companies' authorities look like (no key
            # identifier, constraints that are not critical). Who names one trusts it all the same.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context
    raise UsageError(f"{variable}: {found.file} {what}", hint=fix)


def _is_der(file: str) -> bool:
    """Whether a file begins as a certificate does that Windows exports: a sequence (X.690)."""
    with suppress(OSError), Path(file).open("rb") as opened:
        return opened.read(2) in {b"\x30\x82", b"\x30\x83"}
    return False


def pem_of(found: Authorities) -> str:
    """The certificates themselves, one after the other, for what takes them as a text.

    Raises:
        UsageError: what is named holds none.
    """
    if found.folders:
        _check_folders(found.folders)
    files = [Path(found.file)] if found.file else []
    for folder in filter(None, found.folders.split(os.pathsep)):
        with suppress(OSError):
            files += [one for one in Path(folder).iterdir() if _HASH.fullmatch(one.name)]
    try:
        return "\n".join(one.read_text(encoding="utf-8", errors="replace") for one in files)
    except OSError as error:
        raise UsageError(
            f"{found.said_by}: {found.where} cannot be read: {error.strerror}"
        ) from None


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


# Proxies ------------------------------------------------------------------------------------------


class Proxy(NamedTuple):
    """An HTTP proxy, which lets connections through with CONNECT (RFC 9110 section 9.3.6)."""

    host: str
    port: int
    authorization: bytes = b""
    """Value of ``Proxy-Authorization``; "" where the proxy's URL names nobody."""
    is_tls: bool = False
    """Whether the proxy itself is spoken to over TLS (``https://``)."""
    variable: str = ""
    """The variable that names it, as it is spelt in the environment."""

    @property
    def where(self) -> str:
        """For messages; without name and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The same as a URL, without name and password."""
        return f"{'https' if self.is_tls else 'http'}://{self.where}"


class Way(NamedTuple):
    """By which proxy a host is reached, and why by none."""

    proxy: Proxy | None
    why: str
    """In words."""


_DEFAULT_PORTS = {"http": 80, "https": 443}


def proxy_for(
    scheme: str,
    host: str,
    environment: Mapping[str, str] = os.environ,
    *,
    port: int | None = None,
) -> Proxy | None:
    """The proxy that the environment wants for this host; see ``way_to``."""
    return way_to(scheme, host, environment, port=port).proxy


def way_to(
    scheme: str,
    host: str,
    environment: Mapping[str, str] = os.environ,
    *,
    port: int | None = None,
) -> Way:
    """HTTPS_PROXY, else ALL_PROXY, unless NO_PROXY names the host; in small letters first.

    ``NO_PROXY`` is read as curl, Go and Python read it: names, separated by commas or blanks, each
    with all that is below it (``example.com``, ``.example.com``, ``*.example.com``), addresses,
    nets (``10.0.0.0/8``), any of them with a port, or ``*``. A name is not looked up for that.
    This machine is never asked for by way of a proxy, nor is plain http, which is for this machine
    only.

    Raises:
        UsageError: the variable names a proxy that cannot be used; what it holds is not shown.
    """
    if scheme != "https" or is_loopback(host):
        return Way(None, "this machine is reached directly")
    variable = _variable("https_proxy", environment) or _variable("all_proxy", environment)
    if not variable:
        return Way(None, "no HTTPS_PROXY, no ALL_PROXY")
    excepted = _variable("no_proxy", environment)
    for entry in re.split(r"[,\s]+", environment.get(excepted, "")):
        if _means(entry, host, port or _DEFAULT_PORTS[scheme]):
            return Way(None, f"{excepted} names it ({entry})")
    return Way(_proxy(environment[variable].strip(), variable), variable)


def _variable(name: str, environment: Mapping[str, str]) -> str:
    """The spelling that counts: the one in small letters, as in curl; "" where neither is set."""
    return next((one for one in (name, name.upper()) if environment.get(one, "").strip()), "")


_ENTRY = pattern(r"(?:[a-z]+://)?(\[[^\]]*\]|[^:\[\]]*|[^\[\]]*?)(?::(\d+))?", re.IGNORECASE)
"""A host, an address or a net, and perhaps a port; an address of IPv6 may stand in brackets."""


def _means(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means this host and port."""
    host, text = host.lower().strip("[]").rstrip("."), entry.lower()
    if text == "*":
        return True
    if _in_net(host, text):
        return True
    found = _ENTRY.fullmatch(text)
    if found is None or found[2] not in {None, str(port)}:
        return False
    name = found[1].removeprefix("*.").strip(".")
    return bool(name) and (_in_net(host, name) or host == name or host.endswith(f".{name}"))


def _in_net(host: str, text: str) -> bool:
    try:
        return ip_address(host) in ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


def _proxy(text: str, variable: str) -> Proxy:
    shown = variable.upper()
    fix = f"for example {shown}=http://proxy.example.com:3128; or unset it, to connect directly"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        host, port = None, 0
    if not host or re.search(r"[^!-~]", text):
        if "@" in text:
            fix = f"signs in its password are escaped (# is %23, / is %2F, @ is %40): {fix}"
        raise UsageError(f"{shown} names no proxy", hint=fix)
    if parts.scheme not in _DEFAULT_PORTS:
        raise UsageError(
            f"{shown} names a proxy of a kind that importer cannot use"
            " (only http:// and https://, which carry TLS as it is)",
            hint=fix,
        )
    login = b""
    if parts.username is not None:
        who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = b"Basic " + b64encode(who.encode())
    return Proxy(host, port, login, parts.scheme == "https", variable)


def check_way(
    base_url: str,
    environment: Mapping[str, str] = os.environ,
    bundle: Path | None = None,
) -> None:
    """Find out early whether the settings let anyone connect; nothing is connected for that.

    Raises:
        UsageError: see ``trust`` and ``way_to``.
    """
    url = urlsplit(base_url)
    if url.scheme != "https":
        return
    way_to(url.scheme, url.hostname or "", environment, port=url.port)
    if authorities(environment, bundle).said_by:
        trust(environment, bundle)
