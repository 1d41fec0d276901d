"""The audit area and the page."""

from __future__ import annotations

import json
from typing import Any

import pytest


def test_state_counts_what_happened(api: Any) -> None:
    """Requests by method and status, customers and replays are counted."""
    api.post("A", idempotency_key="k")
    api.post("A", idempotency_key="k")
    api.post("B", phone="082")
    api.get("A")
    state = api.state()
    assert state["requests"] == {"GET 200": 1, "POST 201": 2, "POST 400": 1}
    assert (state["customers"], state["replays"], state["stored_answers"]) == (1, 1, 2)


def test_customers_are_streamed_without_personal_data(api: Any) -> None:
    """One JSON line per customer with its creations; no name, e-mail or phone."""
    ids = {name: api.post(name, name="Hidden Name").json()["id"] for name in ("A", "B")}
    api.post("A", api_key="sk_live_x")
    answer = api.http.get("/_sandbox/customers")
    assert "Hidden" not in answer.text
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) == 3
    tested = {line["external_reference"]: line for line in lines if line["account"][0] == "t"}
    assert {name: line["id"] for name, line in tested.items()} == ids
    assert all(line["creations"] == 1 for line in lines)
    assert set(lines[0]) == {"account", "id", "external_reference", "created_at", "creations"}


def test_a_second_creation_would_be_seen(api: Any) -> None:
    """The audit counts creation events, not customers: a double one shows."""
    from importer.sandbox.audit import state_of
    from importer.sandbox.config import SandboxConfig
    from importer.sandbox.core import Core
    from importer.sandbox.store import Customer, Stored

    assert api.state()["max_creations_per_reference"] == 0
    core = Core(SandboxConfig())
    account = core.store.account("test/default")
    for key in ("k1", "k2"):
        stored = Stored(201, b"{}", b"application/json", b"", core.clock.now())
        core.store.settle(account, key, stored, Customer("bcus_1", "A", 1.0, b"{}"))
    state = state_of(core)
    assert (state["customers"], state["creations"]) == (1, 2)
    assert state["max_creations_per_reference"] == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"NaN",
        b'{"advance_seconds": -1}',
        b'{"advance_seconds": true}',
        b'{"advance_seconds": NaN}',
        b'{"advance_seconds": 1e300}',
    ],
)
def test_the_clock_refuses_nonsense(api: Any, body: bytes) -> None:
    """Only a number of seconds from 0 on moves the clock."""
    assert api.http.post("/_sandbox/clock", content=body).status_code == 400
    assert api.state()["clock_offset_seconds"] == 0


def test_reset_forgets_everything(api: Any) -> None:
    """After a reset the sandbox is as new: data, counts, faults and clock."""
    api.post("A", idempotency_key="k")
    api.faults("lost=1")
    api.advance(100)
    state = api.http.post("/_sandbox/reset").json()
    assert (state["customers"], state["creations"], state["requests"]) == (0, 0, {})
    assert (state["fault_spec"], state["clock_offset_seconds"]) == ("", 0)
    fresh = api.post("A", idempotency_key="k")
    assert "idempotent-replayed" not in fresh.headers


def test_the_page_escapes_what_it_shows(api: Any) -> None:
    """Customers appear on the page, markup in a name stays text, nothing is loaded."""
    api.post("CUST-1", name="<script>alert(1)</script>", balance=123456, currency="ZAR")
    api.faults("lost=0.125")
    page = api.http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "CUST-1" in page.text
    assert "123,456 ZAR" in page.text
    assert "lost=0.125" in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert "http://" not in page.text


def test_the_page_shows_the_last_fifty(api: Any) -> None:
    """The newest customers come first and older ones drop off."""
    for number in range(52):
        api.post(f"N-{number:03}")
    page = api.http.get("/").text
    assert page.count("<code>N-") == 50
    assert page.index("N-051") < page.index("N-002")
    assert "N-001" not in page


def test_the_contract_is_served(api: Any) -> None:
    """The document that bodies are validated by can be read."""
    document = api.http.get("/_sandbox/openapi.json").json()
    assert "CreateCustomer" in document["components"]["schemas"]
