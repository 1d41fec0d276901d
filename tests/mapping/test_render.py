"""A proposal written as TOML."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.proposing.proposal import Choice, Proposal
from importer.mapping.proposing.propose import render
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
        "update": {},
    }


@pytest.mark.parametrize("billing", [True, False])
def test_updates_are_explained_and_never_switched_on(
    billing: bool,  # noqa: FBT001 - given by pytest
) -> None:
    """Every field that is made has its line; a billing file proposes its balance as a comment."""
    choices = [Choice(("fields", one), {"column": one}, "high", "") for one in ("name", "balance")]
    choices.append(Choice(("metadata", "a"), {"column": "a"}, "high", ""))
    text = render(Proposal(choices=choices), "a.csv", {}, billing=billing)
    assert tomllib.loads(text)["update"] == {}
    policy = "source" if billing else "never"
    assert '# name = "never"\n' in text
    assert f'# balance = "{policy}"' in text
    assert '# metadata = "never"' in text
    assert "# email" not in text
