"""A proposal written as TOML."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.proposing.proposal import Choice, Proposal
from importer.mapping.proposing.render import render
from importer.mapping.toml_text import value as toml_value

VALUES = st.recursive(
    st.text() | st.booleans() | st.integers(-5, 5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_comes_back_as_it_was_written(value: Any) -> None:
    """Any text, list or table survives TOML."""
    assert tomllib.loads(f"value = {toml_value(value)}")["value"] == value


@given(st.text(min_size=1), st.text())
def test_no_name_from_the_file_leaves_its_comment(name: str, source: str) -> None:
    """Names of columns and files cannot write keys into the mapping."""
    proposal = Proposal(
        choices=[Choice(("metadata", name), {"column": name}, "low", name, (name,))],
        left_out=[(name, name)],
        notes=[name],
    )
    written = tomllib.loads(render(proposal, source, {"delimiter": ";"}))
    assert written == {
        "version": 1,
        "run": {},
        "source": {"delimiter": ";"},
        "metadata": {name: {"column": name}},
    }
