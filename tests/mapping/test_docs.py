"""docs/mapping.md is the mapping file, not a story about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.mapping import model as models
from importer.mapping.load import load_mapping
from importer.mapping.money.money_format import FORMATS

if TYPE_CHECKING:
    from pydantic import BaseModel

PAGE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text()
MODELS = [
    one
    for one in vars(models).values()
    if isinstance(one, type) and issubclass(one, models.Strict) and one is not models.Strict
]


@pytest.mark.parametrize("model", MODELS, ids=lambda one: str(one.__name__))
def test_every_key_is_documented(model: type[BaseModel]) -> None:
    """A key that nobody can read about does not exist."""
    for name in model.model_fields:
        assert re.search(rf"(^|[`{{ .\[]){name}\b", PAGE, re.MULTILINE), name


@pytest.mark.parametrize("name", FORMATS)
def test_every_number_format_is_documented(name: str) -> None:
    """All of them, as they are written."""
    assert f'`"{name}"`' in PAGE


def test_the_example_is_a_mapping(tmp_path: Path) -> None:
    """What the page shows can be pasted."""
    example, *_ = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "import.toml"
    path.write_text(example)
    mapping = load_mapping(path)
    assert mapping.fields.external_reference.sanitise == "escape"
    assert mapping.run == {"ledger": "customers.db", "max_errors": "5%"}
