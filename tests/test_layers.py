"""Data flows one way: a layer may import from the layers before it, never from those after."""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "importer"
LAYERS = [
    *("source", "rows", "mapping", "delivery/protocol", "ledger", "plan", "delivery"),
    *("engine", "results", "job", "cli"),
]
"""Each may import itself and what stands before it. The protocol is pure, and its states are the
ledger's: so it stands below both the ledger and what delivers."""
STANDALONE = {"sandbox"}
"""Imports errors only, so that its reading of the contract stays independent."""


FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
}
"""Every module that holds code of its own, by its dotted name."""


def _files_imported(path: Path) -> set[str]:
    """The modules that a file imports, at any level."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & FILES.keys()


def imports(path: Path) -> set[str]:
    """The sub-packages of importer that a module imports, at any level."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("importer.delivery.protocol"):
                found.add("delivery/protocol")
            elif name.startswith("importer."):
                found.add(name.split(".")[1])
    return found


@pytest.mark.parametrize("layer", [*LAYERS, *STANDALONE])
def test_a_layer_imports_only_what_stands_before_it(layer: str) -> None:
    """No module of a layer imports a later layer."""
    allowed = {"base_url", "errors", "outcomes", "clock", "shard", "values", "way"}
    if layer in LAYERS:
        allowed |= set(LAYERS[: LAYERS.index(layer) + 1])
    else:
        allowed = {"errors", layer}
    if layer == "cli":
        allowed |= STANDALONE
    for path in (PACKAGE / layer).rglob("*.py"):
        if layer == "delivery" and "protocol" in path.parts:
            continue
        assert imports(path) <= allowed, path


def test_the_test_knows_every_layer() -> None:
    """A new folder must take its place in the order."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == {*LAYERS, *STANDALONE} - {"delivery/protocol"}


def test_file_names_are_unique() -> None:
    """A traceback that names a file names its place."""
    names = [path.name for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_a_file_that_is_spoken_of_is_there() -> None:
    """Comments, docstrings and pages name files, which are renamed or folded now and then."""
    root = PACKAGE.parent
    places = [*PACKAGE.rglob("*.py"), *(root / "docs").glob("*.md"), root / "README.md"]
    folders = ("importer", "tests", "benchmarks", "deploy", "sample_data", "man")
    known = {path.name for folder in folders for path in (root / folder).rglob("*.py")}
    spoken_of = {
        (name, path.name)
        for path in places
        for name in re.findall(r"\b\w+\.py\b", path.read_text("utf-8"))
    }
    assert {one for one in spoken_of if one[0] not in known} == set()


def test_no_file_imports_itself_by_a_detour() -> None:
    """Imports of files, type-checking and late ones included, form no circle."""
    graph = {name: _files_imported(path) for name, path in FILES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("layer", LAYERS[:-1])
def test_a_package_loads_nothing_by_itself(layer: str) -> None:
    """An import names a file, and pays for that file and what it needs alone."""
    [words] = ast.parse((PACKAGE / layer / "__init__.py").read_text()).body
    assert isinstance(words, ast.Expr)


PURE = [
    "delivery/pacing/in_flight",
    "delivery/pacing/outage",
    "delivery/pacing/pace",
    "delivery/pacing/rate_limit",
    "delivery/protocol/answers",
    "delivery/protocol/creating",
    "delivery/protocol/events",
    "delivery/protocol/flight",
    "delivery/protocol/states",
    "ledger/rate_bucket",
    "job/alerts",
    "ledger/rules",
    "plan/decide",
    "plan/update_words",
    "source/fed_back",
]


@pytest.mark.parametrize("name", PURE)
def test_what_decides_is_pure(name: str) -> None:
    """The deciding modules import no I/O, no clock, no randomness and no event loop."""
    impure = {"anyio", "asyncio", "httpx", "os", "random", "socket", "sqlite3", "time", "trio"}
    tree = ast.parse((PACKAGE / f"{name}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & impure
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.module.split(".")[0] not in impure
