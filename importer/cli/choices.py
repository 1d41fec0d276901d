"""Which settings a run takes from a plan, and the mode that a plan is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from importer.job.credentials import KEY_FILE_VARIABLE, KEY_VARIABLE, read_api_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typer

    from importer.job.plan_file import SavedPlan


def mode_of(environment: Mapping[str, str], *, live: bool) -> str:
    """The mode that a run would have: the key's if one is set, else ``--live`` or test.

    Raises:
        UsageError: a key is set, and it is none.
    """
    if environment.get(KEY_VARIABLE, "").strip() or environment.get(KEY_FILE_VARIABLE):
        return read_api_key(environment).mode
    return "live" if live else "test"


class Choices:
    """Settings of a run: what was given by flag or environment, else what the plan says."""

    def __init__(self, context: typer.Context, plan: SavedPlan | None) -> None:
        self._context = context
        self._plan = plan

    def __call__(self, name: str, value: Any) -> Any:
        """The setting ``name``, whose value is ``value`` if no plan says otherwise."""
        source = self._context.get_parameter_source(name)
        given = source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}
        if self._plan is None or given:
            return value
        return self._plan.settings.get(name, value)

    def sources(self, given: list[str] | None) -> list[str]:
        """The sources that were named, else those of the plan."""
        return given or [one.name for one in (self._plan.sources if self._plan else ())]
