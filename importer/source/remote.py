"""Fetches a source by its URL into a private temporary file.

Credentials come from the environment of each cloud's own tools (obstore reads it) and of ssh, never
from a setting of ours. No message holds what a URL may hide: user, password, query.

Which sources are URLs, and how messages show them. Pure.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from importer.base_url import is_loopback
from importer.errors import SourceError, UsageError, to_install
from importer.source.raw import CutOff, writing
from importer.way import authorities, pem_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


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
_TRIES = 3
"""So often is a file fetched that is cut off on its way."""
_SETTINGS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "https": "a signed URL",
    "http": "a signed URL",
    "sftp": "~/.ssh and ssh-add, or IMPORTER_SFTP_PASSWORD_FILE",
}
_PREFIX = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
_OPTIONS = ("allow_http", "connect_timeout", "timeout", "proxy_url", "proxy_excludes")
"""Of obstore's ClientConfig."""
_STATUS = re.compile(r"status code: ([0-9]{3})")
_BY_HAND = {"ftp", "ftps", "scp", "ssh"}


@contextmanager
def fetched(url: str, folder: Path | None, bundle: Path | None = None) -> Iterator[Path]:
    """The content of ``url`` as a file that only this user can read; it is removed at the end.

    Args:
        url: ``s3://BUCKET/KEY``, ``gs://BUCKET/KEY``, ``az://CONTAINER/KEY``, ``https://...``,
            ``sftp://USER@HOST/PATH``.
        folder: where the file is kept; None for the system's folder of temporary files.
        bundle: the file of ``--ca-bundle``.

    Raises:
        SourceError: it cannot be fetched, or not that way.
        UsageError: what fetches it is not installed, or the file cannot be written.
    """
    scheme = url.partition("://")[0].lower()
    _check(scheme, url)
    with writing(folder):
        handle, name = tempfile.mkstemp(dir=folder, prefix=".fetched-")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            _fill(file, scheme, url, folder, bundle)
        yield path
    finally:
        path.unlink(missing_ok=True)


def look_at(url: str) -> str:
    """What can be said of a source without fetching it; a host that takes ssh is asked.

    Raises:
        SourceError: it could not be fetched.
        UsageError: what fetches it is not installed.
    """
    scheme = url.partition("://")[0].lower()
    _check(scheme, url)
    if scheme != "sftp":
        return "it is asked for by a run only"
    from importer.source.sftp_file import size_of  # noqa: PLC0415 - an extra

    size = size_of(url, shown_source(url))
    return "it can be opened" if size is None else f"{size:,} bytes"


def _fill(file: BinaryIO, scheme: str, url: str, folder: Path | None, bundle: Path | None) -> None:
    for left in reversed(range(_TRIES)):
        try:
            for piece in _pieces(scheme, url, bundle):
                with writing(folder):
                    file.write(piece)
            with writing(folder):
                file.flush()
        except CutOff:
            if not left:
                raise
            with writing(folder):
                file.seek(0)
                file.truncate()
        else:
            return


def _check(scheme: str, url: str) -> None:
    shown = shown_source(url)
    if scheme in _BY_HAND:
        raise SourceError(
            f"{shown}: {scheme}:// is not read directly",
            hint="fetch the file first, for example with rclone, and name it; or pipe it in and"
            " name -; a server that takes ssh can be named as sftp://USER@HOST/PATH",
        )
    if scheme not in _SETTINGS:
        raise SourceError(
            f"{shown}: {scheme}:// is not known",
            hint="one of s3://, gs://, az://, https:// and sftp://, or a path",
        )
    who, at, _ = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")
    if at and (scheme != "sftp" or ":" in who):
        what = "password" if scheme == "sftp" else "user or password"
        raise SourceError(
            f"{shown}: a {what} within a URL is not taken: others could see it",
            hint=f"credentials come from the environment: {_SETTINGS[scheme]}",
        )
    if scheme == "http" and not is_loopback(host_of(url)):
        raise SourceError(
            f"{shown}: plain http is for this machine only: others could read or change the file",
            hint="use https",
        )


def _pieces(scheme: str, url: str, bundle: Path | None) -> Iterator[bytes]:
    """The content, piece by piece, or an error where it is not all there."""
    if scheme in {"http", "https"}:
        from importer.source.https_file import pieces  # noqa: PLC0415 - few sources are remote

        return pieces(url, shown_source(url), bundle)
    if scheme == "sftp":
        from importer.source.sftp_file import pieces as of_sftp  # noqa: PLC0415 - an extra

        return of_sftp(url, shown_source(url))
    return _of_bucket(scheme, url, bundle)


def _of_bucket(scheme: str, url: str, bundle: Path | None) -> Iterator[bytes]:
    try:
        import obstore  # noqa: PLC0415 - an extra
        from obstore.exceptions import BaseError  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            f"{shown_source(url)}: sources by {scheme}:// take the package obstore",
            hint=to_install("remote"),
        ) from None
    try:
        store, path = _store(scheme, url, bundle)
        answer = obstore.get(store, path)
        expected, done = answer.meta["size"], 0
        for piece in answer.stream(min_chunk_size=_PIECE):
            done += len(piece)
            yield bytes(piece)
    except (BaseError, OSError, ValueError) as error:
        raise _failed(scheme, url, error) from None
    if done != expected:
        raise CutOff(
            f"{shown_source(url)}: only {done:,} of {expected:,} bytes came", hint="run it again"
        )


def _store(scheme: str, url: str, bundle: Path | None) -> tuple[Any, str]:
    from obstore.store import from_url  # noqa: PLC0415 - an extra

    bucket, _, key = url.partition("://")[2].partition("/")
    place: Any = f"{scheme}://{bucket}"
    if bundle is None:
        return from_url(place), key
    # It reads HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE itself. Options take the place of those in
    # the environment, so what a cloud's own variables say of the network is handed on.
    named = {one: os.environ.get(f"{_PREFIX[scheme]}_{one.upper()}") for one in _OPTIONS}
    options: Any = {one: value for one, value in named.items() if value}
    options["root_certificate"] = pem_of(authorities(bundle=bundle))
    return from_url(place, client_options=options), key


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
