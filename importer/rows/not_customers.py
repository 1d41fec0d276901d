"""Finds lines at the edges of a file that look like no customers. Pure.

An export may begin or end with lines that are about it: a sum, a rule of dashes, the number of its
records, a page's foot; and two files that were joined have a header in the middle. Read as records
they may be valid, and then somebody owes the sum of all. Nobody is guessed to be no customer: what
is found here stops a run until the user says what it is.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

import polars as pl

from importer.rows.text import INVISIBLE_SPACES, trim
from importer.values import pattern, value

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


@value
class NoCustomer:
    """A line that looks like no customer."""

    line: int
    looks_like: str
    """For example ``a line of totals``; nothing of what it holds."""


_SUMS = (
    r"(?:grand |sub[ -]?|over-?all |sum |net |report |page |company |account |customer )?totals?"
    r"|sum|average|avg|mean|durchschnitt|mittelwert|moyenne|gemiddelde|promedio|m[e\u00e9]dia"
    r"|\u03a3|(?:overall )?results?|outstanding total"
    r"|(?:opening|closing) balances?|(?:balance )?(?:[bc]/[fd]|(?:brought|carried) forward)"
    r"|(?:gesamt|zwischen|end)?(?:summe|ergebnis)|gesamt|saldo|\u00fcbertrag"
    r"|(?:sub|eind)?-?totaal|totaux|sous-total|totalt?e?|subtotale?"
    r"|total g\u00e9n\u00e9ral|total ge(?:ne)?ral|totale generale|totaal generaal|suma|soma|somma"
    r"|summa|i alt|yhteens\u00e4|celkem|spolu|\u00f6sszesen|razem|og\u00f3\u0142em|ukupno|skupaj"
    r"|kokku|kop\u0101|i\u0161 viso|(?:genel )?toplam|\u0438\u0442\u043e\u0433\u043e"
    r"|\u0432\u0441\u0435\u0433\u043e|\u03c3\u03cd\u03bd\u03bf\u03bb\u03bf|[\u5408\u603b\u7e3d][\u8ba1\u8a08]"
    r"|\ud569\uacc4|\u0627\u0644\u0645\u062c\u0645\u0648\u0639|jumlah|t\u1ed5ng c\u1ed9ng|c\u1ed9ng"
)
_SUBTOTAL = r"(?:sub[ -]?totals?|zwischensumme|subtotaal|subtotale|sous-total)\b"
_PART = pattern(rf"{_SUBTOTAL}.*", re.IGNORECASE)
"""The sum of a part of a file stands within it."""
_THINGS = (
    r"(?:rows?|records?|lines?|entries|results?|customers?|accounts?|debtors?|items?"
    r"|datens(?:atz|\u00e4tze)|zeilen?|kunden|debitoren|lignes?|enregistrements?|clients?"
    r"|filas?|registros?|clientes?|linhas?|righe|clienti|rijen|regels?|klanten"
    r"|rekord\u00f3w|wierszy|klient\u00f3w|kay\u0131t|kunder|r\u00e4der|poster)(?:\(s\))?"
)
_LINK = r"(?:of|for|de|di|do|der|des|d[aeo]s?|del|du|la|le|les|l['\u2019])"
_OF = (
    rf"(?:{_LINK}|all|number|amount|due|owed|outstanding|balances?|receivable|a/r|gesamt|total"
    rf"|{_THINGS})"
)
# What follows a bare word would be part of a key: TOTAL-7 may be a customer's.
_TOTAL = pattern(
    rf"[\s*=]*(?:{_SUMS})(?:[\s_]+{_OF})*(?:\s*\(?[A-Z]{{3}}\)?)?"
    rf"(?:[\s:=.]+(?:[A-Z]{{1,3}}\s*)?[0-9.,' ()-]*)?"
    rf"(?:\s*\(?[0-9]*\s*{_THINGS}\)?)?[\s*:]*",
    re.IGNORECASE,
)
_DASH = r"[-=_*#~+.\u00b7\u2013\u2014\u2026\u2500\u2550]"
_RULE = pattern(rf"[|:\s]*(?:{_DASH}[|:\s]*){{2,}}|\u2026")
_END_WORD = (
    r"(?:eof|end|fin|ende|fine|fim|einde|koniec|konec|slut|loppu|trailer|trl|footer|hdr|header"
    r"|\u043a\u043e\u043d\u0435\u0446)"
)
_TEXT = (
    r"(?:file|report|data|list|listing|export|extract|page|document|rapport|fichier|liste|\u00e9tat"
    r"|informe|listado|archivo|relat\u00f3rio|lista|datei|berichts?|auswertung|elenco|bestand|raportu"
    r"|rapporten|\u043e\u0442\u0447[\u0435\u0451]\u0442\u0430)"
)
_END = pattern(
    rf"[\s*<\[(#-]*(?:{_END_WORD}(?:[\s*>\])#.:|-]*[0-9]*"
    rf"|[\s_-]+(?:{_LINK}[\s_-]*|the[\s_-]+|customer[\s_-]+)*(?:{_TEXT}|{_THINGS})\b.*)"
    r"|rapor sonu)[\s*>\])#.:-]*|\x1a",
    re.IGNORECASE,
)
_DONE = (
    r"(?:affected|selected|returned|in set|exported|written|found|fetched|processed|total|listed)"
)
_NUMBER_OF = (
    r"(?:(?:number|count) of |no\.? of |# of |total |anzahl |nombre d['\u2019e] ?"
    r"|n\u00famero de |numero di |aantal |antal |liczba )"
)
_COUNT = pattern(
    rf"\W*(?:query (?:returned |ok, )|returned |fetched |selected |listed |{_NUMBER_OF})?"
    rf"[0-9][0-9,. ]*\s*{_THINGS}"
    rf"(?:\s+{_DONE})?(?:\s*\([0-9.]+ \w+\))?\W*"
    rf"|\W*{_NUMBER_OF}{_THINGS}\s*[:=]?\s*[0-9]*\W*"
    rf"|\W*{_THINGS}[\s_-]*(?:count|say\u0131s\u0131|{_DONE})?\s*[:=]\s*[0-9]*\W*"
    rf"|\W*(?:{_THINGS}[\s_-]*count|count|anzahl|aantal|antal)\s*[:=]?\s*[0-9]*\W*"
    r"|\W*showing [0-9,. ]+(?:to|of|-) .*|\W*[0-9]+ ?(?:-|to) ?[0-9]+ of [0-9]+\W*",
    re.IGNORECASE,
)
_PRINTED = (
    r"printed|generated|created|exported|produced|prepared|run|erstellt|gedruckt|imprim\u00e9|\u00e9dit\u00e9"
    r"|g\u00e9n\u00e9r\u00e9|stampato|impreso|generado|impresso|emitido|gerado|afgedrukt|wydrukowano"
    r"|udskrevet|utskriven"
)
_FOOT = pattern(
    r"\W*(?:page|pg\.?|seite|blatt|pagina|p\u00e1gina|strona|sayfa|sida|side|sivu|strana"
    r"|\u0441\u0442\u0440\u0430\u043d\u0438\u0446\u0430)"
    r"\s*:?\s*[0-9]+(?:\s*(?:of|von|van|de|di|sur|z|av|af|\u0438\u0437|/)\s*[0-9]+)?\W*"
    rf"|\W*(?:report |list |file |data )?(?:{_PRINTED})"
    r"(?:\s*:|\s+(?:on|at|by|am|date|from|le|il|el|em|op|den|von|par|por|da)\b|\s+[0-9]).*"
    r"|\W*(?:confidential|copyright|\u00a9|all rights reserved|sql>|powered by|applied filters?"
    r"|ausdruck vom|accrual basis|cash basis)\b.*|\W*\u00a9.*"
    r"|\W*(?:continued|cont'?d)(?: on .*)?\W*"
    r"|\W*(?:(?:report|print|run|export) date|druckdatum|stand|completion time|time|date|filters?"
    r"|criteria|(?:report )?parameters|user|note|legend|source)\s*:.*"
    r"|\W*(?:print|run|report) date .*|\W*stand [0-9].*"
    r"|\W*as (?:of|at)\s+(?:[0-9]|\w+ [0-9]{1,2},? [0-9]{4}).*"
    r"|\W*(?:mon|tues|wednes|thurs|fri|satur|sun)day,? .*[0-9]{4}.*",
    re.IGNORECASE,
)
_NO_VALUE = pattern(r"[^\w\s]|(?i:null|none|nan|n/a|na|nil|<na>|#n/a|undefined|\\n)")
_HEAD = pattern("(?i:h|hd|hdr|header|0+1?)")
_DATE = pattern(
    r"(?:19|20)[0-9]{2}[-/.]?[01][0-9][-/.]?[0-3][0-9].*"
    r"|[0-3][0-9][-/.][01][0-9][-/.](?:19|20)[0-9]{2}.*"
)
_REACHES = pattern(r"\S@\S|\+[0-9]{6}")


class EdgeLines:
    """The lines of one source, as its batches go by."""

    def __init__(self, layout: Layout) -> None:
        self._names = [trim(name).casefold() for name in layout.columns]
        named = [at for at, name in enumerate(layout.columns) if not name.startswith("_unnamed_")]
        self._may_be: tuple[int, str] | None = None
        """A column, and how its cell begins in a rule or another header."""
        if named:
            name = pl.escape_regex(trim(layout.columns[named[0]]))
            blank = rf"[\s{INVISIBLE_SPACES}]*"
            begins = rf"(?i)^{blank}(?:[^\p{{L}}\p{{N}}]{{2,}}|{name}|{_SUBTOTAL}.{{0,20}}){blank}$"
            self._may_be = named[0], begins
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

    def rest(self) -> list[NoCustomer]:
        """What was found and not taken, by line."""
        return [self._noted[line] for line in sorted(self._noted)]

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
        found += self._foot(records[max(0, len(records) - last) :], batch, found)
        if last == TAIL and records and (not found or found[-1].line != records[-1][0]):
            line, cells = records[-1]
            if _counts(cells, self._count - 1 - len(found)):
                found.append(NoCustomer(line, "a count of the records"))
        return tuple(found)

    def _foot(
        self,
        ends: Sequence[tuple[int, Sequence[str | None]]],
        batch: RecordBatch,
        found: Sequence[NoCustomer],
    ) -> list[NoCustomer]:
        """Single cells at the very end, where one of them is a foot: ``Acme Holdings`` below it."""
        single = {one.line for one in batch.malformed if len(one.cells) == 1 and not one.extra}
        block = list(itertools.takewhile(single.__contains__, (line for line, _ in reversed(ends))))
        known = {one.line for one in found}
        if len(self._names) < _FEW or known.isdisjoint(block):
            return []
        cells = dict(ends)
        return [
            NoCustomer(line, "the foot of a page or report")
            for line in block
            if line not in known and not _REACHES.search(cells[line][0] or "")
        ]

    def _anywhere(self, frame: pl.DataFrame) -> list[int]:
        """Rows that may be a rule or another header: both are none wherever they stand."""
        if self._may_be is None:
            return []
        at, begins = self._may_be
        may = frame.to_series(at).str.contains(begins)
        return may.fill_null(value=False).arg_true().to_list()

    def _shape(self, cells: Sequence[str | None], *, at_edge: bool) -> str:
        """What a record looks like, if it looks like no customer; else ""."""
        texts = [trim(cell or "") for cell in cells]
        filled = [text for text in texts if text]
        if not filled:
            return ""
        if all(map(_RULE.fullmatch, filled)) or _says_nothing(filled):
            return "a line of dashes"
        if self._is_header(texts):
            return "the header once more"
        first = filled[0]
        if any(map(_REACHES.search, filled)) or not (at_edge or _PART.fullmatch(first)):
            return ""
        if _HEAD.fullmatch(first) and any(map(_DATE.fullmatch, filled[1:2])):
            return "the head of a transmission"
        said = (looks for shape, looks in _SHAPES if shape.fullmatch(first))
        return next(said, "")

    def _is_header(self, texts: list[str]) -> bool:
        """Whether every filled cell is its column's name: two at least, if there are so many."""
        pairs = zip(texts, self._names, strict=False)
        same = [text.casefold() == name for text, name in pairs if text]
        return bool(same) and all(same) and len(same) >= min(2, len(self._names))


def _says_nothing(filled: Sequence[str]) -> bool:
    """Whether every cell is the same sign or word for no value: ``-,-,-``, ``NULL,NULL``."""
    return len(filled) > 1 and len(set(filled)) == 1 and _NO_VALUE.fullmatch(filled[0]) is not None


def _counts(cells: Sequence[str | None], before: int) -> bool:
    """Whether a last record is a word and the number of records before it: ``T,300``.

    ``9,3,150.00`` too, with a sum behind it.
    """
    filled = [text for cell in cells if (text := trim(cell or ""))]
    if not 1 < len(filled) <= _COUNT_AND_SUM or before < _FEW:
        return False
    if not filled[1].isdecimal() or any(map(str.isalpha, filled[1:])):
        return False
    is_word = _WORD.fullmatch(filled[0]) is not None
    return is_word and int(filled[1][:_DIGITS]) in {before, before + 1, before + 2}


_WORD = pattern("[A-Za-z]{1,10}|9+")
_DIGITS = 18
_COUNT_AND_SUM = 3
"""Cells of such a record at most: a word, the count, a sum."""
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
