"""The options that several commands share, defined once so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="CSV, JSON Lines (gzip, zstd too), Excel or Parquet: paths or URLs; - reads"
        " standard input.",
    ),
]
LedgerPath = Annotated[Path, typer.Option("--ledger", help="The results ledger (SQLite).")]
Out = Annotated[Path, typer.Option("--out", help="Folder that gets one results folder per run.")]
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
Encoding = Annotated[
    str,
    typer.Option(
        "--encoding", help="Text encoding of the sources, for example windows-1252. Or auto."
    ),
]
Sheet = Annotated[
    str | None,
    typer.Option("--sheet", help="Sheet of an Excel workbook. The first with data by default."),
]
OnDuplicateName = Annotated[
    str,
    typer.Option(
        "--on-duplicate",
        help="Rows with one reference and different payloads: error, or first|last wins.",
    ),
]
LogFormat = Annotated[
    str,
    typer.Option(
        "--log-format",
        help="auto: progress on a terminal, JSON log lines elsewhere. Or console, json.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
