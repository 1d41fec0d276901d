"""Finds what results folders say of one customer: who is invalid is in no ledger, only there."""

from __future__ import annotations

import csv
import mmap
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from importer.results.record_files import COLUMNS
from importer.results.summary import SUMMARY, Summary, read_summary
from importer.results.workspace import results_folders
from importer.source.fed_back import escape_formula
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_FOLDERS = 50
"""Results folders that are looked through, the newest first."""


@value
class Sighting:
    """One line of a results.csv."""

    run_id: str
    folder: Path
    account: str
    """In words; "" of a check, or where the folder does not say."""
    source: str
    line: str
    outcome: str
    error_code: str
    error: str
    http_status: str
    mapping: str
    """The mapping file of that run, "" for none."""
    errors_file: str
    """Of the source, where the row may be corrected; "" where there is none."""


def sightings(out: Path, reference: str) -> list[Sighting]:
    """The lines of the newest results folder that has this reference; [] where none has it.

    A folder that cannot be read, or is no results folder, is passed over.
    """
    for folder in islice(results_folders(out), MOST_FOLDERS):
        with suppress(OSError, ValueError, csv.Error):
            if found := [*_in_folder(folder, reference)]:
                return found
    return []


def mapping_of(out: Path, run_id: str) -> str:
    """The mapping file of a run, as its results say; "" for none, or where they are gone."""
    summary = _summary(out / run_id)
    return "" if summary is None else summary.mapping.get("file", "")


def _in_folder(folder: Path, reference: str) -> Iterator[Sighting]:
    cell = escape_formula(reference)
    path = folder / "results.csv"
    if not _holds(path, cell):
        return
    summary = _summary(folder)
    files = {} if summary is None else summary.errors_files
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        lines = csv.reader(file)
        if tuple(next(lines, ())) != COLUMNS:
            return
        for line in lines:
            row = dict(zip(COLUMNS, line, strict=False))
            if row.get("external_reference") != cell:
                continue
            with_it = [name for name, held in files.items() if row["outcome"] in held]
            yield Sighting(
                folder.name,
                folder,
                "" if summary is None else summary.account,
                row["source"],
                row["line"],
                row["outcome"],
                row["error_code"],
                row["error"],
                row["http_status"],
                "" if summary is None else summary.mapping.get("file", ""),
                with_it[0] if len(with_it) == 1 else "",
            )


def _holds(path: Path, cell: str) -> bool:
    """Whether the bytes are there at all: most files need not be read as CSV."""
    wanted = cell.replace('"', '""').encode("utf-8", "surrogateescape")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        return held.find(wanted) >= 0


def _summary(folder: Path) -> Summary | None:
    with suppress(OSError, ValueError):
        return read_summary((folder / SUMMARY).read_text("utf-8"))
    return None
