"""Reads a file by https: whole or not at all, over the proxy and the authorities of a run.

A body must say where it ends: by its length, or in chunks, each with its own (RFC 9112 section 6).
One that ends with its connection is refused, as nobody could tell the end from a cut.
"""

from __future__ import annotations

import re
import ssl
import time
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import httpx

from importer.base_url import is_loopback
from importer.errors import SourceError, printable
from importer.source.raw import CutOff
from importer.way import proxy_for, trust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MOST_UNTOLD = 16 << 30
"""Bytes that are taken of a body whose length nobody tells, or that unpacks: 16 GiB."""
_PIECE = 1 << 20
_REDIRECTS = 10
_SECONDS = httpx.Timeout(60.0, connect=15.0)
"""Without a byte; a file may take as long as it takes."""
_TRIES = 3
_PAUSE = 1.0
"""Seconds before the second try; twice that before the third."""
_PASSES = {408, 425, 429, 500, 502, 503, 504}
_GONE = {404, 410}
_DENIED = {401, 403}
_PAGE = re.compile(rb"\s*(?:<!doctype html|<html)", re.IGNORECASE)


def pieces(url: str, shown: str, bundle: Path | None) -> Iterator[bytes]:
    """The content of ``url``, unpacked where the server has packed it for the way.

    Args:
        url: https, or http to this machine; sent as it is, its query included.
        shown: the same for messages.
        bundle: the file of ``--ca-bundle``.

    Raises:
        CutOff: what came is not all of it.
        SourceError: it cannot be fetched; the message says why, and nothing secret.
        UsageError: the proxy or the authorities that are named cannot be used.
    """
    with ExitStack() as stack:
        response = _answer(url, shown, bundle, stack)
        told = "content-length" in response.headers
        if not told and response.headers.get("transfer-encoding", "").lower() != "chunked":
            raise SourceError(
                f"{shown}: the server says neither how long the file is nor where it ends",
                hint="a file that is cut off would look whole: fetch it by hand, compare its size,"
                " and name it",
            )
        packed = response.headers.get("content-encoding", "").strip().lower()
        taken, is_first = 0, True
        try:
            for piece in _unpacked(response.iter_raw(_PIECE), packed, shown):
                taken += len(piece)
                if taken > MOST_UNTOLD and (packed or not told):
                    raise SourceError(
                        f"{shown}: more than {MOST_UNTOLD >> 30} GiB came, and no end was told",
                        hint="fetch the file by hand and name it",
                    )
                if is_first and _is_page(response, piece):
                    raise SourceError(
                        f"{shown}: the server sends a web page, no file",
                        hint="a login or an error page? open the URL in a browser that is not"
                        " logged in; a signed URL may have expired",
                    )
                is_first = False
                yield piece
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.ReadTimeout) as error:
            late = isinstance(error, httpx.ReadTimeout)
            how = "nothing more came in time" if late else "the connection was cut"
            raise CutOff(
                f"{shown}: {how} after {response.num_bytes_downloaded:,} bytes", hint="run it again"
            ) from None


def _answer(url: str, shown: str, bundle: Path | None, stack: ExitStack) -> httpx.Response:
    """The answer that holds the file; redirects are followed, and what may pass is asked again."""
    verify: ssl.SSLContext | None = None
    tries = 1
    for _ in range(_REDIRECTS + _TRIES):
        parts = urlsplit(url)
        if parts.scheme == "https" and verify is None:
            verify = trust(bundle=bundle)
        response = _asked(url, shown, verify, stack)
        if isinstance(response, str):
            if tries == _TRIES:
                raise SourceError(
                    f"{shown}: cannot be fetched: {response}",
                    hint="check the URL and the network; importer doctor shows proxy and"
                    " certificates",
                )
            time.sleep(_PAUSE * tries)
            tries += 1
        elif response.is_redirect:
            url = _redirected(url, shown, response)
        else:
            return response
    raise SourceError(f"{shown}: the server redirects in a circle", hint="check the URL")


def _asked(
    url: str, shown: str, verify: ssl.SSLContext | None, stack: ExitStack
) -> httpx.Response | str:
    """One answer that is good or a redirect; what may pass by itself comes back in words.

    Raises:
        SourceError: the answer is final, and none that can be used.
    """
    parts = urlsplit(url)
    found = proxy_for(parts.scheme, parts.hostname or "", port=parts.port)
    proxy = None
    if found is not None:
        login = {b"Proxy-Authorization": found.authorization} if found.authorization else {}
        secure = verify if found.is_tls else None
        proxy = httpx.Proxy(found.url, headers=login, ssl_context=secure)
    transport = httpx.HTTPTransport(verify=verify or False, trust_env=False, proxy=proxy)
    client = stack.enter_context(
        httpx.Client(transport=transport, timeout=_SECONDS, trust_env=False)
    )
    try:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "importer"}
        response = stack.enter_context(client.stream("GET", url, headers=headers))
    except httpx.ProxyError as error:
        where = found.where if found is not None else "?"
        return f"the proxy {where} says: {printable(str(error))[:120]}"
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise SourceError(f"{shown}: is no URL that can be fetched", hint="check the URL") from None
    except (httpx.HTTPError, OSError) as error:
        return _because(error, shown)
    status = response.status_code
    if status == httpx.codes.OK or response.is_redirect:
        return response
    if status in _GONE:
        raise SourceError(f"{shown}: there is no such file", hint="check the URL")
    if status in _DENIED:
        raise SourceError(
            f"{shown}: may not be read with these credentials",
            hint="a signed URL says who may read it, and until when: ask for a new one",
        )
    if status in _PASSES:
        return f"the server answers {status}"
    raise SourceError(
        f"{shown}: cannot be fetched: the server answers {status}", hint="check the URL"
    )


def _because(error: BaseException, shown: str) -> str:
    """Why there is no answer.

    Raises:
        SourceError: a certificate is refused: another try would not change that.
    """
    cause: Any = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise SourceError(
                f"{shown}: the server's certificate is not trusted: {cause.verify_message}",
                hint="a company's own authority is named with --ca-bundle or SSL_CERT_FILE;"
                " importer doctor shows which are used",
            ) from None
        if isinstance(cause, ssl.SSLError):
            reason = str(cause.reason).replace("_", " ").lower()
            return f"TLS fails: {reason}"
        if isinstance(cause, OSError) and cause.strerror:
            return printable(str(cause.strerror))
        cause = cause.__cause__ or cause.__context__
    return "no answer in time" if isinstance(error, httpx.TimeoutException) else "no useful answer"


def _redirected(url: str, shown: str, response: httpx.Response) -> str:
    """Where a redirect leads: over https, or from this machine to this machine."""
    target: str = urljoin(url, response.headers.get("location", ""))
    parts = urlsplit(target)
    here = urlsplit(url).scheme == "http" and is_loopback(parts.hostname or "")
    if "@" in parts.netloc or not (parts.scheme == "https" or (parts.scheme == "http" and here)):
        raise SourceError(
            f"{shown}: the server redirects to what is not https", hint="check the URL"
        )
    return target


def _is_page(response: httpx.Response, piece: bytes) -> bool:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in {"text/html", "application/xhtml+xml"} and _PAGE.match(piece) is not None


def _unpacked(parts: Iterator[bytes], packed: str, shown: str) -> Iterator[bytes]:
    """What the server packed for the way, though it was asked not to.

    Raises:
        CutOff: the packed data ends too early.
        SourceError: it is packed in another way than gzip, or damaged.
    """
    if packed in {"", "identity"}:
        yield from parts
        return
    if packed not in {"gzip", "x-gzip"}:
        raise SourceError(
            f"{shown}: the server packs the file in a way that was not asked for"
            f" ({printable(packed)[:20]})",
            hint="fetch the file by hand and name it",
        )
    # 16 + 15: gzip with its check sum (zlib.net/manual.html, inflateInit2).
    unpacker, is_begun = zlib.decompressobj(31), False
    try:
        for part in parts:
            data = part
            while data:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(31)
                is_begun = True
                yield unpacker.decompress(data, _PIECE)
                data = unpacker.unconsumed_tail or unpacker.unused_data
    except zlib.error:
        raise SourceError(
            f"{shown}: what the server packed with gzip is damaged", hint="run it again"
        ) from None
    if is_begun and not unpacker.eof:
        raise CutOff(f"{shown}: what the server packed with gzip is cut off", hint="run it again")
