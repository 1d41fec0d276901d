"""Turns a file with columns of its own into one with the columns of the API.

What needs pydantic is loaded when it is first used: most runs have no mapping file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.values import names_of

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


__getattr__ = names_of(__name__, _HOMES)
