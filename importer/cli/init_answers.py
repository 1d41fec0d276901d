"""The answers that ``init`` takes: from flags, or asked for on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import phonenumbers
import typer

from importer.errors import UsageError, printable
from importer.mapping.money import FORMATS
from importer.rows.currencies import ACTIVE, currency_hint

if TYPE_CHECKING:
    from importer.mapping.proposing.proposal import Answers, Question


def checked(answers: Answers) -> Answers:
    """The same answers.

    Raises:
        UsageError: one of them is none of the values that it may have.
    """
    if answers.region and answers.region not in phonenumbers.SUPPORTED_REGIONS:
        raise UsageError(
            f"--region {answers.region!r} is no country code",
            hint="two capital letters of ISO 3166, for example ZA",
        )
    if answers.currency and answers.currency not in ACTIVE:
        raise UsageError(
            f"--currency {answers.currency!r} is no ISO 4217 code",
            hint=currency_hint(answers.currency),
        )
    for flag, value, known in (
        ("--unit", answers.unit, ("major", "minor")),
        ("--positive", answers.positive, ("debit", "credit")),
        ("--number-format", answers.number_format, tuple(FORMATS)),
    ):
        if value is not None and value not in known:
            raise UsageError(f'{flag} "{value}" is not known', hint=" or ".join(known))
    return answers


def prompted(question: Question) -> Any:
    """Ask until there is an answer; a number picks a suggestion."""
    typer.echo("", err=True)
    typer.echo(printable(question.text), err=True)
    typer.echo(printable(f"  {question.why}"), err=True)
    for number, suggestion in enumerate(question.suggestions, 1):
        line = f"  {number}  {suggestion.text}: {suggestion.note}"
        typer.echo(printable(line), err=True)
    while True:
        given = typer.prompt("  number or value", err=True).strip()
        if given.isdigit() and 1 <= int(given) <= len(question.suggestions):
            return question.suggestions[int(given) - 1].answer
        if given:
            return (given,) if question.answer == "reference" else given
