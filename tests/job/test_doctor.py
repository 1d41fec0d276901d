"""``doctor`` against servers, keys, ledgers and folders as they are found."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from importer.job.doctor import OFF_FAIL, Examined, doctor
from importer.job.job_settings import DeliverySettings, InputSettings
from importer.ledger import ledger_health as health
from importer.ledger.account import Account
from importer.ledger.address import LedgerAddress
from importer.ledger.opening import hold, open_ledger
from tests.delivery.test_connecting import certificate, served
from tests.fuzz.hostile_server import last_turns

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

KEY = "sk_test_SECRETSECRET"
NOT_FOUND = json.dumps(
    {"type": "https://api.momentco.io/docs/errors#not-found", "title": "Not found", "status": 404}
).encode()
PAGE = b"<html><title>Log in to the WiFi of the hotel</title>"
JSON, HTML = "application/problem+json", "text/html"
SECRETS = ("SECRET", "PassW0rd", "Sign4ture")


def answer(status: int, body: bytes = NOT_FOUND, kind: str = JSON, **more: str) -> bytes:
    """A whole answer with the right time, unless ``more`` has another ``date``."""
    headers = {
        "content-type": kind,
        "content-length": str(len(body)),
        "date": formatdate(usegmt=True),
        **more,
    }
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


def problem(status: int) -> bytes:
    """A problem document of Moment's kind."""
    return json.dumps({"type": "about:blank", "title": "No", "status": status}).encode()


class Served(NamedTuple):
    """A server on this machine, and what it was sent."""

    port: int
    heads: list[bytes]


@contextmanager
def serving(said: bytes | None, context: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Answers every request so, or never; in a loop of its own."""
    loop = asyncio.new_event_loop()
    served_to = Served(0, [])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            served_to.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if said is None:
                await asyncio.sleep(60)
            writer.write(said or b"")
        writer.close()

    listener = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def end() -> None:
        await last_turns()  # What is accepted while the server closes is closed by nobody.
        listener.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await last_turns()

    try:
        yield served_to._replace(port=listener.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def examined(
    folder: Path,
    base_url: str,
    environment: Mapping[str, str] | None = None,
    *,
    bundle: Path | None = None,
    ledger: Path | LedgerAddress | None = None,
    sources: tuple[str, ...] = (),
    limit: float = 10.0,
) -> Examined:
    """What is found; no secret is in it."""
    given = ledger or folder / "ledger.db"
    address = given if isinstance(given, LedgerAddress) else LedgerAddress.parse(given)
    found = doctor(
        InputSettings(sources=sources, out=folder / "results", ca_bundle=bundle),
        DeliverySettings(base_url=base_url, ledger=address),
        environment={"MOMENT_API_KEY": KEY} if environment is None else environment,
        limit=limit,
    )
    assert not any(secret in str(found) for secret in SECRETS)
    return found


def one(found: Examined, name: str) -> str:
    """A check as ``status said | fix``."""
    [check] = [check for check in found.checks if check.name == name]
    return f"{check.status} {check.said} | {check.fix}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine, and its key."""
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(404), "ok a customer that nobody has is 404, in Moment's own words"),
        (answer(404, PAGE, HTML), "FAIL something other than Moment's API answers"),
        (answer(200, PAGE, HTML), "FAIL something other than Moment's API answers"),
        (answer(200, b"{}", "application/json"), "FAIL something other than Moment's API answers"),
        (answer(401, problem(401)), "FAIL Moment does not accept the API key (401)"),
        (answer(403, problem(403)), "FAIL the API key may not do this (403)"),
        (answer(403, PAGE, HTML), "FAIL something other than Moment's API answers"),
        (answer(400, problem(400)), "FAIL Moment does not take the question (HTTP 400"),
        (
            answer(429, problem(429), retry_after="30"),
            "warn Moment answers 429 (too many requests)",
        ),
        (answer(503, problem(503)), "FAIL Moment is in trouble of its own (HTTP 503)"),
        (
            answer(302, b"", location="https://login.example.com/in?ticket=Sign4ture"),
            "FAIL the base URL answers with a redirect, which is not followed [to https://login.",
        ),
        (b"SSH-2.0-Example\r\n", "FAIL a connection comes about, and no answer that can be read"),
        (b"", "FAIL a connection comes about, and no answer that can be read"),
    ],
)
def test_what_the_api_answers(tmp_path: Path, said: bytes, expected: str) -> None:
    """Moment's own 404 is told from a page, a portal, a gateway and a key that is not taken."""
    with serving(said) as server:
        found = examined(tmp_path, f"http://127.0.0.1:{server.port}")
    assert one(found, "api").startswith(expected)
    assert found.is_fit is (not expected.startswith("FAIL"))
    [head] = [head for head in server.heads if head]
    assert head.startswith(b"GET /billing/customers/importer-doctor-")


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        (0, "ok right to "),
        (-300, "warn 300 s ahead of the server"),
        (OFF_FAIL - 60, "warn 7"),
        (-3 * 3600, "FAIL 3.0 h ahead of the server"),
        (3 * 3600, "FAIL 3.0 h behind the server"),
    ],
)
def test_the_clock_is_held_against_the_servers(tmp_path: Path, off: float, expected: str) -> None:
    """Off by two hours is a failure: the 20 hours of a sent row rest on it."""
    with serving(answer(404, date=formatdate(time.time() + off, usegmt=True))) as server:
        found = examined(tmp_path, f"http://127.0.0.1:{server.port}")
    told = one(found, "clock")
    if off == -300:
        told = told.replace("299 s", "300 s").replace("301 s", "300 s")
    assert told.startswith(expected)


def test_a_server_that_hangs_costs_its_own_time_only(tmp_path: Path) -> None:
    """The others are told, and the time is limited."""
    with serving(None) as server:
        found = examined(tmp_path, f"http://127.0.0.1:{server.port}", limit=0.5)
    assert one(found, "api").startswith("FAIL no answer in time")
    assert one(found, "results").startswith("ok ")


@pytest.mark.parametrize(
    ("name", "when", "bundled", "expected"),
    [
        ("here", "now", True, "ok TLSv1.3, test, signed by itself, valid for"),
        ("here", "now", False, "FAIL the certificate of the base URL's host is signed by nobody"),
        ("here", "past", True, "FAIL the certificate of the base URL's host has expired"),
        ("here", "future", True, "FAIL the certificate of the base URL's host is not valid yet"),
        ("elsewhere", "now", True, "FAIL the certificate belongs to another host"),
    ],
)
def test_whose_certificate_it_is(
    tmp_path: Path, name: str, when: str, *, bundled: bool, expected: str
) -> None:
    """What is wrong is told with what the server shows, and the key does not leave."""
    own = certificate(tmp_path, name=name, when=when)
    environment = {"MOMENT_API_KEY": KEY, "REQUESTS_CA_BUNDLE": "/etc/company.pem"}
    with serving(answer(404), served(own)) as server:
        url = f"https://127.0.0.1:{server.port}"
        found = examined(tmp_path, url, environment, bundle=own[0] if bundled else None)
    told = one(found, "tls")
    assert told.startswith(expected)
    if expected.startswith("FAIL"):
        assert "(it shows test, signed by itself, valid until" in told
        assert one(found, "api") == "skip not before tls is mended | "
        assert server.heads == []
    if not bundled:
        assert "REQUESTS_CA_BUNDLE names /etc/company.pem: give it as --ca-bundle" in told


def test_a_name_that_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once; name servers that hang cost the time of the check, and nobody connects."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = examined(tmp_path, "https://api.example.invalid")
    assert one(found, "dns").startswith("FAIL the host of the base URL is not known to DNS")
    hangs = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hangs.wait(10))
    late = examined(tmp_path, "https://api.example.invalid", limit=0.3)
    assert one(late, "dns").startswith("FAIL no answer in time | the name servers do not answer")
    for checks in (found, late):
        assert one(checks, "tls").startswith("skip not before dns is mended")
        assert one(checks, "api").startswith("skip not before dns is mended")
    hangs.set()


def test_nothing_listens(tmp_path: Path) -> None:
    """The address is named once, and what rests on it is left for later."""
    found = examined(tmp_path, "http://127.0.0.1:1")
    assert one(found, "connection").startswith("FAIL nothing listens at the base URL")
    assert one(found, "api").startswith("skip ")
    assert one(found, "clock").startswith("skip ")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "407 Who?\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM",
            "(it wants Negotiate, NTLM)] | it takes no login with a name and a password",
        ),
        ("407 Who?\r\nProxy-Authenticate: Basic", "| name its login in HTTPS_PROXY"),
        ("403 No", "says: HTTP/1.1 403 No] | name its login in HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_lets_nobody_through(tmp_path: Path, said: str, expected: str) -> None:
    """It is named without its login, with its own words and what it wants."""
    with serving(f"HTTP/1.1 {said}\r\n\r\n".encode()) as server:
        proxy = f"http://ada:PassW0rd@127.0.0.1:{server.port}"
        environment = {"MOMENT_API_KEY": KEY, "https_proxy": proxy}
        found = examined(tmp_path, "https://api.momentco.io", environment)
    assert one(found, "proxy").startswith(f"ok http://127.0.0.1:{server.port}, with a login")
    assert "127.0.0.1 (the proxy; it looks up api.momentco.io itself)" in one(found, "dns")
    assert expected in one(found, "tls")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "FAIL no API key"),
        ({"MOMENT_API_KEY": "pk_test_SECRETSECRET"}, "FAIL MOMENT_API_KEY holds a public key"),
        ({"MOMENT_API_KEY": KEY, "MOMENT_API_KEY_FILE": "x"}, "FAIL MOMENT_API_KEY and MOMENT_API"),
        ({"MOMENT_API_KEY": "sk_SECRETSECRET"}, "ok secret key, live mode, 15 characters, from"),
        (
            {"MOMENT_API_KEY_COMMAND": f"echo {KEY}", "PATH": os.environ["PATH"]},
            "ok secret key, test mode, 20 characters, from MOMENT_API_KEY_COMMAND (echo)",
        ),
    ],
)
def test_the_key(tmp_path: Path, environment: dict[str, str], expected: str) -> None:
    """Its kind, mode and place are told, never the key; without one Moment is asked without."""
    with serving(answer(401, problem(401))) as server:
        found = examined(tmp_path, f"http://127.0.0.1:{server.port}", environment)
    assert one(found, "key").startswith(expected)
    if expected.startswith("FAIL"):
        assert one(found, "api").startswith("skip ")
        assert all(b"Authorization" not in head for head in server.heads)


def _tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and content."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith("-shm")  # SQLite's read marks, where a run is at work
    }


def test_a_ledger_is_looked_at_and_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who works on it, whose customers it has, the last run: no file is made, none changes."""
    path = tmp_path / "own" / "ledger.db"
    path.parent.mkdir()
    with serving(answer(404)) as server:
        url = f"http://127.0.0.1:{server.port}"
        account = Account(url, "test")
        with (
            hold(path, account, run_id="R-1", started_at=0.0),
            open_ledger(path, account) as ledger,
        ):
            ledger.begin_run(
                "R-1",
                started_at=time.time() - 90,
                command="run",
                version="1",
                key_digest=ledger.key_digest(KEY),
                sources=["x.csv"],
            )
            before = _tree(path.parent)
            held = examined(tmp_path, url, ledger=path)
            assert _tree(path.parent) == before
        assert "ok run R-1 (process " in one(held, "lock")
        assert one(held, "last_run") == "ok R-1 began 1 minute ago and has not ended | "
        (path.parent / "ledger.db.bak").write_bytes(path.read_bytes())
        os.utime(path.parent / "ledger.db.bak", (1, 1))
        before = _tree(path.parent)
        found = examined(tmp_path, url, ledger=path)
        assert _tree(path.parent) == before
    assert one(found, "lock") == "ok nobody works on it | "
    with monkeypatch.context() as closed:
        lock = f"{path.name}.lock"
        closed.setattr(os, "access", lambda file, _: Path(file).name != lock)
        others = examined(tmp_path, url, ledger=path)
    assert one(others, "lock").startswith(f"FAIL {lock} beside it may not be used by this user | ")
    assert one(found, "last_run").startswith("warn R-1 began 1 minute ago and has not ended, and n")
    assert one(found, "ledger").startswith(f"ok {path}, ")
    assert one(found, "account").startswith("ok 0 customers of http://127.0.0.1")
    assert "the newest copy beside it, ledger.db.bak, is from" in one(found, "backup")
    assert one(found, "backup").startswith("warn ")


def test_ledgers_that_cannot_be_used(tmp_path: Path) -> None:
    """A folder that is missing, another program's file, and one that others can read."""
    missing = examined(tmp_path, "http://127.0.0.1:1", ledger=tmp_path / "none" / "l.db")
    assert one(missing, "ledger").startswith("FAIL there is no ledger at")
    other = tmp_path / "other.db"
    other.write_bytes(b"x" * 4096)
    assert "is not an importer ledger" in one(
        examined(tmp_path, "http://127.0.0.1:1", ledger=other), "ledger"
    )
    account = Account("http://127.0.0.1:1", "test")
    open_ledger(tmp_path / "open.db", account).close()
    (tmp_path / "open.db").chmod(0o644)
    found = examined(tmp_path, "http://127.0.0.1:1", ledger=tmp_path / "open.db")
    assert one(found, "ledger").startswith("warn ")
    assert "can be read by others (0644)" in one(found, "ledger")


def test_a_network_file_system_is_known_by_its_mount(tmp_path: Path) -> None:
    """Locks cannot be relied on there; the deepest mount point counts."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
        f"2 1 0:40 / {tmp_path} rw shared:1 - nfs4 files:/x rw\n"
        "3 1 0:41 / /mnt/a\\040b rw - fuse.sshfs x rw\n"
    )
    assert health.file_system(tmp_path / "ledger.db", mounts) == "nfs4"
    assert health.file_system(Path("/"), mounts) == "ext4"
    assert [health.is_network(kind) for kind in ("nfs4", "fuse.sshfs", "ext4", "overlay")] == [
        True,
        True,
        False,
        False,
    ]


def test_folders_and_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that is missing, a disk that is full, a folder that everybody may write to."""
    source = tmp_path / "customers.csv"
    source.write_text("external_reference\nA\n")
    (tmp_path / "results").mkdir(mode=0o777)
    (tmp_path / "results").chmod(0o777)
    monkeypatch.setattr(health, "space_of", lambda _: health.Space(1 << 20, 1 << 30))
    names = (str(source), str(tmp_path / "none.csv"), "ftp://ada:PassW0rd@example.com/x")
    found = examined(tmp_path, "http://127.0.0.1:1", sources=names)
    told = [f"{check.status} {check.said}" for check in found.checks if check.name == "source"]
    assert told == [
        f"ok {source}, 21 bytes; importer check reads it",
        f"FAIL {tmp_path / 'none.csv'} is not there",
        "FAIL ftp://example.com/x: ftp:// is not read directly",
    ]
    assert one(found, "results").startswith("warn ")
    assert one(found, "results_disk").startswith("FAIL 0.0 of 1.1 GB free")


def test_a_check_that_breaks_ends_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as its own failure."""

    def broken(_: object) -> None:
        raise ZeroDivisionError("PassW0rd")

    monkeypatch.setattr(health, "file_holder", broken)
    found = examined(tmp_path, "http://127.0.0.1:1")
    assert "FAIL the check itself failed: ZeroDivisionError" in [
        f"{check.status} {check.said}" for check in found.checks
    ]
    assert one(found, "results").startswith("ok ")


def test_a_ledger_in_postgresql(tmp_path: Path, postgres_address: LedgerAddress) -> None:
    """Version, TLS, the time of a question, who has a lease, and what the ledger holds."""
    url = "http://127.0.0.1:1"
    first = examined(tmp_path, url, ledger=postgres_address)
    assert one(first, "ledger").startswith("warn there is no ledger at")
    account = Account(url, "test")
    with hold(postgres_address, account, run_id="R-7", started_at=0.0):
        open_ledger(postgres_address, account).close()
        found = examined(tmp_path, url, ledger=postgres_address)
    assert " PostgreSQL 1" in one(found, "ledger")
    assert "a local socket" in one(found, "ledger") or "no TLS" in one(found, "ledger")
    assert "ok run R-7 (process " in one(found, "lease")
    assert one(found, "backup").startswith("ok the server archives no log")
    assert one(found, "last_run") == "ok none yet | "
    nobody = LedgerAddress.parse("postgresql://importer:PassW0rd@127.0.0.1:1/importer")
    assert one(examined(tmp_path, url, ledger=nobody), "ledger").startswith("FAIL the ledger")


def test_a_proxy_that_inspects_tls_is_told(
    tmp_path: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the bundle of one's own knows who answers: then somebody reads the key on its way."""
    with serving(answer(404), served(files)) as server:
        url = f"https://127.0.0.1:{server.port}"
        assert one(examined(tmp_path, url, bundle=files[0]), "tls").startswith("ok ")
        monkeypatch.setattr("importer.job.doctor.is_loopback", lambda _: False)
        found = examined(tmp_path, url, bundle=files[0])
    assert one(found, "tls").startswith("warn ")
    assert "a proxy that inspects TLS reads the key and every customer" in one(found, "tls")
    assert found.is_fit
