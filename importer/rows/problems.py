"""Turns what the customer model refuses into all problems of a row, in the user's words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from importer.rows import explain
from importer.rows.balance import NOT_INTEGER
from importer.rows.codes import CODES
from importer.rows.columns import METADATA, PREFIX
from importer.rows.customer import VALIDATOR
from importer.rows.row import Problem
from importer.rows.rules import MAX_METADATA_KEYS
from importer.rows.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from importer.rows.columns import ColumnMap

__all__ = ["CODES", "problems_of"]


def problems_of(
    payload: Mapping[str, Any],
    columns: ColumnMap | None = None,
    *,
    reported: frozenset[str] = frozenset(),
) -> list[Problem]:
    """Every rule of ``Customer`` that a payload breaks, not just the first of each field.

    Args:
        payload: as ``payload.build_payload`` made it, or any JSON object.
        columns: names the columns; without it, the API's names are used.
        reported: columns that have a problem already: they count as given, without a follow-up.

    Returns:
        The problems in the order of the API's fields; [] where the payload is valid.
    """
    found: list[Problem] = []
    named = {field: value for field, value in payload.items() if explain.is_unicode(field)}
    if len(named) < len(payload):
        # The model would say no more than this about the whole payload.
        found.append(Problem("", *explain.not_unicode()))
    try:
        VALIDATOR.validate_python(named)
    except ValidationError as error:
        refused = error.errors(include_url=False, include_context=False, include_input=False)
        for field in dict.fromkeys(str(one["loc"][0]) for one in refused if one["loc"]):
            if field not in reported:
                found += _of_field(field, named, columns)
    if "balance" in {*payload, *reported} and "currency" not in {*payload, *reported}:
        found.append(_currency_missing(columns))
    return found


def _of_field(
    field: str, payload: Mapping[str, Any], columns: ColumnMap | None
) -> Iterator[Problem]:
    if field == "external_reference" and field not in payload:
        yield Problem(field, *explain.reference_missing())
    elif field in explain.TEXT_FIELDS:
        yield from _of_text(field, payload[field])
    elif field == "balance":
        kind = explain.kind_of(payload[field])
        message = f"is {kind} instead of a whole number of the smallest currency unit"
        yield Problem(field, NOT_INTEGER, message, "12.50 ZAR would be 1250")
    elif field == METADATA:
        yield from _of_metadata(payload[field], columns)
    else:
        yield Problem(shown(field), "field_unknown", "is no field of the API", "leave it out")


def _of_text(field: str, value: object) -> Iterator[Problem]:
    if not isinstance(value, str):
        message = f"is {explain.kind_of(value)} instead of a text"
        yield Problem(field, "wrong_type", message, "leave the field out, or write a text")
    elif not explain.is_unicode(value):
        yield Problem(field, *explain.not_unicode())
    else:
        for finding in explain.TEXT_FIELDS[field](value):
            yield Problem(field, *finding)


def _of_metadata(value: object, columns: ColumnMap | None) -> Iterator[Problem]:
    if not isinstance(value, dict):
        message = f"is {explain.kind_of(value)} instead of an object"
        yield Problem(METADATA, "metadata_not_object", message, "write one JSON object")
        return
    if len(value) > MAX_METADATA_KEYS:
        yield Problem(METADATA, *explain.too_many_keys(len(value)))
    own_columns = {key for _, key in columns.metadata_keys} if columns is not None else set()
    for key, one in value.items():
        own = key in own_columns
        column = PREFIX + key if own else METADATA
        for finding in explain.explain_metadata_key(key):
            yield Problem(column, *finding)
        for code, message, hint, _ in explain.explain_metadata_value(one):
            where = "" if own else f"the value of {shown(key)} "
            yield Problem(column, code, where + message, hint, "" if own else key)


def _currency_missing(columns: ColumnMap | None) -> Problem:
    has_column = columns is None or "currency" in columns.names
    fill = "fill in the ISO 4217 code" if has_column else "add a column currency with the code"
    return Problem(
        "currency", "currency_missing", "a balance needs a currency", f"{fill}, for example ZAR"
    )
