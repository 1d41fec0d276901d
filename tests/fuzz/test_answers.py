"""Hostile answers over real sockets, on both event loops: always typed, never believed."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from importer.delivery.http.client import Timeouts
from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as u
from tests.fuzz.answers import (
    BODY,
    CHUNK,
    CHUNKED,
    ENDLESS,
    FLOODS,
    MALFORMED,
    REFERENCE,
    TWICE,
    UNBELIEVABLE,
    WHOLE,
    once,
)
from tests.fuzz.asking import LOOPS, asking, create, look_up, read, shown_values
from tests.fuzz.hostile_server import LOOPBACK, customer, last_turns, response, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.hostile_server import Behaviour, Exchange

pytestmark = pytest.mark.anyio
MIB_TAKEN = 16
"""What the kernel's buffers and a bounded body may take of an endless answer."""
MEMORY_MIB = 48


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Sockets are asyncio's here."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


def peak_mib() -> int:
    """Peak memory of this process."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit >> 20


async def both(behaviour: Behaviour) -> tuple[a.Answer, a.LookUpAnswer, list[Exchange]]:
    """What a POST and then a GET come to."""
    async with serving(behaviour) as server, asking(server.port) as client:
        return await create(client), await look_up(client), server.seen


@pytest.mark.parametrize("name", ENDLESS)
async def test_an_endless_answer_is_cut_off(name: str) -> None:
    """It ends by its size, not by a timeout; little of it was taken, and memory is bounded."""
    before = peak_mib()
    answer, looked_up, seen = await both(ENDLESS[name])
    assert isinstance(answer, a.Unbelievable | a.Unknown)
    assert isinstance(looked_up, a.LookUpFailed)
    assert seen[0].connection != seen[-1].connection
    assert max(one.sent for one in seen) < MIB_TAKEN << 20
    assert peak_mib() < before + MEMORY_MIB


@pytest.mark.parametrize("name", FLOODS)
async def test_the_deadline_ends_what_never_ends(name: str) -> None:
    """An answer that always has a little more to say costs the total deadline, and no memory."""
    before = peak_mib()
    short = Timeouts(connect=2, write=2, read=2, pool=2, total=0.4)
    async with (
        serving(FLOODS[name]) as server,
        asking(server.port, timeouts=short) as client,
    ):
        answer = await create(client)
    assert isinstance(answer, a.Unknown | a.Unbelievable)
    assert peak_mib() < before + MEMORY_MIB


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_answer_leaves_the_outcome_open(name: str) -> None:
    """Neither success nor refusal is read out of it, and its connection is not used again."""
    answer, looked_up, seen = await both(MALFORMED[name])
    assert isinstance(answer, a.Unknown | a.Unbelievable)
    assert not isinstance(looked_up, a.Found | a.Absent | a.RunWrong)
    if name != "status 000":  # well-framed, so the connection is still in step
        assert seen[0].connection != seen[-1].connection


@pytest.mark.parametrize("name", UNBELIEVABLE)
async def test_a_success_must_be_our_customer(name: str) -> None:
    """A 2xx with any other body creates nothing; a look-up finds nothing in it."""
    answer, looked_up, _ = await both(UNBELIEVABLE[name])
    assert isinstance(answer, a.Unbelievable)
    assert isinstance(looked_up, a.LookUpFailed)


HEADED = {
    "an encoded body": response(b"201 Created", BODY, b"Content-Encoding: gzip"),
    "an identical body": response(b"201 Created", BODY, b"content-encoding: Identity"),
    "a replay": response(b"201 Created", BODY, b"IDEMPOTENT-REPLAYED: True"),
    "a wait": response(b"429 Too Many Requests", b"{}", b"retry-after: 7"),
    "a limit": response(b"201 Created", BODY, b"X-RateLimit-Remaining: 3"),
    "cut off": WHOLE[:-9],
    "cut off, and encoded": response(b"201 Created", BODY, b"Content-Encoding: br")[:-9],
}


async def test_an_answer_means_the_same_through_httpx() -> None:
    """A transport of httpx's kind and our own, which is handed bytes, send and read the same."""
    behaviours = {name: once(data, close=True) for name, data in HEADED.items()}
    for name, behaviour in {**behaviours, **UNBELIEVABLE}.items():
        told = []
        for as_bytes in (True, False):
            async with (
                serving(behaviour) as server,
                asking(server.port, as_bytes=as_bytes, hashes=shown_values) as client,
            ):
                payload = f'{{"external_reference": "{REFERENCE}"}}'
                came, hint = await client.create(REFERENCE, "a-key", payload)
                created = (read(came), hint)
                patch = u.Patch("bcus_1", ("name",), etag='"v1"')
                patched = await client.patch(patch, '{"name": "Ada"}', REFERENCE)
                found = await client.look_up(REFERENCE, payload)
                port = b":%d" % server.port
                said = [(one.head.replace(port, b""), one.body) for one in server.seen]
                told.append((created, patched, found, said))
        assert told[0] == told[1], name


@pytest.mark.parametrize("close", ["close", "reset"])
async def test_no_beginning_of_an_answer_is_believed(close: str) -> None:
    """Cut at every byte, a valid answer is never taken for the whole."""
    cut = 0

    async def behave(exchange: Exchange) -> None:
        await exchange.send(WHOLE[:cut])
        if close == "reset":
            exchange.reset()
        else:
            exchange.close()

    async with serving(behave) as server, asking(server.port) as client:
        for cut in range(len(WHOLE)):  # noqa: B007 - the server reads it
            assert isinstance(await create(client), a.Unknown | a.Unbelievable)


@pytest.mark.parametrize("name", TWICE)
@pytest.mark.parametrize("when", ["at once", "later"])
async def test_a_second_answer_is_not_taken_for_the_next(name: str, when: str) -> None:
    """What follows an answer unasked never answers another row's request."""
    sent = asyncio.Event()

    async def behave(exchange: Exchange) -> None:
        if exchange.number:
            await exchange.send(response(body=customer(exchange.reference, "bcus_true")))
            return
        if when == "at once":
            await exchange.send(WHOLE + TWICE[name])
        else:
            await exchange.send(WHOLE)
            await asyncio.sleep(0.02)
            await exchange.send(TWICE[name])
        sent.set()

    async with serving(behave) as server, asking(server.port) as client:
        # The first answer may be refused for what follows it.
        assert await create(client) in {a.Created("bcus_1"), a.Unknown("remote_protocol_error")}
        await sent.wait()
        assert await create(client, "FUZZ-2") == a.Created("bcus_true")
        if name != "half an answer":  # dropped unseen; its rest could only be garbage
            assert server.connections_used == [0, 1]


async def test_a_good_connection_is_used_again() -> None:
    """Caution must not cost a connection for every request."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(response(body=customer(exchange.reference)))

    async with serving(behave) as server, asking(server.port) as client:
        for number in range(5):
            assert isinstance(await create(client, f"FUZZ-{number}"), a.Created)
        assert server.connections_used == [0] * 5


FRAMED = [
    CHUNKED + CHUNK + b"\r\n0\r\nIdempotent-Replayed: true\r\nX: y\r\n\r\n",
    b"HTTP/1.1 204 X\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.1 304 X\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.1 100 X\r\nContent-Length: 7\r\n\r\n" + response(b"503 X", b"{}", b"Retry-After: 9"),
    b"HTTP/1.0 500 X\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n{}\n",
    WHOLE + b"\r\n",
]


async def test_nothing_of_an_answer_is_left_for_the_next() -> None:
    """However an answer was framed, the next one on its connection is read as if it were alone."""

    async def behave(exchange: Exchange) -> None:
        which, is_plain = divmod(exchange.number, 2)
        await exchange.send(
            response(body=customer(exchange.reference, "bcus_2")) if is_plain else FRAMED[which]
        )

    async with serving(behave) as server, asking(server.port) as client:
        for _ in FRAMED:
            await create(client)
            assert await create(client, "FUZZ-2") == a.Created("bcus_2")
        assert set(server.connections_used) == {0}


DATE = b"Date: Wed, 15 Jan 2031 12:00:00 GMT"
STORED = b'{"title": "Stored"}'
SAID = {
    "a replay, said twice": (
        response(b"500 X", STORED, *[b"Idempotent-Replayed: true"] * 2),
        a.ServerFault(500, "stored", replayed=True),
    ),
    "a replay, as a structured field": (
        response(b"500 X", STORED, b"Idempotent-Replayed: ?1"),
        a.ServerFault(500, "stored", replayed=True),
    ),
    "no replay": (
        response(b"500 X", STORED, b"Idempotent-Replayed: false"),
        a.ServerFault(500, "stored"),
    ),
    "yes and no": (
        response(b"500 X", STORED, b"Idempotent-Replayed: true, false"),
        a.ServerFault(500, "stored"),
    ),
    "a date of a server whose clock is years ahead": (
        response(b"429 X", b"", b"Retry-After: Wed, 15 Jan 2031 12:00:03 GMT", DATE),
        a.Throttled(3.0),
    ),
    "a date, and a Date that is none": (
        response(b"429 X", b"", b"Retry-After: Wed, 15 Jan 2003 12:00:03 GMT", b"Date: today"),
        a.Throttled(0.0),
    ),
    "a network that wants a login": (
        response(b"511 X", b'{"title": "Log in"}'),
        a.Blocked(511, of_api=False),
    ),
    "a request of a form that is not taken": (
        response(b"415 X", b'{"title": "No"}'),
        a.Blocked(415, of_api=True),
    ),
}


@pytest.mark.parametrize("name", SAID)
async def test_what_headers_and_status_say_is_read(name: str) -> None:
    """Whose fault it is, and for how long, in the ways in which servers say it."""
    data, meant = SAID[name]
    answer, _, _ = await both(once(data))
    assert answer == meant


async def test_a_look_up_that_shows_no_json_says_so() -> None:
    """A login page is no customer of another reference."""
    _, looked_up, _ = await both(once(response(b"200 OK", b"<html>Log in</html>")))
    assert looked_up == a.LookUpFailed("answer_not_json", 200)


async def test_a_lone_surrogate_in_a_problem_is_no_character() -> None:
    """The words of a refusal can always be written to a file, a ledger and a terminal."""
    body = b'{"title": "\\ud800 \\u001b[2J \\u202e"}'
    answer, _, _ = await both(once(response(b"400 X", body)))
    assert isinstance(answer, a.Refused)
    assert answer.message.isprintable()


async def test_the_deepest_json_that_can_be_read_can_be_judged() -> None:
    """Reading and judging take different amounts of stack; neither may end the run."""

    def behave_at(depth: int) -> Behaviour:
        body = b'{"title":"no","detail":' + b"[" * depth + b"]" * depth + b"}"
        return once(response(b"400 X", body))

    for depth in range(800, 1000, 3):
        answer, _, _ = await both(behave_at(depth))
        assert isinstance(answer, a.Refused | a.Blocked)  # too deep to be read: not the API


async def test_nothing_listens() -> None:
    """A refused connection sent nothing."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        async with asking(taken.getsockname()[1]) as client:
            answer = await create(client)
            assert isinstance(answer, a.RunWrong)
            assert answer.reason == "connection_refused"
            assert client.posts == 0


# TLS ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for."""
    folder: Path = tmp_path_factory.mktemp("tls")
    made = [folder / "key.pem", folder / "certificate.pem"]
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [*command.split(), "-keyout", made[0], "-out", made[1]], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made[1], made[0])
    return context


async def test_a_certificate_that_nobody_vouches_for_stops_the_run(
    self_signed: ssl.SSLContext,
) -> None:
    """The request does not leave."""
    async with serving(once(WHOLE), self_signed) as server:
        async with asking(server.port, scheme="https") as client:
            for answer in (await create(client), await look_up(client)):
                assert isinstance(answer, a.RunWrong)
                assert answer.reason == "certificate_unknown_issuer"
        assert server.seen == []


async def test_tls_spoken_on_a_plain_port() -> None:
    """A plain answer to a TLS greeting is a TLS failure; silence is a connection that failed."""

    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE)
        await writer.drain()
        writer.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    short = Timeouts(connect=0.3, write=2, read=2, pool=2, total=4)
    expected = {plain: "not_tls", silent: "connect_timeout"}
    for handler, code in expected.items():
        listener = await asyncio.start_server(handler, LOOPBACK, 0)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            async with asking(port, scheme="https", timeouts=short) as client:
                answer = await create(client)
                assert isinstance(answer, a.RunWrong if handler is plain else a.NotSent)
                assert code in {getattr(answer, "reason", ""), getattr(answer, "error_code", "")}
            await last_turns()


async def test_plain_http_spoken_on_a_tls_port(self_signed: ssl.SSLContext) -> None:
    """The request left and nothing sensible came back."""
    async with serving(once(WHOLE), self_signed) as server, asking(server.port) as client:
        assert isinstance(await create(client), a.Unknown)


async def test_the_right_answer_is_believed() -> None:
    """The same server, speaking properly, creates and finds: the tests above can fail."""
    answer, looked_up, _ = await both(once(response(b"200 OK", BODY)))
    assert answer == a.Created("bcus_1", 200)
    assert looked_up == a.Found("bcus_1")
    assert REFERENCE.encode() in BODY
