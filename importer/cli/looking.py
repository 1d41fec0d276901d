"""The commands that look at an export and offer mappings: ``init`` and ``presets``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from importer.cli import options as o

DEFAULT_CONFIG = Path("import.toml")


def init(
    source: Annotated[str, typer.Argument(metavar="EXPORT", help="The export to look at.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="The mapping file to write.")] = DEFAULT_CONFIG,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Begin with this one; importer presets lists.")
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            help="The column of your own customer numbers; again: used where the first is empty.",
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Country of national phone numbers: ZA.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", help="Where the file names none: ZAR.")
    ] = None,
    number_format: Annotated[
        str | None, typer.Option("--number-format", help='How amounts are written: "1.234,56".')
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Amounts count major (rand) or minor (cents).")
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option("--positive", help="A positive amount: debit (is owed to you) or credit."),
    ] = None,
    delimiter: o.Delimiter = None,
    encoding: o.Encoding = "auto",
    sheet: o.Sheet = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Take the proposal; ask nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the mapping file.")] = False,
) -> None:
    """Look at an export and write a mapping file for it."""
    from importer.cli.init_command import InitSettings  # noqa: PLC0415
    from importer.cli.init_command import init as init_file  # noqa: PLC0415
    from importer.mapping.proposing.proposal import Answers  # noqa: PLC0415
    from importer.source import SourceOptions  # noqa: PLC0415

    answers = Answers(
        reference=tuple(reference or ()),
        region=region,
        currency=currency,
        number_format=number_format,
        unit=unit,
        positive=positive,
    )
    options = SourceOptions(delimiter=o.delimiter_of(delimiter), encoding=encoding, sheet=sheet)
    init_file(InitSettings(source, out, options, answers, preset=preset, yes=yes, force=force))


def presets(
    *,
    show: Annotated[str | None, typer.Option("--show", help="Print this preset.")] = None,
) -> None:
    """List the mappings that come with importer, or print one."""
    from importer.cli.presets_command import list_presets, show_preset  # noqa: PLC0415

    if show is None:
        list_presets()
    else:
        show_preset(show)
