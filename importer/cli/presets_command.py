"""``presets``: the mappings that come with importer."""

from __future__ import annotations

import typer

from importer.mapping import presets


def list_presets() -> None:
    """One line a preset: its name and the first line of its description."""
    names = presets.names()
    width = max(map(len, names))
    for name in names:
        first = presets.text(name).splitlines()[0].removeprefix("# ")
        typer.echo(f"{name:<{width}}  {first}")


def show_preset(name: str) -> None:
    """The preset's own text, with what was verified and what is open.

    Raises:
        UsageError: there is no such preset.
    """
    typer.echo(presets.text(name), nl=False)
