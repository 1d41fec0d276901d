"""An errors file that comes back: recognised, its escaping undone, its refusals kept. Pure.

An errors file holds text, and text does not show everything: a record that was cut off looks like
one with empty cells, an Excel error like a name. So ``_digest`` says for each record what a reader
had refused in it, and what its cells were. A record that comes back unchanged is refused again,
for the old reason; one that was corrected is judged like any other.

Errors files pass through spreadsheets, which drop leading zeros, shorten long numbers, turn text
into dates, lose letters in an old encoding, and move or add columns. None of that is a correction:
a cell that a spreadsheet has damaged is refused with a sentence that says so.

The form of a digest (``CRC`` is CRC-32: an accident is to be noticed, nobody is fooled)::

    v1 ( "." NAME EXACT [KIND] ( CLASS FORM )* )*  one per cell that is not empty
       ( "!" [NAME] ":" CODE ":" START "+" LENGTH )*  one per refusal; its words stand in _error

    NAME   4 characters: 24 bits of the column's name
    EXACT  6 characters: 32 bits of the cell, without spaces around it, lines ended by a line feed
    KIND   one digit, where the cell was no text (``importer.source.records.Kind``)
    CLASS  one character, see ``_forms``; FORM 6 characters: what a spreadsheet may make of the cell

What results files hold is made harmless for spreadsheets first, and that is taken back here.
CSV injection: a cell that starts with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return may be
run by the spreadsheet that opens the file. One apostrophe in front stops it. A cell that already
looks escaped gets one more, so that taking one away always gives the original back.

A spreadsheet also takes text for numbers and dates: ``0042`` becomes 42, a reference of 16 digits
1.23E+15, ``MAR-1`` a day. In a file that is to come back the same apostrophe keeps them as they
are.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import zlib
from base64 import urlsafe_b64encode
from collections import Counter
from contextlib import suppress
from dataclasses import field, replace
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from importer.source.records import (
    SOURCE_CODES,
    CellFault,
    Kind,
    Layout,
    Malformed,
    RecordBatch,
    SourceFault,
    Unseen,
    kind_series,
)
from importer.source.source_options import column_name
from importer.values import pattern, record, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


_DANGEROUS = pattern(r"'*[=+\-@\t\r]")
_ESCAPED = pattern(r"'+[=+\-@\t\r]")
_PLAIN_NEGATIVE = pattern(r"-[0-9]{1,15}")


def escape_formula(text: str) -> str:
    """``text`` with one apostrophe in front where a spreadsheet might run it.

    Plain negative integers of up to 15 digits (a balance in credit) stay as they are.
    """
    if _DANGEROUS.match(text) is None or _PLAIN_NEGATIVE.fullmatch(text) is not None:
        return text
    return "'" + text


def unescape_formula(text: str) -> str:
    """The inverse of ``escape_formula``: one leading apostrophe less where it had put one."""
    return text[1:] if _ESCAPED.match(text) is not None else text


_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_REWRITTEN = "|".join(
    (
        r"\+?0[0-9]+",  # leading zeros
        r"[0-9][0-9., ]*,[0-9]+",  # 951,80 is 95180 where the comma groups thousands
        r"[0-9]{12,}",  # shown as 1.23E+11, and cut after 15 digits
        r"[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+",  # taken for a power of ten
        r"[0-9]{1,4}(?:[-/.][0-9]{1,4}){1,2}",  # taken for a date
        rf"(?:{_MONTHS})[-/. ]?[0-9]{{1,4}}",
        rf"[0-9]{{1,4}}[-/. ]?(?:{_MONTHS})(?:[-/. ]?[0-9]{{2,4}})?",
        r"[0-9]{1,3}:[0-9]{2}(?::[0-9]{2})?",  # taken for a time
        r"[0-9]{1,2}(?::[0-9]{2}){0,2} ?[ap]m?",
        r"\([0-9][0-9., ]*\)|[0-9][0-9., ]*-",  # taken for a negative number
        r"[0-9][0-9., ]* ?%|\.[0-9]+|[0-9]+\.|[0-9]+ [0-9]+/[0-9]+",  # 0.5, 5, 5.5
        r"(?:R|[$€£¥₹]) ?[0-9][0-9., ]*|[0-9][0-9., ]* ?[$€£¥₹]",  # an amount, its sign is lost
        r"[0-9]{1,3}(?:[ '\u2019\u00a0\u202f][0-9]{3})+(?:[.,][0-9]+)?",
    )
)
_NUMBER = pattern(r"-?[0-9]{1,11}\.[0-9]+")
"""An amount: a spreadsheet drops zeros at its end, which changes no value."""
_KEPT = pattern(rf"'*\s*(?:[=+\-@\t\r]|(?:{_REWRITTEN})\s*\Z)", re.IGNORECASE)
_WAS_KEPT = pattern(rf"'+\s*(?:[=+\-@\t\r]|(?:{_REWRITTEN})\s*\Z)", re.IGNORECASE)


def escape_cell(text: str) -> str:
    """As ``escape_formula``; an apostrophe also where a spreadsheet would rewrite the text."""
    if _KEPT.match(text) is None or _PLAIN_NEGATIVE.fullmatch(text) or _NUMBER.fullmatch(text):
        return text
    return "'" + text


def unescape_cell(text: str) -> str:
    """The inverse of ``escape_cell``."""
    return text[1:] if _WAS_KEPT.match(text) is not None else text


LINE, CODE, ERROR, DIGEST, EXTRA = "_line", "_error_code", "_error", "_digest", "_extra"
ADDED = (LINE, CODE, ERROR, DIGEST)
"""The columns that an errors file has beside its source's own."""
FORMAT = "_number_format"
OWN = frozenset((*ADDED, EXTRA, FORMAT))
"""``_extra`` is there only where a record had more cells than the header: those, as JSON;
``_number_format`` only where it was found in the whole column, which is not in this file."""
AS_IT_IS = "ok"
"""In ``_error_code``: somebody says that the record is right as it stands."""

ALTERED = "spreadsheet_altered"
UNKNOWN = "digest_missing"

_VERSION = "v1"
_BEFORE_DIGEST = pattern(rf'([^\w\s"]|\t)"?{_VERSION}\.')
"""The sign that stands before a digest in a line: the file's delimiter, whichever it is."""
_ID, _ID_EXACT = 4, 10
"""Where NAME ends and EXACT begins in an entry of a digest, and where that ends."""
_ENTRY = pattern(r"([\w-]{4})([\w-]{6})([1-9]?)((?:[a-z][\w-]{6})*)")
_REFUSAL = pattern(r"([\w-]{4})?:([a-z0-9_]{1,40}):([0-9]{1,9})\+([0-9]{1,9})")
_SHAPE = pattern(rf"{_VERSION}(?:\.{_ENTRY.pattern})*(?:!{_REFUSAL.pattern})*\Z")
_INTEGER = pattern(r"'*\+?([0-9]+)\Z")
_PLAIN = pattern(r"-?([0-9]+)\Z")
_SCIENTIFIC = pattern(r"[0-9](?:[.,][0-9]+)?[eE]\+?([0-9]{1,4})\Z")
_DECIMAL = pattern(r"'*(-?)([0-9]+)([.,])([0-9]+)\Z")
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE_PARTS = pattern(r"[0-9]+|[a-z]+")
_DATE = pattern(
    rf"'*(?:(?:{'|'.join(_MONTH_NAMES)})[a-z]*|[0-9]{{1,4}})"
    rf"(?:[-/. ]?(?:(?:{'|'.join(_MONTH_NAMES)})[a-z]*|[0-9]{{1,4}})){{1,2}}"
    r"(?:[T ]00:00(?::00)?)?\Z",
    re.IGNORECASE | re.ASCII,
)
_KINDS = frozenset(Kind) - {Kind.INEXACT, Kind.ERROR}
"""A cell of the others has a refusal, which says why."""
_GROUP = 3
"""Digits between two marks of thousands."""
_NOT_WHOLE = "balance_not_integer"
_KEPT_DIGITS = 15
"""Digits of a number that a spreadsheet keeps."""
_SHOWN_DIGITS = 12
"""From so many digits on it shows 1.23E+11."""
_MOST_LOOKED_AT = 400
"""Longer cells are no numbers, dates or names."""


def is_errors_header(names: Iterable[str]) -> bool:
    """Whether these columns are those of an errors file, whatever it went through."""
    found = {name.strip() for name in names}
    return CODE in found and (DIGEST in found or {LINE, ERROR} <= found)


_OWN_PAIR = pattern(rf'{LINE}"?([^\w"])"?{CODE}\b')


def delimiter_of_errors(header: str) -> str:
    """What stands between two columns of ours in the header of an errors file; "" in any other."""
    found = _OWN_PAIR.search(header)
    return found[1] if found else ""


# Writing ------------------------------------------------------------------------------------------


def cells_proved(text: str) -> int:
    """How many cells beyond ASCII are those that a digest of their record speaks of.

    They show that the text was decoded as it should be, whatever letters they are. ``text`` is a
    piece of an errors file, with whatever delimiter; it may begin and end within a record.
    """
    proved = 0
    for delimiter in {*_BEFORE_DIGEST.findall(text)}:
        with suppress(csv.Error):
            for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
                beyond = [one for one in cells if not one.isascii()]
                digests = [one for one in cells if one.startswith(f"{_VERSION}.")]
                if beyond and digests:
                    exact = {entry[_ID:_ID_EXACT] for entry in digests[-1].split(".")}
                    proved += sum(_exact(unescape_cell(one)) in exact for one in beyond)
    return proved


class Digester:
    """Makes the digests of one errors file."""

    def __init__(self, columns: Sequence[str]) -> None:
        """``columns`` are the source's."""
        self._names = _keys(columns)
        self._own = {at for at, name in enumerate(columns) if name.strip() in OWN}
        self._at = {name.strip(): at for at, name in reversed([*enumerate(columns)])}

    def __call__(
        self, cells: Sequence[str], extra: str, unseen: Unseen, error: str, codes: str = ""
    ) -> str:
        """The digest of one record.

        Args:
            cells: of the source, by header index; a malformed record may have fewer.
            extra: what is written as ``_extra``.
            unseen: what the reader knew of the record beside them.
            error: what is written as ``_error``; it holds the words of each fault.
            codes: what is written as ``_error_code``, where rules refused the record.
        """
        kinds = dict(unseen.kinds)
        # Whatever follows upon a damaged cell is its correction.
        damaged = {self._at.get(one.column.strip()) for one in unseen.faults if one.code == ALTERED}
        wrong = {self._at.get(name) for name in _told_wrong(error)} if codes else set()
        parts = [_VERSION]
        for at, cell in enumerate(cells):
            if at not in self._own and cell.strip():
                kind = kinds.get(at, "")
                forms = "" if at in damaged else _listed(cell, codes if at in wrong else "")
                parts.append(f".{self._names[at]}{_exact(cell)}{kind}{forms}")
        if extra:
            parts.append(f".{_name(EXTRA)}{_exact(extra)}")
        for one in unseen.faults:
            column = self._at.get(one.column.strip())
            name = "" if column is None else self._names[column]
            start = error.find(one.message)
            words = f"{start}+{len(one.message)}" if start >= 0 else "0+0"
            parts.append(f"!{name}:{one.code}:{words}")
        return "".join(parts)


def _listed(cell: str, codes: str) -> str:
    text = _normal(cell)
    asked = _asked_for(text, codes) if codes else ""
    forms = _forms(text).items()
    return "".join(f"{one}{_crc(form)}" for one, form in forms if one not in asked)


def _asked_for(text: str, codes: str) -> str:
    """Classes of forms that are what the error of this very cell asks for: no damage, then.

    Another decimal mark, where the mark cannot be one of thousands; and no marks of thousands,
    where the API's own whole number was asked for.
    """
    amount = _DECIMAL.match(text)
    if amount is None:
        return ""
    if len(amount[4]) != _GROUP:
        return "e"
    return "g" if _NOT_WHOLE in codes else ""


def _told_wrong(error: str) -> set[str]:
    """The columns that an error speaks of: ``Saldo (balance): ...; name: ...``."""
    labels = (part.partition(":")[0].partition(" (")[0] for part in error.split("; "))
    return {name.strip() for label in labels for name in (label, *label.split("+"))}


def _forms(text: str) -> dict[str, str]:
    """What a spreadsheet may make of a cell, by class; only what differs from most cells.

    | class | cell | what becomes of it |
    | --- | --- | --- |
    | z | ``0042``, ``+27...``, more than 15 digits | zeros, plus or last digits are lost |
    | l | 12 digits and more | shown as ``1.23E+15`` |
    | d | ``951.80`` | ``951.8``, which is the same amount |
    | e | ``951,80`` | ``951.8``, with another decimal mark |
    | g | ``951,80`` | ``95180``: the mark was taken to group thousands |
    | b | ``true`` | ``TRUE`` |
    | t | ``MAR-1``, ``2026-01-31`` | a day in another form |
    | u | letters beyond ASCII | ``?`` in an old encoding |
    | f | letters beyond ASCII | letters without their marks |
    """
    if len(text) > _MOST_LOOKED_AT:
        return {}
    found: dict[str, str] = {}
    if (number := _INTEGER.match(text)) is not None:
        digits = number[1].lstrip("0")
        if digits != text or len(digits) > _KEPT_DIGITS:
            found["z"] = _kept(digits)
        if len(digits) >= _SHOWN_DIGITS:
            found["l"] = str(len(digits) - 1)
    elif (amount := _DECIMAL.match(text)) is not None:
        mark = amount[3]
        found["d"] = _amount(amount, mark)
        found["e"] = _amount(amount, "." if mark == "," else ",")
        found["g"] = f"{amount[1]}{amount[2]}{amount[4]}"
    elif text.lower() in {"true", "false"}:
        found["b"] = text.lower()
    if (day := _day(text)) and "d" not in found:
        found["t"] = day
    if not text.isascii():
        found["u"] = _question_marks(text)
        found["f"] = _unmarked(text)
    return found


def _kept(digits: str) -> str:
    return digits[:_KEPT_DIGITS].ljust(len(digits), "0")


def _amount(match: re.Match[str], mark: str) -> str:
    value = Decimal(f"{match[1]}{match[2]}.{match[4]}").normalize()
    return format(value, "f").replace(".", mark)


def _day(text: str) -> str:
    """The day and month of a date, however it is written; "" for what is none."""
    if _DATE.match(text) is None:
        return ""
    parts = [_part(one) for one in _DATE_PARTS.findall(text.lower().partition("t00:")[0])]
    small = sorted(one for one in parts if 0 < one <= 31)  # noqa: PLR2004 - the others are years
    return " ".join(map(str, small)) if len(parts) > 1 else ""


def _part(text: str) -> int:
    return int(text) if text.isdigit() else _MONTH_NAMES.index(text[:3]) + 1


def _question_marks(text: str) -> str:
    return "".join(one if one.isascii() else "?" for one in text)


def _unmarked(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(one for one in plain if not unicodedata.combining(one))


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _exact(text: str) -> str:
    return _crc(_normal(text))


def _crc(text: str) -> str:
    bits = zlib.crc32(text.encode(errors="surrogatepass"))
    return urlsafe_b64encode(bits.to_bytes(4)).decode()[:6]


@lru_cache(4096)
def _name(column: str) -> str:
    return _crc(column.strip())[:4]


def _keys(columns: Sequence[str]) -> list[str]:
    """``_name`` of each column; of columns with one name each has its own."""
    seen: Counter[str] = Counter()
    keys = []
    for name in map(str.strip, columns):
        seen[name] += 1
        keys.append(_name(name if seen[name] == 1 else f"{name}\n{seen[name]}"))
    return keys


# Reading ------------------------------------------------------------------------------------------


class _State(Enum):
    SAME = "same"
    """As it was, or the same value in a spreadsheet's form."""
    DAMAGED = "damaged"
    """What a spreadsheet made of it."""
    CORRECTED = "corrected"


class _Entry(NamedTuple):
    exact: str
    kind: Kind
    forms: Mapping[str, str]


@value
class _Refusal:
    name: str
    code: str
    start: int
    length: int


@value
class _Digest:
    cells: dict[str, _Entry]
    refusals: tuple[_Refusal, ...]


@record
class _Restored:
    """One record as it is handed on."""

    cells: list[str]
    kinds: dict[int, int]
    faults: list[SourceFault] = field(default_factory=list)
    refused: SourceFault | None = None
    """Why the whole record is refused."""
    extra: tuple[str, ...] = ()


class ErrorsFile:
    """What an errors file with this header holds; batch by batch."""

    def __init__(self, layout: Layout, is_unicode: Callable[[], bool]) -> None:
        """``is_unicode`` says whether its text can hold every character."""
        self._columns = layout.columns
        names = [name.strip() for name in layout.columns]
        self._at = {name: index for index, name in enumerate(names) if name in OWN}
        self._own = frozenset(self._at.values())
        self._names = _keys(names)
        self._places = {
            one: index for index, one in enumerate(self._names) if index not in self._own
        }
        self._unescape = unescape_cell if DIGEST in self._at else unescape_formula
        self._is_unicode = is_unicode

    def restored(self, batch: RecordBatch) -> RecordBatch:
        """The batch as its source had it: unescaped, with what was refused and still is."""
        reported: dict[int, list[CellFault]] = {}
        for fault in batch.faults:
            reported.setdefault(fault.index, []).append(fault)
        malformed = [self._unescaped(one) for one in batch.malformed]
        rows: list[list[str]] = []
        lines: list[int] = []
        faults: list[CellFault] = []
        kinds: dict[int, list[Kind]] = {}
        records = batch.frame.fill_null("").rows()
        for index, (line, cells) in enumerate(zip(batch.lines, records, strict=True)):
            known = dict(batch.kinds_of(index)) if batch.kinds else {}
            one = self._record(cells, known, reported.get(index, ()))
            if one.refused is not None:
                malformed.append(
                    Malformed(
                        line, one.refused.code, one.refused.message, tuple(one.cells), one.extra
                    )
                )
                continue
            for wrong in one.faults:
                faults.append(CellFault(len(lines), *wrong))
                one.kinds[self._index_of(wrong.column)] = Kind.ERROR
            for at, kind in one.kinds.items():
                if kind != Kind.TEXT:
                    column = kinds.setdefault(at, [])
                    column += [Kind.TEXT] * (len(lines) - len(column)) + [Kind(kind)]
            rows.append(one.cells)
            lines.append(line)
        frame = pl.DataFrame(rows, schema=batch.frame.schema, orient="row")
        return RecordBatch(
            batch.source,
            frame,
            lines,
            tuple(malformed),
            tuple(faults),
            {
                at: kind_series([*some, *[Kind.TEXT] * (len(lines) - len(some))])
                for at, some in kinds.items()
            },
        )

    def _index_of(self, column: str) -> int:
        return [name.strip() for name in self._columns].index(column.strip())

    def _unescaped(self, record: Malformed) -> Malformed:
        return replace(
            record,
            cells=tuple(map(self._unescape, record.cells)),
            extra=tuple(map(self._unescape, record.extra)),
        )

    def _record(
        self, cells: Sequence[str], kinds: dict[int, int], reported: Sequence[CellFault]
    ) -> _Restored:
        made = _Restored(list(map(self._unescape, cells)), kinds)
        made.extra = _extra(self._own_cell(cells, EXTRA))
        kept = [SourceFault(one.column, one.code, one.message) for one in reported]
        made.faults = [one for one in kept if one.column.strip() not in OWN]
        if self._own_cell(cells, CODE).lower() == AS_IT_IS:
            made.extra = ()
            return made
        digest = _parsed(self._own_cell(cells, DIGEST))
        if digest is None:
            made.refused = self._unknown(cells) or _surplus(made.extra)
        else:
            self._compare(digest, cells, made)
        return made

    def _own_cell(self, cells: Sequence[str], name: str) -> str:
        return cells[self._at[name]].strip() if name in self._at else ""

    def _unknown(self, cells: Sequence[str]) -> SourceFault | None:
        """A record that was refused, and nothing says what it was like then."""
        codes = [one.strip() for one in self._own_cell(cells, CODE).split(";")]
        hidden = next((one for one in codes if one in SOURCE_CODES), "")
        is_ours = bool(self._own_cell(cells, LINE) or any(codes))
        if not is_ours or (any(codes) and not hidden):
            return None
        told = (
            "whether this record was corrected cannot be told, as its _digest is missing; correct"
            " it in the errors file as it was written, or write ok into _error_code if it is right"
            " as it stands"
        )
        was = unescape_formula(self._own_cell(cells, ERROR))
        if was and hidden and told not in was:
            told += f" (it was refused: {was})"
        return SourceFault("", hidden or UNKNOWN, told)

    def _compare(self, digest: _Digest, cells: Sequence[str], made: _Restored) -> None:
        states = self._states(digest, cells, made)
        damaged = {at for at, one in states.items() if one is _State.DAMAGED}
        same = {at for at, one in states.items() if one is _State.SAME}
        # What a spreadsheet says of a cell that is as it was is no news.
        made.faults = [
            one for one in made.faults if self._places.get(_name(one.column)) not in same | damaged
        ]
        made.faults += [_damage(self._columns[index]) for index in sorted(damaged)]
        error = unescape_formula(self._own_cell(cells, ERROR))
        for one in digest.refusals:
            told = error[one.start : one.start + one.length] or one.code.replace("_", " ")
            at = self._place(one.name, digest, made)
            if one.name and at is None:
                told += " (its column has been renamed or removed: take it as it was)"
            if at is None and (one.name or _State.CORRECTED not in states.values()):
                made.refused = SourceFault("", one.code, told)
            elif at is not None and at in same | damaged:
                made.faults.append(SourceFault(self._columns[at], one.code, told))
        made.refused = made.refused or _surplus(made.extra)

    def _place(self, name: str, digest: _Digest, made: _Restored) -> int | None:
        """Where the column is, also under a new name; None where it cannot be told."""
        if name in self._places or name not in digest.cells:
            return self._places.get(name)
        was = digest.cells[name].exact
        found = (at for at in self._places.values() if _exact(made.cells[at]) == was)
        return next(found, None)

    def _states(self, digest: _Digest, cells: Sequence[str], made: _Restored) -> dict[int, _State]:
        """What became of each cell; sets those that are as they were to what they were."""
        gone = {
            one.exact
            for name, one in digest.cells.items()
            if name not in self._places and name != _name(EXTRA)
        }
        states: dict[int, _State] = {}
        for index, cell in enumerate(cells):
            if index in self._own:
                continue
            entry = digest.cells.get(self._names[index])
            if not cell.strip():
                states[index] = _State.SAME if entry is None else _State.CORRECTED
            elif entry is None:
                # A column that was renamed is none that was filled in.
                moved = _exact(made.cells[index]) in gone
                states[index] = _State.SAME if moved else _State.CORRECTED
            else:
                states[index] = self._state(entry, cell, made, index)
        if EXTRA in self._at:
            entry = digest.cells.get(_name(EXTRA))
            if entry is not None and not self._own_cell(cells, EXTRA):
                states[self._at[EXTRA]] = _State.CORRECTED
        return states

    def _state(self, entry: _Entry, cell: str, made: _Restored, index: int) -> _State:
        # Some spreadsheets take the apostrophe away themselves.
        for text in (made.cells[index], cell):
            if _exact(text) == entry.exact:
                made.cells[index] = text
                made.kinds[index] = entry.kind
                return _State.SAME
        text = _normal(made.cells[index])
        state = _became(entry.forms, text, is_unicode=self._is_unicode())
        if state is _State.SAME:
            made.cells[index] = _as_it_was(entry.exact, text)
            made.kinds[index] = entry.kind
        return state


def _became(was: Mapping[str, str], text: str, *, is_unicode: bool) -> _State:
    """What became of a cell that is another text than before."""
    now = {"b": text.lower(), "t": _day(text)}
    plain = text.lstrip("'")
    if (number := _PLAIN.match(plain)) is not None:
        # An amount that has lost its zeros may have lost its decimals, too.
        now |= {"d": plain, "e": plain, "g": plain}
        if not number[1][_KEPT_DIGITS:].strip("0"):
            now["z"] = _kept(number[1])
    elif (amount := _DECIMAL.match(text)) is not None:
        now |= {"d": _amount(amount, amount[3]), "e": _amount(amount, amount[3])}
    elif (shortened := _SCIENTIFIC.match(plain)) is not None:
        now["l"] = str(int(shortened[1]))
    # In Unicode an accent more or less is somebody's correction.
    if not is_unicode or "?" in text:
        now["u"] = _question_marks(text)
    if not is_unicode:
        now["f"] = _unmarked(text)
    both = {one for one, form in now.items() if form and was.get(one) == _crc(form)}
    if not both:
        return _State.CORRECTED
    return _State.SAME if both & {"b", "d"} else _State.DAMAGED


def _as_it_was(exact: str, text: str) -> str:
    """The text with the zeros or the case that it had before a spreadsheet; as it is if unknown."""
    whole, mark, decimals = text.partition("." if "." in text else ",")
    marks = (mark,) if mark else (".", ",")
    longer = (f"{whole}{one}{decimals}{'0' * zeros}" for one in marks for zeros in range(1, 13))
    cased = (text.lower(), text.upper(), text.capitalize())
    return next((one for one in (*cased, *longer) if _exact(one) == exact), text)


def _damage(column: str) -> SourceFault:
    return SourceFault(
        column,
        ALTERED,
        f"column {column_name(column)} is not what stood there: a spreadsheet has changed it"
        " (zeros in front, digits of a long number, a date or letters are lost); take the cell"
        " from the source again, with the column formatted as text, or write ok into _error_code"
        " if it is right as it stands",
    )


def _surplus(extra: tuple[str, ...]) -> SourceFault | None:
    if not extra:
        return None
    return SourceFault(
        "",
        "too_many_fields",
        "cells of the record still stand in _extra; move them to their columns, and empty _extra",
    )


def _extra(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    try:
        found = json.loads(text)
    except ValueError:
        return (text,)
    return tuple(map(str, found)) if isinstance(found, list) else (text,)


def _parsed(text: str) -> _Digest | None:
    """A digest that can be read; None for any other text."""
    if _SHAPE.match(text) is None:
        return None
    whole, *refusals = text.split("!")
    cells: dict[str, _Entry] = {}
    for part in whole.split(".")[1:]:
        typed = part[10:11].isdigit()
        forms = {part[at]: part[at + 1 : at + 7] for at in range(10 + typed, len(part), 7)}
        kind = int(part[10]) if typed else Kind.TEXT
        if kind in _KINDS:
            cells[part[:4]] = _Entry(part[4:10], Kind(kind), forms)
    told = [_REFUSAL.match(one) for one in refusals]
    return _Digest(
        cells,
        tuple(_Refusal(one[1] or "", one[2], int(one[3]), int(one[4])) for one in told if one),
    )
