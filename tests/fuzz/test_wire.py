"""Damaged answers by chance, over real sockets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.fuzz.asking import LOOPS
from tests.fuzz.wire import WIRE, ask


@pytest.mark.parametrize("kind", LOOPS)
@given(data=WIRE)
@settings(max_examples=60)
def test_any_bytes_give_a_typed_answer(kind: str, data: bytes) -> None:
    """Never an exception, never a customer that the bytes do not name."""
    ask(kind, data)
