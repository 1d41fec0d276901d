"""Idempotency: the first answer to a key is the answer, for 24 hours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = 24 * 3600


def test_a_key_is_required(api: Any) -> None:
    """Missing, too long or with a character outside the page's pattern: 400, nothing made."""
    url, headers = "/billing/customers", {"Authorization": "Bearer sk_test_a"}
    body = {"external_reference": "A"}
    assert api.http.post(url, json=body, headers=headers).status_code == 400
    for bad in ("a" * 256, "a_b", "a b"):
        answer = api.post("A", idempotency_key=bad)
        assert answer.status_code == 400
        assert answer.json()["type"].endswith("/idempotency-key-missing")
    assert api.post("A", idempotency_key="a" * 255).status_code == 201


def test_a_success_is_replayed(api: Any) -> None:
    """The same key gives the same bytes with Idempotent-Replayed, and makes nothing."""
    first = api.post("A", idempotency_key="k", name="n")
    again = api.post("A", idempotency_key="k", name="n")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    state = api.state()
    assert (state["customers"], state["creations"], state["replays"]) == (1, 1, 1)


def test_a_validation_failure_is_replayed_to_a_corrected_body(api: Any) -> None:
    """A stored 400 comes back although the body is right now."""
    refused = api.post("A", idempotency_key="k", phone="082")
    corrected = api.post("A", idempotency_key="k", phone="+27820000001")
    assert (corrected.status_code, corrected.content) == (400, refused.content)
    assert corrected.headers["idempotent-replayed"] == "true"
    assert corrected.headers["content-type"] == "application/problem+json"
    assert api.post("A", idempotency_key="k2").status_code == 201


def test_validation_failures_need_not_be_stored(start: Callable[..., Any]) -> None:
    """With the setting off, the corrected body is a new request."""
    api = start(store_validation_failures=False)
    assert api.post("A", idempotency_key="k", phone="082").status_code == 400
    assert api.post("A", idempotency_key="k").status_code == 201


def test_another_body_is_replayed_or_refused(api: Any, start: Callable[..., Any]) -> None:
    """A key used with another body is replayed by default, or 422; the first answer stays."""
    api.post("A", idempotency_key="k")
    assert api.post("B", idempotency_key="k").json()["external_reference"] == "A"
    strict = start(key_reuse="422")
    first = strict.post("A", idempotency_key="k")
    refused = strict.post("B", idempotency_key="k")
    assert refused.status_code == 422
    assert "idempotent-replayed" not in refused.headers
    assert strict.post("A", idempotency_key="k").content == first.content


@pytest.mark.parametrize(("fault", "after"), [("stored500", 404), ("stored500_created", 200)])
def test_a_500_is_stored_with_or_without_a_customer(api: Any, fault: str, after: int) -> None:
    """A stored 500 comes back for as long as its key lives; a look-up tells what happened."""
    api.faults(f"ref:A={fault}")
    first = api.post("A", idempotency_key="k")
    again = api.post("A", idempotency_key="k")
    assert (first.status_code, again.status_code) == (500, 500)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content
    assert api.get("A").status_code == after
    fresh = api.post("A", idempotency_key="k2").status_code
    assert fresh == (201 if after == 404 else 409)


def test_a_key_is_forgotten_after_24_hours(api: Any) -> None:
    """Just before 24 hours it is replayed; after them it is a new request."""
    api.post("A", idempotency_key="k")
    api.advance(DAY - 60)
    assert api.post("A", idempotency_key="k").headers["idempotent-replayed"] == "true"
    api.advance(61)
    late = api.post("A", idempotency_key="k")
    assert late.status_code == 409
    assert late.json()["type"].endswith("/duplicate-reference")
    assert "idempotent-replayed" not in late.headers
    assert api.state()["stored_answers"] == 1


def test_409_while_the_first_request_runs(start: Callable[..., Any]) -> None:
    """A key in flight is 409 for others; afterwards it is replayed."""
    api = start(faults="ref:A=latency@1500")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(api.post, "A", "k")
        while not api.state()["in_flight"]:
            assert not first.done()
        running = api.post("A", idempotency_key="k")
        assert running.status_code == 409
        assert running.json()["type"].endswith("/idempotency-key-in-use")
        assert api.get("A").status_code == 404
        assert first.result().status_code == 201
    assert api.post("A", idempotency_key="k").headers["idempotent-replayed"] == "true"


def test_one_reference_is_created_once_under_concurrency(start: Callable[..., Any]) -> None:
    """Many requests at once with keys of their own make one customer of a reference."""
    api = start(latency_ms=5, jitter_ms=20)
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda n: api.post(f"R{n % 4}").status_code, range(80)))
    assert statuses.count(201) == 4
    assert statuses.count(409) == 76
    state = api.state()
    assert (state["customers"], state["creations"]) == (4, 4)
    assert state["max_creations_per_reference"] == 1
