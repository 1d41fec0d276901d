"""Proposes the column that tells customers apart for ever. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from importer.mapping.proposing.proposal import Choice, Question, Suggestion, counted
from importer.rows.mistakes import Mistake, reference_damage
from importer.rows.text import shown

if TYPE_CHECKING:
    from importer.mapping.proposing.facts import ColumnFacts
    from importer.mapping.proposing.parts import Parts
    from importer.mapping.proposing.proposal import Answers

KEY = ("fields", "external_reference")
_NEARLY_UNIQUE = 0.98
"""A few repeated references are bad rows; many mean that the column is no reference."""
_MOST = 0.5
_LOOKED_AT = 5_000
_NAMED = 0.5
"""A lighter name is one of anything's reference: a question."""


def propose_reference(parts: Parts, answers: Answers) -> Choice | Question:
    """The column that the answers name, else the only sensible candidate, else a question."""
    if answers.reference:
        columns = [parts.facts.column(name) for name in answers.reference]
        return _choice(parts, columns, "medium", "you chose it")
    candidates = [one for one in parts.all("reference") if is_usable(one)]
    named = [one for one in candidates if parts.weight("reference", one) >= _NAMED]
    sure = [one for one in named if not _doubts(parts, one)]
    if sure and not set(_names(parts.rivals("reference", sure[0]))) & set(_names(sure)):
        best = sure[0]
        reason = f"its name says so, and {_uniqueness(best)}"
        return _choice(parts, [best], parts.confidence("reference", best), reason)
    return _question(parts)


def _names(columns: list[ColumnFacts]) -> list[str]:
    return [one.name for one in columns]


def _choice(parts: Parts, columns: list[ColumnFacts], confidence: Any, reason: str) -> Choice:
    names = [one.name for one in columns]
    entry: dict[str, Any] = {"column": names[0]} if len(names) == 1 else {"columns": names}
    warnings = [text for one in columns for text in _doubts(parts, one)]
    warnings += [text for one in columns for text in (*_flaws(one), *_twins(parts, one))]
    empty = _empty(parts, columns)
    if empty:
        listed = " and no ".join(shown(name) for name in names)
        warnings.append(f"no {listed}: {counted(empty, 'record')}; they will be errors")
    instead: tuple[str, ...] = ()
    damaged = [_damaged(parts, one) for one in columns]
    warnings += [text for text in damaged if text]
    if any(Mistake.MARKED in text for text in damaged):
        instead = ('sanitise = "apostrophe"  # takes the one apostrophe in front away',)
    elif any(one.share("api_reference") < 1 for one in columns) and not any(damaged):
        instead = ('sanitise = "escape"  # spells what Moment does not take as _HH, reversibly',)
    return Choice(KEY, entry, confidence, reason, tuple(warnings), instead)


def _damaged(parts: Parts, column: ColumnFacts) -> str:
    """What a program has made of a column's values; spelt as they are they are other references."""
    cells = parts.facts.sample[column.name].head(_LOOKED_AT)
    found = Counter(filter(None, map(reference_damage, cells)))
    if not found:
        return ""
    ((mistake, number),) = found.most_common(1)
    values = counted(number, "value")
    text = f"{shown(column.name)}: {values} {mistake}"
    return text if mistake is Mistake.MARKED else f"{text}; export it again as plain text"


def is_usable(column: ColumnFacts) -> bool:
    """Whether a column's values are nearly all different, so that they tell customers apart."""
    return (
        column.distinct is not None
        and column.filled > 0
        and column.distinct >= _NEARLY_UNIQUE * column.filled
    )


def _uniqueness(column: ColumnFacts) -> str:
    if column.repeats is None:
        return "most of its values repeat"
    if column.repeats:
        return f"all but {column.repeats:,} of its {column.filled:,} values are different"
    return f"its {column.filled:,} values are all different"


def _doubts(parts: Parts, column: ColumnFacts) -> list[str]:
    """Why a column may be the wrong one: it is unstable, personal, or not unique."""
    named = shown(column.name)
    doubts = []
    if column in parts.all("personal_id"):
        doubts.append(
            f"{named} is personal data: as reference it will stand in Moment, in the ledger, in"
            " results files and in messages, unmasked"
        )
    if column.row_number:
        doubts.append(
            f"{named} looks like a row number: sort or shorten the file, and every customer becomes"
            " another one"
        )
    if column in parts.all("email") or column.share("email") > _MOST:
        doubts.append(
            f"{named} holds e-mail addresses: who changes the address becomes a second customer"
        )
    if column in parts.all("phone"):
        doubts.append(f"{named} holds phone numbers: families share them, and people change them")
    if column.share("date") > _MOST:
        doubts.append(f"{named} holds dates")
    if not is_usable(column):
        doubts.append(f"{named} does not tell customers apart: {_uniqueness(column)}")
    return doubts


def _flaws(column: ColumnFacts) -> list[str]:
    flaws = []
    if is_usable(column) and column.repeats:
        flaws.append(
            f"{shown(column.name)}: {counted(column.repeats, 'repeated value')}; records that share"
            " one are errors unless they are equal"
        )
    refused = column.sampled - column.shapes["api_reference"]
    if refused:
        flaws.append(
            f"{shown(column.name)}: {counted(refused, 'value')} with characters that Moment does"
            " not take (it takes letters, digits, - and _)"
        )
    return flaws


def _twins(parts: Parts, column: ColumnFacts) -> list[str]:
    """Values that are another one but for what people and spreadsheets change in a number."""
    cells = parts.facts.sample.select(cell=column.name).filter(pl.col("cell") != "").unique()
    plain = cells["cell"].str.to_lowercase().str.replace_all(_ZEROS, "${1}${2}")
    number = len(plain) - plain.n_unique()
    if not number:
        return []
    few = f"{counted(number, 'value')} differ{'s' if number == 1 else ''} from another one only"
    why = "in capitals or in zeros in front; each would be a customer of its own"
    return [f"{shown(column.name)}: {few} {why}"]


_ZEROS = r"(^|[^0-9])0+([0-9])"


def _question(parts: Parts) -> Question:
    """Names every column that is unique enough, the least doubtful first."""
    amounts = parts.all("balance")
    usable = [
        one
        for one in parts.facts.columns
        if is_usable(one) and one not in amounts and one.share("date") <= _MOST
    ]
    known = parts.all("reference")
    usable.sort(key=lambda one: (len(_doubts(parts, one)), one not in known))
    suggestions = [Suggestion((one.name,), _note(parts, [one])) for one in usable]
    papers = [one for one in usable if one in parts.all("personal_id")]
    papers.sort(key=lambda one: -one.filled)
    if len(papers) > 1 and _empty(parts, papers) < _empty(parts, papers[:1]):
        names = tuple(one.name for one in papers)
        suggestions.append(Suggestion(names, _note(parts, papers)))
    if not usable:
        why = "no column has a different value in each record"
        why += "".join(f"; {shown(one.name)}: {_uniqueness(one)}" for one in known[:1])
    elif all(_doubts(parts, one) for one in usable):
        why = (
            "no column is your own customer number. Best: add one to the export, then run init"
            " again. Each other choice has its price"
        )
    else:
        why = "no column is certainly your own, lasting customer number"
    return Question(
        "reference",
        "Which column is your own number of a customer, unique and never changing?",
        why,
        '--reference "COLUMN" (again for a second column, used where the first is empty)',
        tuple(suggestions),
    )


def _note(parts: Parts, columns: list[ColumnFacts]) -> str:
    doubts = [text for one in columns for text in _doubts(parts, one)]
    if len(columns) > 1:
        doubts = ["personal data, see above"]
    empty = _empty(parts, columns)
    if empty:
        doubts.append(f"empty in {counted(empty, 'record')}")
    return "; ".join(doubts) or _uniqueness(columns[0])


def _empty(parts: Parts, columns: list[ColumnFacts]) -> int:
    """Records in which all the columns are empty; for several columns, of the sample only."""
    if len(columns) == 1:
        return parts.facts.records - columns[0].filled
    cells = parts.facts.sample.select(one.name for one in columns)
    return int(cells.select(pl.all_horizontal(pl.all() == "")).to_series().sum())
