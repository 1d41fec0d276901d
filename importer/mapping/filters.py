"""Which records of a file are no customers: left out by a rule of the mapping, never silently."""

from __future__ import annotations

import functools
import operator
import re
from typing import TYPE_CHECKING

import polars as pl

from importer.rows.currencies import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from importer.mapping.model import Texts, Totals

FILTERED = "filtered"
TOTALS = "totals_line"
_WORDS = (
    "total|totals|grand total|subtotal|sub-total|sub total|sum|summe|gesamt|gesamtsumme"
    "|zwischensumme|total general|totaux|somme|sous-total|sous total|suma|soma|total geral|totaal"
    "|subtotaal|eindtotaal|som|totale|subtotale|groottotaal|records|record count|anzahl"
    "|end of file|eof"
)
_BESIDE = (
    "amount|amounts|balance|balances|due|outstanding|owed|owing|open|records|rows|lines|customers"
    "|clients|accounts|members|debtors|of|all|for|count|number|general|général|générale|geral|betrag"
    "|saldo|kunden|datensätze|zeilen|offen|alle|aller|montant|solde|enregistrements|de|des|importe"
    "|clientes|registros|bedrag|klanten|regels|van|valor|kliente|rand|euro|euros|dollars"
    f"|(?-i:{'|'.join(sorted(ACTIVE))})|[0-9][0-9.,']*"
)
_TOTALS = rf"(?i)^(?:{_WORDS})(?:[\s:.=()]+(?:{_BESIDE}))*[\s:.=()]*$"
"""The label of a totals line: such a word, and what was added up. ``TOTAL-7`` may be a customer's
key, and ``Total Plumbing CC`` is a customer's name."""


def is_totals_label(text: str) -> bool:
    """Whether a cell says that its line is one of totals, and nothing else."""
    return re.match(_TOTALS, text) is not None


def rules(
    keep: Mapping[str, Texts], drop: Mapping[str, Texts], cell: Callable[[str], pl.Expr]
) -> list[tuple[pl.Expr, str]]:
    """(whether a record is left out, which rule says so); ``cell`` gives a column, trimmed."""
    found = [
        (~cell(name).is_in(_texts(wanted)), f"rows.keep: {name} is none of the values to keep")
        for name, wanted in keep.items()
    ]
    found += [
        (cell(name).is_in(_texts(unwanted)), f"rows.drop: {name} is one of the values to drop")
        for name, unwanted in drop.items()
    ]
    return found


def totals_of(wanted: Totals, cell: Callable[[str], pl.Expr]) -> pl.Expr:
    """Lines whose cell in the named column begins with one of the given words."""
    return begins(cell(wanted.column), tuple(word.lower() for word in _texts(wanted.starts_with)))


def totals(reference: pl.Expr, contacts: list[pl.Expr], cells: list[pl.Expr]) -> pl.Expr:
    """Lines that look like totals: no customer's reference, no way to reach anyone.

    Careful on purpose, as a customer may be called "Total": the reference is empty or is such a
    word itself, the first filled cell begins with one, and there is no e-mail and no phone.
    """
    first = pl.coalesce(pl.when(one != "").then(one) for one in cells)
    nobody = [one == "" for one in contacts]
    looks = ((reference == "") | reference.str.contains(_TOTALS)) & first.str.contains(_TOTALS)
    return functools.reduce(operator.and_, nobody, looks)


def begins(text: pl.Expr, words: tuple[str, ...]) -> pl.Expr:
    """Whether a text is one of the words, or begins with one and goes on with no letter."""
    lowered = text.str.to_lowercase()
    tests = [
        (lowered == word)
        | (
            lowered.str.starts_with(word)
            & ~lowered.str.slice(len(word), 1).str.contains(r"[\p{L}\p{N}]")
        )
        for word in words
    ]
    return functools.reduce(operator.or_, tests)


def _texts(given: Texts) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
