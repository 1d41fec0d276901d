"""Builds the payload of one record: cells in, a dict for the customer model out. Pure.

Whitespace around a cell is trimmed (``text.trim``); an empty cell is an absent field; nothing else
is changed. Text inside a ``metadata`` JSON object is no cell and stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from importer.rows.balance import balance_problem, read_balance
from importer.rows.columns import METADATA, PREFIX
from importer.rows.metadata import KEY_TWICE, MetadataError, read_metadata
from importer.rows.row import Problem
from importer.rows.text import trim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.rows.columns import ColumnMap


def build_payload(cells: Sequence[str], columns: ColumnMap) -> tuple[dict[str, Any], list[Problem]]:
    """The fields that a record gives, and the problems of cells that have no value to give.

    Args:
        cells: one text per header column, in header order.
        columns: what each of them is.

    Returns:
        The payload (not yet validated) without the fields that have problems, and the problems.
    """
    payload: dict[str, Any] = {}
    problems: list[Problem] = []
    for index, field in columns.texts:
        text = trim(cells[index])
        if text:
            payload[field] = text
    if columns.balance is not None:
        text = trim(cells[columns.balance])
        if text:
            amount = read_balance(text)
            if amount is None:
                currency = payload.get("currency", "")
                problems.append(Problem("balance", *balance_problem(text, currency)))
            else:
                payload["balance"] = amount
    metadata = _metadata(cells, columns, problems)
    if metadata is not None:
        payload["metadata"] = metadata
    return payload, problems


def _metadata(
    cells: Sequence[str], columns: ColumnMap, problems: list[Problem]
) -> dict[str, Any] | None:
    merged: dict[str, Any] | None = None
    if columns.metadata is not None:
        text = trim(cells[columns.metadata])
        if text:
            try:
                merged = read_metadata(text)
            except MetadataError as error:
                problems.append(Problem(METADATA, error.code, error.message, error.hint))
    for index, key in columns.metadata_keys:
        text = trim(cells[index])
        if not text:
            continue
        if merged is None:
            merged = {}
        if key in merged:
            message = f"the column {METADATA} of this row gives this key as well"
            hint = f"give it once, in {METADATA} or in {PREFIX}{key}"
            problems.append(Problem(PREFIX + key, KEY_TWICE, message, hint))
        else:
            merged[key] = text
    return merged
