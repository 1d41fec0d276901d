"""Sources by SFTP, from a real server on this machine."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from importer.errors import SourceError, UsageError
from importer.source.opened import open_source
from importer.source.remote import shown_source
from importer.source.sftp_file import place_of
from importer.source.source_options import SourceOptions
from tests.source.reading import content_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = "external_reference,name\nR-1,Müller\nR-2,Ann\n"
CELLS = [("R-1", "Müller"), ("R-2", "Ann")]
PASSWORD = "PassW0rd"


class _Server(asyncssh.SSHServer):
    """Lets ``ada`` in with one key or one password."""

    def __init__(self, keys: Path) -> None:
        self._keys = keys

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        if username == "ada" and self._keys.exists():
            self._connection.set_authorized_keys(str(self._keys))
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("ada", PASSWORD)


class _Files(asyncssh.SFTPServer):
    """Serves a folder; ``touched`` is called when a file was read from."""

    touched: Any = None

    def __init__(self, chan: Any, root: Path) -> None:
        super().__init__(chan, chroot=str(root).encode())

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        found: Any = super().read(file_obj, offset, size)
        if _Files.touched is not None:
            _Files.touched()
        return bytes(found)


class Host:
    """A server and the home of the user who reads from it."""

    def __init__(self, port: int, root: Path, home: Path, key: asyncssh.SSHKey) -> None:
        self.port = port
        self.root = root
        self.home = home
        self.key = key

    def url(self, path: str = "/customers.csv", user: str = "ada@") -> str:
        """Of a file on it."""
        return f"sftp://{user}127.0.0.1:{self.port}{path}"

    def know(self, key: asyncssh.SSHKey | None = None) -> None:
        """Write the host into known_hosts."""
        public = (key or self.key).export_public_key().decode()
        (self.home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")


@contextmanager
def _serving(root: Path, keys: Path, key: asyncssh.SSHKey) -> Iterator[int]:
    """A server in a thread; its port."""
    loop = asyncio.new_event_loop()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Server(keys),
            server_host_keys=[key],
            sftp_factory=lambda chan: _Files(chan, root),
        )

    listener = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def close() -> None:
        listener.close()
        await listener.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield listener.get_port()
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A server with a file, and a user whom it knows by a key; it is not known to the user."""
    root, home, keys = (tmp_path / name for name in ("root", "home", "authorized"))
    root.mkdir()
    (root / "customers.csv").write_text(TEXT, encoding="utf-8")
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    own = asyncssh.generate_private_key("ssh-ed25519")
    own.write_private_key(str(home / ".ssh/id_ed25519"))
    own.write_public_key(str(keys))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = asyncssh.generate_private_key("ssh-ed25519")
    with _serving(root, keys, key) as port:
        yield Host(port, root, home, key)


def refused(url: str, options: SourceOptions | None = None) -> SourceError:
    """Why it is not read."""
    with pytest.raises(SourceError) as caught:
        content_of(url, options or SourceOptions())
    assert PASSWORD not in caught.value.message + caught.value.hint
    return caught.value


def test_a_file_is_read_with_the_users_own_key(host: Host, tmp_path: Path) -> None:
    """From the root or from the user's folder, into a private file that is gone afterwards."""
    host.know()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with open_source(host.url(), 0, SourceOptions(folder=scratch)) as source:
        assert source.layout.name == f"sftp://127.0.0.1:{host.port}/customers.csv"
        (file,) = scratch.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [row for batch in source.batches() for row in batch.frame.rows()] == CELLS
    assert list(scratch.iterdir()) == []
    assert content_of(host.url("/~/customers.csv")).cells == CELLS
    (host.root / "a b#c?.csv").write_text(TEXT, encoding="utf-8")
    assert content_of(host.url("/a%20b#c?.csv")).cells == CELLS


def test_a_large_file_comes_whole(host: Host) -> None:
    """Every piece of it, in order."""
    host.know()
    lines = [f"R-{n},{'x' * 90}" for n in range(40_000)]
    (host.root / "customers.csv").write_text("external_reference,name\n" + "\n".join(lines))
    cells = content_of(host.url()).cells
    assert len(cells) == 40_000
    assert cells[-1] == ("R-39999", "x" * 90)


def test_the_users_own_settings_of_ssh_hold(host: Host) -> None:
    """Port, user, key and known hosts may stand in ~/.ssh/config, under any name."""
    (host.home / ".ssh/id_ed25519").rename(host.home / "elsewhere")
    public = host.key.export_public_key().decode()
    (host.home / "hosts").write_text(f"[127.0.0.1]:{host.port} {public}")
    (host.home / ".ssh/config").write_text(
        f"Host exports\n  HostName 127.0.0.1\n  Port {host.port}\n  User ada\n"
        f"  IdentityFile {host.home}/elsewhere\n  UserKnownHostsFile {host.home}/hosts\n"
    )
    assert content_of("sftp://exports/customers.csv").cells == CELLS


def test_a_password_comes_from_the_environment(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a variable or a file; both are one too many, and a wrong one is shown nowhere."""
    host.know()
    (host.home / ".ssh/id_ed25519").unlink()
    error = refused(host.url())
    assert "lets this user in neither with a key nor with a password" in error.message
    assert "IMPORTER_SFTP_PASSWORD" in error.hint
    monkeypatch.setenv("IMPORTER_SFTP_PASSWORD", PASSWORD + "!")
    assert "neither" in refused(host.url()).message
    monkeypatch.setenv("IMPORTER_SFTP_PASSWORD", PASSWORD)
    assert content_of(host.url()).cells == CELLS
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    monkeypatch.setenv("IMPORTER_SFTP_PASSWORD_FILE", str(file))
    with pytest.raises(UsageError, match="both set"):
        content_of(host.url())
    monkeypatch.delenv("IMPORTER_SFTP_PASSWORD")
    assert content_of(host.url()).cells == CELLS


@pytest.mark.parametrize(
    "config", ["", "Host *\n  UserKnownHostsFile none\n  StrictHostKeyChecking no\n"]
)
def test_a_host_that_is_not_known_is_refused(host: Host, config: str) -> None:
    """With its fingerprint and the fix; no setting of ssh makes it trusted by itself."""
    (host.home / ".ssh/config").write_text(config)
    error = refused(host.url())
    assert f"the host [127.0.0.1]:{host.port} is not known" in error.message
    assert host.key.get_fingerprint() in error.message
    assert f"ssh-keyscan -p {host.port} 127.0.0.1 >> " in error.hint


def test_a_host_with_another_key_than_before_is_refused(host: Host) -> None:
    """Somebody may answer in its place: that is another message than an unknown host's."""
    host.know(asyncssh.generate_private_key("ssh-ed25519"))
    error = refused(host.url())
    assert "is another one than in" in error.message
    assert host.key.get_fingerprint() in error.message
    assert f"ssh-keygen -R '[127.0.0.1]:{host.port}'" in error.hint


@pytest.mark.parametrize(
    ("path", "said"),
    [("/none.csv", "there is no such file"), ("/folder", "is a directory"), ("/", "names no file")],
)
def test_what_is_not_there(host: Host, path: str, said: str) -> None:
    """It is said in our words."""
    host.know()
    (host.root / "folder").mkdir()
    assert said in refused(host.url(path)).message


def test_a_file_that_may_not_be_read(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's refusal is not taken for a missing file."""
    host.know()

    def denied(*_: object) -> None:
        raise asyncssh.SFTPPermissionDenied("no")

    monkeypatch.setattr(_Files, "open", denied)
    assert "may not be read by this user of the server" in refused(host.url()).message


@pytest.mark.parametrize("how", ["appended", "replaced"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A last night's half and a tonight's half are no file."""
    host.know()
    file = host.root / "customers.csv"

    def change() -> None:
        _Files.touched = None
        if how == "appended":
            with file.open("a") as more:
                more.write("R-3,Late\n")
        else:
            other = host.root / "other"
            other.write_text(TEXT.replace("Ann", "Eve"), encoding="utf-8")
            os.utime(other, (1, 1))
            other.rename(file)

    monkeypatch.setattr(_Files, "touched", staticmethod(change))
    assert "the file changed while it was read" in refused(host.url()).message


def test_nobody_there(host: Host) -> None:
    """Where no server is, its host and port are named."""
    url = f"sftp://ada@127.0.0.1:1{host.root}"
    assert "no connection to 127.0.0.1, port 1: Connection refused" in refused(url).message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sftp://h/a/b.csv", ("h", None, None, "/a/b.csv")),
        ("sftp://h/~/b.csv", ("h", None, None, "b.csv")),
        ("SFTP://ada@h:2222//b%20c", ("h", 2222, "ada", "//b c")),
        ("sftp://dom%5Cada@[::1]/x", ("::1", None, "dom\\ada", "/x")),
    ],
)
def test_what_an_address_means(url: str, expected: tuple[object, ...]) -> None:
    """User, host, port and path; ``/~/`` begins in the user's folder, as in curl."""
    assert tuple(place_of(url, shown_source(url))) == expected


def test_a_password_in_the_address_is_refused() -> None:
    """Process lists and shell histories would show it."""
    assert "password within a URL" in refused(f"sftp://ada:{PASSWORD}@127.0.0.1/x.csv").message
