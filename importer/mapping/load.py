"""Reads a mapping file; whatever is wrong with it is told with its line, its key and the fix."""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from importer.errors import UsageError
from importer.mapping import presets
from importer.mapping.model import Mapping

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

MOST_BYTES = 1 << 20
"""A mapping is written by hand."""
TOLD = 5
"""Errors that one message tells."""
_AT = re.compile(r"\(at line (\d+), column (\d+)\)")
_TABLE = re.compile(r"^\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?P<name>(?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*[\w"' -]+)*)\s*=""")
_PART = re.compile(r""" "[^"]*" | '[^']*' | [^.]+ """, re.VERBOSE)
_OPEN = "fields.external_reference"


def load_mapping(path: Path) -> Mapping:
    """The mapping in this file, on top of the preset that it names.

    The file's own entry of a field takes the place of the preset's.

    Raises:
        UsageError: it cannot be read, is no TOML, or no mapping.
    """
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(path, error) from None
    name = document.get("preset")
    base = presets.tables(name) if isinstance(name, str) else {}
    try:
        return Mapping.model_validate(_merged(base, document))
    except ValidationError as error:
        raise _no_mapping(path, text, error, preset=name if base else None) from None


def place_of(text: str, key: tuple[str, ...]) -> int:
    """The line (from 1) on which a key of a TOML text stands, else that of its table, else 1."""
    table: tuple[str, ...] = ()
    best, depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            table = _parts(found["name"])
            here = table
        elif found := _KEY.match(line):
            here = (*table, *_parts(found["name"]))
        else:
            continue
        if here[: len(key)] == key[: len(here)] and min(len(here), len(key)) > depth:
            best, depth = number, min(len(here), len(key))
    return best


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in _PART.findall(name))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"the mapping {path} cannot be read: {error.strerror or error}",
            hint="importer init EXPORT makes one",
        ) from None
    reason = "it is larger than 1 MiB"
    if len(data) <= MOST_BYTES:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            reason = "it is not UTF-8"
    raise UsageError(
        f"the mapping {path} cannot be read: {reason}", hint="a mapping is a text file in TOML"
    )


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Tables of fields are merged by field, all others as a whole."""
    merged = {**base, **own}
    for table in ("fields", "metadata"):
        if isinstance(base.get(table), dict) and isinstance(own.get(table), dict):
            merged[table] = {**base[table], **own[table]}
    return merged


def _no_toml(path: Path, error: tomllib.TOMLDecodeError) -> UsageError:
    found = _AT.search(str(error))
    where = f": line {found[1]}, column {found[2]}" if found else ""
    what = _AT.sub("", str(error)).strip()
    return UsageError(f"{path}{where}: this is no TOML: {what}", hint="see docs/mapping.md")


def _no_mapping(path: Path, text: str, error: ValidationError, *, preset: str | None) -> UsageError:
    told = []
    for one in error.errors()[:TOLD]:
        key = tuple(str(part) for part in one["loc"] if not _is_inner(part))
        told.append(f"line {place_of(text, key)}: {_sentence(one, key, preset)}")
    told = list(dict.fromkeys(told))
    more = error.error_count() - TOLD
    rest = f"; and {more} more" if more > 0 else ""
    return UsageError(f"{path}: {'; '.join(told)}{rest}", hint="see docs/mapping.md")


def _is_inner(part: int | str) -> bool:
    """What pydantic adds to a place: positions, and the names of a union's members."""
    return isinstance(part, int) or "[" in part or part in {"str", "bool", "Totals"}


def _sentence(error: ErrorDetails, key: tuple[str, ...], preset: str | None) -> str:
    name = ".".join(key)
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(key[-1], _known(key[:-1]), n=1)
            hint = f"; did you mean {near[0]}?" if near else _keys(_known(key[:-1]))
            return f"{name} is unknown{hint}"
        case "missing" if name == _OPEN and preset:
            return (
                f"the preset {preset} leaves the reference open: add [{_OPEN}] with the column that"
                " holds your own unique id of each customer"
            )
        case "missing":
            return f"{name} is missing"
        case "value_error":
            return f"{name}: {error['msg'].removeprefix('Value error, ')}"
        case _:
            return f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _keys(names: list[str]) -> str:
    return f" (known are {', '.join(names)})" if names else ""


def _known(key: tuple[str, ...]) -> list[str]:
    """The keys of the table at this place."""
    model: type[BaseModel] | None = Mapping
    for part in key:
        if model is None:
            return []
        field = model.model_fields.get(part)
        found = _models(field.annotation) if field is not None else []
        model = found[0] if found else None
        if field is not None and part == "metadata":
            return _text_keys(key, found)
    return list(model.model_fields) if model is not None else []


def _text_keys(key: tuple[str, ...], found: list[type[BaseModel]]) -> list[str]:
    return list(found[0].model_fields) if found and key[0] == "metadata" else []


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for one in getattr(annotation, "__args__", ()) for model in _models(one)]
