"""The registry of error codes knows every code that the program uses."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from importer.rows.codes import REGISTRY
from importer.source.records import SOURCE_CODES

PACKAGE = Path(__file__).parents[2] / "importer"
FOLDERS = ("source", "rows", "mapping", "plan", "job", "delivery/protocol")
MAKERS = {
    "CellFault",
    "CellText",
    "Failed",
    "Finding",
    "Malformed",
    "NotARecord",
    "Problem",
    "Resolved",
    "Skipped",
    "SourceFault",
    "_made",
    "lit",
}
"""What holds a code of a row, made with the code as a text."""
CODE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+\Z")
NO_CODES = {"external_reference"}


def _texts(node: ast.AST, constants: dict[str, str]) -> set[str]:
    found = {
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and CODE.match(one.value)
    }
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return found | {constants[name] for name in names & constants.keys()}


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and CODE.match(node.value.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _handed_over(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that may be a code."""
    if isinstance(node, ast.Call):
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else ""
        name = function.id if isinstance(function, ast.Name) else name
        made = node.args[:4] if name in MAKERS else []
        keywords = [one.value for one in node.keywords if one.arg in {"error_code", "note"}]
        return [one for one in (*made, *keywords) if not isinstance(one, ast.Call)]
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"code", "note"}:
        return [node.value]
    if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "error_code":
        return [node.value] if node.value is not None else []
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:
        said = ast.unparse(node.elts[1])
        return [node.elts[0]] if said in {"message", "text", "wrong"} else []
    return []


def used_in(path: Path) -> set[str]:
    """The codes that a module hands to what holds one, and those in notes and keywords."""
    tree = ast.parse(path.read_text())
    constants = _constants(tree)
    parts = (part for node in ast.walk(tree) for part in _handed_over(node))
    return {code for part in parts for code in _texts(part, constants)} - NO_CODES


# Searched in a test, not for parameters: those are made in every process of the tests.
def test_every_code_that_is_used_is_registered() -> None:
    """A new code needs its meaning, its words and its fix before it can be given."""
    used = {
        (path, code)
        for folder in FOLDERS
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        if path.name != "verify.py"  # its findings are no codes of rows, with words of their own
        for code in used_in(path)
    }
    # The search finds codes: it would say nothing if it found none.
    assert {code for _, code in used} >= {
        *("cell_error", "too_few_fields", "phone_not_e164", "amount_decimals"),
        *("generations_spent", "second_id", "not_stored", "duplicate_conflict"),
    }
    assert {one for one in used if one[1] not in REGISTRY} == set()


@pytest.mark.parametrize("code", sorted(REGISTRY))
def test_every_code_has_meaning_words_and_fix(code: str) -> None:
    """In the form in which each is shown: a sentence, a clause without an end, an advice."""
    one = REGISTRY[code]
    assert re.match(r"[A-Z\[e].*\.\Z", one.meaning)
    for part in (one.words, one.fix):
        assert part == part.strip()
        assert not part.endswith(".")
    assert one.words[0].islower() or one.words.startswith("Moment")
    assert one.words != code.replace("_", " ")
    if one.of_column:
        assert re.match(r"(?:is|has|holds|gives|does|needs|names)\b", one.words)


def test_a_readers_codes_are_registered() -> None:
    """What the readers refuse is known to the registry by the same names."""
    assert REGISTRY.keys() >= SOURCE_CODES
