"""Where each setting comes from: a flag, the environment, the mapping file, or the default."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from importer.errors import UsageError, printable

if TYPE_CHECKING:
    from pathlib import Path

    from importer.job.settings import InputSettings
    from importer.mapping import Mapping

NOT_IN_FILE = frozenset({"config", "plan", "save", "sources", "context"})
"""Parameters that a file cannot set: what to read, and the file itself."""
_KEY_NAMES = frozenset({"api_key", "key", "moment_api_key", "token", "secret"})
_FROM_SOURCE = ("encoding", "delimiter", "sheet")
_RUN = "run"


@dataclass(frozen=True, slots=True)
class Config:
    """A mapping file that was read."""

    path: Path
    mapping: Mapping
    lines: dict[str, int]
    """The line of each setting in it."""


def load(context: typer.Context, path: Path | None) -> Path | None:
    """Read the mapping file before any other option is looked at, and let it set their defaults."""
    if path is not None:
        config = read(path, context)
        context.obj = config
        context.default_map = {**(context.default_map or {}), **_values(config)}
    return path


def read(path: Path, context: typer.Context) -> Config:
    """Read a mapping file, and make sure that its settings are settings.

    Raises:
        UsageError: it is no mapping, or sets what is unknown or no such value.
    """
    from importer.mapping.load import load_mapping, place_of  # noqa: PLC0415 - needs pydantic

    mapping = load_mapping(path)
    text = path.read_text("utf-8-sig")
    lines = {name: place_of(text, (_RUN, name)) for name in mapping.run}
    for name in _FROM_SOURCE:
        if getattr(mapping.source, name) is not None and name not in lines:
            lines[name] = place_of(text, ("source", name))
    known = _settings()
    for name, value in mapping.run.items():
        where = f"{path}: line {lines[name]}: run.{name}"
        if name in _KEY_NAMES:
            raise UsageError(
                f"{where}: an API key has no place in a file that is shared",
                hint="set MOMENT_API_KEY, or MOMENT_API_KEY_FILE to a private file that holds it",
            )
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageError(
                f"{where} is no setting",
                hint=f"did you mean {near[0]}?" if near else "known are " + ", ".join(known),
            )
        _check(where, known[name], value, context)
    return Config(path, mapping, lines)


def mapping_of(context: typer.Context) -> Config | None:
    """The mapping file of this command, if it has one."""
    found = context.obj
    return found if isinstance(found, Config) else None


def with_mapping(inputs: InputSettings, context: typer.Context) -> InputSettings:
    """The same inputs, read through the mapping file if there is one."""
    config = mapping_of(context)
    if config is None:
        return inputs
    # Its [source] has become options already, which flags may have overruled.
    settled = {"source": type(config.mapping.source)()}
    mapping = config.mapping.model_copy(update=settled)
    return replace(inputs, mapping=mapping, config=config.path)


def _values(config: Config) -> dict[str, Any]:
    source = {name: getattr(config.mapping.source, name) for name in _FROM_SOURCE}
    given = {name: value for name, value in source.items() if value is not None}
    return {**given, **config.mapping.run}


def _settings() -> dict[str, Any]:
    """The options of run, plan and check that a file may set, by name."""
    from importer.cli.app import app  # noqa: PLC0415 - it imports this module

    group: Any = typer.main.get_command(app)
    commands = (group.commands[name] for name in ("run", "plan", "check"))
    every = {one.name: one for command in commands for one in command.params}
    return {name: every[name] for name in sorted(every) if name not in NOT_IN_FILE}


def _check(where: str, option: Any, value: Any, context: typer.Context) -> None:
    wanted = bool if option.is_flag else None
    if (wanted is bool) != isinstance(value, bool) or isinstance(value, dict | list):
        kind = "true or false" if wanted is bool else "a text or a number"
        raise UsageError(f"{where}: {value!r} is not {kind}", hint=f"--{option.name} takes {kind}")
    try:
        option.process_value(context, value)
    except typer.BadParameter as error:
        raise UsageError(
            f"{where}: {value!r}: {error.message}", hint="see importer run --help"
        ) from None


def show(context: typer.Context) -> list[str]:
    """Each effective setting with where it comes from; the API key is masked."""
    config = mapping_of(context)
    rows = []
    for option in context.command.params:
        name = option.name or ""
        if name in NOT_IN_FILE or name == "help":
            continue
        value = context.params.get(name)
        shown = (
            "" if value is None else str(value).lower() if value in (True, False) else str(value)
        )
        rows.append((name, shown, _origin(context, option, config)))
    rows.append(("MOMENT_API_KEY", *_key()))
    width = max(len(name) for name, _, _ in rows)
    widest = max(len(value) for _, value, _ in rows)
    return [
        printable(f"{name:<{width}}  {value:<{widest}}  {where}") for name, value, where in rows
    ]


def _origin(context: typer.Context, option: Any, config: Config | None) -> str:
    source = context.get_parameter_source(option.name)
    name = source.name if source is not None else "DEFAULT"
    if name == "COMMANDLINE":
        return f"flag {option.opts[0]}"
    if name == "ENVIRONMENT":
        names = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
        return "environment " + next((one for one in names if one in os.environ), "")
    if name == "DEFAULT_MAP" and config is not None:
        return f"{config.path}:{config.lines.get(option.name, 1)}"
    return "default"


def _key() -> tuple[str, str]:
    from importer.job.credentials import (  # noqa: PLC0415 - only this command asks
        KEY_FILE_VARIABLE,
        KEY_VARIABLE,
        read_api_key,
    )

    given = [name for name in (KEY_VARIABLE, KEY_FILE_VARIABLE) if os.environ.get(name)]
    if not given:
        return "", f"not set; {KEY_VARIABLE} or {KEY_FILE_VARIABLE} in the environment"
    try:
        key = read_api_key(os.environ)
    except UsageError as error:
        return "", f"environment {given[0]}: {error.message}"
    start = "sk_test_" if key.mode == "test" else "sk_"
    return f"{start}...", f"environment {given[0]} ({key.mode} mode, {len(key.secret)} characters)"
