"""The options that several commands share, defined once so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...", help="CSV or Parquet files (gzip, zstd too); - reads standard input."
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
    typer.Option(
        "--plan",
        metavar="FILE",
        help="Do exactly what this plan says, with its sources and settings, or nothing.",
    ),
]
Save = Annotated[
    Path | None,
    typer.Option("--save", metavar="FILE", help="Write the plan to FILE for run --plan."),
]
LedgerPath = Annotated[Path, typer.Option("--ledger", help="The results ledger (SQLite).")]
Out = Annotated[Path, typer.Option("--out", help="Folder that gets one results folder per run.")]
Scratch = Annotated[Path, typer.Option("--out", help="Folder for scratch files meanwhile.")]
BaseUrl = Annotated[
    str,
    typer.Option(
        "--base-url",
        envvar="MOMENT_BASE_URL",
        help="Where the API is; plain http for loopback only.",
    ),
]
AccountName = Annotated[str, typer.Option("--account", help="Keeps merchants apart in one ledger.")]
Strict = Annotated[bool, typer.Option("--strict", help="An unknown column is an error.")]
Delimiter = Annotated[
    str | None,
    typer.Option("--delimiter", help="CSV delimiter: , ; | or tab. Detected by default."),
]
OnDuplicateName = Annotated[
    str,
    typer.Option(
        "--on-duplicate",
        help="Rows with one reference and different payloads: error, or first|last wins.",
    ),
]
MaxErrors = Annotated[
    str | None,
    typer.Option(
        "--max-errors",
        metavar="N|P%",
        help="Send nothing if more rows are invalid. Default 10%, and more than 10 rows.",
    ),
]
RetryRejected = Annotated[
    bool, typer.Option("--retry-rejected", help="Send refused rows again, though unchanged.")
]
Live = Annotated[bool, typer.Option("--live", help="Live money keys are meant.")]
LogFormat = Annotated[
    str,
    typer.Option(
        "--log-format",
        help="auto: progress on a terminal, JSON log lines elsewhere. Or console, json.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
