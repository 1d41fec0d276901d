"""Turns a file with columns of its own into one with the columns of the API.

What needs pydantic is loaded when it is first used: most runs have no mapping file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importer.mapping.bound import Bound, Mapped, Skipped, bind
    from importer.mapping.load import load_mapping
    from importer.mapping.model import Mapping
    from importer.mapping.transform_report import Transformed

__all__ = ["Bound", "Mapped", "Mapping", "Skipped", "Transformed", "bind", "load_mapping"]

_HOMES = {
    "Bound": "bound",
    "Mapped": "bound",
    "Mapping": "model",
    "Skipped": "bound",
    "Transformed": "transform_report",
    "bind": "bound",
    "load_mapping": "load",
}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"importer.mapping.{_HOMES[name]}"), name)
