"""Finds lines at the edges of a file that look like no customers. Pure.

An export may begin or end with lines that are about it: a sum, a rule of dashes, the number of its
records, a page's foot; and two files that were joined have a header in the middle. Read as records
they may be valid, and then somebody owes the sum of all. Nobody is guessed to be no customer: what
is found here stops a run until the user says what it is.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import polars as pl

from importer.rows.text import trim

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from importer.rows.judged import Judged
    from importer.source.records import Layout, RecordBatch

NOT_A_CUSTOMER = "not_a_customer"
"""The code of a record that is left out for it."""
HEAD = 3
TAIL = 10
"""Records at the beginning and at the end that are looked at."""


class Edges(StrEnum):
    """What is done with them."""

    STOP = "stop"
    KEEP = "keep"
    """They are records like all others."""
    SKIP = "skip"
    """They are left out, and reported as skipped."""


@dataclass(frozen=True, slots=True)
class NoCustomer:
    """A line that looks like no customer."""

    line: int
    looks_like: str
    """For example ``a line of totals``; nothing of what it holds."""


_SUMS = (
    r"(?:grand |sub-?|over-?all |sum |net )?totals?|sum|summe|gesamt(?:summe)?|zwischensumme"
    r"|(?:sub|eind)?-?totaal|totaux|sous-total|suma|soma|totale|balance (?:c/f|b/f)"
    r"|(?:opening|closing) balances?|average|mean|durchschnitt|mittelwert|moyenne|gemiddelde"
    r"|promedio|m[eé]dia"
)
_SUBTOTAL = r"(?:sub-?totals?|zwischensumme|subtotaal|sous-total)\b"
_PART = re.compile(rf"{_SUBTOTAL}.*", re.IGNORECASE)
"""The sum of a part of a file stands within it."""
_THINGS = r"(?:rows?|records?|lines?|entries|results?|customers?|items?|datens(?:atz|ätze)|zeilen?)"
_OF = rf"(?:of|for|all|number|amount|due|owed|outstanding|balances?|{_THINGS})"
# What follows a bare word would be part of a key: TOTAL-7 may be a customer's.
_TOTAL = re.compile(
    rf"(?:{_SUMS})(?:[\s_]+{_OF})*(?:\s*\(?[A-Z]{{3}}\)?)?(?:[\s:=.]+[0-9.,' ()-]*)?"
    rf"(?:\s*{_THINGS})?",
    re.IGNORECASE,
)
_DASH = r"[-=_*#~+\u2013\u2014\u2500\u2550]"
_RULE = re.compile(rf"(?:{_DASH}|[.|:\s])*{_DASH}{{2}}(?:{_DASH}|[.|:\s])*")
_END = re.compile(
    r"[\s*<\[(#-]*(?:(?:eof|end|fin|trailer|trl|footer)[\s*>\])#.:-]*[0-9]*"
    r"|end[\s_-]+of[\s_-]+(?:the[\s_-]+)?"
    rf"(?:file|report|data|list|export|extract|page|document|{_THINGS})\b.*)",
    re.IGNORECASE,
)
_DONE = r"(?:affected|selected|returned|in set|exported|written|found|fetched|processed|total)"
_NUMBER_OF = r"(?:number of |no\. of |total |anzahl )"
_COUNT = re.compile(
    rf"\W*(?:query returned |returned |fetched |{_NUMBER_OF})?[0-9][0-9,. ]*\s*{_THINGS}"
    rf"(?:\s+{_DONE})?(?:\s*\([0-9.]+ \w+\))?\W*"
    rf"|\W*{_NUMBER_OF}?{_THINGS}[\s_-]*(?:count|{_DONE})?\s*[:=]\s*[0-9]*\W*"
    rf"|\W*(?:{_THINGS}[\s_-]*count|count|anzahl|number of {_THINGS})\s*[:=]?\s*[0-9]*\W*",
    re.IGNORECASE,
)
_FOOT = re.compile(
    r"\W*(?:page|seite|pagina|página)\s*:?\s*[0-9]+(?:\s*(?:of|von|van|de|/)\s*[0-9]+)?\W*"
    r"|\W*(?:report |list |file |data )?"
    r"(?:printed|generated|created|exported|produced|run|erstellt|gedruckt)"
    r"(?:\s*:|\s+(?:on|at|by|am|date|from)\b|\s+[0-9]).*"
    r"|\W*(?:confidential|copyright\b|©|all rights reserved|applied filters?\b|sql>).*"
    r"|\W*(?:(?:report|print|run|export) date|completion time|time)\s*:.*"
    r"|\W*as (?:of|at)\s+[0-9].*",
    re.IGNORECASE,
)
_REACHES = re.compile(r"\S@\S|\+[0-9]{6}")


class EdgeLines:
    """The lines of one source, as its batches go by."""

    def __init__(self, layout: Layout) -> None:
        self._names = [trim(name).casefold() for name in layout.columns]
        named = [at for at, name in enumerate(layout.columns) if not name.startswith("_unnamed_")]
        self._may_be: tuple[int, str] | None = None
        """A column, and how its cell begins in a rule or another header."""
        if named:
            name = pl.escape_regex(trim(layout.columns[named[0]]))
            pattern = rf"(?i)^\s*(?:[^\p{{L}}\p{{N}}]{{2,}}|{name}|{_SUBTOTAL}.{{0,20}})\s*$"
            self._may_be = named[0], pattern
        self._off = layout.fed_back
        self._count = 0
        self._noted: dict[int, NoCustomer] = {}

    def watched(self, batches: Iterable[RecordBatch]) -> Iterator[RecordBatch]:
        """The same batches; ``take`` knows the lines of each that was given out.

        A batch is held back until enough records follow to know which of it are the last ones.
        """
        held: deque[RecordBatch] = deque()
        for batch in batches:
            held.append(batch)
            while len(held) > 1 and sum(map(_size, held)) - _size(held[0]) >= TAIL:
                done = held.popleft()
                self._note(done, last=0)
                yield done
        rest = sum(map(_size, held))
        while held:
            done = held.popleft()
            rest -= _size(done)
            self._note(done, last=TAIL - rest)
            yield done

    def take(self, judged: Judged) -> list[NoCustomer]:
        """What was found among the records of a judged batch, each once."""
        if not self._noted:
            return []
        lines = judged.valid["line"].filter(judged.valid["line"].is_in(list(self._noted)))
        here = {*lines, *(row.line for row in (*judged.invalid, *judged.skipped))}
        return [self._noted.pop(line) for line in sorted(here & self._noted.keys())]

    def _note(self, batch: RecordBatch, *, last: int) -> None:
        found = () if self._off else self._found(batch, max(0, HEAD - self._count), max(0, last))
        self._noted.update((one.line, one) for one in found)

    def _found(self, batch: RecordBatch, first: int, last: int) -> tuple[NoCustomer, ...]:
        """How many of the batch's first and last records are among those of the file is given."""
        self._count += _size(batch)
        frame, lines = batch.frame, batch.lines
        records: list[tuple[int, Sequence[str | None]]] = [
            (one.line, (*one.cells, *one.extra)) for one in batch.malformed
        ]
        ends = {
            *range(min(first, frame.height)),
            *range(max(0, frame.height - last), frame.height),
        }
        records += [(lines[row], frame.row(row)) for row in {*ends, *self._anywhere(frame)}]
        records.sort(key=lambda one: one[0])
        at_ends = (*records[:first], *records[max(0, len(records) - last) :])
        edge = {line for line, _ in at_ends}
        found = [
            NoCustomer(line, looks_like)
            for line, cells in records
            if (looks_like := self._shape(cells, at_edge=line in edge))
        ]
        if last == TAIL and records and (not found or found[-1].line != records[-1][0]):
            line, cells = records[-1]
            if _counts(cells, self._count - 1 - len(found)):
                found.append(NoCustomer(line, "a count of the records"))
        return tuple(found)

    def _anywhere(self, frame: pl.DataFrame) -> list[int]:
        """Rows that may be a rule or another header: both are none wherever they stand."""
        if self._may_be is None:
            return []
        at, pattern = self._may_be
        may = frame.to_series(at).str.contains(pattern)
        return may.fill_null(value=False).arg_true().to_list()

    def _shape(self, cells: Sequence[str | None], *, at_edge: bool) -> str:
        """What a record looks like, if it looks like no customer; else ""."""
        texts = [trim(cell or "") for cell in cells]
        filled = [text for text in texts if text]
        if not filled:
            return ""
        if all(map(_RULE.fullmatch, filled)):
            return "a line of dashes"
        if self._is_header(texts):
            return "the header once more"
        first = filled[0]
        if any(map(_REACHES.search, filled)) or not (at_edge or _PART.fullmatch(first)):
            return ""
        for pattern, looks_like in _SHAPES:
            if pattern.fullmatch(first):
                return looks_like
        return ""

    def _is_header(self, texts: list[str]) -> bool:
        """Whether every filled cell is its column's name: two at least, if there are so many."""
        pairs = zip(texts, self._names, strict=False)
        same = [text.casefold() == name for text, name in pairs if text]
        return bool(same) and all(same) and len(same) >= min(2, len(self._names))


def _counts(cells: Sequence[str | None], before: int) -> bool:
    """Whether a last record is a word and the number of records before it: ``T,300``."""
    filled = [text for cell in cells if (text := trim(cell or ""))]
    if len(filled) != len(("T", "300")) or not filled[1].isdecimal() or before < _FEW:
        return False
    is_word = _WORD.fullmatch(filled[0]) is not None
    return is_word and int(filled[1][:_DIGITS]) in {before, before + 1, before + 2}


_WORD = re.compile("[A-Za-z]{1,10}|99+")
_DIGITS = 18
_FEW = 3
"""Of fewer records a count may be anything."""
_SHAPES = (
    (_TOTAL, "a line of totals"),
    (_END, "an end mark"),
    (_COUNT, "a count of the records"),
    (_FOOT, "the foot of a page or report"),
)


def _size(batch: RecordBatch) -> int:
    return batch.frame.height + len(batch.malformed)
