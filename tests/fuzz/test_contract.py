"""The sandbox keeps its own contract: every answer to any request is a documented one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running
from tests import plain_http
from tests.fuzz.contract import REQUESTS, Request, conforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@pytest.fixture(scope="module", params=["", "lost=0,stored500=0.1,503=0.1"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A sandbox that works, and one that fails as gateways and servers do."""
    with (
        running(SandboxConfig(faults=request.param)) as base_url,
        plain_http.Client(base_url=base_url) as http,
    ):
        yield http


@given(request=REQUESTS)
@settings(max_examples=300)
def test_every_answer_is_documented(sandbox: httpx.Client, request: Request) -> None:
    """Status, media type, headers and body, whatever was asked."""
    conforms(sandbox, request)
