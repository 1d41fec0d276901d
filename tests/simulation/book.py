"""The customer file of a history: its rows, how they change, and what is known of each version."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from importer.errors import SourceError
from importer.rows import certain
from importer.rows.certain import PAYLOAD
from importer.rows.header_fields import map_columns
from importer.rows.judged import SCHEMA, Judged, judge_batch
from importer.rows.row import Row
from importer.source.records import Layout, RecordBatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from importer.rows.header_fields import ColumnMap
    from tests.simulation.luck import Luck

HEADER = ("external_reference", "name", "email", "currency", "balance")
COLUMNS = map_columns(Layout("customers.csv", HEADER), strict=False)
REFUSED = "Refused"
"""Moment's own rule in this simulation: it refuses a customer whose name begins with this word."""


def acceptable(payload: dict[str, object]) -> bool:
    """Whether Moment takes this payload; the importer cannot know."""
    return not str(payload.get("name", "")).startswith(REFUSED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file."""

    reference: str
    version: int
    refused: bool = False
    """Moment refuses this version."""
    invalid: bool = False
    """The importer's own validation refuses it."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The line's cells."""
        word = REFUSED if self.refused else "Example"
        balance = "1.2.3" if self.invalid else str(100 + self.version)
        return (self.reference, f"{word} {self.version}", "a@example.com", "ZAR", balance)


@dataclass(frozen=True, slots=True)
class File:
    """A version of the whole file."""

    entries: tuple[Entry, ...]
    unreadable_from: int | None = None
    """Index of the line at which reading fails."""

    def batches(self, size: int) -> Iterator[Judged]:
        """The file's lines as the product judges them, in batches.

        Raises:
            SourceError: where the file cannot be read any further.
        """
        for start in range(0, len(self.entries), size):
            part = self.entries[start : start + size]
            if self.unreadable_from is not None and start + size > self.unreadable_from:
                raise SourceError("customers.csv: the rest cannot be read")
            yield _judged(part, start + 2)

    def expected(self) -> dict[int, str]:
        """By line: ``invalid``, ``duplicate`` or ``deliver``, told without the product's code."""
        by_reference: dict[str, list[tuple[int, Entry]]] = {}
        for line, entry in enumerate(self.entries, start=2):
            by_reference.setdefault(entry.reference, []).append((line, entry))
        told: dict[int, str] = {}
        for members in by_reference.values():
            valid = [(line, one) for line, one in members if not one.invalid]
            told |= {line: "invalid" for line, one in members if one.invalid}
            conflict = len({one for _, one in valid}) > 1
            for nth, (line, _) in enumerate(valid):
                told[line] = "invalid" if conflict else "duplicate" if nth else "deliver"
        return told

    def deliverable(self) -> dict[str, Entry]:
        """The rows that may be sent, by reference; none of a file that cannot be read."""
        if self.unreadable_from is not None:
            return {}
        told = self.expected()
        return {
            one.reference: one
            for line, one in enumerate(self.entries, start=2)
            if told[line] == "deliver"
        }


_JUDGED: dict[Entry, Row | tuple[str, bytes, str]] = {}
"""What the product's own rules say of each entry: invalid, or its reference, fingerprint, payload.

Kept for all histories of a process: of batches of a few rows hardly two are the same."""
_PAYLOADS: dict[tuple[str, ...], str] = {}
"""Payloads by their cells, as the product makes them again."""


def _judged(entries: tuple[Entry, ...], line: int) -> Judged:
    """Entries from a line on, by the product's own rules."""
    if new := tuple({one: None for one in entries if one not in _JUDGED}):
        judged = judge_batch(RecordBatch(0, _frame(new, HEADER), range(len(new))), COLUMNS)
        if judged.columns is not COLUMNS:
            raise AssertionError("a payload does not follow from its cells")
        _JUDGED.update({new[row.line]: row for row in judged.invalid})
        _JUDGED.update({new[at]: (*said,) for at, *said in judged.valid.iter_rows()})
    told = [(at, one, _JUDGED[one]) for at, one in enumerate(entries, start=line)]
    valid = [(at, one, said) for at, one, said in told if not isinstance(said, Row)]
    return Judged(
        0,
        pl.DataFrame([(at, *said) for at, _, said in valid], schema=SCHEMA, orient="row"),
        _frame([one for _, one, _ in valid], map(str, range(len(HEADER)))),
        tuple(replace(said, line=at) for at, _, said in told if isinstance(said, Row)),
        columns=COLUMNS,
    )


def _frame(entries: Iterable[Entry], names: Iterable[str]) -> pl.DataFrame:
    schema = dict.fromkeys(names, pl.String)
    return pl.DataFrame([one.cells for one in entries], schema=schema, orient="row")


def payloads_again(cells: pl.DataFrame, columns: ColumnMap) -> pl.Series:
    """As the staging makes them from the cells of a file; what was made before is kept."""
    rows = cells.rows()
    if new := [one for one in rows if one not in _PAYLOADS]:
        frame = pl.DataFrame(new, schema=cells.schema, orient="row")
        _PAYLOADS.update(zip(new, certain.payloads_again(frame, columns), strict=True))
    return pl.Series(PAYLOAD, [_PAYLOADS[one] for one in rows], dtype=pl.String)


class Book:
    """Writes the file, changes it from run to run, and remembers every version of every row."""

    def __init__(self, luck: Luck, rows: int, changes: float) -> None:
        self._luck = luck
        self._changes = changes
        self._versions = 0
        self.payloads: dict[bytes, dict[str, object]] = {}
        """Payload by fingerprint, of every version that was ever read."""
        self.accepted: set[str] = set()
        """References that had an acceptable version in some file."""
        chance = luck.chance
        entries = [Entry(f"R-{n}", 0, refused=chance.random() < 0.15) for n in range(rows)]
        for one in list(entries):
            drawn = chance.random()
            if drawn < 0.04:
                entries.append(one)
            elif drawn < 0.08:
                entries[entries.index(one)] = replace(one, invalid=True)
        self.file = self.before = File(tuple(entries))
        """The file now, and the one before."""
        self._note()

    def remember(self, judged: Judged) -> None:
        """Keep the payload of each version."""
        versions = judged.valid
        for fingerprint, payload in zip(versions["fingerprint"], versions["payload"], strict=True):
            if fingerprint not in self.payloads:
                self.payloads[fingerprint] = json.loads(payload)

    def next(self) -> None:
        """Another version of the file, or the same again."""
        strikes, chance = self._luck.strikes, self._luck.chance
        entries = [replace(one) for one in self.file.entries]
        changed, corrected = strikes("row changed"), strikes("row corrected")
        worse = strikes("row worse")
        for at, one in enumerate(entries):
            drawn = chance.random()
            if corrected and (one.refused or one.invalid) and drawn < 0.7:
                entries[at] = Entry(one.reference, self._version())
            elif changed and drawn < self._changes:
                entries[at] = replace(one, version=self._version())
            elif worse and drawn > 0.8:
                entries[at] = replace(one, version=self._version(), refused=True)
        if strikes("row removed") and len(entries) > 1:
            entries.pop(chance.randrange(len(entries)))
        if strikes("row added"):
            entries.append(Entry(f"N-{self._version()}", 0))
        if strikes("rows conflict"):
            one = chance.choice(entries)
            entries.append(replace(one, version=self._version(), invalid=False))
        if strikes("rows shuffled"):
            chance.shuffle(entries)
        cut = chance.randrange(len(entries)) if strikes("input unreadable") else None
        self.before, self.file = self.file, File(tuple(entries), cut)
        self._note()

    def mend(self) -> None:
        """Make the file readable, and take conflicts out: the last version wins."""
        latest = {one.reference: one for one in self.file.entries}
        self.file = File(tuple(latest.values()))
        self._note()

    def worse(self, file: File | None = None) -> bool:
        """Whether Moment refuses a row of the file that it would have taken in another version."""
        entries = (file or self.file).entries
        return any(one.refused and one.reference in self.accepted for one in entries)

    def _version(self) -> int:
        self._versions += 1
        return self._versions

    def _note(self) -> None:
        self.accepted |= {one.reference for one in self.file.entries if not one.refused}
