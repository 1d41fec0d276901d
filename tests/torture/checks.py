"""What must hold after every process that ended, however it ended."""

from __future__ import annotations

import csv
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.rehearsal.processes import KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600
RESULT_FILES = {"results.csv", "errors.csv", "summary.json"}
IN_MOMENT = {"created", "found", "unchanged", "changed", "updated", "duplicate"}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What may stand in no log and no ledger: the key and every personal value of the source."""

    pattern: re.Pattern[bytes]

    @classmethod
    def of(cls, source: Path) -> Secrets:
        """The key, and the names, e-mail addresses and phone numbers of a clean CSV."""
        with source.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        names = {row["name"] for row in rows}
        fixed = [KEY, *sorted(names)]
        parts = [re.escape(text).encode() for text in fixed]
        return cls(re.compile(b"|".join([*parts, rb"@example\.com", rb"\+27\d{9}"])))

    def found_in(self, path: Path) -> Iterator[str]:
        """A complaint where a file holds one; the value itself is not repeated."""
        if path.exists() and (match := self.pattern.search(path.read_bytes())):
            kind = "the API key" if match[0] == KEY.encode() else "personal data"
            yield f"{path.name} holds {kind} at byte {match.start()}"


def traceback_in(log: Path, *, interrupted: bool) -> Iterator[str]:
    """A complaint where a log shows a traceback.

    An interrupt that came while Python itself was still starting is Python's own to tell.
    """
    text = log.read_text(encoding="utf-8", errors="replace")
    if "Traceback" not in text:
        return
    if interrupted and "run_started" not in text and "KeyboardInterrupt" in text:
        ours = [line for line in text.splitlines() if "/importer/" in line]
        if all("/importer/__" in line for line in ours):
            return
    yield f"{log.name} shows a traceback: {text.strip().splitlines()[-1]}"


def open_modes(ledger: Path, out: Path) -> Iterator[str]:
    """Complaints about files that others may read."""
    for path in ledger.parent.glob(f"{ledger.name}*"):
        yield from _mode(path)
    if out.is_dir():
        for path in out.rglob("*"):
            yield from _mode(path)


def half_results(out: Path, references: list[str] | None) -> Iterator[str]:
    """Complaints about published folders that are not whole; None where runs read less."""
    for folder in published(out):
        missing = RESULT_FILES - {path.name for path in folder.iterdir()}
        if missing:
            yield f"{folder.name} was published without {', '.join(sorted(missing))}"
        elif references not in (None, [row["external_reference"] for row in results(folder)]):
            yield f"{folder.name}/results.csv has not one line per record in input order"


def unsettled_results(
    folder: Path, ids: dict[str, str], conflicts: Collection[str] = ()
) -> Iterator[str]:
    """Complaints about a settled run's results: every row in Moment, under the sandbox's id.

    ``conflicts`` are the rows that must be one, and no other may.
    """
    for row in results(folder):
        reference = row["external_reference"]
        fine = {"conflict"} if reference in conflicts else IN_MOMENT
        if row["outcome"] not in fine or row["bcus_id"] != ids.get(reference):
            yield f"results.csv says {row['outcome']} {row['bcus_id']} of {reference}"


def leftovers(out: Path) -> Iterator[str]:
    """Complaints about staging that a clean end left behind."""
    for path in out.glob(".*"):
        yield f"{path.name} was left behind"


def published(out: Path) -> list[Path]:
    """The results folders, oldest first; run ids of one second have no order."""
    folders = [path for path in out.glob("[!.]*") if path.is_dir()] if out.is_dir() else []
    return sorted(folders, key=lambda path: path.stat().st_mtime_ns)


def results(folder: Path) -> list[dict[str, str]]:
    """The lines of results.csv."""
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _mode(path: Path) -> Iterator[str]:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return  # Removed meanwhile by the run that is under way.
    allowed = PRIVATE_DIR if stat.S_ISDIR(status.st_mode) else PRIVATE_FILE
    if (mode := stat.S_IMODE(status.st_mode)) & ~allowed:
        yield f"{path.name} has mode {mode:04o}"
