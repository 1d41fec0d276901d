"""Why there is no connection, over real sockets: what the system said, at once where it is sure."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from importer.clock import WallClock
from importer.delivery.http.client import CONNECTS, MomentClient
from importer.delivery.http.connecting import Failure, explain
from importer.delivery.http.network import AsyncioTransport
from importer.delivery.protocol import answers as a
from importer.delivery.stopping import REASONS
from importer.errors import UsageError
from importer.way import check_way, proxy_for, trust
from tests.fuzz.answers import WHOLE, once
from tests.fuzz.asking import create, look_up
from tests.fuzz.hostile_server import LOOPBACK, last_turns, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio
CONFIG = """
[ca]
default_ca = own
[own]
database = index.txt
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = for_{name}
[any]
commonName = supplied
[for_here]
subjectAltName = IP:127.0.0.1,DNS:localhost
[for_elsewhere]
subjectAltName = DNS:api.momentco.io
"""
DATES = {
    "now": ("20200101000000Z", "20991231000000Z"),
    "past": ("20200101000000Z", "20200102000000Z"),
    "future": ("20980101000000Z", "20991231000000Z"),
}


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: each has its own resolver, and its own way to say what is wrong."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


def certificate(
    folder: Path, *, name: str = "here", when: str = "now", subject: str = "test"
) -> tuple[Path, Path]:
    """A self-signed certificate, and its key."""
    (folder / "index.txt").write_text("")
    (folder / "ca.cnf").write_text(CONFIG.format(name=name))
    request = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    sign = "openssl ca -batch -notext -selfsign -config ca.cnf -outdir ."
    begin, end = DATES[when]
    for command in (
        f"{request} -subj /CN={subject} -keyout key.pem -out request.pem",
        f"{sign} -keyfile key.pem -in request.pem -out c.pem -startdate {begin} -enddate {end}",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder / "c.pem", folder / "key.pem"


def served(files: tuple[Path, Path]) -> ssl.SSLContext:
    """A server's TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def rehashed(file: Path) -> Path:
    """A folder that holds this certificate as OpenSSL looks for it."""
    folder = file.with_name("hashed")
    folder.mkdir()
    (folder / "certificate.pem").write_bytes(file.read_bytes())
    subprocess.run(["openssl", "rehash", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
async def network() -> AsyncIterator[list[httpx.AsyncBaseTransport]]:
    """Transports that are closed at the end."""
    opened: list[httpx.AsyncBaseTransport] = []
    yield opened
    for one in opened:
        await one.aclose()


def asking(
    network: list[httpx.AsyncBaseTransport], base_url: str, verify: ssl.SSLContext | None = None
) -> MomentClient:
    """A client of this address."""
    network.append(AsyncioTransport(verify=verify))
    return MomentClient(
        base_url=base_url,
        api_key="sk_test_connecting",
        transport=network[-1],
        clock=WallClock(),
    )


@pytest.mark.parametrize(
    ("name", "when", "code", "said"),
    [
        ("here", "past", "certificate_expired", "certificate has expired"),
        ("here", "future", "certificate_not_yet_valid", "certificate is not yet valid"),
        ("elsewhere", "now", "certificate_wrong_host", "IP address mismatch"),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_said(  # noqa: PLR0917 - what, and fixtures
    tmp_path: Path,
    network: list[httpx.AsyncBaseTransport],
    name: str,
    when: str,
    code: str,
    said: str,
) -> None:
    """Its fault and its host are named, and the request does not leave."""
    files = certificate(tmp_path, name=name, when=when)
    verify = trust({"SSL_CERT_FILE": str(files[0])})
    async with serving(once(WHOLE), served(files)) as server:
        client = asking(network, f"https://{LOOPBACK}:{server.port}", verify)
        answer = await create(client)
        assert isinstance(answer, a.RunWrong)
        assert answer.reason == code
        assert answer.detail.startswith(f"{LOOPBACK}:{server.port}: ")
        assert said in answer.detail
        assert isinstance(await look_up(client), a.RunWrong)
        assert server.seen == []
        assert (client.posts, client.gets) == (0, 0)


def test_a_named_authority_need_not_be_perfect(tmp_path: Path) -> None:
    """Many companies' lack what RFC 5280 wants; the usual ones are held to whatever Python does."""
    file = certificate(tmp_path)[0]
    usual = ssl.create_default_context().verify_flags
    assert not trust({"SSL_CERT_FILE": str(file)}).verify_flags & ssl.VERIFY_X509_STRICT
    assert not trust({}, file).verify_flags & ssl.VERIFY_X509_STRICT
    assert trust({}).verify_flags == usual | ssl.VERIFY_X509_PARTIAL_CHAIN


async def test_an_authority_is_trusted_once_it_is_named(
    tmp_path: Path, network: list[httpx.AsyncBaseTransport]
) -> None:
    """By SSL_CERT_FILE or by SSL_CERT_DIR; without either its certificates are refused."""
    files = certificate(tmp_path)
    hashed = rehashed(files[0])
    named = [{"SSL_CERT_FILE": str(files[0])}, {"SSL_CERT_DIR": f"/nonexistent:{hashed}"}]
    async with serving(once(WHOLE), served(files)) as server:
        for environment in named:
            check_way("https://api.momentco.io", environment)
            url = f"https://{LOOPBACK}:{server.port}"
            assert await create(asking(network, url, trust(environment))) == a.Created("bcus_1")
        answer = await create(asking(network, url, trust({})))
    assert isinstance(answer, a.RunWrong)
    assert answer.reason == "certificate_unknown_issuer"


@pytest.mark.parametrize(
    ("variable", "holding", "said"),
    [
        ("SSL_CERT_FILE", None, "No such file or directory"),
        ("SSL_CERT_FILE", "folder", "Is a directory"),
        ("SSL_CERT_FILE", b"", "holds no certificate"),
        ("SSL_CERT_FILE", b"\x30\x82\x01\x0a", "holds a certificate in DER form"),
        ("SSL_CERT_FILE", b"-----BEGIN CERTIFICATE-----\nAA\n", "holds no certificate"),
        ("SSL_CERT_DIR", None, "No such file or directory"),
        ("SSL_CERT_DIR", b"", "Not a directory"),
        ("SSL_CERT_DIR", "folder", "holds no certificate"),
    ],
)
def test_a_wrong_variable_is_refused_before_anything_else(
    tmp_path: Path, variable: str, holding: bytes | str | None, said: str
) -> None:
    """A usage error that names the variable and the path."""
    path = tmp_path / "named"
    if isinstance(holding, bytes):
        path.write_bytes(holding)
    elif holding is not None:
        path.mkdir()
    with pytest.raises(UsageError) as caught:
        check_way("https://api.momentco.io", {variable: str(path)})
    assert caught.value.message.startswith(f"{variable}: {path} ")
    assert said in caught.value.message
    assert variable in caught.value.hint or not caught.value.hint


def test_files_without_their_hashes_name_the_command_that_makes_them(tmp_path: Path) -> None:
    """OpenSSL would silently trust nobody."""
    (tmp_path / "company.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(UsageError) as caught:
        check_way("https://api.momentco.io", {"SSL_CERT_DIR": str(tmp_path)})
    assert caught.value.hint.startswith(f"openssl rehash {tmp_path}")


def test_variables_that_are_not_set_cost_nothing() -> None:
    """An empty one counts as not set."""
    check_way("https://api.momentco.io", {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""})


async def test_nothing_listens_here(network: list[httpx.AsyncBaseTransport]) -> None:
    """On this machine a refused connection is certain at once: nothing was started."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        for host in (LOOPBACK, "localhost"):
            client = asking(network, f"http://{host}:{port}")
            said = f"{host}:{port}: {os.strerror(errno.ECONNREFUSED)}"
            assert await create(client) == a.RunWrong("connection_refused", detail=said)


async def test_what_has_answered_may_answer_again(network: list[httpx.AsyncBaseTransport]) -> None:
    """After an answer a refused connection is a fault of the moment, however often it comes."""
    async with serving(once(WHOLE, close=True)) as server:
        client = asking(network, f"http://{LOOPBACK}:{server.port}")
        assert await create(client) == a.Created("bcus_1")
    for _ in range(CONNECTS + 1):
        assert await create(client) == a.NotSent("connection_refused")
    assert client.posts == 1


async def test_a_name_that_nobody_knows(network: list[httpx.AsyncBaseTransport]) -> None:
    """The resolver's own words are handed on; one that does not answer is asked again, not long."""
    # ``.invalid`` is never delegated (RFC 2606 section 2).
    client = asking(network, "https://api.invalid", ssl.create_default_context())
    answers = [await create(client) for _ in range(CONNECTS)]
    final = answers[-1]
    assert isinstance(final, a.RunWrong)
    assert final.reason in {"name_not_known", "name_server_failed"}
    assert final.detail.startswith("api.invalid: ")
    if final.reason == "name_not_known":
        assert answers[0] == final


class _Failing(httpx.AsyncBaseTransport):
    """Fails every connection in the same way."""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Fail."""
        raise httpx.ConnectError("no", request=request) from self.cause


@pytest.mark.parametrize(
    ("cause", "code", "at_once"),
    [
        (socket.gaierror(socket.EAI_NONAME, "not known"), "name_not_known", True),
        (socket.gaierror(socket.EAI_AGAIN, "for now"), "name_server_failed", False),
        (OSError(errno.ECONNREFUSED, ""), "connection_refused", False),
        (OSError(errno.ENETUNREACH, ""), "network_unreachable", False),
        (OSError(errno.EACCES, ""), "connection_forbidden", False),
        (OSError(errno.ECONNRESET, ""), "connection_reset", False),
        (OSError(errno.EMFILE, ""), "too_many_open_files", False),
        (
            OSError("Multiple exceptions: [Errno 101] x, [Errno 111] y"),
            "connection_refused",
            False,
        ),
        (TimeoutError(), "connect_timeout", False),
        (ssl.SSLEOFError(8, "EOF"), "connection_reset", False),
        (ssl.SSLError(1, "[SSL: NO_PROTOCOLS_AVAILABLE] x"), "tls_failed", True),
    ],
)
async def test_what_may_pass_is_tried_again_but_not_for_long(
    cause: BaseException, code: str, *, at_once: bool
) -> None:
    """Before anything has answered, a host that stays away is a wrong URL or a dead network."""
    client = asking([], "https://api.momentco.io")
    client._transport = _Failing(cause)
    answers = [await create(client) for _ in range(CONNECTS)]
    codes = [one.reason if isinstance(one, a.RunWrong) else "" for one in answers]
    assert codes == ([code] * CONNECTS if at_once else [*[""] * (CONNECTS - 1), code])
    if not at_once:
        assert answers[0] == a.NotSent(code)
    assert code in REASONS


async def test_an_unexplained_failure_is_tried_again() -> None:
    """Where nothing is known the run goes on as it can."""
    client = asking([], "https://api.momentco.io")
    client._transport = _Failing(ValueError())
    assert [await create(client) for _ in range(5)] == [a.NotSent("connect_error")] * 5


def test_a_librarys_own_error_says_nothing() -> None:
    """Only the system's errors are believed, whatever number another one carries."""

    class Own(OSError):
        pass

    assert explain(Own(errno.ECONNREFUSED, "")) is None
    assert explain(httpx.ConnectError("x")) is None
    error = httpx.ConnectError("x")
    error.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "")
    assert explain(error) == Failure("connection_refused", os.strerror(errno.ECONNREFUSED))


# Proxies ------------------------------------------------------------------------------------------


@asynccontextmanager
async def proxying(
    answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n", context: ssl.SSLContext | None = None
) -> AsyncIterator[Relay]:
    """A proxy that answers CONNECT like this, and then relays; over TLS if there is a context."""
    relay = Relay(answer)
    listener = await asyncio.start_server(relay.serve, LOOPBACK, 0, ssl=context)
    relay.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield relay
    await last_turns()


class Relay:
    """What reached the proxy."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.port = 0
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One tunnel to this machine, whatever its host is called."""
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        if b" 200 " in self.answer and self.answer.endswith(b"\r\n\r\n"):
            target = self.heads[-1].split()[1]
            behind = await asyncio.open_connection(LOOPBACK, int(target.rpartition(b":")[2]))
            await asyncio.gather(relayed(reader, behind[1]), relayed(behind[0], writer))
        writer.close()


async def relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until there are no more."""
    with suppress(ConnectionError):
        while data := await reader.read(4096):
            writer.write(data)
    writer.close()


async def test_a_run_goes_through_the_proxy_of_the_environment(
    tmp_path: Path, network: list[httpx.AsyncBaseTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS reaches through it to the API itself, and the login goes to the proxy alone."""
    files = certificate(tmp_path, name="elsewhere")
    verify = trust({"SSL_CERT_FILE": str(files[0])})
    async with serving(once(WHOLE), served(files)) as server, proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:p%40ss@{LOOPBACK}:{proxy.port}")
        client = asking(network, f"https://api.momentco.io:{server.port}", verify)
        assert [await create(client) for _ in range(3)] == [a.Created("bcus_1")] * 3
        await network[-1].aclose()
        assert server.connections_used == [0, 0, 0]
        assert b"proxy" not in server.seen[0].head.lower()
    [head] = proxy.heads
    where = f"api.momentco.io:{server.port}"
    assert head.startswith(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n".encode())
    assert b"\r\nProxy-Authorization: Basic YWRhOnBAc3M=\r\n" in head
    assert b"sk_test" not in head


async def test_a_proxy_that_is_itself_reached_over_tls(
    tmp_path: Path, network: list[httpx.AsyncBaseTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS to the API goes within TLS to the proxy, whose certificate is verified as well."""
    (tmp_path / "proxy").mkdir()
    files, own = (
        certificate(tmp_path, name="elsewhere"),
        certificate(tmp_path / "proxy", subject="proxy"),
    )
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(files[0].read_bytes() + own[0].read_bytes())
    async with (
        serving(once(WHOLE), served(files)) as server,
        proxying(context=served(own)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"https://ada:p%40ss@{LOOPBACK}:{proxy.port}")
        url = f"https://api.momentco.io:{server.port}"
        client = asking(network, url, trust({}, bundle))
        assert [await create(client) for _ in range(3)] == [a.Created("bcus_1")] * 3
        await network[-1].aclose()
        assert server.connections_used == [0, 0, 0]
        assert proxy.heads[0].startswith(f"CONNECT api.momentco.io:{server.port} ".encode())
        stranger = asking(network, url, trust({}, files[0]))
        answers = [await create(stranger) for _ in range(CONNECTS)]
    assert isinstance(answers[-1], a.RunWrong)
    assert answers[-1].reason == "proxy_unreachable"
    assert "self-signed certificate" in answers[-1].detail
    assert len(proxy.heads) == 1
    assert stranger.posts == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 407 Who are you?\r\n\r\n", "proxy_refused"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!", "proxy_refused"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy_failed"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + WHOLE, "proxy_failed"),
        (b"HTTP/1.1 200 OK\r\n", "proxy_failed"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9000, "proxy_failed"),
        (b"SSH-2.0-Example\r\n", "proxy_failed"),
        (b"\x1b[2J\r\n\r\n", "proxy_failed"),
        (b"", "proxy_failed"),
    ],
)
async def test_a_proxy_that_does_not_let_through_sent_nothing(
    network: list[httpx.AsyncBaseTransport],
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
    code: str,
) -> None:
    """Its own words are handed on; a refusal stops the run at once."""
    async with proxying(answer) as proxy:
        monkeypatch.setenv("https_proxy", f"{LOOPBACK}:{proxy.port}")
        client = asking(network, "https://api.momentco.io", ssl.create_default_context())
        said = await create(client)
        if code == "proxy_refused":
            assert isinstance(said, a.RunWrong)
            assert said.reason == code
            assert answer[:12].decode() in said.detail
        else:
            assert said == a.NotSent(code)
        assert client.posts == 0
    assert code in REASONS


async def test_a_proxy_that_is_not_there(
    network: list[httpx.AsyncBaseTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, without its login."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@{LOOPBACK}:{port}")
        client = asking(network, "https://api.momentco.io", ssl.create_default_context())
        answers = [await create(client) for _ in range(CONNECTS)]
    assert answers[0] == a.NotSent("proxy_unreachable")
    said = f"api.momentco.io: {LOOPBACK}:{port}: {os.strerror(errno.ECONNREFUSED)}"
    assert answers[-1] == a.RunWrong("proxy_unreachable", detail=said)


HOST = "api.momentco.io"
ASKED = {"HTTPS_PROXY": "http://p:3128"}


@pytest.mark.parametrize(
    ("environment", "host", "port"),
    [
        ({}, HOST, None),
        ({"HTTPS_PROXY": ""}, HOST, None),
        ({"HTTP_PROXY": "http://p:1"}, HOST, None),
        (ASKED, HOST, 3128),
        ({"https_proxy": "p:1", **ASKED}, HOST, 1),
        ({"ALL_PROXY": "http://p"}, HOST, 80),
        ({"ALL_PROXY": "http://p:1", **ASKED}, HOST, 3128),
        (ASKED, "localhost", None),
        (ASKED, "127.0.0.1", None),
        (ASKED, "::1", None),
        ({"NO_PROXY": "*", **ASKED}, HOST, None),
        ({"NO_PROXY": "x, .momentco.io", **ASKED}, HOST, None),
        ({"no_proxy": "MOMENTCO.IO", **ASKED}, HOST, None),
        ({"no_proxy": "*.momentco.io", **ASKED}, HOST, None),
        ({"no_proxy": "api.momentco.io", **ASKED}, HOST, None),
        ({"no_proxy": "mentco.io,,co.io.uk", **ASKED}, HOST, 3128),
        ({"no_proxy": "10.0.0.0/8", **ASKED}, "10.1.2.3", None),
        ({"no_proxy": "10.0.0.0/8", **ASKED}, HOST, 3128),
        ({"no_proxy": "2001:db8::1", **ASKED}, "2001:db8::1", None),
        ({"no_proxy": "[2001:db8::1]:443", **ASKED}, "[2001:db8::1]", None),
        ({"no_proxy": "[2001:db8::1]:8443", **ASKED}, "[2001:db8::1]", 3128),
        ({"no_proxy": "[2001:db8::]/32", **ASKED}, "2001:db8::7", None),
        ({"no_proxy": "momentco.io:443", **ASKED}, HOST, None),
        ({"no_proxy": "momentco.io:8443", **ASKED}, HOST, 3128),
        ({"no_proxy": "10.0.0.0/8:443", **ASKED}, "10.1.2.3", None),
        ({"no_proxy": "https://api.momentco.io", **ASKED}, HOST, None),
        ({"no_proxy": "other.example  api.momentco.io.", **ASKED}, HOST, None),
        ({"no_proxy": "momentco.io", "NO_PROXY": "x", **ASKED}, HOST, None),
        ({"no_proxy": "x", "NO_PROXY": "momentco.io", **ASKED}, HOST, 3128),
        ({"no_proxy": "co.io, ., :443, [, *.*", **ASKED}, HOST, 3128),
        ({"HTTPS_PROXY": "https://p"}, HOST, 443),
        ({"HTTPS_PROXY": "http://[2001:db8::1]:3128"}, HOST, 3128),
        ({"https_proxy": " ", **ASKED}, HOST, 3128),
    ],
)
def test_which_proxy_is_meant(environment: dict[str, str], host: str, port: int | None) -> None:
    """As curl reads the variables; this machine is always reached directly."""
    found = proxy_for("https", host, environment)
    assert (found.port if found else None) == port
    assert proxy_for("http", host, environment) is None


@pytest.mark.parametrize(
    "text",
    [
        "socks5://ada:secret@p:1080",
        "socks4a://p",
        "http://ada:se#cret@p:1",
        "http://a:s/secret@p",
        "http://",
        "p:port",
        "http://p q",
        "p:99999",
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_early(text: str) -> None:
    """A usage error that names the variable and shows nothing of what it holds."""
    with pytest.raises(UsageError) as caught:
        check_way(f"https://{HOST}", {"ALL_PROXY": text})
    assert caught.value.message.startswith("ALL_PROXY names ")
    assert "secret" not in caught.value.message + caught.value.hint
    check_way("http://127.0.0.1:8787", {"ALL_PROXY": text})
