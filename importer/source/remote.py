"""Fetches a source by its URL into a private temporary file.

Credentials come from the environment of each cloud's own tools (obstore reads it), never from a
setting of ours. No message holds what a URL may hide: user, password, query.

Which sources are URLs, and how messages show them. Pure.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from importer.errors import SourceError, UsageError
from importer.source.raw import writing

if TYPE_CHECKING:
    from collections.abc import Iterator


_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def is_url(name: str) -> bool:
    """Whether a source is a URL and no path."""
    return _URL.match(name) is not None


def shown_source(name: str) -> str:
    """A source without what may be secret: user and password, query and fragment of a URL."""
    if not is_url(name):
        return name
    scheme, _, rest = name.partition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme.lower()}://{host.rpartition('@')[2]}{slash}{path}"


def host_of(name: str) -> str:
    """The host of a URL, lower case, without its port; "" where it has none."""
    try:
        return urlsplit(name).hostname or ""
    except ValueError:
        return ""


_PIECE = 1 << 20
_SETTINGS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "https": "a signed URL",
    "http": "a signed URL",
}
_STATUS = re.compile(r"status code: ([0-9]{3})")
_BY_HAND = {"sftp", "ftp", "ftps", "scp", "ssh"}


@contextmanager
def fetched(url: str, folder: Path | None) -> Iterator[Path]:
    """The content of ``url`` as a file that only this user can read; it is removed at the end.

    Args:
        url: ``s3://BUCKET/KEY``, ``gs://BUCKET/KEY``, ``az://CONTAINER/KEY``, ``https://...``.
        folder: where the file is kept; None for the system's folder of temporary files.

    Raises:
        SourceError: it cannot be fetched, or not that way.
        UsageError: obstore is not installed, or the file cannot be written.
    """
    scheme = url.partition("://")[0].lower()
    _check(scheme, url)
    with writing(folder):
        handle, name = tempfile.mkstemp(dir=folder, prefix=".fetched-")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in _pieces(scheme, url):
                with writing(folder):
                    file.write(piece)
            with writing(folder):
                file.flush()
        yield path
    finally:
        path.unlink(missing_ok=True)


def _check(scheme: str, url: str) -> None:
    shown = shown_source(url)
    if scheme in _BY_HAND:
        raise SourceError(
            f"{shown}: {scheme}:// is not read directly",
            hint="fetch the file first, for example with sftp or rclone, and name it;"
            " or pipe it in and name -",
        )
    if scheme not in _SETTINGS:
        raise SourceError(
            f"{shown}: {scheme}:// is not known",
            hint="one of s3://, gs://, az:// and https://, or a path",
        )
    if "@" in re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]:
        raise SourceError(
            f"{shown}: a user or password within a URL is not taken: others could see it",
            hint=f"credentials come from the environment: {_SETTINGS[scheme]}",
        )
    if scheme == "http" and not _is_loopback(host_of(url)):
        raise SourceError(
            f"{shown}: plain http is for this machine only: others could read or change the file",
            hint="use https",
        )


def _pieces(scheme: str, url: str) -> Iterator[bytes]:
    try:
        import obstore  # noqa: PLC0415 - an extra
        from obstore.exceptions import BaseError  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            f"{shown_source(url)}: sources by URL take the package obstore",
            hint="pip install 'importer[remote]'",
        ) from None
    try:
        store, path = _store(scheme, url)
        answer = obstore.get(store, path)
        expected, done = answer.meta["size"], 0
        for piece in answer.stream(min_chunk_size=_PIECE):
            done += len(piece)
            yield bytes(piece)
    except (BaseError, OSError, ValueError) as error:
        raise _failed(scheme, url, error) from None
    if done != expected:
        raise SourceError(
            f"{shown_source(url)}: only {done:,} of {expected:,} bytes came", hint="run it again"
        )


def _store(scheme: str, url: str) -> tuple[Any, str]:
    from obstore.store import HTTPStore, from_url  # noqa: PLC0415

    if scheme in {"http", "https"}:
        # The whole URL is the store, so that its query, which may be a signature, stays.
        return HTTPStore.from_url(url, client_options={"allow_http": scheme == "http"}), ""
    bucket, _, key = url.partition("://")[2].partition("/")
    return from_url(f"{scheme}://{bucket}"), key


def _failed(scheme: str, url: str, error: Exception) -> SourceError:
    """What the library says may quote the URL, so only its kind and status are told."""
    shown = shown_source(url)
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{shown}: there is no such file", hint="check the URL")
    if kind in {"PermissionDeniedError", "UnauthenticatedError"}:
        return SourceError(
            f"{shown}: may not be read with these credentials",
            hint=f"they come from the environment: {_SETTINGS[scheme]}",
        )
    status = _STATUS.search(str(error))
    reason = f"the server answers {status[1]}" if status else "no useful answer"
    return SourceError(
        f"{shown}: cannot be fetched: {reason}",
        hint=f"check the URL, the network, and the settings: {_SETTINGS[scheme]}",
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
