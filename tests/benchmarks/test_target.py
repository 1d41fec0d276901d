"""The target server answers what importer believes, and counts what it answered."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING

import pytest

from benchmarks.process import Cores
from benchmarks.target.api import Api, build, raw_limit, serving
from importer.delivery.http.answer_reading import customer_id

if TYPE_CHECKING:
    from collections.abc import Iterator

UNPINNED = Cores(None, None)
BODY = '{"external_reference":"CUST-1","name":"Ada"}'


@pytest.fixture(params=["compiled", "fallback"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """Either server, running."""
    if request.param == "compiled" and build() is None:
        pytest.skip("no C compiler here")
    with serving(UNPINNED, latency_ms=1, fallback=request.param == "fallback") as found:
        yield found


def test_it_echoes_the_customer_with_an_id_of_its_own(api: Api) -> None:
    """Each POST is answered with 201, the body that was sent, and a new well-formed id."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    ids = set()
    for _ in range(3):
        connection.request("POST", "/billing/customers", BODY)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        assert answer.status == 201
        assert {name: found[name] for name in json.loads(BODY)} == json.loads(BODY)
        ids.add(customer_id(found, "CUST-1", echo_check=True))
    assert len(ids - {None}) == 3
    assert api.posts() == 3
    connection.request("POST", "/elsewhere", BODY)
    assert connection.getresponse().status == 404
    connection.close()
    assert api.posts() == 3


def test_it_reads_a_request_that_comes_in_pieces(api: Api) -> None:
    """Bytes may come one by one, and two requests at once; each is answered once."""
    head = f"POST /billing/customers HTTP/1.1\r\nHost: x\r\ncontent-length: {len(BODY)}\r\n\r\n"
    request = (head + BODY).encode()
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        for byte in request:
            connection.sendall(bytes([byte]))
        connection.sendall(b"")
        received = connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 201")
        connection.sendall(request + request)
        received = b""
        while received.count(BODY[1:].encode()) < 2:
            received += connection.recv(65536)
    assert api.posts() == 3


def test_the_load_generator_without_wrk_is_answered(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where wrk is missing the raw protocol measures, and the server saw its requests."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    kind, limit = raw_limit(api, UNPINNED, connections=2, seconds=0.1)
    assert kind == "raw asyncio protocol"
    assert limit > 0
    assert api.posts() > 0
