"""Rows: records in, validated customers with fingerprints out."""

from importer.rows.codes import CODES
from importer.rows.columns import ColumnMap, map_columns
from importer.rows.currencies import ACTIVE, minor_units
from importer.rows.customer import Customer
from importer.rows.duplicates import Member, OnDuplicate, Resolved, resolve
from importer.rows.fingerprint import canonical, fingerprint
from importer.rows.judged import Judged, judge_batch, parts_of
from importer.rows.mask import mask_email, mask_phone, mask_text, redact
from importer.rows.payload import build_payload
from importer.rows.problems import problems_of
from importer.rows.read_rows import rows_of
from importer.rows.row import Problem, Row

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
    "judge_batch",
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
]
