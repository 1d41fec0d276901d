"""Faults on the wire: what the client sees, and what really happened."""

from __future__ import annotations

import errno
import json
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import create_app

if TYPE_CHECKING:
    from collections.abc import Callable


def test_reset_before_processes_nothing(api: Any) -> None:
    """The connection is reset, no customer exists, and the key is still free."""
    api.faults("ref:A=reset_before")
    with pytest.raises(httpx.ReadError):
        api.post("A", idempotency_key="k")
    assert api.get("A").status_code == 404
    retry = api.post("A", idempotency_key="k")
    assert retry.status_code == 201
    assert "idempotent-replayed" not in retry.headers


def test_lost_created_the_customer(api: Any) -> None:
    """The connection is reset although the customer exists; the retry is a replay."""
    api.faults("ref:A=lost")
    with pytest.raises(httpx.ReadError):
        api.post("A", idempotency_key="k")
    found = api.get("A")
    assert found.status_code == 200
    retry = api.post("A", idempotency_key="k")
    assert (retry.status_code, retry.headers["idempotent-replayed"]) == (201, "true")
    assert retry.json() == found.json()
    state = api.state()
    assert state["creations"] == 1
    assert state["faults_injected"] == {"lost": 1}
    assert state["requests"]["POST reset"] == 1


def test_a_reset_is_a_tcp_reset(api: Any) -> None:
    """A bare socket gets ECONNRESET, not an orderly end."""
    api.faults("ref:A=lost")
    host, port = api.base_url.removeprefix("http://").split(":")
    body = b'{"external_reference":"A"}'
    head = (
        "POST /billing/customers HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer sk_test_a\r\n"
        "Idempotency-Key: k\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(head.encode() + body)
        with pytest.raises(ConnectionResetError) as caught:
            raw.recv(1000)
    assert caught.value.errno == errno.ECONNRESET


def test_a_cut_body_is_shorter_than_announced(api: Any) -> None:
    """The status is 201, the body stops short of its Content-Length, the customer exists."""
    api.faults("ref:A=cut")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        api.post("A", name="n" * 200)
    assert api.get("A").status_code == 200


def test_garbage_is_a_201_with_html(api: Any) -> None:
    """A success whose body is HTML; the customer exists."""
    api.faults("ref:A=garbage")
    answer = api.post("A")
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<html>")
    assert api.get("A").status_code == 200


def test_503_is_a_gateway_page_and_not_stored(api: Any) -> None:
    """503 with HTML, nothing processed, the key is free."""
    api.faults("ref:A=503")
    answer = api.post("A", idempotency_key="k")
    assert (answer.status_code, answer.headers["content-type"][:9]) == (503, "text/html")
    assert api.get("A").status_code == 404
    assert api.post("A", idempotency_key="k").status_code == 201


def test_429_asks_for_patience(api: Any) -> None:
    """An injected 429 carries Retry-After and is not stored by default."""
    api.faults("ref:A=429")
    answer = api.post("A", idempotency_key="k")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert api.post("A", idempotency_key="k").status_code == 201


def test_latency_only_delays(api: Any) -> None:
    """An answer that was delayed is like any other."""
    api.faults("ref:A=latency@20")
    assert api.post("A").status_code == 201
    assert api.state()["faults_injected"] == {"latency": 1}


def test_look_ups_and_updates_have_faults_of_their_own(api: Any) -> None:
    """get: and patch: faults leave POST alone."""
    api.faults("get:503=1,patch:lost=1")
    assert api.post("A").status_code == 201
    assert api.get("A").status_code == 503
    with pytest.raises(httpx.ReadError):
        api.patch("A", name="New")
    api.faults("get:garbage=1")
    assert api.get("A").status_code == 200
    assert api.get("A").text.startswith("<html>")
    api.faults("")
    assert api.get("A").json()["name"] == "New"


def test_a_stored_500_does_not_hide_a_refusal(api: Any) -> None:
    """A body that would be refused is refused; the fault counts only where it took effect."""
    api.faults("stored500_created=1")
    assert api.post("A", phone="082").status_code == 400
    assert api.state()["faults_injected"] == {}


def test_faults_by_rate_leave_a_true_account(start: Callable[..., Any]) -> None:
    """Under a mix of faults, retries with one key end with each customer created once."""
    api = start(faults="lost=0.2,reset_before=0.2,503=0.2,cut=0.1", seed=3)
    for number in range(40):
        for _ in range(50):
            try:
                answer = api.post(f"R{number}", idempotency_key=f"k{number}")
            except (httpx.ReadError, httpx.RemoteProtocolError):
                continue
            if answer.status_code == 201:
                break
        else:
            pytest.fail("never answered")
    state = api.state()
    assert (state["customers"], state["max_creations_per_reference"]) == (40, 1)
    assert set(state["faults_injected"]) == {"lost", "reset_before", "503", "cut"}
    assert state["defects"] == []


def test_a_bad_spec_is_refused_and_the_old_one_stays(api: Any) -> None:
    """The audit call answers 400 with the bad token and the kinds."""
    api.faults("lost=0.25")
    answer = api.faults("lots=0.25")
    assert answer.status_code == 400
    assert "'lots=0.25'" in answer.json()["error"]
    assert "stored500_created" in answer.json()["error"]
    assert api.state()["fault_spec"] == "lost=0.25"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_without_its_own_server_a_reset_is_an_exception(anyio_backend: str) -> None:
    """In process, on either backend, the application raises what a client would see."""
    assert anyio_backend
    app = create_app(SandboxConfig(faults="ref:A=lost", latency_ms=1))
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": "Bearer sk_test_a", "Idempotency-Key": "k"}
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        body = {"external_reference": "A"}
        with pytest.raises(ConnectionResetError):
            await client.post("/billing/customers", json=body, headers=headers)
        again = await client.post("/billing/customers", json=body, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert json.loads(again.content)["external_reference"] == "A"
    app.close()
