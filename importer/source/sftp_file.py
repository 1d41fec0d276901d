"""Reads a file by SFTP: from a host whose key is known, with the keys that ``ssh`` would use.

``~/.ssh/config``, the keys beside it and the agent are read as ``ssh`` reads them. A host that is
not in known_hosts is refused: whoever answers in its place could change every customer.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from anyio.from_thread import start_blocking_portal

from importer.errors import SourceError, UsageError, printable, to_install
from importer.source.raw import CutOff, changed

try:
    import asyncssh
except ImportError:
    raise UsageError(
        "sources by sftp:// take the package asyncssh", hint=to_install("remote")
    ) from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Its errors become words here.
logging.getLogger("asyncssh").addHandler(logging.NullHandler())

PASSWORD, PASSWORD_FILE = "IMPORTER_SFTP_PASSWORD", "IMPORTER_SFTP_PASSWORD_FILE"
_PIECE = 1 << 20
_CONNECT = 15.0
_LOGIN = 30.0
_ALIVE = 15.0
"""Seconds without a byte after which the server is asked whether it is there."""
_GLOBAL = Path("/etc/ssh/ssh_known_hosts")
_PORT = 22
_LONGEST = 160


class Place(NamedTuple):
    """What an ``sftp://`` URL names."""

    host: str
    port: int | None
    """None: as ``~/.ssh/config`` says, else 22."""
    user: str | None
    """None: as ``~/.ssh/config`` says, else this user's name."""
    path: str
    """Absolute, or relative to the folder that the server puts the user in."""


def place_of(url: str, shown: str) -> Place:
    """The parts of ``sftp://[USER@]HOST[:PORT]/PATH``; ``/~/PATH`` is relative, as in curl.

    Raises:
        SourceError: there is no host or no path.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise SourceError(f"{shown}: names no host", hint="sftp://USER@HOST/PATH")
    # In a path "?" and "#" are signs like others: sftp has neither query nor fragment.
    path = unquote("/" + url.partition("://")[2].partition("/")[2])
    path = path.removeprefix("/~/")
    if not path.strip("/") or "\0" in path:
        raise SourceError(f"{shown}: names no file", hint="sftp://USER@HOST/PATH")
    return Place(host, port, unquote(parts.username) if parts.username else None, path)


def password_of(environment: Mapping[str, str]) -> str | None:
    """The password from a variable, or from the file that another one names; None without one.

    Raises:
        UsageError: both are set, or the file cannot be read or holds none.
    """
    text, path = environment.get(PASSWORD, ""), environment.get(PASSWORD_FILE, "")
    if text and path:
        raise UsageError(f"{PASSWORD} and {PASSWORD_FILE} are both set", hint="unset one of them")
    if not path:
        return text or None
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"{PASSWORD_FILE}: {path} cannot be read: {reason}") from None
    if not text or "\n" in text:
        raise UsageError(f"{PASSWORD_FILE}: {path} does not hold one line with a password")
    return text


class _Watching(asyncssh.SSHClient):
    """Notes the key of a host that is not trusted."""

    def __init__(self) -> None:
        self.seen: Any = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:
        """Asked for a key that is not in known_hosts: never trusted."""
        del host, addr, port
        self.seen = key
        return False


def pieces(url: str, shown: str, environment: Mapping[str, str] = os.environ) -> Iterator[bytes]:
    """The content of the file, whole, as it was when it was opened.

    Raises:
        SourceError: the host's key is not known, nobody is let in, there is no such file, it
            cannot be read, or it changed meanwhile.
        UsageError: the password is given twice, or its file cannot be read.
    """
    place, password = place_of(url, shown), password_of(environment)
    with ExitStack() as stack:
        # A loop of its own, so that it works within another one, and Ctrl-C ends it.
        portal = stack.enter_context(start_blocking_portal("asyncio"))
        reading = _Reading(place, shown, password)
        try:
            stack.callback(portal.call, reading.close)
            size = portal.call(reading.open)
            done = 0
            while piece := portal.call(reading.read):
                done += len(piece)
                yield piece
            if (size is not None and done != size) or not portal.call(reading.is_unchanged):
                raise changed(shown)
        except (asyncssh.Error, OSError, ValueError) as error:
            raise reading.failed(error) from None


def size_of(url: str, shown: str) -> int | None:
    """Bytes of the file, which is opened and not read; None where the server does not tell.

    Raises:
        SourceError, UsageError: as ``pieces``.
    """
    reading = _Reading(place_of(url, shown), shown, password_of(os.environ))
    with start_blocking_portal("asyncio") as portal:
        try:
            return portal.call(reading.open)
        except (asyncssh.Error, OSError, ValueError) as error:
            raise reading.failed(error) from None
        finally:
            portal.call(reading.close)


class _Reading:
    """One file on one connection; all of it on the portal's loop."""

    def __init__(self, place: Place, shown: str, password: str | None) -> None:
        self._place = place
        self._shown = shown
        self._password = password
        self._client = _Watching()
        self._known: list[str] = []
        self._host, self._port = place.host, place.port or _PORT
        """As ``~/.ssh/config`` has them."""
        self._stamp: tuple[Any, ...] = ()
        self._connection: Any = None
        self._is_in = False

    async def open(self) -> int | None:
        """Connect and open; the size in bytes, None where the server does not tell."""
        given: dict[str, Any] = {
            "client_factory": lambda: self._client,
            "connect_timeout": _CONNECT,
            "login_timeout": _LOGIN,
            "keepalive_interval": _ALIVE,
            "known_hosts": self._known_hosts(),
        }
        place = self._place
        if place.user is not None:
            given["username"] = place.user
        if place.port is not None:
            given["port"] = place.port
        if self._password is not None:
            given["password"] = self._password
        self._connection = await asyncssh.connect(place.host, **given)
        self._is_in = True
        self._sftp = await self._connection.start_sftp_client()
        found = await self._sftp.stat(self._place.path)
        if found.permissions is not None and stat.S_ISDIR(found.permissions):
            raise SourceError(
                f"{self._shown}: is a directory", hint="name the file in it that is meant"
            )
        self._file = await self._sftp.open(self._place.path, "rb")
        found = await self._file.stat()
        self._stamp = _stamp(found)
        return None if found.size is None else int(found.size)

    async def read(self) -> bytes:
        """Some more of it; b"" at its end."""
        return bytes(await self._file.read(_PIECE))

    async def is_unchanged(self) -> bool:
        """Whether the file, and what now stands under its name, is what was opened."""
        now = [await self._file.stat(), await self._sftp.stat(self._place.path)]
        return all(_stamp(one) == self._stamp for one in now)

    async def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.abort()
            with suppress(asyncssh.Error, OSError):
                await self._connection.wait_closed()

    def failed(self, error: Exception) -> SourceError:
        """What went wrong, in words and with the fix."""
        if isinstance(error, SourceError):
            return error
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return self._unknown_host(error)
        for kinds, said, fix in _MEANINGS:
            if isinstance(error, kinds):
                return SourceError(f"{self._shown}: {said}", hint=fix)
        if isinstance(error, asyncssh.SFTPError):
            said = printable(error.reason)[:_LONGEST]
            return SourceError(
                f"{self._shown}: cannot be read: the server says {said!r}", hint="check the path"
            )
        if self._is_in:
            return CutOff(f"{self._shown}: the connection was cut", hint="run it again")
        return SourceError(
            f"{self._shown}: no connection to {self._host}, port {self._port}: {_reason(error)}",
            hint="check the host, the port, the network and ~/.ssh/config",
        )

    def _known_hosts(self) -> Any:
        """The files to look the host up in; never None, which would trust everybody."""
        place = self._place
        options = asyncssh.SSHClientConnectionOptions(
            config=(), host=place.host, port=place.port or (), username=place.user or ()
        )
        self._host, self._port = options.host_key_alias or options.host, options.port
        named = options.known_hosts
        own = [str(one) for one in named] if isinstance(named, list | tuple) and named else []
        files = own or [str(Path("~/.ssh/known_hosts").expanduser())]
        self._known = files
        readable = [one for one in (*files, str(_GLOBAL)) if os.access(one, os.R_OK)]
        return list(dict.fromkeys(one for one in readable if Path(one).is_file())) or b""

    def _unknown_host(self, error: Exception) -> SourceError:
        """Who answers is not known, or is another one than before."""
        key, host, port = self._client.seen, self._host, self._port
        file = self._known[0]
        if key is None:
            said = printable(str(error))[:_LONGEST]
            return SourceError(
                f"{self._shown}: the host's key is not accepted: {said}",
                hint=f"ask who runs {host}; the keys that are trusted stand in {file}",
            )
        name = host if port == _PORT else f"[{host}]:{port}"
        fingerprint = f"{key.get_algorithm()} {key.get_fingerprint()}"
        scan = f"ssh-keyscan {f'-p {port} ' * (port != _PORT)}{host} >> {file}"
        if self._is_listed():
            return SourceError(
                f"{self._shown}: the key of {name} is another one than in {file}:"
                f" {fingerprint} (the host was set up anew, or somebody answers in its place)",
                hint=f"ask who runs it for the fingerprint; if it is that one: ssh-keygen -R"
                f" '{name}' and then {scan}",
            )
        return SourceError(
            f"{self._shown}: the host {name} is not known; its key is {fingerprint}",
            hint=f"ask who runs it for the fingerprint; if it is that one: {scan}",
        )

    def _is_listed(self) -> bool:
        """Whether another key of the host is known."""
        files: Any = [one for one in self._known if Path(one).is_file()]
        if not files:
            return False
        try:
            found = asyncssh.match_known_hosts(
                files, self._host, "", self._port if self._port != _PORT else None
            )
        except (OSError, ValueError):
            return False
        return bool(found[0])


_MEANINGS: tuple[tuple[Any, str, str], ...] = (
    (
        asyncssh.PermissionDenied,
        "the server lets this user in neither with a key nor with a password",
        (
            "which user, and with which key: the URL (sftp://USER@HOST), ~/.ssh/config and ssh-add"
            f" say; a password comes from {PASSWORD} or {PASSWORD_FILE}"
        ),
    ),
    (
        (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath),
        "there is no such file",
        (
            "a path begins at the server's root; sftp://HOST/~/PATH begins where the server puts"
            " the user"
        ),
    ),
    (
        asyncssh.SFTPPermissionDenied,
        "may not be read by this user of the server",
        "ask its owner for the right to read it",
    ),
)


def _reason(error: Exception) -> str:
    """Why nobody was reached: the system's words, else those of ssh."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    said = printable(getattr(error, "reason", "") or str(error))[:_LONGEST]
    return said or (
        "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    )


def _stamp(found: Any) -> tuple[Any, ...]:
    return found.size, found.mtime, getattr(found, "mtime_ns", None)
