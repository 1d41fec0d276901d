"""Requests by chance to the sandbox, whose every answer must be one that its contract documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from importer.rows.currencies import ACTIVE
from importer.sandbox.contract import field_errors, load_contract
from tests.fuzz.records import PAYLOAD

if TYPE_CHECKING:
    import httpx

COLLECTION = "/billing/customers"
_REFERENCES = st.sampled_from(["C-1", "C-2", "C-3", "C" * 255]) | st.from_regex(
    r"\A[a-zA-Z0-9_-]{1,12}\Z"
)


class Request(NamedTuple):
    """One request, as the wire takes it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


_WELL_FORMED = st.fixed_dictionaries(
    {"external_reference": _REFERENCES},
    optional={
        "name": st.text(st.characters(codec="utf-8"), max_size=20),
        "email": st.just("ada@example.com"),
        "phone": st.from_regex(r"\A\+[1-9][0-9]{1,14}\Z"),
        "currency": st.sampled_from(sorted(ACTIVE)),
        "balance": st.integers(-(10**12), 10**12),
        "metadata": st.dictionaries(st.text("abc", max_size=5), st.text("xyz", max_size=5)),
    },
)
_CHANGES = _WELL_FORMED.map(lambda body: {**body, "external_reference": "C-1"})
_BODY = st.one_of(
    _WELL_FORMED.map(json.dumps).map(str.encode),
    _CHANGES.map(json.dumps).map(str.encode),
    PAYLOAD.map(json.dumps).map(str.encode),
    st.binary(max_size=40),
    st.sampled_from(
        [b"", b"[]", b"null", b"[" * 100_000, b'{"a":' * 5000, b"1" * 5000, b'"\\ud800"']
    ),
)
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Authorization": st.sampled_from(
            ["Bearer sk_test_a"] * 12
            + ["Bearer pk_test_a", "Bearer", "Basic x", "sk_test_a", "Bearer sk_test_a b"]
        ),
        "Idempotency-Key": st.sampled_from(["k1", "k2"])
        | st.uuids().map(str)
        | st.sampled_from(["", "a b", "k" * 256, "k_1", "k!"]),
        "Content-Type": st.sampled_from(
            ["application/json"] * 6
            + ["text/plain", "application/json; charset=utf-16", "application/problem+json", "x"]
        ),
    },
)
_NAMES = _REFERENCES | st.sampled_from(["bcus_none", "a b", "%00", "%2e%2e", "C" * 256, "é", "~"])
REQUESTS = st.builds(
    Request,
    st.sampled_from(["POST", "POST", "POST", "GET", "PATCH", "DELETE", "PUT"]),
    st.just(COLLECTION) | _NAMES.map(lambda name: f"{COLLECTION}/{name}"),
    _HEADERS,
    _BODY,
)
"""Well-formed and malformed, with keys that come again, known and unknown references."""


def conforms(http: httpx.Client, request: Request) -> int:
    """Send it; the status, once the answer is one that the contract documents."""
    body = b"" if request.method == "GET" else request.body
    answer = http.request(
        request.method, request.path, headers=request.headers, content=body or None
    )
    template = COLLECTION if request.path == COLLECTION else f"{COLLECTION}/{{customer}}"
    operation = load_contract()["paths"][template].get(request.method.lower())
    if operation is None:
        # RFC 9110 section 15.5.6; the contract describes no other methods.
        assert answer.status_code in {404, 405}
        assert answer.headers["content-type"] == "application/problem+json"
        _valid("Problem", answer.json())
        return answer.status_code
    documented = _resolved(operation["responses"].get(str(answer.status_code)))
    assert documented is not None, f"{answer.status_code} is not documented"
    media = answer.headers["content-type"].partition(";")[0]
    assert media in documented["content"]
    schema = documented["content"][media]["schema"]
    if "$ref" in schema:
        _valid(schema["$ref"].rpartition("/")[2], answer.json())
    assert "sandbox-defect" not in answer.text
    for header, rule in documented.get("headers", {}).items():
        if header in answer.headers:
            Draft202012Validator(_resolved(rule)["schema"]).validate(answer.headers[header])
    return answer.status_code


def _valid(schema: str, document: Any) -> None:
    assert field_errors(schema, document) == []


def _resolved(node: dict[str, Any] | None) -> Any:
    if node is None or "$ref" not in node:
        return node
    found: Any = load_contract()
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found
