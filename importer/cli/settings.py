"""Where each setting comes from: a flag, the environment, the mapping file, or the default.

The commands' options are made from the table of settings (job.job_settings), so that a setting
means the same everywhere, and a new one is one entry there.
"""

from __future__ import annotations

import copy
import difflib
import functools
import inspect
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from importer.cli.completion import offer, offer_all, offering
from importer.errors import UsageError, printable
from importer.job.job_settings import (
    PREFIX,
    READS,
    TABLE,
    DeliverySettings,
    DisplaySettings,
    InputSettings,
    OutwardSettings,
)
from importer.ledger.address import LedgerAddress, refuse_password
from importer.mapping.updates import updates_text
from importer.values import pattern, record, value

if TYPE_CHECKING:
    from collections.abc import Mapping as Environment

    from importer.job.job_settings import Setting
    from importer.job.plan_guard import SavedPlan
    from importer.mapping.model import Mapping

BY_NAME = {one.name: one for one in TABLE}
IN_FILE = {name: one for name, one in BY_NAME.items() if set(one.commands) & set(READS)}
"""What ``[run]`` of a mapping file may set."""
_IN_SECTION = {(one.section, one.in_section): one for one in IN_FILE.values() if one.section}
"""Those that may stand in a section of their own kind, by (section, key)."""
_MEANT_EACH_TIME = {
    PREFIX + name.upper(): f"--{name.replace('_', '-')}"
    for name in ("config", "json", "plan", "save", *(one.name for one in TABLE if one.each_time))
}
_OF_A_KEY = pattern(r"(?:^|_)(?:api_?key|key|password|secret|token)(?:_|$)")
_SECRET = pattern(r"(?i)\b[sp]k_|://[^/]*@")
_LIKE_AN_ADDRESS = (
    PREFIX + "BASE_URL",
    *(f"MOMENT_{one}" for one in ("URL", "BASEURL", "BASE_URI", "HOST", "ENDPOINT", "SERVER")),
    *(f"MOMENT_API_{one}" for one in ("URL", "BASE", "BASE_URL", "HOST", "ENDPOINT")),
)
"""Variables that somebody means for the address: overlooked, a rehearsal would be sent for real."""
_MISSPELT = 0.8
"""How alike a variable and a setting are before one is taken for the other."""
_RUN = "run"


# Options -----------------------------------------------------------------------------------------


def settings_of(command: str) -> list[Setting]:
    """The settings that a command has; ``config`` has those of ``run``, ``plan`` and ``check``."""
    wanted = set(READS) if command == "config" else {command}
    return [one for one in TABLE if wanted & set(one.commands) and not one.secret]


def option(one: Setting, command: str) -> inspect.Parameter:
    """The parameter of a command that typer makes the option of."""
    names = [one.flag, one.letter] if one.letter else [one.flag]
    info: Any = typer.Option(
        *names,
        help=one.help_of.get(command, one.help),
        metavar=one.metavar,
        min=one.least,
        max=one.most,
        envvar=one.variable,
        show_envvar=one.own_variable is not None,
    )
    if one.values:
        info = offering(info, offer(one.values, several=one.several))
    kind: Any = list[one.kind] if one.repeated else one.kind  # type: ignore[name-defined]
    hint = kind | None if one.default is None else kind
    return inspect.Parameter(
        one.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=one.default,
        annotation=Annotated[hint, info],
    )


_CONTEXT = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)


def with_settings(command: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every setting of the table that names it, as one ``Given``.

    The function takes ``given: Given`` last; its other parameters are its own. Typer finds the
    options, and the context that ``Given`` has, when ``command_of`` has made them.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def call(context: typer.Context, **arguments: Any) -> None:
            values = {one.name: arguments.pop(one.name) for one in settings_of(command)}
            function(**arguments, given=Given(context, values))

        call.has_settings_of = command  # type: ignore[attr-defined]
        return call

    return decorate


def _with_options(infos: Iterable[Any]) -> list[Any]:
    """The same commands of typer; the functions of these have their options from now on."""
    found = [*infos]
    for call in (one.callback for one in found):
        command = getattr(call, "has_settings_of", None)
        if command is not None and not hasattr(call, "__signature__"):
            signature = inspect.signature(call.__wrapped__, eval_str=True)
            kept = [one for name, one in signature.parameters.items() if name != "given"]
            made = [_CONTEXT, *kept, *(option(one, command) for one in settings_of(command))]
            call.__signature__ = signature.replace(parameters=made)
            call.__annotations__ = {one.name: one.annotation for one in made}
    return found


def command_of(app: typer.Typer, words: Sequence[str] | None = None) -> Any:
    """The command that an app stands for, in which only what was given is converted.

    Typer reads each parameter of each command, typed or not, and builds a pydantic validator for
    each of a command, given or not: together a seventh of what a run of ten rows costs.

    Args:
        app: with its commands and groups of them.
        words: what was typed. A command in front leaves the others out; where no word is one,
            those that are there are only to be listed, and have no parameters. None: all, whole.
    """
    made = copy.copy(app)
    made.registered_commands, made.registered_groups = _needed(app, words)
    offer_all()
    command: Any = typer.main.get_command(made)
    waiting = [command]
    while waiting:
        one = waiting.pop()
        waiting += getattr(one, "commands", {}).values()
        one.get_params = functools.partial(_sparing, one.get_params)
    return command


def _needed(app: typer.Typer, words: Sequence[str] | None) -> tuple[list[Any], list[Any]]:
    commands, groups = app.registered_commands, app.registered_groups
    names = {*map(_name_of, commands), *map(_name_of, groups)}
    if words is not None and names.isdisjoint(words):
        return [*map(_listed, commands)], [*map(_listed, groups)]
    if words and words[0] in names:
        commands = [one for one in commands if _name_of(one) == words[0]]
        groups = [one for one in groups if _name_of(one) == words[0]]
    for one in groups:
        _with_options(getattr(one.typer_instance, "registered_commands", ()))
    return _with_options(commands), groups


def _name_of(info: Any) -> str:
    name: str = info.name or typer.main.get_command_name(info.callback.__name__)
    return name


def _listed(info: Any) -> Any:
    """A command or a group of them as the list of commands shows it."""

    def nothing() -> None:
        pass

    found = copy.copy(info)
    found.name = _name_of(info)
    if isinstance(info, typer.models.TyperInfo):
        found.typer_instance = copy.copy(info.typer_instance)
        found.typer_instance.registered_commands = []
    else:
        nothing.__doc__ = info.callback.__doc__
        found.callback = nothing
    return found


def _sparing(parameters_of: Callable[[Any], list[Any]], context: Any) -> list[Any]:
    """The parameters of a command, its ``--help`` too, each with ``_processed``."""
    found = parameters_of(context)
    for one in found:
        if not isinstance(one.process_value, functools.partial):
            one.process_value = functools.partial(_processed, one, one.process_value)
    return found


def _processed(parameter: Any, process: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    """As ``parameter.process_value``, without a validator where none is needed."""
    source = context.get_parameter_source(parameter.name)
    is_default = source is not None and source.name == "DEFAULT"
    plain, found = _plain(parameter, value, is_default=is_default)
    if not plain or (parameter.required and parameter.value_is_missing(found)):
        return process(context, value)
    return found if parameter.callback is None else parameter.callback(context, parameter, found)


def _plain(parameter: Any, value: Any, *, is_default: bool) -> tuple[bool, Any]:
    """Whether the value is what it shall be, or nearly; and as that."""
    descriptor: Any = getattr(parameter, "type_descriptor", None)
    kind = getattr(descriptor, "annotation", None)
    several = parameter.multiple or parameter.nargs != 1
    if value is None:
        return True, () if several else None
    if several:
        texts = kind == list[str] and isinstance(value, list | tuple)
        return (True, list(value)) if texts and {*map(type, value)} <= {str} else (False, None)
    if kind is Path and isinstance(value, str | Path):
        return _is_any_path(descriptor.parameter_info, value), Path(value)
    return type(value) is kind and (kind is str or is_default), value


def _is_any_path(said: Any, value: str | Path) -> bool:
    """Whether typer would find nothing to object to."""
    is_any = said.file_okay and said.dir_okay
    asks = said.exists or said.writable or said.resolve_path or said.path_type is not None
    return is_any and not asks and (not os.path.exists(value) or os.access(value, os.R_OK))  # noqa: PTH110


@record
class Given:
    """The settings of one command as they were given, wherever."""

    context: typer.Context
    values: dict[str, Any]
    """By name, as a command line gives them: texts, numbers, truths."""
    followed: set[str] = field(default_factory=set)
    """Names of those that a plan has said."""

    def follow(self, plan: SavedPlan | None) -> None:
        """Let the plan say what neither a flag nor the environment says.

        What a plan does not hold (where results go, how fast, what counts as done) its mapping
        file says as it would without a plan.
        """
        config = mapping_of(self.context)
        file = _values(config) if config is not None else {}
        for name in self.values if plan is not None else ():
            source = self.context.get_parameter_source(name)
            if source is None or source.name not in {"COMMANDLINE", "ENVIRONMENT"}:
                own = file.get(name, self.values[name])
                said = plan.settings.get(name, own) if plan else None
                self.followed.add(name)
                if name == "ledger" and str(LedgerAddress.parse(self.values[name])) == said:
                    continue  # The same, but for a password that no plan holds.
                self.values[name] = said

    def inputs(self, sources: Iterable[str]) -> InputSettings:
        """What to read, through the mapping file if there is one.

        Raises:
            UsageError: a setting has no value of its kind.
        """
        config = mapping_of(self.context)
        mapping = config.mapping if config is not None else None
        if mapping is not None:
            # Its [source] has become options already, which flags may have overruled.
            settled = mapping.source.model_copy(update=dict.fromkeys(_options_of_source()))
            mapping = mapping.model_copy(update={"source": settled})
        path = config.path if config is not None else None
        values = self._of(InputSettings)
        return InputSettings(sources=tuple(sources), mapping=mapping, config=path, **values)

    def delivery(self) -> DeliverySettings:
        """How to deliver.

        Raises:
            UsageError: a setting has no value of its kind.
        """
        settings = DeliverySettings(**self._of(DeliverySettings))
        source = self.context.get_parameter_source("ledger")
        if source is not None and source.name == "COMMANDLINE":
            refuse_password(settings.ledger, "--ledger")
        return settings

    def display(self) -> DisplaySettings:
        """How to tell of it.

        Raises:
            UsageError: a setting has no value of its kind.
        """
        return DisplaySettings(**self._of(DisplaySettings))

    def outward(self) -> OutwardSettings:
        """Whom to tell how the run went.

        Raises:
            UsageError: a setting has no value of its kind, or a file that it names is not there.
        """
        config = mapping_of(self.context)
        found = {one.name: secret_of(one, os.environ, config) for one in SECRETS}
        values = {name: one.value for name, one in found.items() if one.value is not None}
        warnings = dict.fromkeys(one.warning for one in found.values() if one.warning)
        return OutwardSettings(**self._of(OutwardSettings), **values, warnings=tuple(warnings))

    @property
    def ca_bundle(self) -> Path | None:
        """The authorities to trust; None for those of the environment."""
        found: Path | None = BY_NAME["ca_bundle"].value_of(self.values["ca_bundle"])
        return found

    def flags(
        self, command: str, *, without: Iterable[str] = (), planned: bool = True
    ) -> list[str]:
        """The options that this command line gave and ``command`` has, too, to mean the same there.

        What the environment and files say, they will say again; what a plan said only if
        ``planned``, for a command that does not follow it. ``without`` names settings.
        """
        found = []
        for name, chosen in self.values.items():
            one = BY_NAME[name]
            if command in one.commands and name not in without and self._is_given(one, planned):
                found += _words(one, chosen)
        return found

    def _is_given(self, one: Setting, planned: bool) -> bool:  # noqa: FBT001 - as above
        if one.name in self.followed:
            config = mapping_of(self.context)
            said = _values(config).get(one.name, one.default) if config else one.default
            value = self.values[one.name]
            # A plan spells its values in one way, whatever the file has: "50 %" for 50%.
            same = (one.value_of(one.default), one.value_of(said))
            return planned and one.value_of(value) not in same
        source = self.context.get_parameter_source(one.name)
        return source is not None and source.name == "COMMANDLINE"

    def _of(self, settings: type[Any]) -> dict[str, Any]:
        names = {one.name for one in fields(settings)} & self.values.keys()
        found = {name: BY_NAME[name].value_of(self.values[name]) for name in names}
        # What nobody gave keeps the field's own default.
        return {name: value for name, value in found.items() if value is not None}


def _words(one: Setting, value: Any) -> list[str]:
    """An option as words of a command line."""
    if value is True:
        return [one.flag]
    found: list[str] = []
    for text in map(str, value if one.repeated else [value]):
        found += [f"{one.flag}={text}"] if text.startswith("-") else [one.flag, text]
    return found


# Secrets -----------------------------------------------------------------------------------------

SECRETS = [one for one in TABLE if one.secret]
FILE = "_FILE"
"""What a variable ends with that names a file which holds a secret."""


class Secret(NamedTuple):
    """What was given for a setting that nothing shows, and where."""

    value: Any = None
    """The field's value; None where nobody gave one."""
    origin: str = "default"
    warning: str = ""


def secret_of(one: Setting, environment: Environment[str, str], config: Config | None) -> Secret:
    """Its variable, else the file that ``NAME_FILE`` names, else the mapping file says it.

    Raises:
        UsageError: the file cannot be read, or it is no value; the message shows nothing of it.
    """
    variable = one.variable or ""
    named = environment.get(variable + FILE, "")
    if environment.get(variable, "").strip():
        given, origin, path = environment[variable], f"environment {variable}", None
    elif named:
        path, origin = Path(named), f"environment {variable}{FILE}"
        given = _lines_of(path, origin)
    elif config is not None and one.name in (values := _values(config)):
        path = config.path
        given, origin = values[one.name], f"{path}:{config.lines.get(one.name, 1)}"
    else:
        return Secret()
    try:
        value = one.value_of(given)
    except UsageError as error:
        raise UsageError(f"{origin}: {error.message}", hint=error.hint) from None
    is_open = path is not None and value and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    warning = f"{path} holds addresses with tokens, and other users can read it; chmod 600 it"
    return Secret(value, origin, warning if is_open else "")


def _lines_of(path: Path, origin: str) -> str:
    """A file's lines, without those that are comments."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"{origin}: {path} cannot be read: {reason}") from None
    return "\n".join(one for one in lines if not one.lstrip().startswith("#"))


# The mapping file --------------------------------------------------------------------------------


@value
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
    if context.resilient_parsing:
        return path  # A shell asks what may be typed next.
    _check_environment(context)
    if path is not None:
        config = read(path, context)
        context.obj = config
        context.default_map = {**(context.default_map or {}), **_values(config)}
    return path


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=load,
        help="The mapping file: which column is what, and any other setting.",
    ),
]


def read(path: Path, context: typer.Context) -> Config:
    """Read a mapping file, and make sure that its settings are settings.

    Raises:
        UsageError: it is no mapping, or sets what is unknown or no such value.
    """
    from importer.mapping.load import load_mapping, place_of  # noqa: PLC0415 - needs pydantic

    mapping = load_mapping(path)
    text = path.read_text("utf-8-sig")
    lines = {name: place_of(text, (_RUN, name)) for name in mapping.run}
    for section, key, said in _sections(mapping):
        place = place_of(text, (section, key))
        where = f"{path}: line {place}: {section}.{key}"
        one = _IN_SECTION.get((section, key))
        if one is None:
            raise _unknown(where, key, [name for kind, name in _IN_SECTION if kind == section])
        _check_kind(where, one, said)
        _check(where, one, said, context)
        lines.setdefault(one.name, place)
    for name, said in mapping.run.items():
        where = f"{path}: line {lines[name]}: run.{name}"
        if name not in IN_FILE:
            raise _unknown(where, name, IN_FILE)
        one = IN_FILE[name]
        _check_kind(where, one, said)
        _check(where, one, said, context)
        if one.once and said:
            raise UsageError(
                f"{where} must be meant each time: here it would hold for every run",
                hint=f"take it out, and give {one.flag} once",
            )
    return Config(path, mapping, lines)


def mapping_of(context: typer.Context) -> Config | None:
    """The mapping file of this command, if it has one."""
    found = context.obj
    return found if isinstance(found, Config) else None


def _values(config: Config) -> dict[str, Any]:
    given = {
        _IN_SECTION[section, key].name: value for section, key, value in _sections(config.mapping)
    }
    return {**given, **config.mapping.run}


def _sections(mapping: Mapping) -> list[tuple[str, str, Any]]:
    """What stands in the sections that hold settings: (section, key, value)."""
    source = mapping.source.model_dump(exclude_none=True)
    known = _options_of_source()
    updates = mapping.update.rules
    return [
        *(("source", key, value) for key, value in source.items() if key in known),
        *(("guard", key, value) for key, value in mapping.guard.items()),
        *(("notify", key, value) for key, value in mapping.notify.items()),
        *((("update", "update", updates_text(updates)),) if updates else ()),
    ]


def _options_of_source() -> set[str]:
    """The keys of [source] that are options too; the others are the mapping's own."""
    return {key for section, key in _IN_SECTION if section == "source"}


def _unknown(where: str, name: str, known: Iterable[str]) -> UsageError:
    if _OF_A_KEY.search(name.lower().replace("-", "_")):
        return UsageError(
            f"{where}: an API key has no place in a file that is shared",
            hint="set MOMENT_API_KEY, or MOMENT_API_KEY_FILE to a private file that holds it",
        )
    near = difflib.get_close_matches(name, known := sorted(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(known)
    return UsageError(f"{where} is no setting", hint=hint)


def _check_kind(where: str, one: Setting, value: Any) -> None:
    """A file has types: a text is no truth there, and a date is neither."""
    if one.secret and not isinstance(value, dict | bool):
        return  # Its own parser says it, and shows nothing of it.
    wants_truth = one.kind is bool
    several = isinstance(value, list) and one.repeated
    if wants_truth != isinstance(value, bool) or (isinstance(value, dict | list) and not several):
        kind = "true or false" if wants_truth else "a text or a number"
        raise UsageError(
            f"{where}: {in_words(value)} is not {kind}", hint=f"{one.flag} takes {kind}"
        )


def _check(where: str, one: Setting, value: Any, context: typer.Context) -> None:
    try:
        one.value_of(value if one.secret else _converter(one.name).process_value(context, value))
    except typer.BadParameter as error:
        raise UsageError(
            f"{where}: {in_words(value)}: {error.message}", hint="see importer run --help"
        ) from None
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from None


@functools.cache
def _converter(name: str) -> Any:
    """The click option of a setting, which knows how to read its kind."""
    app = typer.Typer()
    one = BY_NAME[name]

    def command(**_: Any) -> None:
        """Nothing: only its option is wanted."""

    made = option(one, next(iter(one.commands)))
    command.__signature__ = inspect.Signature([made])  # type: ignore[attr-defined]
    command.__annotations__ = {name: made.annotation}
    app.command()(command)
    return next(found for found in typer.main.get_command(app).params if found.name == name)


def in_words(value: Any) -> str:
    """A value for a message; one that may hold a key or a password is left out."""
    return "a value that may be secret" if _SECRET.search(str(value)) else repr(value)


# The environment ---------------------------------------------------------------------------------


def _check_environment(context: typer.Context) -> None:
    """Let no variable be overlooked: one that is misspelt, or holds no value of its setting."""
    names = {one.name for one in context.command.params}
    own = {one.variable: one for one in TABLE if one.name in names and one.variable}
    for variable, one in own.items():
        if value := os.environ.get(variable):
            _check(f"environment: {variable}", one, value, context)
    address = BY_NAME["base_url"].variable
    if address in own and not os.environ.get(address):
        for variable in filter(os.environ.get, _LIKE_AN_ADDRESS):
            raise UsageError(
                f"environment: {variable} is no setting", hint=f"the API's address is {address}"
            )
    known = {one.variable for one in IN_FILE.values() if one.variable}
    known |= {f"{one.variable}{FILE}" for one in SECRETS}
    others = {name for name in os.environ if name.startswith(PREFIX)} - known - own.keys()
    ends = [name.removeprefix(PREFIX) for name in known]
    for variable in sorted(others):
        if variable in _MEANT_EACH_TIME:
            raise UsageError(
                f"environment: {variable} is no setting: {_MEANT_EACH_TIME[variable]} must be"
                " meant each time",
                hint="unset it, and give the flag",
            )
        near = difflib.get_close_matches(variable.removeprefix(PREFIX), ends, n=1, cutoff=_MISSPELT)
        # What resembles none may be another program's.
        if near:
            raise UsageError(
                f"environment: {variable} is no setting", hint=f"did you mean {PREFIX}{near[0]}?"
            )


# importer config ---------------------------------------------------------------------------------


def show(given: Given) -> list[str]:
    """Each effective setting with where it comes from; the API key is masked.

    Raises:
        UsageError: a flag has no value of its setting.
    """
    rows = _rows(given)
    width = max(len(name) for name, _, _ in rows)
    widest = max(len(value) for _, value, _ in rows)
    return [
        printable(f"{name:<{width}}  {value:<{widest}}  {where}") for name, value, where in rows
    ]


def config_document(given: Given) -> dict[str, Any]:
    """The same for scripts (docs/schemas/config.json).

    Raises:
        UsageError: as ``show``.
    """
    config = mapping_of(given.context)
    return {
        "mapping": "" if config is None else str(config.path),
        "settings": [
            {"name": name, "value": value, "origin": where, "flag": flag, "variable": variable}
            for name, value, where in _rows(given)
            for flag, variable in [_names_of(name)]
        ],
    }


def _rows(given: Given) -> list[tuple[str, str, str]]:
    """All that a run would go by: name, value and where it comes from; no secret is shown."""
    given.delivery()  # Refuses what a run would.
    return [*effective(given), *_secrets(given), ("MOMENT_API_KEY", *_key()), *_way(given)]


def _names_of(name: str) -> tuple[str, str]:
    """The flag and the environment variable of a row; "" where it has none."""
    one = BY_NAME.get(name)
    if one is None:
        return "", name if name.isupper() else ""
    return "" if one.secret else one.flag, one.variable or ""


def effective(given: Given) -> list[tuple[str, str, str]]:
    """Each setting of a command: name, value, and where it comes from. No password is shown."""
    config = mapping_of(given.context)
    rows = []
    for name, chosen in given.values.items():
        parsed = BY_NAME[name].value_of(chosen)
        if isinstance(parsed, LedgerAddress):
            shown = str(parsed)  # Without its password.
        elif chosen is None:
            shown = ""
        else:
            shown = str(chosen).lower() if chosen in (True, False) else str(chosen)
        origin = _origin(given.context, BY_NAME[name], config)
        if name in given.followed and chosen != BY_NAME[name].default:
            origin = "the plan, or the mapping file"
        rows.append((name, shown, origin))
    return rows


def _origin(context: typer.Context, one: Setting, config: Config | None) -> str:
    source = context.get_parameter_source(one.name)
    name = source.name if source is not None else "DEFAULT"
    if name == "COMMANDLINE":
        return f"flag {one.flag}"
    if name == "ENVIRONMENT":
        return f"environment {one.variable}"
    if name == "DEFAULT_MAP" and config is not None:
        return f"{config.path}:{config.lines.get(one.name, 1)}"
    return "default"


def _way(given: Given) -> list[tuple[str, str, str]]:
    """By which proxy Moment is reached, and whose certificates are trusted; no login is shown."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - only this command asks

    from importer.way import authorities, trust, way_to  # noqa: PLC0415

    url = urlsplit(given.delivery().base_url)
    bundle = given.inputs([]).ca_bundle
    rows = []
    try:
        way = way_to(url.scheme, url.hostname or "", port=url.port)
        login = ", with a login" if way.proxy is not None and way.proxy.authorization else ""
        shown, where = ("none", way.why) if way.proxy is None else (way.proxy.url, way.why + login)
        rows.append(("proxy", shown, where if way.proxy is None else f"environment {where}"))
    except UsageError as error:
        rows.append(("proxy", "", f"environment: {error.message}"))
    named = authorities(bundle=bundle)
    try:
        trust(bundle=bundle)
        rows.append(("certificates", named.where, named.said_by or "the certifi package"))
    except UsageError as error:
        rows.append(("certificates", "", error.message))
    return rows


def _secrets(given: Given) -> list[tuple[str, str, str]]:
    """Whom a run tells, by addresses that show no token."""
    from importer.job.run_news import masked  # noqa: PLC0415 - only this command asks

    outward, config = given.outward(), mapping_of(given.context)
    rows = []
    for one in SECRETS:
        told = getattr(outward, one.name)
        shown = ", ".join(masked(url) for url in (told if one.repeated else filter(None, [told])))
        rows.append((one.name, shown, secret_of(one, os.environ, config).origin))
    return rows


def _key() -> tuple[str, str]:
    from importer.delivery.credentials import (  # noqa: PLC0415 - only this command asks
        KEY_VARIABLES,
        key_variable,
        read_api_key,
    )

    try:
        where = key_variable(os.environ)
        if not where:
            return "", f"not set; one of {', '.join(KEY_VARIABLES)} in the environment"
        key = read_api_key(os.environ)
    except UsageError as error:
        return "", f"environment: {error.message}"
    start = "sk_test_" if key.mode == "test" else "sk_"
    return f"{start}...", f"environment {key.source}: {key.mode} mode, {len(key.secret)} characters"
