"""Proposes currency and balance: how amounts are written, counted and signed. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl

from importer.mapping.money import money_text as money
from importer.mapping.proposing.headers import OWED, counts_cents, currencies_in, fold
from importer.mapping.proposing.proposal import Choice, Question, Suggestion, counted, most_of
from importer.mapping.toml_text import entry as entry_line
from importer.rows.currencies import (
    ACTIVE,
    SIGNS,
    code_of_country,
    is_known,
    meant,
    sure_code,
)
from importer.rows.text import shown

if TYPE_CHECKING:
    from importer.mapping.proposing.facts import ColumnFacts
    from importer.mapping.proposing.parts import Parts
    from importer.mapping.proposing.proposal import Answers

CURRENCY = ("fields", "currency")
BALANCE = ("fields", "balance")
_UNIT_REASONS = {
    "major": "its values have decimals",
    "minor": "the columns are named as on the API page, where it counts minor units",
}
_IN_CENTS = "it says itself that it counts minor units"


NO_BALANCE = "none"
"""The answer of somebody who wants no amounts in Moment."""
_PRESENT = 0.5
"""A lighter column of amounts is one of the past."""


def amounts_of(parts: Parts, answers: Answers) -> tuple[ColumnFacts, ...] | Question:
    """The column that says what customers owe, those of debit and credit, none, or a question."""
    if answers.balance:
        named = [name for name in answers.balance if name != NO_BALANCE]
        return tuple(parts.facts.column(name) for name in named)
    sides = [parts.best(side) for side in ("debit", "credit")]
    pair = tuple(one for one in sides if one is not None)
    both = pair if len(pair) == len(sides) else ()
    best = parts.best("balance")
    if best is None:
        return both
    near = parts.rivals("balance", best)
    present = parts.weight("balance", best) >= _PRESENT
    if present and not near and not both:
        return (best,)
    if both and not present:
        return both
    return _which_balance([best, *near], both)


def _which_balance(columns: list[ColumnFacts], both: tuple[ColumnFacts, ...]) -> Question:
    suggestions = [
        Suggestion((one.name,), most_of(one.shapes["amount"], one.sampled, "amounts"))
        for one in columns
    ]
    if both:
        names = tuple(one.name for one in both)
        suggestions.append(Suggestion(names, "what is owed less what is had", " less "))
    suggestions.append(Suggestion((NO_BALANCE,), "no amounts go to Moment"))
    return Question(
        "balance",
        "Which column says what a customer owes now?",
        "several hold amounts, and Moment asks customers to pay what it is told"
        if len(suggestions) > 2  # noqa: PLR2004 - a column, and none
        else f"{shown(columns[0].name)} looks like an amount of the past",
        '--balance "COLUMN" (twice for debit, then credit; or --balance none)',
        tuple(suggestions),
    )


def propose_currency(
    parts: Parts, answers: Answers, region: str | None, amounts: tuple[ColumnFacts, ...]
) -> tuple[Choice | None, Question | None]:
    """A column of codes, one sign in all amounts, or a question; nothing where no amount is."""
    column = parts.best("currency")
    if column is not None and not _is_one_unknown(column):
        return _by_column(parts, column, answers), None
    named = " and ".join(shown(one.name) for one in amounts)
    sign = _around(_cells(parts, amounts)) if amounts else ""
    in_name = frozenset[str]().union(*(currencies_in(one.name) for one in amounts))
    by_sign = sign if sign in ACTIVE else sure_code(sign)
    said = {by_sign: f"the amounts of {named} say"} if by_sign else {}
    said |= {code: f"the name of {named} says" for code in sorted(in_name) if code not in said}
    if answers.currency:
        looks = tuple(f"{why} {code}" for code, why in said.items() if code != answers.currency)
        entry = _of_all(column, answers.currency)
        return Choice(CURRENCY, entry, "medium" if looks else "high", "you chose it", looks), None
    if not amounts:
        return None, None
    if len(said) == 1:
        ((found, why),) = said.items()
        return Choice(CURRENCY, _of_all(column, found), "medium", f"{why} so"), None
    likely = tuple(Suggestion(code, f"{why} so") for code, why in said.items())
    likely = likely or _suggested(region, sign)
    return None, Question(
        "currency",
        f"In which currency are the amounts of {named}?",
        "no column says it, and a balance without its currency is refused",
        f"--currency {likely[0].answer if likely else 'CODE'}",
        likely,
    )


def _cells(parts: Parts, columns: tuple[ColumnFacts, ...]) -> pl.Series:
    """Those of all the columns that are filled."""
    cells = pl.concat([parts.facts.sample[one.name].alias("amount") for one in columns])
    return cells.filter(cells != "")


def _is_one_unknown(column: ColumnFacts) -> bool:
    """Whether all cells of a column hold one text that names no currency, as a number of it."""
    texts = [value for value, _ in column.top]
    return len(texts) == 1 and not (texts[0] in ACTIVE or is_known(texts[0]) or meant(texts[0]))


def _of_all(column: ColumnFacts | None, code: str) -> dict[str, Any]:
    """The currency of all records; where a column says the same text of each, of that text only.

    Another text there, one night, is then an error of its record and not taken for the same.
    """
    if column is None:
        return {"constant": code}
    return {"column": column.name, "values": {column.top[0][0]: code}, "default": code}


def _suggested(region: str | None, sign: str) -> tuple[Suggestion, ...]:
    code = code_of_country(region or "")
    found = [Suggestion(code, f"the currency of {region}")] if code else []
    by_sign = SIGNS.get(sign.upper(), ())
    found += [Suggestion(one, f"{shown(sign)} may stand for it") for one in by_sign if one != code]
    return tuple(found)


def _by_column(parts: Parts, column: ColumnFacts, answers: Answers) -> Choice:
    entry: dict[str, Any] = {"column": column.name}
    if answers.currency:
        entry["default"] = answers.currency
    wrong = [(value, count) for value, count in column.top if value not in ACTIVE]
    warnings: list[str] = []
    instead: list[str] = []
    sure = {value: meant(value) for value, _ in wrong}
    if wrong and all(code in {value.upper(), answers.currency} for value, code in sure.items()):
        # "zar" can be nothing else, and "R" is what the user says.
        entry["values"], wrong = sure, []
    for value, count in wrong:
        code = meant(value)
        likely = f"; is it {code}?" if code else "."
        found = counted(count, "record")
        warnings.append(f"{shown(value)} is no ISO 4217 code{likely} It stands in {found}")
    if wrong:
        pairs = {value: meant(value) or "..." for value, _ in wrong}
        instead.append(entry_line("values", pairs, "if that is what they mean"))
    known = column.share("currency") >= _PRESENT
    confidence = parts.confidence("currency", column) if known else "medium"
    reason = most_of(column.shapes["currency"], column.sampled, "ISO 4217 codes")
    return Choice(CURRENCY, entry, confidence, reason, tuple(warnings), tuple(instead))


def _around(cells: pl.Series) -> str:
    """The one sign or code that stands at every amount; "" where any differs, or none does."""
    around = cells.str.replace_all(r"[\d\s.,'()+\-\x{a0}\x{202f}\x{2019}]", "").unique()
    return str(around[0]) if len(around) == 1 else ""


def propose_balance(
    parts: Parts, answers: Answers, columns: tuple[ColumnFacts, ...]
) -> tuple[Choice | None, list[Question]]:
    """The amounts: number format for the whole column, unit, and what a positive one means."""
    if not columns:
        return None, []
    column, sides = columns[0], dict(zip(("debit", "credit"), columns, strict=False))
    two = len(columns) > 1
    entry: dict[str, Any] = {"column": column.name}
    reasons = ["you chose it" if answers.balance else "its name says so"]
    if two:
        entry = {side: one.name for side, one in sides.items()}
        reasons.append("the balance is what is owed less what the customer has")
    side = None if two else _side_of(parts, column)
    if side is not None:
        entry = {"template": _signed(column, side)}
        reasons.append(f"whose money it is stands in {shown(side.name)}")
    questions: list[Question] = []
    contract = not two and column.name == "balance" and _api_names(parts)
    named = " and ".join(shown(one.name) for one in columns)
    unit = answers.unit or _unit(columns, contract=contract)
    if unit is None:
        questions.append(_which_unit(columns, named))
    else:
        entry["unit"] = unit
        why = _IN_CENTS if unit == "minor" and not contract else _UNIT_REASONS[unit]
        reasons.append(f"you chose {unit}" if answers.unit else why)
    if unit != "minor":
        questions += _number_format(parts, columns, answers, entry, reasons)
    owed = contract or fold(column.name) in OWED
    positive = answers.positive or ("debit" if owed else None)
    if two or (side is not None and not _is_sign(side) and side.filled >= column.filled):
        positive = None
    elif positive is None:
        questions.append(_which_sign(column))
    else:
        entry["positive"] = positive
        meaning = "owes you" if positive == "debit" else "has credit"
        reasons.append(f"a positive amount means that the customer {meaning}")
    others = [shown(one.name) for one in parts.all("balance") if one not in columns]
    warnings = (f"other columns look like amounts too: {', '.join(others)}",) if others else ()
    refused = sum(one.sampled - one.shapes["amount"] for one in columns)
    if refused:
        warnings = (*warnings, f"no amount: {counted(refused, 'value')}, which will be errors")
    sure = "medium" if answers.balance or two else parts.confidence("balance", column)
    return Choice(BALANCE, entry, sure, "; ".join(reasons), warnings), questions


def _side_of(parts: Parts, column: ColumnFacts) -> ColumnFacts | None:
    """The column that says of each amount whose it is (``S`` and ``H``, ``+`` and ``-``), if any.

    Without it the credits of half a file would be taken for debts.
    """
    for one in parts.facts.columns:
        values = {value for value, _ in one.top}
        both = any(map(_OWES.fullmatch, values)) and any(map(_HAS.fullmatch, values))
        all_say = all(_OWES.fullmatch(value) or _HAS.fullmatch(value) for value in values)
        if one is not column and ((both and all_say) or _is_sign(one)):
            return one if not set("{}") & set(column.name + one.name) else None
    return None


def _is_sign(side: ColumnFacts) -> bool:
    return {value for value, _ in side.top} == {"+", "-"}


def _signed(column: ColumnFacts, side: ColumnFacts) -> str:
    amount, mark = f"{{{column.name}}}", f"{{{side.name}}}"
    return f"{mark}{amount}" if _is_sign(side) else f"{amount} {mark}"


_OWES, _HAS = re.compile(money.OWES), re.compile(money.HAS)


def _api_names(parts: Parts) -> bool:
    """Whether the columns are named as on the API page, and so mean what it says."""
    return any(one.name == "external_reference" for one in parts.facts.columns)


def _unit(columns: tuple[ColumnFacts, ...], *, contract: bool) -> str | None:
    cents = [counts_cents(one.name) for one in columns]
    if any(one.shapes["decimals"] for one in columns):
        return None if any(cents) else "major"
    return "minor" if contract or all(cents) else None


def _which_unit(columns: tuple[ColumnFacts, ...], named: str) -> Question:
    decimals = any(one.shapes["decimals"] for one in columns)
    return Question(
        "unit",
        f"Are the amounts of {named} whole units (rand) or minor ones (cents)?",
        "the name says minor units, and there are decimals"
        if decimals
        else "none of them has decimals, so 1500 may be 1500 rand or 15 rand",
        "--unit minor",
        (
            Suggestion("major", "1500 is 1500 rand"),
            Suggestion("minor", "1500 is 15 rand, as Moment counts"),
        ),
    )


def _which_sign(column: ColumnFacts) -> Question:
    return Question(
        "positive",
        f"What does a positive amount of {shown(column.name)} mean?",
        "some programs show what a customer owes as positive, some what a customer has",
        "--positive debit",
        (
            Suggestion("debit", "the customer owes you"),
            Suggestion("credit", "the customer has credit"),
        ),
    )


def _number_format(
    parts: Parts,
    columns: tuple[ColumnFacts, ...],
    answers: Answers,
    entry: dict[str, Any],
    reasons: list[str],
) -> list[Question]:
    """Fill in the format, or ask where the whole column fits two of them."""
    if answers.number_format:
        entry["number_format"] = answers.number_format
        reasons.append("you chose the number format")
        return []
    try:
        found = money.detect([_cells(parts, columns)])
    except money.Ambiguous as doubt:
        return [
            Question(
                "number_format",
                "How are the amounts written?",
                f"they {doubt}",
                '--number-format "1.234,56"',
            )
        ]
    entry["number_format"] = str(found)
    reasons.append(f"amounts are written as {found}")
    return []
