"""A sandbox over a real loopback socket, and a client that speaks to it."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running
from tests import plain_http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

TEST_KEY = "sk_test_abc"


class Api:
    """A client of one sandbox: only what the tests say again and again."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.http = plain_http.Client(base_url=base_url, timeout=10)
        self._keys = count()

    def post(
        self,
        reference: str,
        /,
        idempotency_key: str | None = None,
        api_key: str = TEST_KEY,
        **fields: Any,
    ) -> httpx.Response:
        """Create a customer, with a new idempotency key unless one is given."""
        return self.http.post(
            "/billing/customers",
            json={"external_reference": reference, **fields},
            headers={
                "Authorization": f"Bearer {api_key}",
                "Idempotency-Key": idempotency_key or f"key-{next(self._keys)}",
            },
        )

    def get(self, name: str, api_key: str = TEST_KEY) -> httpx.Response:
        """Look one customer up."""
        headers = {"Authorization": f"Bearer {api_key}"}
        return self.http.get(f"/billing/customers/{name}", headers=headers)

    def patch(self, customer: str, /, **fields: Any) -> httpx.Response:
        """Update one customer."""
        headers = {"Authorization": f"Bearer {TEST_KEY}"}
        return self.http.patch(f"/billing/customers/{customer}", json=fields, headers=headers)

    def state(self) -> dict[str, Any]:
        """Return the audit's counts."""
        state: dict[str, Any] = self.http.get("/_sandbox/state").json()
        return state

    def faults(self, spec: str) -> httpx.Response:
        """Replace the fault spec."""
        return self.http.post("/_sandbox/faults", json={"spec": spec})

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock."""
        answer = self.http.post("/_sandbox/clock", json={"advance_seconds": seconds})
        assert answer.status_code == 200


@pytest.fixture(scope="session")
def shared() -> Iterator[Api]:
    """One sandbox with the default settings for all tests that need no other."""
    with running(SandboxConfig()) as base_url:
        api = Api(base_url)
        with api.http:
            yield api


@pytest.fixture
def api(shared: Api) -> Api:
    """The shared sandbox, emptied."""
    assert shared.http.post("/_sandbox/reset").status_code == 200
    return shared


@pytest.fixture
def start() -> Iterator[Callable[..., Api]]:
    """Start sandboxes with settings of their own; they stop with the test."""
    with ExitStack() as stack:

        def begin(**settings: Any) -> Api:
            api = Api(stack.enter_context(running(SandboxConfig(**settings))))
            stack.enter_context(api.http)
            return api

        yield begin
