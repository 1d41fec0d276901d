"""Rows: records in, validated customers with fingerprints out.

What needs pydantic is loaded when it is first used: most files have few rows that need the model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from importer.outcomes import OnDuplicate
from importer.rows.codes import CODES
from importer.rows.currencies import ACTIVE, minor_units
from importer.rows.duplicates import Member, Resolved, resolve
from importer.rows.header_fields import ColumnMap, map_columns
from importer.rows.judged import (
    Judged,
    in_file_columns,
    judge_batch,
    leave_out,
    parts_of,
    rows_of,
    until_first_invalid,
    with_unseen,
)
from importer.rows.payload import build_payload, canonical, fingerprint
from importer.rows.row import Problem, Row
from importer.rows.text import mask_email, mask_phone, mask_text, redact

if TYPE_CHECKING:
    from importer.rows.customer import Customer
    from importer.rows.problems import problems_of

__all__ = [
    "ACTIVE",
    "CODES",
    "ColumnMap",
    "Customer",
    "Judged",
    "Member",
    "OnDuplicate",
    "Problem",
    "Resolved",
    "Row",
    "build_payload",
    "canonical",
    "fingerprint",
    "in_file_columns",
    "judge_batch",
    "leave_out",
    "map_columns",
    "mask_email",
    "mask_phone",
    "mask_text",
    "minor_units",
    "parts_of",
    "problems_of",
    "redact",
    "resolve",
    "rows_of",
    "until_first_invalid",
    "with_unseen",
]

_HOMES = {"Customer": "importer.rows.customer", "problems_of": "importer.rows.problems"}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
