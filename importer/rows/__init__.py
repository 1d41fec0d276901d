"""Rows: records in, validated customers with fingerprints out.

Names are loaded when they are first used: most files have few rows that need pydantic's model, and
who looks into a ledger reads no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.outcomes import OnDuplicate
from importer.values import names_of

if TYPE_CHECKING:
    from importer.rows.codes import CODES
    from importer.rows.currencies import ACTIVE, minor_units
    from importer.rows.customer import Customer
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
    from importer.rows.problems import problems_of
    from importer.rows.row import Problem, Row
    from importer.rows.text import mask_email, mask_phone, mask_text, redact

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

_HOMES = {
    "ACTIVE": "currencies",
    "CODES": "codes",
    "ColumnMap": "header_fields",
    "Customer": "customer",
    "Judged": "judged",
    "Member": "duplicates",
    "Problem": "row",
    "Resolved": "duplicates",
    "Row": "row",
    "build_payload": "payload",
    "canonical": "payload",
    "fingerprint": "payload",
    "in_file_columns": "judged",
    "judge_batch": "judged",
    "leave_out": "judged",
    "map_columns": "header_fields",
    "mask_email": "text",
    "mask_phone": "text",
    "mask_text": "text",
    "minor_units": "currencies",
    "parts_of": "judged",
    "problems_of": "problems",
    "redact": "text",
    "resolve": "duplicates",
    "rows_of": "judged",
    "until_first_invalid": "judged",
    "with_unseen": "judged",
}

__getattr__ = names_of(__name__, _HOMES)
