"""Idempotency keys: fixed for ever, different for every row and generation."""

from __future__ import annotations

import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.protocol.keys import idempotency_key

REFERENCES = st.from_regex(r"[a-zA-Z0-9_-]{1,255}", fullmatch=True)


def test_the_key_of_a_row_never_changes_between_versions() -> None:
    """Another key for a row already sent would be a second request for it."""
    assert idempotency_key("UCR1234567890", 0) == "ee3ca832-5fca-5663-8492-5f502c43b0df"
    assert idempotency_key("UCR1234567890", 1) == "49c168fb-522b-5838-afba-07053c12fc26"


@given(REFERENCES, st.integers(0, 1000))
def test_a_key_is_what_the_api_page_asks_for(reference: str, generation: int) -> None:
    """A UUID of the allowed characters and length."""
    key = idempotency_key(reference, generation)
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,255}", key)
    assert UUID(key).version == 5


@given(st.sets(st.tuples(REFERENCES, st.integers(0, 30)), min_size=2, max_size=20))
def test_rows_and_generations_never_share_a_key(rows: set[tuple[str, int]]) -> None:
    """Digits at the end of a reference are not taken for a generation."""
    assert len({idempotency_key(*row) for row in rows}) == len(rows)
