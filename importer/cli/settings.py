"""Where each setting comes from: a flag, the environment, the mapping file, or the default."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from importer.cli.options import WITHOUT_VARIABLE
from importer.cli.values import in_words, judge
from importer.errors import UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from importer.job.job_settings import InputSettings
    from importer.mapping import Mapping

NOT_IN_FILE = frozenset({"config", "plan", "save", "sources", "context"})
"""Parameters that a file cannot set: what to read, and the file itself."""
_OF_A_KEY = re.compile(r"(?:^|_)(?:api_?key|key|password|secret|token)(?:_|$)")
_PREFIX = "IMPORTER_"
_MISSPELT = 0.8
"""How alike a variable and a setting are before one is taken for the other."""
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
    """Read the mapping file before any other option is looked at, and let it set their defaults.

    Raises:
        UsageError: the file or the environment sets what is no setting, or no value of one.
    """
    _check_environment(context)
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
    known = _settings()
    for name in _FROM_SOURCE:
        value = getattr(mapping.source, name)
        if value is not None and name not in lines:
            lines[name] = place_of(text, ("source", name))
            _check(f"{path}: line {lines[name]}: source.{name}", known[name], value, context)
    for name, value in mapping.run.items():
        where = f"{path}: line {lines[name]}: run.{name}"
        if name not in known:
            raise _unknown(where, name, known)
        _check_kind(where, known[name], value)
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


def _unknown(where: str, name: str, known: Iterable[str]) -> UsageError:
    if _OF_A_KEY.search(name.lower().replace("-", "_")):
        return UsageError(
            f"{where}: an API key has no place in a file that is shared",
            hint="set MOMENT_API_KEY, or MOMENT_API_KEY_FILE to a private file that holds it",
        )
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(known)
    return UsageError(f"{where} is no setting", hint=hint)


def _check_kind(where: str, option: Any, value: Any) -> None:
    """A file has types: a text is no truth there, and a date is neither."""
    wants_truth = bool(option.is_flag)
    if wants_truth != isinstance(value, bool) or isinstance(value, dict | list):
        kind = "true or false" if wants_truth else "a text or a number"
        raise UsageError(
            f"{where}: {in_words(value)} is not {kind}", hint=f"{option.opts[0]} takes {kind}"
        )


def _check(where: str, option: Any, value: Any, context: typer.Context) -> None:
    try:
        judge(option.name, option.process_value(context, value))
    except typer.BadParameter as error:
        raise UsageError(
            f"{where}: {in_words(value)}: {error.message}", hint="see importer run --help"
        ) from None
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from None


def _check_environment(context: typer.Context) -> None:
    """Let no variable be overlooked: one that is misspelt, or holds no value of its setting."""
    own = {_variable(option): option for option in context.command.params if _variable(option)}
    for variable, option in own.items():
        if value := os.environ.get(variable):
            _check(f"environment: {variable}", option, value, context)
    others = {name for name in os.environ if name.startswith(_PREFIX)} - own.keys()
    if not others:
        return
    known = {_variable(option) for option in _settings().values()}
    forbidden = {
        _PREFIX + name.removeprefix("--").replace("-", "_").upper(): name
        for name in WITHOUT_VARIABLE
    }
    for variable in sorted(others - known):
        if variable in forbidden:
            raise UsageError(
                f"environment: {variable} is no setting: {forbidden[variable]} must be meant"
                " each time",
                hint="unset it, and give the flag",
            )
        ends = [name.removeprefix(_PREFIX) for name in known]
        near = difflib.get_close_matches(
            variable.removeprefix(_PREFIX), ends, n=1, cutoff=_MISSPELT
        )
        # What resembles none may be another program's.
        if near:
            raise UsageError(
                f"environment: {variable} is no setting", hint=f"did you mean {_PREFIX}{near[0]}?"
            )


def _variable(option: Any) -> str:
    """The environment variable of an option; "" if it has none."""
    name = option.envvar
    return name if isinstance(name, str) else next(iter(name or ()), "")


def show(context: typer.Context) -> list[str]:
    """Each effective setting with where it comes from; the API key is masked.

    Raises:
        UsageError: a flag has no value of its setting.
    """
    config = mapping_of(context)
    rows = []
    for option in context.command.params:
        name = option.name or ""
        if name in NOT_IN_FILE or name == "help":
            continue
        value = context.params.get(name)
        judge(name, value)
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
        return f"environment {_variable(option)}"
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
