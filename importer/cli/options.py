"""The options that several commands share, defined once so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from importer.errors import UsageError

DELIMITERS = {",": ",", ";": ";", "|": "|", "tab": "\t", "\t": "\t", "\\t": "\t"}

WITHOUT_VARIABLE = frozenset({"--config", "--key-changed", "--live", "--plan", "--save"})
"""Options that must be meant each time."""


def option(name: str, *names: str, **settings: Any) -> Any:
    """An option that the environment sets as well, as ``IMPORTER_NAME``."""
    if name not in WITHOUT_VARIABLE and "envvar" not in settings:
        variable = "IMPORTER_" + name.removeprefix("--").replace("-", "_").upper()
        settings |= {"envvar": variable, "show_envvar": False}
    return typer.Option(name, *names, **settings)


def _load_config(context: typer.Context, path: Path | None) -> Path | None:
    from importer.cli.settings import load  # noqa: PLC0415 - most commands have none

    return load(context, path)


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=_load_config,
        help="The mapping file: which column is what, and any other setting.",
    ),
]
Concurrency = Annotated[
    int, option("--concurrency", min=1, max=1024, help="Most requests in flight.")
]
Rate = Annotated[float | None, option("--rate", min=0.01, help="Most requests per second.")]
Limit = Annotated[int | None, option("--limit", min=1, help="Deliver at most N rows.")]
DryRun = Annotated[bool, option("--dry-run", help="Show what would be sent; send nothing.")]
KeyChanged = Annotated[
    bool, option("--key-changed", help="The new API key is the same merchant's.")
]
FailFast = Annotated[bool, option("--fail-fast", help="Stop reading at the first invalid record.")]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="CSV, JSON Lines (gzip, zstd too), Excel or Parquet: paths or URLs; - reads"
        " standard input.",
    ),
]
OptionalSources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE...", help="CSV or Parquet files (gzip, zstd too); - reads standard input."
    ),
]
PlanFile = Annotated[
    Path | None,
    option(
        "--plan",
        metavar="FILE",
        help="Do exactly what this plan says, with its sources and settings, or nothing.",
    ),
]
Save = Annotated[
    Path | None,
    option("--save", metavar="FILE", help="Write the plan to FILE for run --plan."),
]
LedgerPath = Annotated[Path, option("--ledger", help="The results ledger (SQLite).")]
Out = Annotated[Path, option("--out", help="Folder that gets one results folder per run.")]
Scratch = Annotated[Path, option("--out", help="Folder for scratch files meanwhile.")]
BaseUrl = Annotated[
    str,
    option(
        "--base-url",
        envvar="MOMENT_BASE_URL",
        help="Where the API is; plain http for loopback only.",
    ),
]
AccountName = Annotated[str, option("--account", help="Keeps merchants apart in one ledger.")]
Strict = Annotated[bool, option("--strict", help="An unknown column is an error.")]
Delimiter = Annotated[
    str | None,
    option("--delimiter", help="CSV delimiter: , ; | or tab. Detected by default."),
]
Encoding = Annotated[
    str,
    option("--encoding", help="Text encoding of the sources, for example windows-1252. Or auto."),
]
Sheet = Annotated[
    str | None,
    option("--sheet", help="Sheet of an Excel workbook. The first with data by default."),
]
OnDuplicateName = Annotated[
    str,
    option(
        "--on-duplicate",
        help="Rows with one reference and different payloads: error, or first|last wins.",
    ),
]
MaxErrors = Annotated[
    str | None,
    option(
        "--max-errors",
        metavar="N|P%",
        help="Send nothing if more rows are invalid. Default 10%, and more than 10 rows.",
    ),
]
RetryRejected = Annotated[
    bool, option("--retry-rejected", help="Send refused rows again, though unchanged.")
]
Live = Annotated[bool, option("--live", help="Live money keys are meant.")]
LogFormat = Annotated[
    str,
    option(
        "--log-format",
        help="auto: progress on a terminal, JSON log lines elsewhere. Or console, json.",
    ),
]
Quiet = Annotated[bool, option("--quiet", "-q", help="Only warnings and errors.")]


def delimiter_of(given: str | None) -> str | None:
    """The character that ``--delimiter`` names; None where it is not given.

    Raises:
        UsageError: it names none that is known.
    """
    if given is None:
        return None
    if given not in DELIMITERS:
        raise UsageError(f"--delimiter {given!r} is not known", hint="one of , ; | tab")
    return DELIMITERS[given]
