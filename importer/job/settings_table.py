"""What a setting is: one entry makes its flag, variable, file key, help and documentation. Pure.

The entries are the fields of the settings classes (``job_settings``): a field that is made with
``setting`` can be set by a user, any other by the program alone. The command line, ``[run]`` in a
mapping file, ``IMPORTER_...`` variables, ``importer config`` and the pages in docs/ follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

PREFIX = "IMPORTER_"
SENDS = ("run", "plan")
READS = ("run", "plan", "check")
ONLY_RUN = ("run",)
_KEY = "setting"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as users meet it. ``name`` is the field's; the flag is ``--name``."""

    name: str
    help: str
    default: Any
    """As a command line would give it: a text, a number, a truth, or None."""
    kind: type
    """What a command line and a file give: ``str``, ``int``, ``float``, ``bool`` or ``Path``."""
    commands: tuple[str, ...]
    """The commands that have it; ``config`` has those of ``run``, ``plan`` and ``check``."""
    parse: Callable[[Any], Any] | None = None
    """Makes the field's value of what was given, or raises UsageError."""
    letter: str = ""
    """A short flag: ``-q``."""
    metavar: str | None = None
    least: float | None = None
    most: float | None = None
    own_variable: str | None = None
    """The environment variable, if it is not ``IMPORTER_NAME``."""
    each_time: bool = False
    """It must be meant each time: no variable sets it."""
    section: str = ""
    """It may stand in this section of a mapping file, too: ``source`` or ``guard``,"""
    key: str = ""
    """and is called so there; "" for its name."""
    repeated: bool = False
    """The flag may be given several times; the field holds a tuple."""
    help_of: Mapping[str, str] = field(default_factory=dict)
    """Other words for some commands, where it does something else there."""

    @property
    def flag(self) -> str:
        """Its long flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def in_section(self) -> str:
        """What its section calls it."""
        return self.key or self.name

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it; None if none does."""
        if self.each_time:
            return None
        return self.own_variable or PREFIX + self.name.upper()

    def value_of(self, given: Any) -> Any:
        """The field's value for what was given.

        Raises:
            UsageError: it is no value of this setting.
        """
        if self.repeated:
            return tuple(self._one(one) for one in given or ())
        return None if given is None else self._one(given)

    def _one(self, given: Any) -> Any:
        # A plan, being JSON, has a path as text.
        given = Path(given) if self.kind is Path else given
        return given if self.parse is None else self.parse(given)


def setting(  # noqa: D417 - the others are documented at Setting
    default: T,
    help: str,  # noqa: A002 - as click and typer call it
    *,
    kind: type | None = None,
    commands: tuple[str, ...] = READS,
    shown: Any = ...,
    **more: Any,
) -> T:
    """A dataclass field that users can set.

    Args:
        default: the field's default.
        help: one line for ``--help``.
        kind: the type of what is given; that of the default if left out.
        commands: where the flag exists.
        shown: the default as a command line would give it, where that differs from ``default``.
    """
    given: Any = default if shown is ... else shown
    if kind is None:
        kind = Path if isinstance(given, Path) else type(given)
    made = {"help": help, "default": given, "kind": kind, "commands": commands}
    return field(default=default, metadata={_KEY: {**made, **more}})


def settings_in(*classes: type[Any]) -> Iterator[Setting]:
    """The settings among the fields of dataclasses, in their order."""
    for one in classes:
        for found in fields(one):
            if _KEY in found.metadata:
                yield Setting(name=found.name, **found.metadata[_KEY])
