"""PATCH and its faults, preconditions, and edits by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from importer.errors import UsageError
from importer.sandbox.edits import edit, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable

FORM = {"customer": "A", "field": "name", "value": "Grace"}


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [("500", 500, "Ada"), ("500_updated", 500, "New"), ("409", 409, "Ada"), ("503", 503, "Ada")],
)
def test_a_fault_of_one_customers_patch(api: Any, kind: str, status: int, name: str) -> None:
    """It hits the next PATCH, by id or reference, once, and leaves POST and GET alone."""
    api.faults(f"ref:A=patch:{kind}")
    customer_id = api.post("A", name="Ada").json()["id"]
    assert api.patch("B", name="New").status_code == 404
    answer = api.patch(customer_id, name="New")
    assert answer.status_code == status
    assert api.get("A").json()["name"] == name
    assert api.patch("A", name="Newer").json()["name"] == "Newer"
    assert api.state()["faults_injected"] == {kind: 1}


def test_a_lost_patch_was_written(api: Any) -> None:
    """The answer is lost, what was sent is there."""
    api.faults("patch:lost=1")
    api.post("A", name="Ada")
    with pytest.raises(httpx.ReadError):
        api.patch("A", name="New")
    assert api.get("A").json()["name"] == "New"


def test_no_fault_saves_a_bad_body(api: Any) -> None:
    """What is refused anyway meets no fault of the processing."""
    api.faults("patch:500_updated=1")
    api.post("A")
    assert api.patch("A", phone="082").status_code == 400


def test_a_precondition(start: Callable[..., Any]) -> None:
    """With ETags on, a PATCH with the tag of an earlier state is 412 and changes nothing."""
    api = start(etags=True)
    api.post("A", name="Ada")
    tag = api.get("A").headers["etag"]

    def patch(name: str, if_match: str) -> httpx.Response:
        headers = {"Authorization": "Bearer sk_test_abc", "If-Match": if_match}
        found: httpx.Response = api.http.patch(
            "/billing/customers/A", json={"name": name}, headers=headers
        )
        return found

    written = patch("B", tag)
    assert written.status_code == 200
    assert written.headers["etag"] == api.get("A").headers["etag"] != tag
    stale = patch("C", tag)
    assert stale.status_code == 412
    assert stale.json()["type"].endswith("/precondition-failed")
    assert patch("D", "*").status_code == 200
    assert patch("E", f'"other", {api.get("A").headers["etag"]}').status_code == 200
    assert api.get("A").json()["name"] == "E"


def test_without_etags_if_match_means_nothing(api: Any) -> None:
    """As far as anybody documents, Moment knows neither."""
    api.post("A")
    headers = {"Authorization": "Bearer sk_test_abc", "If-Match": '"x"'}
    answer = api.http.patch("/billing/customers/A", json={"name": "B"}, headers=headers)
    assert answer.status_code == 200
    assert "etag" not in answer.headers


def test_an_edit_from_the_command_line(api: Any) -> None:
    """Fields are changed and taken away, metadata by its keys; the state counts it."""
    customer = api.post("A", name="Ada", phone="+27821234567", metadata={"a": "1", "b": "2"}).json()
    changes = ["name=Grace", "phone=", "balance=-5", "currency=ZAR", "metadata.a=", "metadata.c=3"]
    now = edit(api.base_url, customer["id"], changes)
    assert now == api.get("A").json()
    assert now == {
        "id": customer["id"],
        "external_reference": "A",
        "name": "Grace",
        "currency": "ZAR",
        "balance": -5,
        "metadata": {"b": "2", "c": "3"},
    }
    assert edit(api.base_url, "A", ["metadata.b=", "metadata.c="]).get("metadata") is None
    assert api.state()["edits"] == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["name"], "no change"),
        (["external_reference=B"], "no change"),
        (["metadata=x"], "no change"),
        (["phone=082"], "phone"),
        (["balance=12.50"], "balance"),
        (["balance=5"], "currency"),
    ],
)
def test_an_edit_is_validated(api: Any, changes: list[str], said: str) -> None:
    """What Moment would refuse is refused, and nothing is changed."""
    api.post("A", name="Ada")
    before = api.get("A").json()
    with pytest.raises(UsageError) as caught:
        edit(api.base_url, "A", changes)
    assert said in caught.value.message
    assert api.get("A").json() == before


def test_an_edit_needs_one_customer_of_a_sandbox(api: Any) -> None:
    """Another reference, another server, or no server is a usage error; Moment is never asked."""
    api.post("A")
    api.post("A", api_key="sk_live_1")
    for where, customer, said in (
        (api.base_url, "B", "no such customer"),
        (api.base_url, "A", "2 accounts"),
        ("https://api.momentco.io", "A", "only a sandbox on this machine"),
        ("http://example.com", "A", "only a sandbox on this machine"),
        ("http://127.0.0.1:1", "A", "no sandbox answers"),
        (api.base_url + "/billing", "A", "no sandbox of this version"),
    ):
        with pytest.raises(UsageError) as caught:
            edit(where, customer, ["name=x"])
        assert said in caught.value.message
    assert edit(api.base_url, "A", ["name=x"], account="live/default")["name"] == "x"
    assert "name" not in api.get("A").json()


def test_an_edit_from_the_page(api: Any) -> None:
    """The page has the form; what it sends is taken from the page alone, then it is shown again."""
    api.post("A", name="Ada")
    assert 'action="/_sandbox/edit"' in api.http.get("/").text
    other = api.http.post("/_sandbox/edit", data=FORM, headers={"Origin": "http://evil.example"})
    assert other.status_code == 400
    assert api.http.post("/_sandbox/edit", data=FORM).status_code == 400
    answer = api.http.post("/_sandbox/edit", data=FORM, headers={"Origin": api.base_url})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert api.get("A").json()["name"] == "Grace"
    assert "Grace" in api.http.get("/").text


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"customer": 1, "fields": {}}', b'{"customer": "A", "fields": []}',
     b'{"customer": "A", "fields": {}}', b'{"customer": "A", "fields": {"metadata": 1}}',
     b"[" * 100_000],
)  # fmt: skip
def test_an_edit_of_no_use_is_refused(api: Any, body: bytes) -> None:
    """Whatever is sent, the answer says what to send."""
    answer = api.http.post("/_sandbox/edit", content=body)
    assert answer.status_code == 400
    assert "customer" in answer.json()["error"]


def test_fields_are_read_as_a_person_types_them() -> None:
    """A balance is a number where it is one; the contract judges the rest."""
    assert fields_of([("balance", "x"), ("name", "5")]) == {"balance": "x", "name": "5"}
