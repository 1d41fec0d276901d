"""Whom a connection trusts, and what the system said where there is none.

The codes are those of ``stopping.REASONS``, where each has its words and its fix.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from importer.errors import UsageError

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


def check_trust(environment: Mapping[str, str] = os.environ) -> None:
    """Find out early whether ``trust`` would fail; the usual list is not loaded for that.

    Raises:
        UsageError: see ``trust``.
    """
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
    home = type(cause).__module__
    # A library's own error that is also an SSLError says nothing; the ssl module's does.
    if home == "ssl":
        return _of_tls(cause)
    if isinstance(cause, socket.gaierror):
        unknown = cause.errno in _UNKNOWN_NAME
        code = "name_not_known" if unknown else "name_server_failed"
        return Failure(code, cause.strerror or "", is_certain=unknown)
    if home != "builtins" or not isinstance(cause, OSError):
        return None
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
