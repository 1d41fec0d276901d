"""The calls over a real socket: create, look up, update, and who may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests import plain_http

if TYPE_CHECKING:
    from collections.abc import Callable

FIELDS: dict[str, Any] = {
    "name": "Fictional Caf\u00e9",
    "email": "person@example.com",
    "phone": "+27820000001",
    "currency": "ZAR",
    "balance": 2000,
    "metadata": {"tier": "gold"},
}


def test_create_answers_the_customer_as_sent(api: Any) -> None:
    """201 with an id of the page's pattern and exactly the fields given."""
    answer = api.post("CUST-1", **FIELDS)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert "idempotent-replayed" not in answer.headers
    body = answer.json()
    customer_id = body.pop("id")
    assert len(customer_id) == len("bcus_") + 21
    assert customer_id.removeprefix("bcus_").isalnum()
    assert body == {"external_reference": "CUST-1", **FIELDS}
    assert set(api.post("CUST-2").json()) == {"id", "external_reference"}


def test_a_whole_float_comes_back_as_an_integer(api: Any) -> None:
    """A balance of 12.0 is accepted and echoed as 12."""
    assert '"balance":12,' in api.post("A", balance=12.0, currency="ZAR", name="n").text


def test_ids_depend_on_seed_account_and_reference_only(api: Any, start: Callable[..., Any]) -> None:
    """The same seed gives a reference the same id in any order; another seed another one."""
    first = [api.post(name).json()["id"] for name in ("A", "B")]
    api.http.post("/_sandbox/reset")
    assert [api.post(name).json()["id"] for name in ("B", "A")] == first[::-1]
    assert api.post("A", api_key="sk_live_a").json()["id"] not in first
    assert start(seed=1).post("A").json()["id"] not in first


def test_validation_lists_every_error_as_a_problem(api: Any) -> None:
    """400 problem+json (RFC 9457) with a pointer and a rule for each field."""
    answer = api.post("A", phone="082", balance=1)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "instance", "errors"} == set(body)
    assert body["status"] == 400
    assert {(error["pointer"], error["rule"]) for error in body["errors"]} == {
        ("/phone", "pattern"),
        ("", "dependentRequired"),
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"external_reference": "A", "balance": NaN, "currency": "ZAR"}',
        b'{"external_reference": "A", "name": "\xff"}',
        b'\xef\xbb\xbf{"external_reference": "A"}',
        b'{"external_reference": "A", "name": "\\ud800"}',
        b'{"external_reference": "A", "metadata": {"\\ud800": ""}}',
        b"[" * 100_000,
        b'{"balance": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_customer_is_400(api: Any, content: bytes) -> None:
    """Malformed JSON, wrong encodings and hostile depths are refused, not a failure."""
    headers = {
        "Authorization": "Bearer sk_test_a",
        "Idempotency-Key": "k",
        "Content-Type": "application/json; charset=utf-8",
    }
    answer = api.http.post("/billing/customers", content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["status"] == 400
    assert api.state()["defects"] == []


def test_the_content_type_must_be_json_and_the_size_is_bounded(api: Any) -> None:
    """A form is 400; more than a megabyte is 413 and closes the connection."""
    headers = {"Authorization": "Bearer sk_test_a", "Idempotency-Key": "k"}
    url = "/billing/customers"
    assert api.http.post(url, data={"a": "b"}, headers=headers).status_code == 400
    headers["Content-Type"] = "application/json"
    large = api.http.post(url, content=b" " * 1_048_577, headers=headers)
    assert large.status_code == 413
    assert large.headers["connection"] == "close"


def test_keys_are_checked_on_every_call(api: Any) -> None:
    """No key is 401 with a challenge, a bad one 400, a public one 403, on all three calls."""
    missing = api.http.post("/billing/customers", json={})
    assert missing.status_code == 401
    assert missing.headers["www-authenticate"] == "Bearer"
    assert api.http.get("/billing/customers/A").status_code == 401
    assert api.http.patch("/billing/customers/A", json={}).status_code == 401
    assert api.post("A", api_key="what").status_code == 400
    assert api.post("A", api_key="pk_test_1").status_code == 403
    assert api.get("A", api_key="sk_test_expired").status_code == 403
    assert api.state()["customers"] == 0


def test_unknown_paths_and_methods(api: Any) -> None:
    """Another path is 404, another method 405 with Allow."""
    assert api.http.post("/billing/customer", json={}).status_code == 404
    assert api.http.get("/billing/customers/a/b").status_code == 404
    listing = api.http.get("/billing/customers")
    assert (listing.status_code, listing.headers["allow"]) == (405, "POST")
    deletion = api.http.delete("/billing/customers/A")
    assert (deletion.status_code, deletion.headers["allow"]) == (405, "GET, PATCH")


def test_look_up_by_id_and_by_reference(api: Any) -> None:
    """GET finds the same customer by both names and 404s for any other."""
    created = api.post("CUST-1", **FIELDS).json()
    assert api.get("CUST-1").json() == created
    assert api.get(created["id"]).json() == created
    absent = api.get("CUST-2")
    assert (absent.status_code, absent.json()["status"]) == (404, 404)


def test_test_and_live_are_separate(api: Any) -> None:
    """One reference exists once per mode, and a key is remembered per mode."""
    test = api.post("CUST-1", idempotency_key="k", api_key="sk_test_a").json()
    assert api.get("CUST-1", api_key="sk_live_a").status_code == 404
    live = api.post("CUST-1", idempotency_key="k", api_key="sk_live_a")
    assert live.status_code == 201
    assert "idempotent-replayed" not in live.headers
    assert live.json()["id"] != test["id"]
    assert api.get("CUST-1", api_key="sk_test_rotated").json() == test
    assert api.state()["accounts"] == {"test/default": 1, "live/default": 1}


@pytest.mark.parametrize("status", [409, 422, 400])
def test_a_reference_exists_once(start: Callable[..., Any], status: int) -> None:
    """A second create of a reference gets the status that is set, and that answer is stored."""
    api = start(duplicate_status=status)
    assert api.post("A").status_code == 201
    again = api.post("A", idempotency_key="second")
    assert again.status_code == status
    assert again.json()["type"].endswith("/duplicate-reference")
    replay = api.post("A", idempotency_key="second")
    assert replay.headers["idempotent-replayed"] == "true"
    assert replay.content == again.content
    assert api.state()["max_creations_per_reference"] == 1


@pytest.mark.parametrize("treats", ["merge", "replace"])
def test_patch_replaces_the_fields_given(start: Callable[..., Any], treats: str) -> None:
    """PATCH keeps the rest, treats metadata as it is set, and answers the full customer."""
    api = start(patch_metadata=treats)
    created = api.post("A", **FIELDS).json()
    answer = api.patch(created["id"], name="Other", metadata={"x": "y"}, balance=5.0)
    assert answer.status_code == 200
    kept = created["metadata"] if treats == "merge" else {}
    metadata = {**kept, "x": "y"}
    assert answer.json() == {**created, "name": "Other", "metadata": metadata, "balance": 5}
    assert api.get("A").json() == answer.json()
    assert api.patch("A").json() == answer.json()


def test_patch_is_validated(api: Any) -> None:
    """Bad fields are 400, an unknown customer 404, a balance needs a currency from somewhere."""
    api.post("A")
    assert api.patch("A", phone="082").status_code == 400
    assert api.patch("A", external_reference="B").status_code == 400
    assert api.patch("A", name=None).status_code == 400
    assert api.patch("A", balance=1).json()["errors"][0]["rule"] == "dependentRequired"
    assert api.patch("A", currency="ZAR").status_code == 200
    assert api.patch("A", balance=1).status_code == 200
    assert api.patch("B", name="n").status_code == 404


def test_a_look_up_may_lag(start: Callable[..., Any]) -> None:
    """With a lag GET answers 404 until the clock has passed it."""
    api = start(lookup_lag_ms=60_000)
    api.post("A")
    assert api.get("A").status_code == 404
    api.advance(61)
    assert api.get("A").status_code == 200


def test_the_rate_limit_answers_429(start: Callable[..., Any]) -> None:
    """Beyond the burst: 429 with Retry-After in seconds, not stored, per account."""
    api = start(rate=0.001, burst=2, ratelimit_headers=True)
    assert [api.post(name).status_code for name in "AB"] == [201, 201]
    limited = api.post("C", idempotency_key="c")
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) > 900
    assert limited.headers["ratelimit"].startswith('"default";r=0;t=')
    assert limited.headers["ratelimit-policy"] == '"default";q=2;w=2000'
    assert api.get("A").status_code == 429
    assert api.post("C", api_key="sk_live_a").status_code == 201
    api.advance(2000)
    assert api.post("C", idempotency_key="c").status_code == 201


def test_retry_after_may_be_a_date_or_missing(start: Callable[..., Any]) -> None:
    """The form of Retry-After is a setting, as nobody documents it."""
    dated = start(retry_after="http-date", faults="429=1").post("A")
    assert dated.headers["retry-after"].endswith(" GMT")
    plain = start(retry_after="none", faults="429=1").post("A")
    assert "retry-after" not in plain.headers
    assert "ratelimit" not in plain.headers


def test_a_429_may_be_stored(start: Callable[..., Any]) -> None:
    """With store_429 the refusal is replayed after the limit is over."""
    api = start(store_429=True, faults="ref:A=429")
    assert api.post("A", idempotency_key="k").status_code == 429
    replay = api.post("A", idempotency_key="k")
    assert (replay.status_code, replay.headers["idempotent-replayed"]) == (429, "true")


def test_latency_does_not_block_others(start: Callable[..., Any]) -> None:
    """While one answer waits, the audit area answers and sees it in flight."""
    api = start(faults="ref:SLOW=latency@60000")
    with pytest.raises(httpx.ReadTimeout):
        plain_http.post(
            f"{api.base_url}/billing/customers",
            json={"external_reference": "SLOW"},
            headers={"Authorization": "Bearer sk_test_a", "Idempotency-Key": "slow"},
            timeout=0.3,
        )
    assert api.state()["in_flight"] == 1
    assert api.post("FAST").status_code == 201
