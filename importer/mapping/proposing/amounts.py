"""Proposes currency and balance: how amounts are written, counted and signed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from importer.mapping.money import money_text as money
from importer.mapping.proposing.headers import OWED, fold
from importer.mapping.proposing.proposal import Choice, Question, Suggestion, counted, most_of
from importer.rows.currencies import ACTIVE, code_of_country, meant, sure_code
from importer.rows.text import shown

if TYPE_CHECKING:
    import polars as pl

    from importer.mapping.proposing.facts import ColumnFacts
    from importer.mapping.proposing.parts import Parts
    from importer.mapping.proposing.proposal import Answers

CURRENCY = ("fields", "currency")
BALANCE = ("fields", "balance")
_UNIT_REASONS = {
    "major": "its values have decimals",
    "minor": "the columns are named as on the API page, where it counts minor units",
}


def propose_currency(
    parts: Parts, answers: Answers, region: str | None
) -> tuple[Choice | None, Question | None]:
    """A column of codes, one sign in all amounts, or a question; nothing where no amount is."""
    amounts = parts.best("balance")
    column = parts.best("currency")
    if column is not None:
        return _by_column(parts, column, answers), None
    if answers.currency:
        return Choice(CURRENCY, {"constant": answers.currency}, "high", "you chose it"), None
    if amounts is None:
        return None, None
    cells = parts.facts.sample[amounts.name]
    found = _written(cells.filter(cells != ""))
    if found:
        reason = f"the amounts of {shown(amounts.name)} say so"
        return Choice(CURRENCY, {"constant": found}, "medium", reason), None
    return None, Question(
        "currency",
        f"In which currency are the amounts of {shown(amounts.name)}?",
        "no column says it, and a balance without its currency is refused",
        "--currency ZAR",
        _suggested(region),
    )


def _suggested(region: str | None) -> tuple[Suggestion, ...]:
    code = code_of_country(region or "")
    return (Suggestion(code, f"the currency of {region}"),) if code else ()


def _by_column(parts: Parts, column: ColumnFacts, answers: Answers) -> Choice:
    entry: dict[str, Any] = {"column": column.name}
    if answers.currency:
        entry["default"] = answers.currency
    wrong = [(value, count) for value, count in column.top if value not in ACTIVE]
    warnings: list[str] = []
    instead: list[str] = []
    for value, count in wrong:
        code = meant(value)
        likely = f"; is it {code}?" if code else "."
        found = counted(count, "record")
        warnings.append(f"{shown(value)} is no ISO 4217 code{likely} It stands in {found}")
    if wrong:
        pairs = ", ".join(f'{_quoted(value)} = "{meant(value) or "..."}"' for value, _ in wrong)
        instead.append(f"values = {{ {pairs} }}  # if that is what they mean")
    confidence = parts.confidence("currency", column)
    reason = most_of(column.shapes["currency"], column.sampled, "ISO 4217 codes")
    return Choice(CURRENCY, entry, confidence, reason, tuple(warnings), tuple(instead))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written(cells: pl.Series) -> str | None:
    """The one currency that every amount names by its sign or code; None where any differs."""
    if not len(cells):
        return None
    around = cells.str.replace_all(r"[\d\s.,'()+\-\x{a0}\x{202f}\x{2019}]", "").unique()
    if len(around) != 1:
        return None
    sign = str(around[0])
    return sign if sign in ACTIVE else sure_code(sign) or None


def propose_balance(parts: Parts, answers: Answers) -> tuple[Choice | None, list[Question]]:
    """The amounts: number format for the whole column, unit, and what a positive one means."""
    column = parts.best("balance")
    if column is None:
        return None, []
    entry: dict[str, Any] = {"column": column.name}
    reasons = ["its name says so"]
    questions: list[Question] = []
    contract = column.name == "balance" and _api_names(parts)
    unit = answers.unit or _unit(column, contract=contract)
    if unit is None:
        questions.append(_which_unit(column))
    else:
        entry["unit"] = unit
        reasons.append(f"you chose {unit}" if answers.unit else _UNIT_REASONS[unit])
    if unit != "minor":
        questions += _number_format(parts, column, answers, entry, reasons)
    owed = contract or fold(column.name) in OWED
    positive = answers.positive or ("debit" if owed else None)
    if positive is None:
        questions.append(_which_sign(column))
    else:
        entry["positive"] = positive
        meaning = "owes you" if positive == "debit" else "has credit"
        reasons.append(f"a positive amount means that the customer {meaning}")
    others = [shown(one.name) for one in parts.all("balance")[1:]]
    warnings = (f"other columns look like amounts too: {', '.join(others)}",) if others else ()
    refused = column.sampled - column.shapes["amount"]
    if refused:
        warnings = (*warnings, f"no amount: {counted(refused, 'value')}, which will be errors")
    confidence = parts.confidence("balance", column)
    return Choice(BALANCE, entry, confidence, "; ".join(reasons), warnings), questions


def _api_names(parts: Parts) -> bool:
    """Whether the columns are named as on the API page, and so mean what it says."""
    return any(one.name == "external_reference" for one in parts.facts.columns)


def _unit(column: ColumnFacts, *, contract: bool) -> str | None:
    if column.shapes["decimals"]:
        return "major"
    return "minor" if contract else None


def _which_unit(column: ColumnFacts) -> Question:
    return Question(
        "unit",
        f"Are the amounts of {shown(column.name)} whole units (rand) or minor ones (cents)?",
        "none of them has decimals, so 1500 may be 1500 rand or 15 rand",
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
    parts: Parts, column: ColumnFacts, answers: Answers, entry: dict[str, Any], reasons: list[str]
) -> list[Question]:
    """Fill in the format, or ask where the whole column fits two of them."""
    if answers.number_format:
        entry["number_format"] = answers.number_format
        reasons.append("you chose the number format")
        return []
    cells = parts.facts.sample[column.name]
    try:
        found = money.detect([cells.filter(cells != "")])
    except money.Ambiguous as doubt:
        return [
            Question(
                "number_format",
                f"How are the amounts of {shown(column.name)} written?",
                f"they {doubt}",
                '--number-format "1.234,56"',
            )
        ]
    entry["number_format"] = str(found)
    reasons.append(f"every amount can be read as {found}")
    return []
