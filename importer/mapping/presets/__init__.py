"""The mappings that come with importer: one TOML file each, with what was verified and what not."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from typing import Any

from importer.errors import UsageError

_SUFFIX = ".toml"


def names() -> list[str]:
    """The names of all presets, in order."""
    files = (one.name for one in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX))


def text(name: str) -> str:
    """The TOML text of a preset, comments and all.

    Raises:
        UsageError: there is no such preset; the hint names the nearest.
    """
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "the presets are " + ", ".join(known)
        raise UsageError(f"there is no preset {name!r}", hint=hint)
    return (resources.files(__name__) / f"{name}{_SUFFIX}").read_text("utf-8")


def tables(name: str) -> dict[str, Any]:
    """A preset as TOML tables.

    Raises:
        UsageError: there is no such preset.
    """
    return tomllib.loads(text(name))
