r"""Finds texts that look damaged before they came here; nothing is changed. Pure.

Text that was read in a wrong encoding once (``MÃ¼ller``), letters that are lost for good (U+FFFD,
``M?ller``), control characters (U+0092, an apostrophe of Windows-1252 that was read as Latin-1),
what a web page or a database writes for a character (``&amp;``, ``%C3%AB``, ``\u00eb``, ``\'``),
characters that nobody sees (U+200B), and what a program writes for no value (``NULL``, ``\N``,
``nan``): in names, the first of them in metadata too, and the last in references, where it would be
a customer. They are valid texts, and people are called None and Null: so this is a warning, and an
error for who is strict.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import field
from typing import TYPE_CHECKING

import polars as pl

from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LINES_NAMED = 5
_HIGH = (
    "\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d"
    "\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)
"""What the second byte of a character in UTF-8 is in Latin-1 or Windows-1252."""
_OTHERWISE = (
    # What the first byte of a Western letter is in Mac OS Roman, DOS 850 and 437, Windows-1250
    r"[\x{221a}\x{192}\x{2248}\x{251c}\x{2500}\x{253c}\x{102}\x{c4}\x{139}][^\x00-\x7f]"
    # ... and in Windows-1251, where a Latin letter stands beside it
    r"|[A-Za-z][\x{413}\x{414}\x{415}][^\x00-\x7f]|[\x{413}\x{414}\x{415}][^\x00-\x7f][A-Za-z]"
    # and of Cyrillic ones in Windows-1251, DOS 437, Mac OS Roman
    r"|(?:[\x{420}\x{421}\x{2568}\x{2564}\x{2013}\x{2014}][^\x00-\x7f]){3}"
)
_OTHERS = ("mac_roman", "cp850", "cp437", "cp1250", "cp1251")
"""Encodings that UTF-8 is read in by mistake, beside the Western ones."""
_MAY_BE_MISREAD = f"[\u00c2-\u00f4][{_HIGH}]|{_OTHERWISE}"
_RUN = re.compile(r"[^\x00-\x7f]{2,}")
_LATIN = re.compile("[\u00c0-\u017f]+")
_SURE = 3
"""Letters of any script in one run that are no accident."""
_MISREAD = re.compile(f"[\u00c2-\u00f4][{_HIGH}]{{1,3}}")
_LOST = "\ufffd"
_WORDS = "null|none|nan|nat|nil|undefined|n/a|#n/a"
_NOTHING = rf"^(?i:{_WORDS}|\\n|[(<\[]\s*(?:{_WORDS}|na|blank)\s*[)>\]])$"
_WITHIN = r"(?:^|\s)(?:NULL|None|nan|NaN|NaT|<NA>|#N/A|\\N|undefined)(?:\s|$)"
"""As a part of a name that was joined of several columns; so spelt by programs only."""
_QUESTION = r"\p{L}\?\p{L}|\p{L}\?\?\p{L}|(?:^|\s)\?\p{Ll}"
"""A letter that an old encoding did not have: ``M?ller``, ``?ukasz``."""
_CONTROL = r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\x{fffe}\x{ffff}]"
_ESCAPED = (
    r"&(?:#[0-9]{2,6}|#[xX][0-9A-Fa-f]{2,5}|amp|lt|gt|quot|apos|nbsp"
    r"|[A-Za-z]{1,6}(?:acute|grave|circ|uml|tilde|cedil|caron|slash|ring|lig));"
    r"|%C[2-9A-F]%[89AB][0-9A-F]|\\u[0-9A-Fa-f]{4}"
)
_BACKSLASH = r"""\\[tnr'"\\]"""
"""As MySQL and PostgreSQL write an apostrophe or a tab: ``O\\'Brien``."""
_INVISIBLE = r"[\x{ad}\x{200b}\x{202a}-\x{202e}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{feff}\x{3164}]"
"""Not the joiners and marks of direction that Persian, Hebrew and emoji need."""
_ERROR = (
    r"^(?:#(?:REF|VALUE|DIV/0|NUM|NULL|NAME|SPILL|CALC|FIELD|ERROR|BEZUG|WERT|ZAHL|VALEUR|NOM"
    r"|NOMBRE|VERW|WAARDE|GETAL|[\x{a1}\x{bf}](?:REF|VALOR|NUM|NOMBRE|DIV/0))[!?]|#NV|#N/[ABD]"
    r"|#GETTING_DATA|#{3,}|Err:5[0-9]{2})$"
)
"""What Excel, LibreOffice and Google Sheets save as text, in the languages of ``init``."""
_KINDS = (
    (
        "misread",
        "look like text that was read in a wrong encoding once",
        "export them again as UTF-8",
    ),
    (
        "lost",
        "hold U+FFFD, which stands for a letter that is lost",
        "export them again from where the letters are still there",
    ),
    (
        "question",
        "hold a question mark in place of a letter",
        "export them again as UTF-8",
    ),
    (
        "control",
        "hold a control character, which an export in a wrong encoding leaves",
        "export them again as UTF-8, or name their encoding (often windows-1252)",
    ),
    (
        "escaped",
        "hold what a web page writes for a character, such as &amp;",
        "export them again as plain text",
    ),
    (
        "backslash",
        "hold what a database writes for a character, such as \\' or \\t",
        "export them again without backslashes, as CSV with double quotes",
    ),
    (
        "invisible",
        "hold a character that nobody sees, such as a zero-width space (U+200B)",
        "remove it: with and without it they are two names",
    ),
    (
        "error",
        "are what a spreadsheet shows for an error, or where a column is too narrow (#REF!, ###)",
        "correct the formulas, and export them again",
    ),
    (
        "wrapped",
        'are wrapped in ="", as for a spreadsheet',
        "export them again as plain text, or say text_formulas = true under [source]",
    ),
    (
        "nothing",
        "are what a program writes for no value (NULL, None, nan, \\N)",
        'leave such cells empty, or say empty = ["NULL"] under [source]',
    ),
)


_PATTERNS = (
    ("control", _CONTROL),
    ("invisible", _INVISIBLE),
    ("error", _ERROR),
    ("wrapped", r'^="[^"]*"$'),
    ("question", _QUESTION),
    ("escaped", _ESCAPED),
    ("backslash", _BACKSLASH),
)
_NO_REFERENCE = (
    r"^(?i:null|none|nan|nat|nil|undefined|n_?a|_5c_n|n_2f_a|(?:_23_)?n_2f_a|(?:_3c_|_28_)(?:null|na"
    r"|none)(?:_3e_|_29_))$|^(?:[-_]|_(?:[0-9a-f]{2})+_)+$"
)
"""The same as a reference, also as a mapping escapes it, and one without a letter or digit."""
_OF_METADATA = 4
"""So many of them are looked for in metadata, too."""
_NO_VALUE = f"{_NOTHING}|{_WITHIN}"
_QUICK = r"[?&%\\#=:\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x{10ffff}]"
"""What all kinds but ``nothing`` hold: one look at each text."""
_QUICK_OF = {"name": f"{_QUICK}|{_NO_VALUE}", "external_reference": _NO_REFERENCE}


@record
class _Found:
    count: int = 0
    lines: list[int] = field(default_factory=list)


class DamagedText:
    """What was found in one source."""

    def __init__(self, source: str) -> None:
        """``source`` is its name, for messages."""
        self._source = source
        self._found: dict[tuple[str, str], _Found] = {}

    def look(self, columns: Iterable[tuple[str, pl.Series]], lines: Sequence[int]) -> pl.Series:
        """Look at the fields of some records; some kinds are looked for in names only.

        Returns:
            the indexes of those that had to be looked at closely.
        """
        looked_at = list(columns)
        # Two questions for all columns, of which a wide file has thousands: each costs more than
        # its answer.
        odd = pl.DataFrame([text.alias(str(at)) for at, (_, text) in enumerate(looked_at)]).select(
            pl.col(str(at)).str.contains(_QUICK_OF.get(name, _QUICK))
            for at, (name, _) in enumerate(looked_at)
        )
        found = odd.select(pl.all().any()).row(0) if looked_at else ()
        closely = [pl.Series("at", [], dtype=pl.UInt32)]
        for at in (at for at, any_odd in enumerate(found) if any_odd):
            name, text = looked_at[at]
            here = odd.to_series(at).fill_null(value=False)
            self._look_closely(name, text.filter(here), [lines[n] for n in here.arg_true()])
            closely.append(here.arg_true().cast(pl.UInt32).alias("at"))
        return pl.concat(closely).unique()

    def _look_closely(self, name: str, text: pl.Series, lines: Sequence[int]) -> None:
        if name == "external_reference":
            # All else that could be wrong with it the API's own rule says.
            self._note_rows(name, "nothing", list(range(len(text))), lines)
            return
        if name == "name":
            self._note(name, "nothing", text.str.contains(_NO_VALUE), lines)
        self._note(name, "lost", text.str.contains(_LOST, literal=True), lines)
        may_be = text.str.contains(_MAY_BE_MISREAD)
        misread = {at for at in may_be.arg_true() if _is_misread(text[at])}
        self._note_rows(name, "misread", sorted(misread), lines)
        # Addresses of web pages, in metadata, have question marks and escapes of their own.
        for kind, pattern in _PATTERNS if name == "name" else _PATTERNS[:_OF_METADATA]:
            hits = text.str.contains(pattern).arg_true()
            self._note_rows(name, kind, [at for at in hits if at not in misread], lines)

    def doubts(self) -> list[str]:
        """One text for each field and kind, with the number and the first lines."""
        said = {key: (what, hint) for key, what, hint in _KINDS}
        texts = []
        for (name, kind), found in self._found.items():
            what, hint = said[kind]
            lines = ", ".join(f"{line:,}" for line in found.lines)
            more = ", ..." if found.count > len(found.lines) else ""
            plural = "s" if found.count > 1 else ""
            texts.append(
                f"{self._source}: {found.count:,} of the values of {name} {what}"
                f" (line{plural} {lines}{more}); {hint}"
            )
        return texts

    def _note(self, name: str, kind: str, hits: pl.Series, lines: Sequence[int]) -> None:
        self._note_rows(name, kind, hits.fill_null(value=False).arg_true().to_list(), lines)

    def _note_rows(self, name: str, kind: str, rows: list[int], lines: Sequence[int]) -> None:
        if rows:
            found = self._found.setdefault((name, kind), _Found())
            found.count += len(rows)
            found.lines += [lines[at] for at in rows[: _LINES_NAMED - len(found.lines)]]


def _is_misread(text: str) -> bool:
    """Whether some letters of it are one letter in UTF-8 when taken back to their bytes."""
    for match in _MISREAD.finditer(text):
        letters = match.group()
        for length in range(len(letters), 1, -1):
            try:
                read = _bytes(letters[:length]).decode()
                # A mark alone is an accident: the two capitals of LÍŠEŇ.
                if len(read) == 1 and not unicodedata.combining(read):
                    return True
            except UnicodeDecodeError:
                continue
    return any(_is_misread_run(run) for run in _RUN.findall(text))


def _is_misread_run(run: str) -> bool:
    """Whether all of a run of letters beyond ASCII are letters in UTF-8 to another encoding.

    A run that begins like one by accident (a Romanian name in capitals) is none to its end.
    """
    for encoding in _OTHERS:
        try:
            read = run.encode(encoding).decode()
        except UnicodeError:
            continue
        if read.isalpha() and (_LATIN.fullmatch(read) or len(read) >= _SURE):
            return True
    return False


def _bytes(letters: str) -> bytes:
    return b"".join(
        one.encode("latin-1") if one <= "\u00ff" else one.encode("cp1252") for one in letters
    )
